/** The clients of `tests/interop/peers/`. */
import type { Endpoint } from "../../support/endpoint.ts";
import { algorithmFlags, type Algorithms, flag } from "./foreign_server.ts";
import { type ForeignKind, foreignProgram } from "./foreign_program.ts";
import { requirePeer } from "./peers.ts";
import { type Ran, run, type RunOptions } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

/** How to run a foreign client. */
export interface ForeignClientOptions extends RunOptions, Algorithms {
  /** The host key algorithms that it accepts, preferred first. */
  hostKeyAlgorithms?: readonly string[];
  /** New passwords for an expired one, tried in order; asyncssh only. */
  newPasswords?: readonly string[];
  /** The only host key that it accepts, as a public key line; paramiko and Go only. */
  hostKey?: string;
  /** Variables set on the server; asyncssh any number, Go one, paramiko none. */
  remoteEnv?: Readonly<Record<string, string>>;
  /** Asks for a terminal; not for paramiko. */
  pty?: boolean;
}

/**
 * Runs a foreign client. The action is `exec COMMAND` or `dial HOST PORT` (connects it to the standard
 * streams), over SFTP `get REMOTE LOCAL`, `put LOCAL REMOTE`, `list PATH` and
 * `everything FOLDER` (all requests that the client supports, in an empty folder),
 * for Go `listen`. Twisted, libssh and Erlang have keys and no other options, and neither `dial` nor
 * `everything`. The negotiated algorithms are on stderr after `agreed`.
 */
export async function runForeign(
  kind: ForeignKind,
  endpoint: Endpoint,
  action: readonly [string, ...string[]],
  options: ForeignClientOptions = {},
): Promise<Ran> {
  if (kind === "go") {
    return await run(await requirePeer("go"), goArguments(endpoint, action, options), options);
  }
  await using folder = await tempFolder();
  const settings = { ...settingsOf(endpoint, action, options), folder: folder.path };
  const { path, args, env } = await foreignProgram(kind, "client", settings);
  return await run(path, args, { ...options, env: { ...env, ...options.env } });
}

function settingsOf(
  endpoint: Endpoint,
  [action, ...args]: readonly [string, ...string[]],
  options: ForeignClientOptions,
): object {
  const { kex, ciphers, macs, compression, rekeyBytes, hostKeyAlgorithms, hostKey } = options;
  const { hostname, port, user, identity, password, answers, knownHosts } = endpoint;
  return {
    ...{ hostname, port, user, identity, password, answers, knownHosts },
    ...{ kex, ciphers, macs, compression, rekeyBytes, hostKeyAlgorithms, hostKey },
    ...options.newPasswords && { newPasswords: options.newPasswords },
    ...{ action, args, env: options.remoteEnv, term: options.pty ? "xterm" : undefined },
  };
}

function goArguments(
  endpoint: Endpoint,
  [action, ...args]: readonly [string, ...string[]],
  options: ForeignClientOptions,
): string[] {
  const [variable] = Object.entries(options.remoteEnv ?? {});
  return [
    "client",
    ...algorithmFlags(options),
    ...flag("-address", `${endpoint.hostname}:${endpoint.port}`),
    ...flag("-user", endpoint.user),
    ...flag("-identity", endpoint.identity),
    ...flag("-password", endpoint.password),
    ...flag("-answers", endpoint.answers?.join(",")),
    ...flag("-host-key", options.hostKey),
    ...flag("-host-key-algorithms", options.hostKeyAlgorithms?.join(",")),
    ...flag("-env", variable?.join("=")),
    ...(options.pty ? ["-pty"] : []),
    action,
    ...(action === "dial" ? [args.join(":")] : args),
  ];
}
