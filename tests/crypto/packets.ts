/** Helpers for packet tests: all suites, keys for them, and payloads. */

import { Opener, type RawKeys, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { decodeHex } from "../../lib/encoding.ts";
import { noise } from "../support/random.ts";

/** A cipher with its MAC and the sizes of their keys. */
export interface Suite {
  cipher: string;
  mac: string;
  key: number;
  iv: number;
  macKey: number;
}

const AEAD: Suite[] = [
  { cipher: "none", mac: "", key: 0, iv: 0, macKey: 0 },
  { cipher: "chacha20-poly1305@openssh.com", mac: "", key: 64, iv: 0, macKey: 0 },
  { cipher: "aes128-gcm@openssh.com", mac: "", key: 16, iv: 12, macKey: 0 },
  { cipher: "aes256-gcm@openssh.com", mac: "", key: 32, iv: 12, macKey: 0 },
];
const MACS = [
  ["hmac-sha2-256", 32],
  ["hmac-sha2-512", 64],
  ["hmac-sha1", 20],
  ["hmac-sha2-256-etm@openssh.com", 32],
  ["hmac-sha2-512-etm@openssh.com", 64],
  ["hmac-sha1-etm@openssh.com", 20],
] as const;
const CIPHERS = [
  ["aes128-ctr", 16, 16],
  ["aes192-ctr", 24, 16],
  ["aes256-ctr", 32, 16],
  ["aes128-cbc", 16, 16],
  ["aes192-cbc", 24, 16],
  ["aes256-cbc", 32, 16],
  ["3des-cbc", 24, 8],
] as const;

/** All suites that a connection can negotiate, and "none". */
export const SUITES: Suite[] = [
  ...AEAD,
  ...CIPHERS.flatMap(([cipher, key, iv]) =>
    MACS.map(([mac, macKey]) => ({ cipher, mac, key, iv, macKey }))
  ),
];

/** The suites with authentication. */
export const PROTECTED: Suite[] = SUITES.slice(1);

/** A name for a test. */
export function nameOf({ cipher, mac }: Suite): string {
  return mac === "" ? cipher : `${cipher} with ${mac}`;
}

/** Keys for a suite, the same for the same seed. */
export function keysFor(suite: Suite, sequence = 0, seed = 7): RawKeys {
  return {
    cipher: suite.cipher,
    mac: suite.mac,
    key: noise(suite.key, seed),
    iv: noise(suite.iv, seed + 1),
    macKey: noise(suite.macKey, seed + 2),
    sequence,
  };
}

/** A sealer and an opener under the same keys. */
export function pairFor(
  suite: Suite,
  sequence = 0,
): { sealer: Sealer; opener: Opener } & Disposable {
  const sealer = new Sealer();
  const opener = new Opener();
  sealer.setKeys(keysFor(suite, sequence));
  opener.setKeys(keysFor(suite, sequence));
  return {
    sealer,
    opener,
    [Symbol.dispose]() {
      sealer[Symbol.dispose]();
      opener[Symbol.dispose]();
    },
  };
}

/** All sealed bytes not yet read. */
export function drain(sealer: Sealer): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sealer.pending);
  sealer.take(bytes);
  return bytes;
}

/** One payload as a packet. */
export function sealOne(sealer: Sealer, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  sealer.sealPayload(payload);
  return drain(sealer);
}

/** Whether a forgery under the suite is answered only after the bytes of the largest packet. */
export function readsOn({ cipher, mac }: Suite): boolean {
  return cipher.endsWith("-cbc") && !mac.includes("etm");
}

/**
 * The opener's answer; after a forgery under CBC it first reads as many bytes as the largest packet
 * has (CVE-2008-5161).
 */
export function answer(opener: Opener): Uint8Array | null {
  for (let more = 0; more < 6; more++) {
    const payload = opener.next();
    if (payload !== null) return payload;
    opener.push(new Uint8Array(64 * 1024));
  }
  return null;
}

/** Bytes from hexadecimal digits. */
export function hex(digits: string): Uint8Array<ArrayBuffer> {
  return decodeHex(digits);
}
