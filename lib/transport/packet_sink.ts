import type { Sealer } from "../crypto/packet_cipher.ts";
import { wiping } from "../crypto/wiping.ts";
import { OUTBOX_HIGH_WATER, OUTBOX_LIMIT, SOCKET_WRITE_BYTES } from "../defaults.ts";
import { ProtocolError } from "../errors.ts";
import { EXTENDED_DATA_HEADER, writeData } from "../wire/hot.ts";
import { MSG } from "../wire/numbers.ts";
import type { MessageSink } from "./message_transport.ts";
import type { Socket } from "./socket.ts";
import type { Trace } from "./trace.ts";

/** Frames messages and keeps them until they are taken. */
export type Framer =
  & Pick<Sealer, "pending" | "room" | "seal" | "sealPayload" | "take">
  & Disposable;

/**
 * Seals packets and writes them, many per write. Nothing here waits for a timer: the first packet
 * schedules a flush at the end of the current turn, and packets sealed during a write go out with the
 * next one.
 *
 * Bulk writers send only while the sink is not {@linkcode PacketSink.congested}, and leave a callback
 * otherwise. Other messages may be sent at any time; during a key exchange they are held until the new keys
 * are in force (RFC 4253 §7.1).
 */
export class PacketSink<F extends Framer = Sealer> implements MessageSink {
  /** The cipher of the outbound direction. */
  readonly sealer: F;
  /** Bytes of payload sealed under the current keys, or since the key exchange under way began. */
  bytesSinceRekey = 0;
  /** Bytes of payload sealed before, without key exchanges. */
  bytesBeforeRekey = 0;
  /** Packets sealed under the current keys. */
  packetsSinceRekey = 0;
  /** Messages sent that the peer may answer: all except window adjustments. */
  asked = 0;

  /** Maximum bytes that are held for a peer that does not read. */
  limit = OUTBOX_LIMIT;

  /** Called after the message that ends authentication, before anything else is sealed. */
  onSuccess: () => void = () => {};
  /** Called with each message, if set. */
  trace: Trace | null = null;

  readonly #socket: Socket;
  readonly #failed: (error: unknown) => void;
  readonly #outbox = new Uint8Array(SOCKET_WRITE_BYTES);
  #held: Uint8Array[] | null = null;
  #heldBytes = 0;
  #flushing = false;
  #closed = false;
  /** Callbacks that send bulk data once there is room, in their order. */
  readonly #waiting: (() => void)[] = [];
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(socket: Socket, failed: (error: unknown) => void, sealer: F) {
    this.#socket = socket;
    this.#failed = failed;
    this.sealer = sealer;
  }

  /** Whether bulk data has to wait. */
  get congested(): boolean {
    return this.#held !== null || this.#closed || this.sealer.pending >= OUTBOX_HIGH_WATER;
  }

  /**
   * Calls `send` once there is room for bulk data, in the order of the calls; never, if the connection ends
   * first. `send` must send synchronously: the next one is called while there is still room.
   */
  whenRoom(send: () => void): void {
    this.#waiting.push(send);
    this.#offerRoom();
  }

  /** Sends a message, or keeps it until the key exchange is over. */
  send(payload: Uint8Array): void {
    if (this.#closed) return;
    if (this.#held) {
      this.#heldBytes += payload.length;
      this.#held.push(payload.slice());
      if (this.#heldBytes > this.limit) this.#overflow();
    } else {
      this.sendNow(payload);
    }
  }

  /** Sends a message of the transport or the key exchange, even while others are held. */
  sendNow(payload: Uint8Array): void {
    if (this.#closed) return;
    this.trace?.sent(payload);
    this.sealer.sealPayload(payload);
    if (payload[0] !== MSG.CHANNEL_WINDOW_ADJUST) this.asked++;
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
    this.asked++;
    this.#sealed(length);
  }

  /** Holds all messages except those of the key exchange. */
  hold(): void {
    this.#held ??= [];
    this.bytesBeforeRekey += this.bytesSinceRekey;
    this.bytesSinceRekey = 0;
  }

  /** Sends the held messages, after the new keys are in force. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#heldBytes = 0;
    this.bytesSinceRekey = 0;
    this.packetsSinceRekey = 0;
    for (const payload of held) wiping(payload, () => this.sendNow(payload));
    this.#offerRoom();
  }

  /** Resolves when all sealed packets have been written, or the socket failed. */
  drained(): Promise<void> {
    if (!this.#flushing) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Accepts no more messages; sealed packets are still written, and held messages are wiped. */
  close(): void {
    this.#closed = true;
    for (const payload of this.#held?.splice(0) ?? []) payload.fill(0);
    if (!this.#flushing) this.sealer[Symbol.dispose]();
  }

  #sealed(length: number): void {
    this.bytesSinceRekey += length;
    this.packetsSinceRekey++;
    if (this.sealer.pending > this.limit) this.#overflow();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  async #flush(): Promise<void> {
    try {
      while (this.sealer.pending > 0) {
        const n = this.sealer.take(this.#outbox);
        const written = this.#socket.write(this.#outbox.subarray(0, n));
        try {
          // Packets sealed during this write go out with the next one.
          this.#offerRoom();
        } finally {
          await written;
        }
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

  /** Lets writers send one by one while there is room; the others keep their places. */
  #offerRoom(): void {
    while (this.#waiting.length > 0 && !this.congested) this.#waiting.shift()!();
  }

  /** Limits the answers that are held for a peer that sends requests but does not read. */
  #overflow(): void {
    this.#failed(new ProtocolError("The peer does not read the answers to its requests"));
  }
}
