import { ConnectError, printable } from "../errors.ts";
import { isError, systemReason } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { connSocket, type Socket, streamSocket } from "../transport/socket.ts";
import { sleep } from "../waiting.ts";
import type { HostAddress } from "../known_hosts/host_key_policy.ts";

/** Milliseconds between two attempts, as in ssh. */
const PAUSE_MS = 1000;

/** Options of the TCP connection. */
export interface TcpOptions {
  /** The family of the addresses to connect to; any by default. */
  readonly family?: "any" | "inet" | "inet6";
  /** The address of this machine to connect from. */
  readonly localAddress?: string;
  /** Whether to use TCP keepalive (SO_KEEPALIVE); true by default. */
  readonly keepAlive?: boolean;
  /** The number of attempts, a second apart; one by default. */
  readonly attempts?: number;
}

/**
 * Connects to a host.
 *
 * @throws {ConnectError} If it cannot be reached
 */
export async function dialHost(
  host: HostAddress,
  options: TcpOptions,
  signal: AbortSignal,
): Promise<Socket> {
  for (let left = options.attempts ?? 1;;) {
    try {
      return await dialOnce(host, options, signal);
    } catch (error) {
      if (!(error instanceof ConnectError) || --left <= 0) throw error;
      await sleep(PAUSE_MS, signal);
    }
  }
}

async function dialOnce(
  host: HostAddress,
  options: TcpOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const { hostname, port } = host;
  const { family = "any", localAddress } = options;
  if (family === "any" && localAddress === undefined) {
    return await dialAddress(host, options, signal);
  }
  const addresses = await addressesOf(host, family);
  for (const [index, address] of addresses.entries()) {
    try {
      return await dialAddress({ hostname: address, port }, options, signal);
    } catch (error) {
      if (!(error instanceof ConnectError) || index === addresses.length - 1) throw error;
    }
  }
  throw failure(hostname, port, new Error("no address of that family"));
}

async function addressesOf(
  { hostname, port }: HostAddress,
  family: "any" | "inet" | "inet6",
): Promise<string[]> {
  try {
    return await runtime.net.lookup(hostname, ({ any: 0, inet: 4, inet6: 6 } as const)[family]);
  } catch (error) {
    throw failure(hostname, port, error);
  }
}

async function dialAddress(
  { hostname, port }: HostAddress,
  { localAddress, keepAlive = true }: TcpOptions,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  try {
    const address = { hostname, port, signal };
    if (localAddress !== undefined) {
      return streamSocket(await runtime.net.connectFrom(localAddress, { ...address, keepAlive }));
    }
    const conn = await runtime.net.connect(address);
    conn.setKeepAlive(keepAlive);
    return connSocket(conn);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (isError(cause, "NotCapable")) throw cause;
    throw failure(hostname, port, cause);
  }
}

function failure(hostname: string, port: number, cause: unknown): ConnectError {
  const why = cause instanceof Error ? systemReason(cause) : String(cause);
  return new ConnectError(
    `Cannot connect to ${printable(hostname)} port ${port}: ${printable(why)}${adviceOn(cause)}`,
    { cause },
  );
}

function adviceOn(cause: unknown): string {
  if (isError(cause, "ConnectionRefused")) {
    return "; check the port, and that an SSH server runs there";
  }
  return cause instanceof Error && /lookup|ENOTFOUND/.test(cause.message) ? "; check the name" : "";
}
