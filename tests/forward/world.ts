/** Helpers for tests of forwarding: a pair that may forward, and small target servers. */
import type { Connection } from "../../lib/connection/connection.ts";
import type { TunnelConnection } from "../../lib/forward/forwarding.ts";
import {
  type ConnectedPair,
  connectedPair,
  type ConnectedPairOptions,
} from "../../lib/testing/connected_pair.ts";

/** A client whose server allows all forwarding. */
export function tunnelPair(options: ConnectedPairOptions = {}): Promise<ConnectedPair> {
  const forward = { local: () => true, remote: () => true };
  return connectedPair({ ...options, serve: { forward, ...options.serve } });
}

/** A server that passes every connection to `take`, and waits for it at the end. */
export interface Target extends AsyncDisposable {
  readonly port: number;
  readonly hostname: string;
  /** `host:port`. */
  readonly to: string;
  /** The number of connections so far. */
  readonly accepted: number;
}

export function target(take: (conn: Deno.Conn) => Promise<void>): Target {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const lives = new Set<Promise<void>>();
  let accepted = 0;
  const loop = (async () => {
    for await (const conn of listener) {
      accepted++;
      lives.add(take(conn).catch(() => {}).finally(() => close(conn)));
    }
  })();
  return {
    hostname: "127.0.0.1",
    port,
    to: `127.0.0.1:${port}`,
    get accepted() {
      return accepted;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await loop;
      await Promise.all(lives);
    },
  };
}

/** Echoes data, and ends when the other side does. */
export function echo(): Target {
  return target(echoTo);
}

export async function echoTo(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let n; (n = await conn.read(buffer)) !== null;) await sendAll(conn, buffer.subarray(0, n));
  await conn.closeWrite();
}

export function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch { /* closed before */ }
}

export async function sendAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads until EOF. */
export async function readAll(conn: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(256 * 1024);
  for (let n; (n = await conn.read(buffer)) !== null;) chunks.push(buffer.slice(0, n));
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Sends the bytes and EOF, and returns the answer. */
export async function exchange(
  conn: Deno.Conn,
  bytes: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const [back] = await Promise.all([
    readAll(conn),
    sendAll(conn, bytes).then(() => conn.closeWrite()),
  ]);
  return back;
}

/** Sends a text to a local port and returns the answer. */
export async function ask(port: number, text: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  return decode(await exchange(conn, encode(text)));
}

export const encode = (text: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new TextEncoder().encode(text));
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * Waits until nothing listens on a released port. A parallel test may get the port meanwhile.
 */
export async function freed(port: number): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Something still listens on port ${port}`);
}

/** Waits until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A connection that no other follows. */
export function through(connection: Connection, over: Promise<unknown>): TunnelConnection {
  return { connection, over, run: (task) => task(connection), onRenewed() {} };
}
