import { Sealer } from "../crypto/packet_cipher.ts";
import { OUTBOX_HIGH_WATER, OUTBOX_LIMIT, SOCKET_WRITE_BYTES } from "../defaults.ts";
import { ProtocolError } from "../errors.ts";
import { EXTENDED_DATA_HEADER, writeData } from "../wire/hot.ts";
import { MSG } from "../wire/numbers.ts";
import type { Socket } from "./socket.ts";
import type { Trace } from "./trace.ts";

/** Microtasks from the end of a wait to the packet that was waited for, and some to spare. */
const TURNS = 4;

/**
 * Seals packets and writes them, many to a write. Nothing here waits for a timer: the first packet
 * schedules a flush at the end of the current turn, and what is sealed while a write is under way
 * goes out with the next.
 *
 * Bulk writers await {@linkcode PacketSink.ready} first. Everything else may send at any time; during
 * a key exchange it is kept back until the new keys are in force (RFC 4253 §7.1).
 */
export class PacketSink {
  /** The cipher of the outbound direction. */
  readonly sealer: Sealer = new Sealer();
  /** Bytes of payload sealed under the current keys. */
  bytesSinceRekey = 0;
  /** Packets sealed under the current keys. */
  packetsSinceRekey = 0;

  /** Called behind the message that ends authentication, before anything else is sealed. */
  onSuccess: () => void = () => {};
  /** Is told of each message, if there is one. */
  trace: Trace | null = null;

  readonly #socket: Socket;
  readonly #failed: (error: unknown) => void;
  readonly #outbox = new Uint8Array(SOCKET_WRITE_BYTES);
  #held: Uint8Array[] | null = null;
  #heldBytes = 0;
  #flushing = false;
  #closed: { error: unknown } | null = null;
  /** Bulk writers that wait for room, in their order. */
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #waking = false;
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(socket: Socket, failed: (error: unknown) => void) {
    this.#socket = socket;
    this.#failed = failed;
  }

  /** Whether a bulk writer has to await {@linkcode ready}. */
  get congested(): boolean {
    return this.#held !== null || this.#closed !== null || this.sealer.pending >= OUTBOX_HIGH_WATER;
  }

  /** Resolves when bulk data may be sent, in the order of asking; rejects when the connection is over. */
  ready(): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed.error);
    if (!this.congested) return Promise.resolve();
    const waiting = Promise.withResolvers<void>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** Sends a message, or keeps it until the key exchange is over. */
  send(payload: Uint8Array): void {
    if (this.#closed) return;
    if (this.#held) {
      this.#heldBytes += payload.length;
      this.#held.push(payload.slice());
      this.#bound(this.#heldBytes);
    } else {
      this.sendNow(payload);
    }
  }

  /** Sends a message of the transport or the key exchange itself, hold or no hold. */
  sendNow(payload: Uint8Array): void {
    if (this.#closed) return;
    this.trace?.sent(payload);
    this.sealer.sealPayload(payload);
    if (payload[0] === MSG.USERAUTH_SUCCESS) this.onSuccess();
    this.#sealed(payload.length);
  }

  /** Seals channel data straight from the caller's buffer: the one copy of the outbound path. */
  sendData(recipient: number, type: number, data: Uint8Array): void {
    if (this.#closed) return;
    this.trace?.sentData(recipient, type, data.length);
    const length = EXTENDED_DATA_HEADER - (type === 0 ? 4 : 0) + data.length;
    writeData(this.sealer.room(length), recipient, type, data);
    this.sealer.seal(length);
    this.#sealed(length);
  }

  /** Keeps everything back but what a key exchange sends. */
  hold(): void {
    this.#held ??= [];
  }

  /** The new keys are in force: what was kept back goes out. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#heldBytes = 0;
    this.bytesSinceRekey = 0;
    this.packetsSinceRekey = 0;
    for (const payload of held) this.sendNow(payload);
    this.#wake();
  }

  /** Resolves when all that is sealed has been written, or the socket failed. */
  drained(): Promise<void> {
    if (!this.#flushing) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Takes nothing more and ends all waiting; what is sealed is still written. */
  close(error: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { error };
    this.#held = null;
    for (const { promise, reject } of this.#waiting.splice(0)) {
      promise.catch(() => {});
      reject(error);
    }
    if (!this.#flushing) this.sealer[Symbol.dispose]();
  }

  #sealed(length: number): void {
    this.bytesSinceRekey += length;
    this.packetsSinceRekey++;
    if (this.sealer.pending > OUTBOX_HIGH_WATER) this.#bound(this.sealer.pending);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  async #flush(): Promise<void> {
    try {
      while (this.sealer.pending > 0) {
        const n = this.sealer.take(this.#outbox);
        this.#wake();
        await this.#socket.write(this.#outbox.subarray(0, n));
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#flushing = false;
      if (this.#closed) this.sealer[Symbol.dispose]();
      this.#idle?.resolve();
      this.#idle = null;
    }
  }

  #wake(): void {
    if (this.#waiting.length > 0 && !this.#waking) this.#goOn();
  }

  /**
   * Lets writers go on one by one while there is room: of a thousand, all but a few would come in vain and
   * lose their places.
   */
  async #goOn(): Promise<void> {
    this.#waking = true;
    while (this.#waiting.length > 0 && !this.congested) {
      this.#waiting.shift()!.resolve();
      // Time to send; one that has given up meanwhile leaves the room to the next.
      for (let turn = 0; turn < TURNS; turn++) await null;
    }
    this.#waking = false;
  }

  /** A peer that asks without reading the answers may not make us hold them all. */
  #bound(bytes: number): void {
    if (bytes <= OUTBOX_LIMIT) return;
    this.#failed(new ProtocolError("The peer does not read the answers to what it asks"));
  }
}
