import { REKEY_BYTES, REKEY_MS, REKEY_PACKETS } from "../defaults.ts";

/** The longest time that setTimeout takes, 24.8 days: more than that is for ever. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** When to exchange keys anew. */
export interface RekeyLimits {
  /** Bytes in one direction. */
  readonly bytes?: number;
  /** Packets in one direction. */
  readonly packets?: number;
  /** Milliseconds since the last exchange, also while nothing is sent. */
  readonly milliseconds?: number;
}

/** What the keys in force have been used for, and when that is enough (RFC 4253 §9, RFC 4344 §3). */
export class KeyUse {
  readonly #bytes: number;
  readonly #packets: number;
  /** Milliseconds for which keys may be used; undefined is for ever. */
  readonly lifetime: number | undefined;
  /** Whether they have been used for that long. */
  expired = false;
  /** Bytes of payload received. */
  bytesIn = 0;
  /** Bytes of payload received under earlier keys. */
  bytesBefore = 0;
  /** Packets received. */
  packetsIn = 0;

  constructor(limits: RekeyLimits = {}) {
    this.#bytes = limits.bytes ?? REKEY_BYTES;
    this.#packets = limits.packets ?? REKEY_PACKETS;
    const milliseconds = limits.milliseconds ?? REKEY_MS;
    this.lifetime = milliseconds <= MAX_TIMER_MS ? milliseconds : undefined;
  }

  /** New keys are in force. */
  renew(): void {
    this.bytesBefore += this.bytesIn;
    this.bytesIn = 0;
    this.packetsIn = 0;
    this.expired = false;
  }

  /** Whether new keys are due. What a key exchange itself sends does not count, or it would never end. */
  exceeds(sent: { readonly bytesSinceRekey: number; readonly packetsSinceRekey: number }): boolean {
    return Math.max(this.bytesIn, sent.bytesSinceRekey) >= this.#bytes ||
      Math.max(this.packetsIn, sent.packetsSinceRekey) >= this.#packets ||
      this.expired;
  }
}
