/** The clients of `tests/interop/peers/`: asyncssh, paramiko and x/crypto. */
import type { Endpoint } from "../../support/endpoint.ts";
import { algorithmFlags, type Algorithms, flag } from "./foreign_server.ts";
import { peerSource, requirePeer } from "./peers.ts";
import { type Ran, run, type RunOptions } from "../../support/run.ts";

/** How to run a foreign client. */
export interface ForeignClientOptions extends RunOptions, Algorithms {
  /** The host key algorithms that it accepts, preferred first. */
  hostKeyAlgorithms?: readonly string[];
  /** What to change an expired password to, one after the other; asyncssh only. */
  newPasswords?: readonly string[];
  /** The only host key that it accepts, as a public key line; paramiko and Go only. */
  hostKey?: string;
  /** Variables set on the server; asyncssh any number, Go one, paramiko none. */
  remoteEnv?: Readonly<Record<string, string>>;
  /** Asks for a terminal; not for paramiko. */
  pty?: boolean;
}

/**
 * Runs a foreign client. The action is `exec COMMAND` or `dial HOST PORT` (standard input goes there,
 * what comes back is the output), over SFTP `get REMOTE LOCAL`, `put LOCAL REMOTE`, `list PATH` and
 * `everything FOLDER` (all that the client can ask of a server, in a folder that is there and empty),
 * for Go `listen`. What was agreed on is on stderr after `agreed`.
 */
export async function runForeign(
  kind: "asyncssh" | "paramiko" | "go",
  endpoint: Endpoint,
  action: readonly [string, ...string[]],
  options: ForeignClientOptions = {},
): Promise<Ran> {
  const args = kind === "go"
    ? goArguments(endpoint, action, options)
    : [peerSource(`${kind}_peer.py`), "client", pythonSettings(endpoint, action, options)];
  return await run(await requirePeer(kind), args, options);
}

function pythonSettings(
  endpoint: Endpoint,
  [action, ...args]: readonly [string, ...string[]],
  options: ForeignClientOptions,
): string {
  const { kex, ciphers, macs, compression, rekeyBytes, hostKeyAlgorithms, hostKey } = options;
  const { hostname, port, user, identity, password, answers, knownHosts } = endpoint;
  return JSON.stringify({
    ...{ hostname, port, user, identity, password, answers, knownHosts },
    ...{ kex, ciphers, macs, compression, rekeyBytes, hostKeyAlgorithms, hostKey },
    ...options.newPasswords && { newPasswords: options.newPasswords },
    ...{ action, args, env: options.remoteEnv, term: options.pty ? "xterm" : undefined },
  });
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
