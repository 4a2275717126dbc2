/** The command line as users run it, as a separate process. */
import { main } from "../../lib/cli/main.ts";
import { type Endpoint, writeKnownHosts } from "../support/endpoint.ts";
import { freePort } from "../support/free_port.ts";
import { type KeyFile, keyFile, type KeyKind } from "../support/keys.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { Program } from "../support/program.ts";
import { type Ran, run, type RunOptions } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { captured, type Said } from "./captured.ts";

const MAIN = new URL("../../lib/cli/main.ts", import.meta.url).pathname;

/** The command line for programs that start other programs. */
export const CLI: readonly [command: string, ...args: string[]] = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  MAIN,
];

/** The shell for local commands; others may warn of a missing locale. */
const SHELL = { SHELL: "/bin/sh" };

/** Runs a tool to its end. */
export function cli(args: readonly string[], options?: RunOptions): Promise<Ran> {
  const [command, ...before] = CLI;
  return run(command, [...before, ...args], { ...options, env: { ...SHELL, ...options?.env } });
}

/** Starts a tool in parallel to the test. */
export function startCli(
  args: readonly string[],
  options: { env?: Record<string, string> } = {},
): Program {
  const [command, ...before] = CLI;
  return new Program(command, {
    args: [...before, ...args],
    env: { ...SHELL, ...options.env },
  });
}

/** Options for our client. */
export interface CliClientOptions extends RunOptions {
  /** Any keywords of ssh_config; they override the harness's. */
  config?: Readonly<Record<string, string | number>>;
  /** Flags before the destination. */
  flags?: readonly string[];
}

/** The arguments for our `ssh` or `sftp` to reach the endpoint without the files of the user. */
export function clientArgs(
  tool: "ssh" | "sftp",
  endpoint: Endpoint,
  args: readonly string[],
  { config, flags = [] }: CliClientOptions = {},
): string[] {
  const destination = `${endpoint.user}@${endpoint.hostname}`;
  return [tool, ...flags, ...configFlags(endpoint, config), destination, ...args];
}

/** Runs our `ssh` (the arguments are the command). */
export function cliSsh(
  endpoint: Endpoint,
  args: readonly string[],
  options: CliClientOptions = {},
): Promise<Ran> {
  return cli(clientArgs("ssh", endpoint, args, options), options);
}

/** Runs our `ssh` without input, within this process, which has its environment. */
export function sshHere(
  endpoint: Endpoint,
  args: readonly string[],
  { config, env, flags = [] }: Pick<CliClientOptions, "config" | "env" | "flags"> = {},
): Promise<Said> {
  const surroundings = { env: { ...SHELL, ...env } };
  const all = clientArgs("ssh", endpoint, args, { config: config ?? {}, flags: ["-n", ...flags] });
  return captured(main, all, surroundings);
}

/** Runs our `sftp` with a batch of commands. */
export function cliSftp(
  endpoint: Endpoint,
  commands: readonly string[],
  options: CliClientOptions = {},
): Promise<Ran> {
  const flags = ["-b", "-", ...options.flags ?? []];
  const stdin = commands.map((line) => `${line}\n`).join("");
  return cli(clientArgs("sftp", endpoint, [], { ...options, flags }), { stdin, ...options });
}

/** Runs a batch within this process, with the shared working folder and environment. */
export async function sftpHere(endpoint: Endpoint, commands: readonly string[]): Promise<Said> {
  await using folder = await tempFolder();
  const batch = await folder.write("batch", commands.map((line) => `${line}\n`).join(""));
  return await captured(main, clientArgs("sftp", endpoint, [], { flags: ["-b", batch] }));
}

/** A running `serve`. */
export interface CliServer extends Endpoint, AsyncDisposable {
  readonly identity: string;
  readonly knownHosts: string;
  /** The folder that it serves. */
  readonly root: string;
  /** The public key of the host, one line. */
  readonly hostKey: string;
  readonly program: Program;
}

/** Starts `serve` on a free port with an accepted key and further flags. */
export async function startServe(
  flags: readonly string[] = ["--exec"],
  hostKey: KeyKind | KeyFile = "ed25519",
): Promise<CliServer> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const host = typeof hostKey === "string" ? await keyFile(hostKey, "host") : hostKey;
  const user = await keyFile("ed25519", "user");
  const authorized = await folder.write("authorized_keys", `${user.publicKey}\n`);
  const root = folder.join("root");
  await Deno.mkdir(root);
  const program = stack.use(startCli([
    "serve",
    // The processes of --parallel bind a port that the first one has chosen and released.
    ...["--port", `${flags.includes("--parallel") ? freePort() : 0}`],
    ...["--host-key", host.path, "--authorized-keys", authorized],
    // All clients of the tests share one address. The first value of an option wins.
    ...["--root", root, ...flags, "-o", "PerSourcePenalties=no"],
  ]));
  const [, port] = await program.waitFor(/^Listening on 127\.0\.0\.1:(\d+) as SHA256:/m);
  const knownHosts = await writeKnownHosts(folder, Number(port), [host.publicKey]);
  const parts = stack.move();
  return {
    hostname: "127.0.0.1",
    port: Number(port),
    user: "tester",
    identity: user.path,
    knownHosts,
    root,
    hostKey: host.publicKey,
    program,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** A program that prints the answers in turn, for SSH_ASKPASS; each prompt runs it again. */
export async function askpass(
  folder: { write(name: string, text: string, mode?: number): Promise<string> },
  answers: readonly string[],
): Promise<Record<string, string>> {
  const file = await folder.write("answers", answers.map((line) => `${line}\n`).join(""));
  const script = `#!/bin/sh
{
  IFS= read -r answer
  while IFS= read -r line; do rest="$rest$line
"; done
} < "${file}"
printf %s "$rest" > "${file}"
printf '%s\\n' "$answer"
`;
  const program = await folder.write("askpass", script, 0o700);
  return { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: "force" };
}
