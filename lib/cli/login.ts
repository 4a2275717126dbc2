import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import type { AlgorithmOptions } from "../crypto/suite.ts";
import { CONNECT_TIMEOUT_MS } from "../defaults.ts";
import { ConnectError, printable } from "../errors.ts";
import type { Target } from "../client/options.ts";
import { credentials } from "./credentials.ts";
import { Deadline } from "./deadline.ts";
import { hostTrust } from "./host_trust.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";
import { ask as askUser, canAsk } from "./terminal.ts";

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
    hostname: options.HostName ?? target.hostname,
    port: options.Port ?? target.port ?? 22,
    user: user ?? "root",
  };
}

/**
 * Connects and logs in as `ssh` does: with its files, options and questions.
 *
 * @throws {SshError} As the kind of failure is; `describeFailure` has it in ssh's words
 */
export async function logIn(
  place: Place,
  options: SshOptions,
  log: Log,
  hops: readonly Target[] = [],
): Promise<Client> {
  if (hops.length > 0) return await logInThrough(hops, place, options, log);
  return await logInDirectly(place, options, log);
}

/** Logs in to one host after the other, each through the one before. */
async function logInThrough(
  hops: readonly Target[],
  place: Place,
  options: SshOptions,
  log: Log,
): Promise<Client> {
  // What names the target is not meant for the hosts on the way.
  const { HostName: _host, Port: _port, User: _user, ...shared } = options;
  const clients: Client[] = [];
  try {
    for (const hop of hops) {
      clients.push(await logInDirectly(placeOf(hop, shared), shared, log, clients.at(-1)));
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
  const client = await connect({
    hostname,
    port,
    user,
    auth,
    hostKeys: trust.policy,
    timeout: 0,
    signal: deadline.signal,
    ...(through && { jump: through }),
    algorithms: {
      ...algorithmsOf(options),
      ...(options.Compression && { compression: "zlib@openssh.com,zlib,none" }),
    },
    onBanner: (text) => log.info(text.replace(/\n$/, "")),
    ...(options.ServerAliveInterval && { keepaliveInterval: options.ServerAliveInterval }),
    ...(options.ServerAliveCountMax && { keepaliveCount: options.ServerAliveCountMax }),
    ...(options.RekeyLimit && { rekey: options.RekeyLimit }),
  });
  const { server, kex, hostKey, hostKeyAlgorithm, cipher, mac, compression } = client.info;
  log.verbose(`Remote protocol version ${printable(server)}`);
  log.verbose(`kex: algorithm: ${kex}`);
  log.verbose(`kex: host key algorithm: ${hostKeyAlgorithm}`);
  log.verbose(`Server host key: ${hostKey.type} ${hostKey.fingerprint()}`);
  log.verbose(`kex: cipher: ${cipher} MAC: ${mac || "<implicit>"} compression: ${compression}`);
  log.verbose(`Authenticated to ${host} as ${user}.`);
  return client;
}

/** The algorithms that the options ask for. */
export function algorithmsOf(
  options: Pick<SshOptions, "Ciphers" | "MACs" | "KexAlgorithms" | "HostKeyAlgorithms">,
): AlgorithmOptions {
  const { Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms } = options;
  return {
    ...(Ciphers !== undefined && { cipher: Ciphers }),
    ...(MACs !== undefined && { mac: MACs }),
    ...(KexAlgorithms !== undefined && { kex: KexAlgorithms }),
    ...(HostKeyAlgorithms !== undefined && { hostKey: HostKeyAlgorithms }),
  };
}
