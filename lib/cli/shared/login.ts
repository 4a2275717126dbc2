import type { Client } from "../../client/client.ts";
import {
  configuredAlgorithms,
  configuredProxy,
  configuredRekey,
  configuredTcp,
} from "../../client/configured.ts";
import { connect } from "../../client/connect.ts";
import { CONNECT_TIMEOUT_MS, MAX_JUMPS } from "../../defaults.ts";
import { ConfigError, ConnectError, printable } from "../../errors.ts";
import type { Target } from "../../client/options.ts";
import { randomart } from "../../keys/randomart.ts";
import { traceLine } from "../../transport/trace.ts";
import { credentials } from "./credentials.ts";
import { Deadline } from "./deadline.ts";
import { hostTrust } from "./host_trust.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";
import { ask as askUser, canAsk } from "./terminal.ts";

/** Debian's ServerAliveInterval where BatchMode is on. */
const BATCH_KEEPALIVE_MS = 300_000;

/** Where a login goes, for messages. */
export interface Place {
  /** The host as it was typed. */
  readonly host: string;
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
}

/** What a destination and the options come to. */
export function placeOf(target: Target, options: SshOptions): Place {
  const user = options.User ?? target.user ?? Deno.env.get("USER") ?? Deno.env.get("LOGNAME");
  return {
    host: target.hostname,
    hostname: options.HostName,
    port: options.Port ?? target.port ?? 22,
    user: user ?? "root",
  };
}

/**
 * Connects and logs in as `ssh` does: with its files, options and questions.
 *
 * @param hops The hosts of `-J`; those of the options unless given
 * @throws {SshError} As the kind of failure is; `describeFailure` has it in ssh's words
 */
export async function logIn(
  place: Place,
  options: SshOptions,
  log: Log,
  hops: readonly Target[] = [],
): Promise<Client> {
  return await logInAt(0, place, options, log, hops);
}

async function logInAt(
  depth: number,
  place: Place,
  options: SshOptions,
  log: Log,
  named: readonly Target[],
): Promise<Client> {
  if (depth > MAX_JUMPS) {
    throw new ConfigError([`More than ${MAX_JUMPS} jump hosts lead to each other`]);
  }
  const hops = named.length > 0 ? named : options.ProxyJump ?? [];
  const clients: Client[] = [];
  try {
    for (const hop of hops) {
      const shared = await options.ofHop!(hop, { named: named.length > 0 });
      const at = placeOf(hop, shared);
      // What is before the first of them is its own business.
      const client = clients.length > 0
        ? await logInDirectly(at, shared, log, clients.at(-1))
        : await logInAt(depth + 1, at, shared, log, []);
      clients.push(client);
    }
    const client = await logInDirectly(place, options, log, clients.at(-1));
    const closeAll = () => clients.toReversed().forEach((hop) => hop.close());
    client.closed.then(closeAll, closeAll);
    return client;
  } catch (error) {
    for (const hop of clients.toReversed()) await hop.close();
    throw error;
  }
}

async function logInDirectly(
  place: Place,
  options: SshOptions,
  log: Log,
  through?: Client,
): Promise<Client> {
  const { host, hostname, port, user } = place;
  using deadline = new Deadline(
    options.ConnectTimeout || CONNECT_TIMEOUT_MS,
    () =>
      new ConnectError(`connect to host ${host} port ${port}: Connection timed out`, {
        timeout: true,
      }),
  );
  const mayAsk = !options.BatchMode && canAsk();
  const ask = (prompt: string, how: { readonly echo: boolean }) =>
    mayAsk ? deadline.pausedFor(() => askUser(prompt, how)) : Promise.resolve(null);
  const trust = hostTrust(options, ask, log);
  const auth = await credentials(options, {
    account: `${user}@${host}`,
    trust,
    ask: mayAsk ? ask : null,
    log,
  });
  log.verbose(`Connecting to ${hostname} port ${port} as ${user}.`);
  const { proxyCommand } = through ? {} : configuredProxy({ ...options, ProxyJump: [] });
  const tcp = configuredTcp(options);
  const rekey = configuredRekey(options);
  // As Debian's ssh: who cannot be asked is not to wait for ever either.
  const alive = options.ServerAliveInterval ?? (options.BatchMode ? BATCH_KEEPALIVE_MS : 0);
  const client = await connect({
    hostname,
    port,
    user,
    auth,
    hostKeys: trust.policy,
    config: false,
    timeout: 0,
    signal: deadline.signal,
    ...(options.HostKeyAlias !== undefined && { hostKeyAlias: options.HostKeyAlias }),
    ...(through && { jump: through }),
    ...(proxyCommand !== undefined && { proxyCommand }),
    ...(tcp && { tcp }),
    ...configuredAlgorithms(options) && { algorithms: configuredAlgorithms(options)! },
    ...(log.traces && { trace: (event) => log.trace(traceLine(event)) }),
    onBanner: (text) => log.info(text.replace(/\n$/, "")),
    ...(alive && { keepaliveInterval: alive }),
    ...(options.ServerAliveCountMax && { keepaliveCount: options.ServerAliveCountMax }),
    ...(rekey && { rekey }),
  });
  const { server, kex, hostKey, hostKeyAlgorithm, cipher, mac, compression } = client.info;
  log.verbose(`Remote protocol version ${printable(server)}`);
  log.verbose(`kex: algorithm: ${kex}`);
  log.verbose(`kex: host key algorithm: ${hostKeyAlgorithm}`);
  log.verbose(`Server host key: ${hostKey.type} ${hostKey.fingerprint()}`);
  log.verbose(`kex: cipher: ${cipher} MAC: ${mac || "<implicit>"} compression: ${compression}`);
  if (options.VisualHostKey) {
    log.info(`Host key fingerprint is ${hostKey.fingerprint()}\n${randomart(hostKey)}`);
  }
  log.verbose(`Authenticated to ${host} as ${user}.`);
  return client;
}
