import { REKEY_BYTES, REKEY_MS, REKEY_PACKETS } from "../defaults.ts";

/** When to exchange keys anew. */
export interface RekeyLimits {
  /** Bytes in one direction. */
  readonly bytes?: number;
  /** Packets in one direction. */
  readonly packets?: number;
  /** Milliseconds since the last exchange, looked at when something is sent or received. */
  readonly milliseconds?: number;
}

/** What the keys in force have been used for, and when that is enough (RFC 4253 §9, RFC 4344 §3). */
export class KeyUse {
  readonly #bytes: number;
  readonly #packets: number;
  readonly #milliseconds: number;
  #since = 0;
  /** Bytes received. */
  bytesIn = 0;
  /** Packets received. */
  packetsIn = 0;

  constructor(limits: RekeyLimits = {}) {
    this.#bytes = limits.bytes ?? REKEY_BYTES;
    this.#packets = limits.packets ?? REKEY_PACKETS;
    this.#milliseconds = limits.milliseconds ?? REKEY_MS;
  }

  /** New keys are in force. */
  renew(): void {
    this.bytesIn = 0;
    this.packetsIn = 0;
    this.#since = Date.now();
  }

  /** Whether one direction has had enough. */
  exceeds(sent: { readonly bytesSinceRekey: number; readonly packetsSinceRekey: number }): boolean {
    return Math.max(this.bytesIn, sent.bytesSinceRekey) >= this.#bytes ||
      Math.max(this.packetsIn, sent.packetsSinceRekey) >= this.#packets ||
      Date.now() - this.#since >= this.#milliseconds;
  }
}
