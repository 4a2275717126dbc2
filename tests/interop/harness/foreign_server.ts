/** The servers of `tests/interop/peers/`. They choose their port themselves. */
import { type ForeignServer, writeKnownHosts } from "../../support/endpoint.ts";
import { hostKeys, keyFile, type KeyKind } from "./keys.ts";
import { type ForeignKind, foreignProgram } from "./foreign_program.ts";
import { requirePeer } from "./peers.ts";
import { Program } from "../../support/program.ts";
import { tempFolder } from "../../support/temp.ts";

/** Algorithm names, preferred first. */
export interface Algorithms {
  /** Key exchanges. */
  kex?: readonly string[];
  /** Ciphers, both ways. */
  ciphers?: readonly string[];
  /** MACs, both ways. */
  macs?: readonly string[];
  /** Compressions, both ways; not for Go. */
  compression?: readonly string[];
  /** Bytes after which the peer asks for new keys; not for paramiko. */
  rekeyBytes?: number;
}

/** A question of keyboard-interactive authentication and its right answer. */
export interface Prompt {
  /** The question. */
  readonly text: string;
  /** Whether the answer may be shown. */
  readonly echo: boolean;
  /** The right answer. */
  readonly answer: string;
}

/** How to start a foreign server. */
export interface ForeignServerOptions extends Algorithms {
  /** The host keys that it has; all but ECDSA-384 by default. */
  hostKeys?: readonly KeyKind[];
  /** The accepted user key; ed25519 by default, none for null. */
  userKey?: KeyKind | null;
  /** The accepted password; none by default. */
  password?: string;
  /** An expired password, which must be changed; asyncssh only. */
  expiredPassword?: string;
  /** Rounds of questions; Go supports one round, with answers only, and paramiko none. */
  interactive?: readonly { name?: string; instruction?: string; prompts: readonly Prompt[] }[];
  /** Shown before authentication; not for paramiko. */
  banner?: string;
  /** The files of SFTP: the machine's, or in memory; Go only. */
  files?: "disk" | "memory";
}

/** The user that foreign servers accept. */
export const FOREIGN_USER = "tester";

/** Starts a server of the given kind on loopback. */
export async function startForeign(
  kind: ForeignKind,
  options: ForeignServerOptions = {},
): Promise<ForeignServer> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const keys = await hostKeys(options.hostKeys ?? ["ed25519", "ecdsa256", "rsa"]);
  const paths = Object.values(keys).map((key) => key.path);
  const userKey = options.userKey === null
    ? undefined
    : await keyFile(options.userKey ?? "ed25519", "user");
  const authorized = userKey && await folder.write("authorized_keys", userKey.publicKey + "\n");
  const { path, args, env } = kind === "go"
    ? { path: await requirePeer("go"), args: goArguments(options, paths, authorized), env: {} }
    : await foreignProgram(kind, "server", settingsOf(options, paths, authorized, folder.path));
  const server = stack.use(new Program(path, { args, env }));
  const port = Number((await server.waitFor(/listening (\d+)/))[1]);
  const publicKeys = Object.values(keys).map((key) => key.publicKey);
  const knownHosts = await writeKnownHosts(folder, port, publicKeys);
  const parts = stack.move();
  return {
    hostname: "127.0.0.1",
    port,
    user: FOREIGN_USER,
    identity: userKey?.path,
    password: options.password,
    answers: options.interactive?.flatMap((round) => round.prompts.map((prompt) => prompt.answer)),
    knownHosts,
    hostKeys: keys,
    pid: server.pid,
    get log() {
      return server.log;
    },
    waitFor: (pattern, ms) => server.waitFor(pattern, ms),
    kill: (signal) => server.kill(signal),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function settingsOf(
  options: ForeignServerOptions,
  paths: readonly string[],
  authorizedKeys: string | undefined,
  folder: string,
): object {
  const { hostKeys: _, userKey: __, ...rest } = options;
  return { ...rest, user: FOREIGN_USER, hostKeys: paths, authorizedKeys, folder };
}

function goArguments(
  options: ForeignServerOptions,
  paths: readonly string[],
  authorizedKeys: string | undefined,
): string[] {
  const answers = options.interactive?.[0]?.prompts.map((prompt) => prompt.answer);
  return [
    "server",
    ...algorithmFlags(options),
    ...flag("-host-keys", paths.join(",")),
    ...flag("-authorized", authorizedKeys),
    ...flag("-user", FOREIGN_USER),
    ...flag("-password", options.password),
    ...flag("-interactive", answers?.join(",")),
    ...flag("-banner", options.banner),
    ...flag("-files", options.files),
  ];
}

/** The algorithms as flags of the Go peer. */
export function algorithmFlags(algorithms: Algorithms): string[] {
  return [
    ...flag("-kex", algorithms.kex?.join(",")),
    ...flag("-ciphers", algorithms.ciphers?.join(",")),
    ...flag("-macs", algorithms.macs?.join(",")),
    ...flag("-rekey", algorithms.rekeyBytes?.toString()),
  ];
}

/** A flag with its value, or nothing if there is no value. */
export function flag(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}
