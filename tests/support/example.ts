/** Runs the programs of examples/ with exactly the permissions that their first comment names. */
import { assertEquals } from "@std/assert";
import type { Endpoint } from "./endpoint.ts";
import { Program } from "./program.ts";
import { type Ran, run } from "./run.ts";
import { tempFolder } from "./temp.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);

/** A user's home folder, with a key that the server accepts and a known_hosts that contains the server. */
export interface Home extends AsyncDisposable {
  readonly home: string;
  /** The server, as `[user@]host:port`. */
  readonly target: string;
  readonly env: Record<string, string>;
}

/** Makes it. */
export async function homeFor(server: Endpoint): Promise<Home> {
  const folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
  await Deno.copyFile(server.identity!, folder.join(".ssh/id_ed25519"));
  await Deno.copyFile(server.knownHosts!, folder.join(".ssh/known_hosts"));
  return {
    home: folder.path,
    target: `${server.user}@${server.hostname}:${server.port}`,
    env: { HOME: folder.path, USER: server.user, SSH_AUTH_SOCK: "", NO_COLOR: "1" },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** The arguments for Deno in the example's first comment, parsed like a shell. */
export function examplePermissions(
  name: string,
  env: Readonly<Record<string, string>> = {},
): string[] {
  const comment = /\/\*\*[^]*?\*\//.exec(Deno.readTextFileSync(new URL(name, EXAMPLES)))![0]
    .replaceAll(/ \\\n \* */g, " ");
  const line = comment.split("\n").find((line) => line.includes(` examples/${name}`));
  const flags = /deno run ((?:-\S+ )*)examples\//.exec(line ?? "")?.[1];
  if (flags === undefined) throw new Error(`${name}: no "deno run FLAGS examples/${name}"`);
  const variables: Readonly<Record<string, string | undefined>> = {
    HOME: Deno.env.get("HOME"),
    ...env,
  };
  return flags.replaceAll(/\$([A-Z_]+)/g, (_, name) => variables[name] ?? "").split(" ")
    .filter((flag) => flag !== "");
}

/** Runs an example to its end. */
export async function example(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  const ran = await run(Deno.execPath(), exampleCommand(name, args, env), { env });
  assertEquals(ran.code, 0, ran.stderr);
  return ran;
}

/** Starts an example that runs until it is stopped. */
export function startExample(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Program {
  return new Program(Deno.execPath(), { args: exampleCommand(name, args, env), env });
}

/** The command line after `deno`. */
export function exampleCommand(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): string[] {
  const flags = examplePermissions(name, env);
  return ["run", "--no-prompt", ...flags, new URL(name, EXAMPLES).pathname, ...args];
}
