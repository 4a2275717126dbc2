import { ChannelOpenError, ConnectError } from "../errors.ts";
import { Client } from "./client.ts";
import { type HostAddress, hostLabel } from "../known_hosts/host_key_policy.ts";
import { type ConnectOptions, isProxied, type Jump } from "./options.ts";

/** A connection to a host that goes through others. */
export interface Jumped {
  readonly conn: Deno.Conn;
  /** Disconnects from the hosts that were connected to for it. */
  close(): Promise<void>;
}

/** What `connect` does, given to {@linkcode jumpTo} since it is above. */
export type Connect = (
  target: string | ConnectOptions,
  options?: ConnectOptions,
) => Promise<Client>;

/**
 * Connects to a host through others, one after the other (ProxyJump of ssh_config(5)).
 *
 * @throws {ConnectError} If the last of them cannot reach the host
 */
export async function jumpTo(
  host: HostAddress,
  jump: Jump | readonly Jump[],
  signal: AbortSignal,
  connect: Connect,
  config: ConnectOptions["config"],
): Promise<Jumped> {
  const hops = Array.isArray(jump) ? jump as readonly Jump[] : [jump as Jump];
  const own: Client[] = [];
  const close = async () => {
    for (const client of own.toReversed()) await client.close();
  };
  try {
    let last: Client | null = null;
    for (const hop of hops) {
      if (hop instanceof Client) {
        if (last !== null) throw new TypeError("Only the first hop can be connected already");
        last = hop;
      } else {
        last = await connectHop(hop, { jump: last, signal, connect, config });
        own.push(last);
      }
    }
    if (last === null) throw new TypeError("No host to jump through");
    return { conn: await dialThrough(last, host, signal), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function connectHop(
  hop: Exclude<Jump, Client>,
  { jump, signal, connect, config }: {
    readonly jump: Client | null;
    readonly signal: AbortSignal;
    readonly connect: Connect;
    readonly config: ConnectOptions["config"];
  },
): Promise<Client> {
  const shared = { ...jump && { jump }, ...config !== undefined && { config } };
  if (typeof hop === "string") return connect(hop, { ...shared, signal });
  if (jump !== null && isProxied(hop)) {
    throw new TypeError("Only the first hop can have a jump or a transport of its own");
  }
  return connect({
    ...shared,
    ...hop,
    signal: hop.signal ? AbortSignal.any([hop.signal, signal]) : signal,
  });
}

async function dialThrough(
  hop: Client,
  host: HostAddress,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  const { hostname, port } = host;
  try {
    return await hop.dial({ hostname, port }, { signal });
  } catch (cause) {
    if (!(cause instanceof ChannelOpenError)) throw cause;
    const via = hostLabel(hop.info.host);
    const message = `Cannot reach ${hostLabel(host)} through ${via}: ${cause.message}`;
    throw new ConnectError(message, { cause });
  }
}
