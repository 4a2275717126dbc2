/** The command line as users run it: as a process of its own. */
import { main } from "../../lib/cli/main.ts";
import { type Endpoint, writeKnownHosts } from "../support/endpoint.ts";
import { keyFile, type KeyKind } from "../support/keys.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { Program } from "../support/program.ts";
import { type Ran, run, type RunOptions } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { captured, type Said } from "./captured.ts";

const MAIN = new URL("../../lib/cli/main.ts", import.meta.url).pathname;

/** How to start the command line with any program that starts programs. */
export const CLI: readonly [command: string, ...args: string[]] = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  MAIN,
];

/** Local commands run in this shell: another one may warn of a locale that the machine lacks. */
const SHELL = { SHELL: "/bin/sh" };

/** Runs a tool to its end. */
export function cli(args: readonly string[], options?: RunOptions): Promise<Ran> {
  const [command, ...before] = CLI;
  return run(command, [...before, ...args], { ...options, env: { ...SHELL, ...options?.env } });
}

/** Starts a tool that runs beside the test. */
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

/** How to run our own client. */
export interface CliClientOptions extends RunOptions {
  /** Any keywords of ssh_config; they win over the harness's. */
  config?: Readonly<Record<string, string | number>>;
  /** Flags before the destination. */
  flags?: readonly string[];
}

/** The arguments of our own `ssh` or `sftp` that reach the endpoint and touch nothing else. */
export function clientArgs(
  tool: "ssh" | "sftp",
  endpoint: Endpoint,
  args: readonly string[],
  { config, flags = [] }: CliClientOptions = {},
): string[] {
  const destination = `${endpoint.user}@${endpoint.hostname}`;
  return [tool, ...flags, ...configFlags(endpoint, config), destination, ...args];
}

/** Runs our own `ssh` (the arguments are the command). */
export function cliSsh(
  endpoint: Endpoint,
  args: readonly string[],
  options: CliClientOptions = {},
): Promise<Ran> {
  return cli(clientArgs("ssh", endpoint, args, options), options);
}

/** Runs our own `sftp` with a batch of commands. */
export function cliSftp(
  endpoint: Endpoint,
  commands: readonly string[],
  options: CliClientOptions = {},
): Promise<Ran> {
  const flags = ["-b", "-", ...options.flags ?? []];
  const stdin = commands.map((line) => `${line}\n`).join("");
  return cli(clientArgs("sftp", endpoint, [], { ...options, flags }), { stdin, ...options });
}

/** Runs a batch within this process, which has no folder and no environment for it alone. */
export async function sftpHere(endpoint: Endpoint, commands: readonly string[]): Promise<Said> {
  await using folder = await tempFolder();
  const batch = await folder.write("batch", commands.map((line) => `${line}\n`).join(""));
  return await captured(main, clientArgs("sftp", endpoint, [], { flags: ["-b", batch] }));
}

/** A `serve` of ours, up and listening. */
export interface CliServer extends Endpoint, AsyncDisposable {
  readonly identity: string;
  readonly knownHosts: string;
  /** The folder that it serves. */
  readonly root: string;
  /** The public key of the host, one line. */
  readonly hostKey: string;
  readonly program: Program;
}

/** Starts `serve` on a free port, with a key that is let in; more flags may be given. */
export async function startServe(
  flags: readonly string[] = ["--exec"],
  hostKind: KeyKind = "ed25519",
): Promise<CliServer> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const host = await keyFile(hostKind, "host");
  const user = await keyFile("ed25519", "user");
  const authorized = await folder.write("authorized_keys", `${user.publicKey}\n`);
  const root = folder.join("root");
  await Deno.mkdir(root);
  const program = stack.use(startCli([
    "serve",
    ...["--port", "0", "--host-key", host.path, "--authorized-keys", authorized],
    // All clients of the tests have one address. The first of an option counts.
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

/** A program that prints the answers in turn, for SSH_ASKPASS; each question runs it anew. */
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
