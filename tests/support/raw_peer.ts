/** A server or client that sends any bytes, and records those received. */
import { concat, indexOfNeedle } from "@std/bytes";
import { clearPackets, disconnectOf, latin1 } from "./raw_packets.ts";
import { HANGS_MS, within } from "./within.ts";

const RECORDED_BYTES = 16 * 1024 * 1024;

/** One TCP connection, controlled by the test. */
export class RawPeer implements AsyncDisposable {
  /** Resolves when the other end has closed or reset the connection. */
  readonly ended: Promise<void>;
  readonly #conn: Deno.TcpConn;
  #received: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #isOver = false;
  #news = Promise.withResolvers<void>();

  /** Takes over a connection. */
  constructor(conn: Deno.TcpConn) {
    conn.setNoDelay(true);
    this.#conn = conn;
    this.ended = this.#record();
  }

  /** Everything received so far. */
  get received(): Uint8Array {
    return this.#received;
  }

  /** Whether the other end has closed or reset the connection. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The other end's identification line without CR LF, once received. */
  get identification(): string | undefined {
    return this.#identified()?.line;
  }

  /** The payloads of the unencrypted packets received. */
  get packets(): Uint8Array[] {
    return clearPackets(this.#received.subarray(this.#identified()?.end ?? this.#received.length));
  }

  /** The unencrypted DISCONNECT received, if any. */
  get disconnect(): { reason: number; text: string } | undefined {
    return disconnectOf(this.packets);
  }

  /** Sends bytes, or text with one byte per character. Drops them if the other end has closed. */
  async send(...parts: (string | Uint8Array)[]): Promise<void> {
    const bytes = concat(parts.map((part) => typeof part === "string" ? latin1(part) : part));
    try {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** Sends each byte in a separate segment. */
  async sendBytewise(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) await this.send(Uint8Array.of(byte));
  }

  /** Repeats bytes until the other end hangs up or `limit` bytes are sent. */
  async flood(bytes: Uint8Array, limit: number): Promise<void> {
    for (let sent = 0; sent < limit && !this.#isOver; sent += bytes.length) await this.send(bytes);
  }

  /** Repeats the bytes, `size` of them every `interval` ms, until the other end hangs up. */
  async drip(
    bytes: Uint8Array,
    { interval, count, size = 1 }: { interval: number; count: number; size?: number },
  ): Promise<void> {
    for (let i = 0; i < count && !this.#isOver; i++) {
      const at = i * size % bytes.length;
      await this.send(bytes.subarray(at, at + size));
      await this.#wait(interval);
    }
  }

  /** Closes the sending side. */
  async closeWrite(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** Waits until the received bytes fulfil the condition; fails if the other end closes or `ms` pass. */
  async until(
    condition: (peer: this) => boolean,
    what: string,
    ms: number = HANGS_MS,
  ): Promise<void> {
    const search = async () => {
      while (!condition(this)) {
        if (this.#isOver) throw new Error(`The connection ended before ${what} came`);
        await this.#news.promise;
      }
    };
    await within(search(), what, ms);
  }

  /** Waits for the other end to hang up; returns everything received. */
  async collect(ms: number = HANGS_MS): Promise<Uint8Array> {
    await within(this.ended, "The end of the connection", ms);
    return this.#received;
  }

  /** Exchanges identifications and waits for the other end's KEXINIT. */
  async greet(line = "SSH-2.0-raw"): Promise<void> {
    await this.send(`${line}\r\n`);
    await this.until((peer) => peer.packets.length > 0, "KEXINIT");
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#conn.close();
    } catch { /* it is closed already */ }
    await this.ended;
  }

  async #record(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const n = await this.#conn.read(buffer);
        if (n === null || this.#received.length > RECORDED_BYTES) break;
        this.#received = concat([this.#received, buffer.subarray(0, n)]);
        this.#announce();
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.#isOver = true;
      this.#announce();
    }
  }

  async #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.ended]);
    clearTimeout(timer);
  }

  #announce(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  #identified(): { line: string; end: number } | undefined {
    for (let start = 0;;) {
      const end = indexOfNeedle(this.#received, Uint8Array.of(0x0a), start);
      if (end === -1) return undefined;
      const line = new TextDecoder("latin1").decode(this.#received.subarray(start, end));
      if (line.startsWith("SSH-")) return { line: line.replace(/\r$/, ""), end: end + 1 };
      start = end + 1;
    }
  }
}

/** Connects to a server on loopback, for the test to control. */
export async function dialRaw(port: number): Promise<RawPeer> {
  return new RawPeer(await Deno.connect({ hostname: "127.0.0.1", port }));
}

/** A server on loopback whose connections the test controls. */
export interface RawServer extends AsyncDisposable {
  /** The port that it listens on. */
  readonly port: number;
  /** The connections so far. */
  readonly peers: readonly RawPeer[];
}

/** Listens on loopback and runs the script on each connection, which then stays open. */
export function listenRaw(script: (peer: RawPeer) => Promise<void>): RawServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const peers: RawPeer[] = [];
  const failures: unknown[] = [];
  const scripts: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      const peer = new RawPeer(conn);
      peers.push(peer);
      scripts.push(script(peer).catch((error) => void failures.push(error)));
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    peers,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
      await Promise.all(scripts);
      if (failures.length > 0) throw new AggregateError(failures, "A script of the server failed");
    },
  };
}

/** The errors of a connection that either end has closed. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}
