import type { Client } from "../../client/client.ts";
import { connect } from "../../client/connect.ts";
import type { Destination } from "../../client/options.ts";
import { sharedClient } from "../../client/shared_client.ts";
import { CONNECT_TIMEOUT_MS } from "../../defaults.ts";
import { AuthError, ConnectError, printable } from "../../errors.ts";
import { randomart } from "../../keys/randomart.ts";
import { credentials } from "../../login/credentials.ts";
import { withSkippedKeys } from "../../login/skipped_keys.ts";
import { Deadline } from "../../login/deadline.ts";
import { hostTrust } from "../../login/host_trust.ts";
import { checkJumpDepth, closeHops, connectHops } from "../../login/jump.ts";
import type { Ask } from "../../login/prompts.ts";
import {
  configuredConnection,
  configuredControlPath,
  configuredWay,
} from "../../login/settings.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type TraceEvent, traceLine } from "../../transport/trace.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";
import { ask as askUser, canAsk } from "../../terminal/ask.ts";

/** The host and user of a login. */
export interface LoginPlace {
  /** The host as typed. */
  readonly host: string;
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
}

/** The host, port and user of a destination with its options. */
export function placeOf(destination: Destination, options: SshOptions): LoginPlace {
  const user = options.User ?? destination.user ?? runtime.env.get("USER") ??
    runtime.env.get("LOGNAME");
  return {
    host: destination.hostname,
    hostname: options.HostName,
    port: options.Port ?? destination.port ?? 22,
    user: user ?? "root",
  };
}

/**
 * Connects and logs in as `ssh` does: with its files, options and questions.
 *
 * @param hops The hosts of `-J`; those of the options unless given
 * @param connections The most connections for files
 * @throws {SshError} If the login fails; `describeFailure` converts it to ssh's words
 */
export async function logIn(
  place: LoginPlace,
  options: SshOptions,
  log: Log,
  hops: readonly Destination[] = [],
  connections = 1,
): Promise<Client> {
  return await logInAt(0, place, options, log, hops, connections);
}

/** Logs in; `depth` counts the nested jump hosts. */
async function logInAt(
  depth: number,
  place: LoginPlace,
  options: SshOptions,
  log: Log,
  named: readonly Destination[],
  connections = 1,
): Promise<Client> {
  checkJumpDepth(depth);
  const shared = connections > 1 ? null : await shareConnection(place, options, log);
  if (shared !== null) return shared;
  const hops = named.length > 0 ? named : options.ProxyJump ?? [];
  const clients = await connectHops(hops, async (hop, through: Client | null) => {
    const shared = await options.ofHop!(hop, { named: named.length > 0 });
    const at = placeOf(hop, shared);
    // The first jump host may have jump hosts itself.
    return through === null
      ? await logInAt(depth + 1, at, shared, log, [])
      : await logInDirectly(at, shared, log, through);
  });
  try {
    const client = await logInDirectly(place, options, log, clients.at(-1) ?? null, connections);
    const closeAll = () => closeHops(clients);
    client.closed.then(closeAll, closeAll);
    return client;
  } catch (error) {
    await closeHops(clients);
    throw error;
  }
}

/**
 * Shares the connection of a running control master; null if there is none, or if the options need channels
 * that the server opens, which would reach the master.
 */
async function shareConnection(
  { hostname, port, user }: LoginPlace,
  options: SshOptions,
  log: Log,
): Promise<Client | null> {
  const controlPath = configuredControlPath(options);
  if (controlPath === undefined) return null;
  const { ForwardAgent = false, ForwardX11 = false, RemoteForward = [] } = options;
  if (ForwardAgent !== false || ForwardX11 || RemoteForward.length > 0) {
    log.verbose(
      "Not using the control socket: channels that the server opens would reach the master.",
    );
    return null;
  }
  const login = { host: { hostname, port }, user, settings: null };
  const client = await sharedClient(login, {
    controlPath,
    timeout: options.ConnectTimeout || CONNECT_TIMEOUT_MS,
    onNote: (note) => log.verbose(note),
    ...(log.traces && { trace: (event) => log.trace(traceLine(event)) }),
  }, true);
  if (client !== null) log.verbose(`Sharing the connection of the master at "${controlPath}".`);
  return client;
}

async function logInDirectly(
  place: LoginPlace,
  options: SshOptions,
  log: Log,
  through: Client | null,
  connections = 1,
): Promise<Client> {
  const { host, hostname, port, user } = place;
  using deadline = new Deadline(
    options.ConnectTimeout || CONNECT_TIMEOUT_MS,
    () =>
      new ConnectError(`connect to host ${host} port ${port}: Connection timed out`, {
        timeout: true,
      }),
  );
  const ask: Ask | null = options.BatchMode || !canAsk()
    ? null
    : (prompt, how) => deadline.pausedFor(() => askUser(prompt, how));
  const trust = hostTrust(options, { ask, report: log });
  const { methods, unreported } = await credentials(options, {
    account: `${user}@${host}`,
    isCompromised: () => trust.compromised,
    agent: { signal: deadline.signal },
    ask,
    report: log,
  });
  log.verbose(`Connecting to ${hostname} port ${port} as ${user}.`);
  const { proxyCommand } = configuredWay(options);
  const client = await connect({
    ...configuredConnection(options),
    hostname,
    port,
    user,
    auth: methods,
    hostKeys: trust.policy,
    config: false,
    connections,
    timeout: 0,
    signal: deadline.signal,
    ...(through ? { jump: through } : proxyCommand !== undefined && { proxyCommand }),
    ...(log.isVerbose && { trace: (event) => logEvent(event, log) }),
    onBanner: (text) => log.show(text.replace(/\n$/, "")),
  }).catch((error) => {
    throw error instanceof AuthError ? withSkippedKeys(error, unreported()) : error;
  });
  const { server, kex, hostKey, hostKeyAlgorithm, cipher, mac, compression } = client.info;
  log.verbose(`Remote protocol version ${printable(server)}`);
  log.verbose(`kex: algorithm: ${kex}`);
  log.verbose(`kex: host key algorithm: ${hostKeyAlgorithm}`);
  log.verbose(`Server host key: ${hostKey.type} ${hostKey.fingerprint()}`);
  log.verbose(`kex: cipher: ${cipher} MAC: ${mac || "<implicit>"} compression: ${compression}`);
  if (options.WarnWeakCrypto && !isPostQuantum(kex)) {
    log.info(
      `Warning: the key exchange ${kex} is not post-quantum: ` +
        "a recording of this connection may be decrypted in the future.",
    );
  }
  if (options.VisualHostKey) {
    log.info(`Host key fingerprint is ${hostKey.fingerprint()}\n${randomart(hostKey)}`);
  }
  log.verbose(`Authenticated to ${host} as ${user}.`);
  return client;
}

/** Logs a message of the protocol; for new keys also the line that scripts look for in `ssh -v`. */
function logEvent(event: TraceEvent, log: Log): void {
  if (event.name === "NEWKEYS") log.verbose(`SSH2_MSG_NEWKEYS ${event.direction}`);
  if (log.traces) log.trace(traceLine(event));
}

/** Whether a key exchange withstands quantum computers, as those with ML-KEM or NTRU Prime do. */
function isPostQuantum(kex: string): boolean {
  return /^(mlkem|sntrup)/.test(kex);
}
