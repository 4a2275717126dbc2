import { MAX_JUMPS } from "../defaults.ts";
import { ChannelOpenError, ConfigError, ConnectError } from "../errors.ts";
import { type HostAddress, hostLabel } from "../known_hosts/host_key_policy.ts";
import { plainMessage } from "../error_messages.ts";

/** The part of a connection through which other hosts are reached. */
export interface JumpHostClient {
  readonly info: { readonly host: HostAddress };
  /** Connects from the host to an address in its network. */
  dial(target: HostAddress, options: { readonly signal: AbortSignal }): Promise<Deno.Conn>;
  close(): Promise<void>;
}

/**
 * Connects to hosts in order, each through the previous one, and returns all connections. If one
 * fails, the open ones are closed.
 *
 * @param connectTo Logs in to one of the hosts; through the client, or directly if that is null
 */
export async function connectHops<Hop, Client extends JumpHostClient>(
  hops: readonly Hop[],
  connectTo: (hop: Hop, through: Client | null) => Promise<Client>,
): Promise<Client[]> {
  const clients: Client[] = [];
  try {
    for (const hop of hops) clients.push(await connectTo(hop, clients.at(-1) ?? null));
    return clients;
  } catch (error) {
    await closeHops(clients);
    throw error;
  }
}

/** Disconnects from hosts, the farthest first. */
export async function closeHops(clients: readonly JumpHostClient[]): Promise<void> {
  for (const client of clients.toReversed()) await client.close();
}

/**
 * Connects to a host from the network of another one.
 *
 * @throws {ConnectError} If the other one cannot reach it
 */
export async function dialThrough(
  client: JumpHostClient,
  host: HostAddress,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  const { hostname, port } = host;
  try {
    return await client.dial({ hostname, port }, { signal });
  } catch (cause) {
    if (!(cause instanceof ChannelOpenError)) throw cause;
    const via = hostLabel(client.info.host);
    const why = plainMessage(cause.cause instanceof ChannelOpenError ? cause.cause : cause);
    const message = `Cannot reach ${hostLabel(host)} through ${via}: ${why}`;
    throw new ConnectError(message, { cause });
  }
}

/**
 * Refuses chains of jump hosts that form a circle.
 *
 * @param depth The number of nested jump hosts
 * @throws {ConfigError} If it is too large
 */
export function checkJumpDepth(depth: number): void {
  if (depth <= MAX_JUMPS) return;
  throw new ConfigError([`More than ${MAX_JUMPS} jump hosts lead to each other`]);
}
