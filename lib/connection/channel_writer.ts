import { ClosedError } from "../errors.ts";
import type { LazyError } from "./lazy_error.ts";
import { withBytesWritten } from "./partial_write.ts";
import { platformError } from "../runtime/errors.ts";
import { Condition, type Limit, Mutex } from "../waiting.ts";
import { SendWindow } from "./window.ts";

/** The part of a connection that a writer uses. */
export interface WriterHost {
  send(payload: Uint8Array): void;
  sendData(recipient: number, type: number, data: Uint8Array): void;
  /** Whether bulk data must wait for the socket. */
  readonly congested: boolean;
  /**
   * Calls `send` once the socket accepts bulk data again, in the order of the calls; `send` sends
   * synchronously.
   */
  whenRoom(send: () => void): void;
  /** Called when a writer waits for the peer's window. */
  stalled(recipient: number): void;
}

/** The parameters of the peer's end of a channel. */
export interface WriterOpening {
  readonly remoteId: number;
  readonly sendWindow: number;
  /** The most data in one packet that we send. */
  readonly maxSend: number;
}

/** A write that waits for the window or the socket. */
interface WaitingWrite {
  readonly data: Uint8Array;
  readonly type: number;
  sent: number;
}

/**
 * The outbound half of a channel (RFC 4254 §5.2, §5.3). Sends one write after the other within the peer's
 * window; waits for window and socket, and never queues data.
 */
export class ChannelWriter {
  readonly #host: WriterHost;
  readonly #opening: WriterOpening;
  readonly #window: SendWindow;
  // One write after the other, so that the chunks of two writers do not mix.
  readonly #lock = new Mutex();
  readonly #news = new Condition();
  #waiting: WaitingWrite | null = null;
  /** Whether `whenRoom` was called and has not called back. */
  #awaitsRoom = false;
  #sent = 0;
  /** The time since which a write has waited for the window; null if none waits. */
  #fullSince: number | null = null;
  #waitedForWindow = 0;
  /** Why new writes fail while running ones continue. */
  #shut: string | null = null;
  /** Why running writes failed, and the message for new ones. */
  #end: { cause: LazyError; message: string } | null = null;

  constructor(host: WriterHost, opening: WriterOpening) {
    this.#host = host;
    this.#opening = opening;
    this.#window = new SendWindow(opening.sendWindow);
  }

  /** Bytes available in the peer's window. */
  get window(): number {
    return this.#window.available;
  }

  /** The largest window of the peer so far. */
  get largestWindow(): number {
    return this.#window.largest;
  }

  /** Milliseconds that writes have waited for the peer's window. */
  get waitedForWindow(): number {
    const since = this.#fullSince;
    return this.#waitedForWindow + (since === null ? 0 : performance.now() - since);
  }

  /** Bytes that a write would take without waiting. */
  get writableBytes(): number {
    if (this.ended || this.#lock.locked || this.#host.congested) return 0;
    return this.#window.available;
  }

  /** Bytes sent since the channel was opened. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether new writes fail. */
  get ended(): boolean {
    return this.#shut !== null || this.#end !== null;
  }

  /** Whether this end has shut down writing, or the peer's reader is gone. */
  get phase(): "open" | "shut" | "ended" {
    return this.#end ? "ended" : this.#shut !== null ? "shut" : "open";
  }

  /** Sends as much as the window allows, waiting for room for a byte; resolves to the number of bytes. */
  async write(data: Uint8Array, type: number, limit: Limit | null): Promise<number> {
    this.#check();
    if (!this.#lock.tryLock()) await this.#lock.lock(limit);
    try {
      return await this.#sendSome(data, type, limit);
    } finally {
      this.#unlock();
    }
  }

  /** Sends all of the chunks; an error carries how many bytes were sent before it. */
  async writeAll(
    chunks: readonly Uint8Array[],
    type: number,
    limit: Limit | null,
  ): Promise<void> {
    this.#check();
    if (!this.#lock.tryLock()) await this.#lock.lock(limit);
    let sent = 0;
    try {
      for (let chunk of chunks) {
        while (chunk.length > 0) {
          const n = await this.#sendSome(chunk, type, limit);
          chunk = chunk.subarray(n);
          sent += n;
        }
      }
    } catch (error) {
      throw limit?.aborted ? error : withBytesWritten(error, sent);
    } finally {
      this.#unlock();
    }
  }

  /**
   * Sends as much as possible without waiting.
   *
   * @throws {Deno.errors.WouldBlock} If nothing can be sent
   */
  tryWrite(data: Uint8Array, type: number): number {
    this.#check();
    if (data.length === 0) return 0;
    if (this.writableBytes === 0) throw platformError("WouldBlock", "No room to write yet");
    return this.#sendNow(data, type);
  }

  /** Resolves when a write would not wait, because there is room for a byte or because it fails. */
  async ready(limit: Limit | null): Promise<void> {
    while (!this.ended && this.writableBytes === 0) {
      await this.#change(limit);
    }
  }

  /** Calls `lastWord` after running writes; new writes fail from now on. */
  async finish(message: string, lastWord: () => void): Promise<void> {
    this.#shut ??= message;
    this.#news.notify();
    if (!this.#lock.tryLock()) await this.#lock.lock(null);
    try {
      lastWord();
    } finally {
      this.#unlock();
    }
  }

  /** Handles the peer's WINDOW_ADJUST. */
  grow(bytes: number): void {
    this.#window.grow(bytes);
    this.#noLongerFull();
    this.#news.notify();
  }

  /** Ends writing: running writes fail with the cause, later ones with the message. */
  end(cause: LazyError, message: string): void {
    this.#end ??= { cause, message };
    this.#news.notify();
  }

  /** Sends as much as window and socket allow; waits only if that is nothing. */
  #sendSome(data: Uint8Array, type: number, limit: Limit | null): number | Promise<number> {
    this.#checkEnd();
    return this.#sendNow(data, type) || this.#sendLater({ data, type, sent: 0 }, limit);
  }

  async #sendLater(write: WaitingWrite, limit: Limit | null): Promise<number> {
    this.#waiting = write;
    try {
      // A buffer transferred in the meantime has nothing left to send.
      while (write.sent === 0 && write.data.length > 0) {
        if (this.#window.available === 0) {
          this.#fullSince ??= performance.now();
          this.#host.stalled(this.#opening.remoteId);
        }
        await this.#change(limit);
        if (write.sent > 0) break;
        this.#checkEnd();
        write.sent = this.#sendNow(write.data, write.type);
      }
      return write.sent;
    } finally {
      this.#waiting = null;
      this.#noLongerFull();
    }
  }

  #noLongerFull(): void {
    if (this.#fullSince === null) return;
    this.#waitedForWindow += performance.now() - this.#fullSince;
    this.#fullSince = null;
  }

  #sendNow(data: Uint8Array, type: number): number {
    const { remoteId, maxSend } = this.#opening;
    let sent = 0;
    while (sent < data.length && this.#window.available > 0 && !this.#host.congested) {
      const n = Math.min(data.length - sent, this.#window.available, maxSend);
      this.#host.sendData(remoteId, type, data.subarray(sent, sent + n));
      this.#window.take(n);
      sent += n;
    }
    this.#sent += sent;
    return sent;
  }

  /** Waits for the window to grow, the socket to have room, or the end. */
  #change(limit: Limit | null): Promise<void> {
    if (this.#host.congested && !this.#awaitsRoom) {
      this.#awaitsRoom = true;
      this.#host.whenRoom(this.#useRoom);
    }
    return this.#news.wait(limit);
  }

  /** Sends before the socket offers its room to the next writer. */
  readonly #useRoom = () => {
    this.#awaitsRoom = false;
    const write = this.#waiting;
    if (write !== null && write.sent === 0 && this.#end === null) {
      write.sent = this.#sendNow(write.data, write.type);
    }
    this.#news.notify();
  };

  #unlock(): void {
    this.#lock.unlock();
    this.#news.notify();
  }

  /** Throws in a running write. */
  #checkEnd(): void {
    if (this.#end) throw this.#end.cause();
  }

  /** Throws in a new write. */
  #check(): void {
    if (this.#end) throw new ClosedError(this.#end.message, { cause: this.#end.cause() });
    if (this.#shut !== null) throw new ClosedError(this.#shut);
  }
}
