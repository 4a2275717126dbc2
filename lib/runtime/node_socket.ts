import type { Socket } from "node:net";
import { ClosedError, DisconnectError } from "../errors.ts";
import { builtin } from "./builtin.ts";
import { runtime } from "./runtime.ts";

/** A Node socket over a channel. */
export type NodeSocket = Socket;

/** The channel that a socket reads from and writes to. */
export interface SocketChannel {
  /** The next bytes, owned by the caller; null at the end. */
  readChunk(): Promise<Uint8Array<ArrayBuffer> | null>;
  writeAll(...chunks: Uint8Array[]): Promise<void>;
  closeWrite(): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): void;
}

/** Opens the channel of a socket. */
export type SocketOpener = (signal: AbortSignal) => Promise<SocketChannel>;

let TunnelSocket: ReturnType<typeof socketClass> | null = null;

/** Makes a Node socket over a channel; `remote` is the address that it reports. */
export function nodeSocket(open: SocketOpener, remote: Deno.NetAddr | Deno.UnixAddr): NodeSocket {
  TunnelSocket ??= socketClass();
  return new TunnelSocket(open, remote) as unknown as NodeSocket;
}

/** Defined on first use, because that loads `node:stream`. */
// deno-lint-ignore explicit-function-return-type -- the class has no name outside
function socketClass() {
  const { Duplex } = builtin("node:stream");
  const { Buffer } = builtin("node:buffer");

  /** The parts of `net.Socket` that programs use, except its handle. */
  return class extends Duplex {
    connecting = true;
    bytesRead = 0;
    bytesWritten = 0;
    timeout = 0;
    readonly remoteAddress: string | undefined;
    readonly remotePort: number | undefined;
    readonly #channel: Promise<SocketChannel>;
    readonly #end = new AbortController();
    #timer: ReturnType<typeof setTimeout> | undefined;

    constructor(open: SocketOpener, remote: Deno.NetAddr | Deno.UnixAddr) {
      super({ allowHalfOpen: false });
      if (remote.transport === "tcp") {
        this.remoteAddress = remote.hostname;
        this.remotePort = remote.port;
      }
      this.#channel = open(this.#end.signal);
      this.#channel.then(
        () => this.#connected(),
        (error) => this.destroy(systemError("ECONNREFUSED", error)),
      );
    }

    get pending(): boolean {
      return this.connecting;
    }

    get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
      if (this.connecting) return "opening";
      if (this.readable) return this.writable ? "open" : "readOnly";
      return this.writable ? "writeOnly" : "closed";
    }

    /** Emits the events of the connection, when it is open. */
    connect(...args: unknown[]): this {
      const listener = args.at(-1);
      if (typeof listener === "function") this.once("connect", listener as () => void);
      if (!this.connecting) queueMicrotask(() => this.emit("connect"));
      return this;
    }

    setTimeout(milliseconds: number, listener?: () => void): this {
      this.timeout = milliseconds;
      if (listener) {
        if (milliseconds > 0) this.once("timeout", listener);
        else this.removeListener("timeout", listener);
      }
      this.#active();
      return this;
    }

    setNoDelay(): this {
      return this;
    }

    setKeepAlive(): this {
      return this;
    }

    ref(): this {
      return this;
    }

    unref(): this {
      return this;
    }

    address(): Record<string, never> {
      return {};
    }

    destroySoon(): void {
      if (this.writable) this.end();
      if (this.writableFinished) this.destroy();
      else this.once("finish", () => this.destroy());
    }

    resetAndDestroy(): this {
      return this.destroy();
    }

    override _read(): void {
      this.#channel.then((channel) => channel.readChunk()).then((chunk) => {
        this.#active();
        this.bytesRead += chunk?.length ?? 0;
        this.push(chunk && Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
      }).catch((error) => this.#lost(error));
    }

    override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
      this.#send([chunk], done);
    }

    override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error) => void): void {
      this.#send(chunks.map(({ chunk }) => chunk), done);
    }

    override _final(done: (error?: Error) => void): void {
      this.#channel.then((channel) => channel.closeWrite()).then(() => done(), (error) => {
        this.#lost(error);
        done();
      });
    }

    override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
      clearTimeout(this.#timer);
      this.connecting = false;
      this.#end.abort(error ?? new ClosedError("The socket was destroyed"));
      this.#channel.then((channel) => {
        if (error) channel.abort(error);
        else void channel.close();
      }).catch(() => {});
      done(error);
    }

    #connected(): void {
      if (this.destroyed) return;
      this.connecting = false;
      this.#active();
      this.emit("connect");
      this.emit("ready");
    }

    #send(chunks: Uint8Array[], done: (error?: Error) => void): void {
      this.#channel.then((channel) => channel.writeAll(...chunks)).then(() => {
        this.#active();
        for (const { length } of chunks) this.bytesWritten += length;
        done();
      }, (error) => {
        if (!this.#isOver(error)) return done(systemError("EPIPE", error));
        this.destroy();
        done();
      });
    }

    #lost(error: unknown): void {
      this.destroy(this.#isOver(error) ? undefined : systemError("ECONNRESET", error));
    }

    /**
     * Whether the program has ended the socket and then closed the connection without waiting for an
     * answer.
     */
    #isOver(error: unknown): boolean {
      const reason = error instanceof ClosedError ? error.cause : error;
      return this.writableEnded && reason instanceof DisconnectError && reason.by === "us";
    }

    /** Restarts the idle timer. */
    #active(): void {
      clearTimeout(this.#timer);
      if (this.timeout === 0 || this.destroyed) return;
      this.#timer = setTimeout(() => this.emit("timeout"), this.timeout);
      runtime.unrefTimer(this.#timer);
    }
  };
}

/** An error with a code of the system, which drivers look for; the reason is its `cause`. */
function systemError(code: "ECONNREFUSED" | "ECONNRESET" | "EPIPE", cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  return Object.assign(new Error(message, { cause }), { code });
}
