import { REKEY_BYTES, REKEY_MS, REKEY_PACKETS } from "../defaults.ts";
import { MAX_TIMER_MS } from "../waiting.ts";

/** When to exchange keys again. */
export interface RekeyLimits {
  /** Bytes in one direction; 1 GiB by default. */
  readonly bytes?: number;
  /** Packets in one direction; 2^31 by default. */
  readonly packets?: number;
  /** Milliseconds since the last exchange, also while nothing is sent; an hour by default. */
  readonly milliseconds?: number;
}

/** Counts the use of the current keys, and decides when to replace them (RFC 4253 §9, RFC 4344 §3). */
export class KeyUse {
  readonly #bytes: number;
  readonly #packets: number;
  /** Milliseconds for which keys may be used; undefined for no limit. */
  readonly lifetime: number | undefined;
  /** Whether that time is over. */
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
    // A time that no timer can measure counts as unlimited.
    this.lifetime = milliseconds <= MAX_TIMER_MS ? milliseconds : undefined;
  }

  /** Called when new keys are in force. */
  renew(): void {
    this.bytesBefore += this.bytesIn;
    this.bytesIn = 0;
    this.packetsIn = 0;
    this.expired = false;
  }

  /** Whether new keys are due. Messages of a key exchange do not count, otherwise it would never end. */
  exceeds(sent: { readonly bytesSinceRekey: number; readonly packetsSinceRekey: number }): boolean {
    return Math.max(this.bytesIn, sent.bytesSinceRekey) >= this.#bytes ||
      Math.max(this.packetsIn, sent.packetsSinceRekey) >= this.#packets ||
      this.expired;
  }
}
