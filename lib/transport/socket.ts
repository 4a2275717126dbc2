import { ConnectError, printable } from "../errors.ts";
import { writeAll } from "../runtime/write_all.ts";
import { plainMessage } from "../error_messages.ts";

/** The parts of a connection that the transport uses. */
export interface Socket {
  /** Reads into the buffer; null is the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes all of the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the outbound direction. */
  closeWrite(): void;
  /** Closes immediately; pending reads and writes fail. Idempotent. */
  close(): void;
  readonly localAddr: Deno.Addr | null;
  readonly remoteAddr: Deno.Addr | null;
}

/** Any pair of byte streams that can carry SSH: a channel, a WebSocket, a process's pipes. */
export interface ByteStreams {
  /** Bytes from the peer. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Bytes to the peer. */
  readonly writable: WritableStream<Uint8Array>;
}

/**
 * A socket over a `Deno.Conn`, which the transport owns and closes. Nagle's algorithm is switched off: with
 * it on, a small packet waits for the peer's delayed acknowledgement, 40 ms and more.
 */
export function connSocket(conn: Deno.Conn): Socket {
  if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
  let open = true;
  return {
    async read(into) {
      try {
        return await conn.read(into);
      } catch (error) {
        throw lost(error);
      }
    },
    async write(bytes) {
      try {
        const written = await conn.write(bytes);
        if (written < bytes.length) await writeAll(conn, bytes.subarray(written));
      } catch (error) {
        throw lost(error);
      }
    },
    closeWrite() {
      conn.closeWrite().catch(() => {});
    },
    close() {
      if (!open) return;
      open = false;
      conn.close();
    },
    localAddr: conn.localAddr,
    remoteAddr: conn.remoteAddr,
  };
}

function lost(cause: unknown): ConnectError {
  const why = plainMessage(cause);
  return new ConnectError(`The connection was lost: ${printable(why)}`, { cause });
}

/** A socket over a pair of streams, which the transport owns: it cancels and aborts them. */
export function streamSocket(streams: ByteStreams): Socket {
  const reader = streams.readable.getReader();
  const writer = streams.writable.getWriter();
  let left = new Uint8Array(0);
  const ignore = () => {};
  return {
    async read(into) {
      while (left.length === 0) {
        const { done, value } = await reader.read().catch((error) => {
          throw lost(error);
        });
        if (done) return null;
        left = value as Uint8Array<ArrayBuffer>;
      }
      const n = Math.min(into.length, left.length);
      into.set(left.subarray(0, n));
      left = left.subarray(n);
      return n;
    },
    async write(bytes) {
      // A stream may keep its chunks, and the outbox is reused: pass a copy.
      await writer.write(bytes.slice()).catch((error) => {
        throw lost(error);
      });
    },
    closeWrite() {
      writer.close().catch(ignore);
    },
    close() {
      reader.cancel().catch(ignore);
      writer.abort().catch(ignore);
    },
    localAddr: null,
    remoteAddr: null,
  };
}
