import type { Channel } from "../connection/channel.ts";
import { writableOf } from "../connection/channel_streams.ts";
import { ClosedError } from "../errors.ts";

/**
 * A connection to or from the server's network, shaped like `Deno.Conn`, which can be used wherever one is
 * expected.
 */
export interface TunnelConn extends Deno.Conn, AsyncDisposable {
  /** The address that the connection comes from; the same as the remote one if the server hides it. */
  readonly localAddr: Deno.Addr;
  /** The target of the connection, or its originator if it was accepted. */
  readonly remoteAddr: Deno.Addr;
  /** Does nothing: the SSH connection keeps the process alive. */
  ref(): void;
  /** Does nothing: the SSH connection keeps the process alive. */
  unref(): void;
}

/** The connection that a channel carries. */
export class ChannelConn implements TunnelConn {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  readonly #channel: Channel;
  #writable: WritableStream<Uint8Array> | null = null;

  constructor(channel: Channel, localAddr: Deno.Addr, remoteAddr: Deno.Addr) {
    this.#channel = channel;
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#channel.readable;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf({
      write: (chunk) => this.#channel.writeAll(chunk),
      close: () => this.closeWrite(),
      abort: (reason) => this.#channel.abort(reason),
    });
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#channel.read(into);
  }

  write(data: Uint8Array): Promise<number> {
    return this.#channel.write(data);
  }

  closeWrite(): Promise<void> {
    return this.#channel.closeWrite();
  }

  close(): void {
    this.#channel.abort(new ClosedError("The connection is closed"));
  }

  ref(): void {}

  unref(): void {}

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#channel.close();
  }
}
