import type { Socket as NodeSocket } from "node:net";
import { SOCKET_READ_BYTES } from "../defaults.ts";
import { ConnectError, printable } from "../errors.ts";
import { type ByteStreams, dialTcp, type Socket, streamSocket } from "../transport/socket.ts";
import { onAbort, sleep } from "../waiting.ts";
import type { HostAddress } from "../known_hosts/host_key_policy.ts";

/** Milliseconds between two attempts, as in ssh. */
const PAUSE_MS = 1000;

/** How the TCP connection is made. */
export interface TcpOptions {
  /** The kind of addresses to connect to; either unless given. */
  readonly family?: "any" | "inet" | "inet6";
  /** The address of this side to connect from. */
  readonly localAddress?: string;
  /** Whether the system looks after the connection, and ends it when the far side is gone; yes. */
  readonly keepAlive?: boolean;
  /** How often to try, a second after each failure; once unless given. */
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
  { hostname, port }: HostAddress,
  { family = "any", localAddress, keepAlive = true }: TcpOptions,
  signal: AbortSignal,
): Promise<Socket> {
  if (family === "any" && localAddress === undefined) {
    return await dialTcp(hostname, port, signal, { keepAlive });
  }
  const addresses = await addressesOf(hostname, family, port);
  for (const [index, address] of addresses.entries()) {
    try {
      if (localAddress === undefined) return await dialTcp(address, port, signal, { keepAlive });
      return await dialFrom(localAddress, address, port, keepAlive, signal);
    } catch (error) {
      if (!(error instanceof ConnectError) || index === addresses.length - 1) throw error;
    }
  }
  throw failure(hostname, port, new Error("no address of that family"));
}

async function addressesOf(
  hostname: string,
  family: "any" | "inet" | "inet6",
  port: number,
): Promise<string[]> {
  const { lookup } = await import("node:dns/promises");
  const number = { any: 0, inet: 4, inet6: 6 }[family];
  try {
    const found = await lookup(hostname, { all: true, family: number });
    return found.map(({ address }) => address);
  } catch (error) {
    throw failure(hostname, port, error);
  }
}

/** `Deno.connect` lets the system choose the address of this side: Node's sockets can be told. */
async function dialFrom(
  localAddress: string,
  hostname: string,
  port: number,
  keepAlive: boolean,
  signal: AbortSignal,
): Promise<Socket> {
  const { connect } = await import("node:net");
  signal.throwIfAborted();
  const socket = connect({ host: hostname, port, localAddress, noDelay: true, keepAlive });
  using _aborting = onAbort(signal, () => socket.destroy());
  try {
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw failure(hostname, port, error);
  }
  return streamSocket(streamsOf(socket));
}

/** The streams of a socket of Node's; its own ones take buffers away that it still needs. */
function streamsOf(socket: NodeSocket): ByteStreams {
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      socket.on("data", (chunk: Uint8Array) => {
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) socket.pause();
      });
      socket.once("end", () => controller.close());
      socket.once("error", (error) => controller.error(error));
    },
    pull: () => void socket.resume(),
    cancel: () => void socket.destroy(),
  }, { highWaterMark: SOCKET_READ_BYTES, size: ({ length }) => length });
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) =>
      new Promise((resolve, reject) => {
        socket.write(chunk, (error) => error ? reject(error) : resolve());
      }),
    close: () => void socket.end(),
    abort: () => void socket.destroy(),
  });
  return { readable, writable };
}

function failure(hostname: string, port: number, cause: unknown): ConnectError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ConnectError(
    `Cannot connect to ${printable(hostname)} port ${port}: ${printable(why)}`,
    { cause },
  );
}
