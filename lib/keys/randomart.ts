import { fingerprintBytes } from "./fingerprint.ts";
import type { FingerprintHash, PublicKey } from "./key.ts";
import { keyTypeLabel } from "./key_labels.ts";

const COLUMNS = 17;
const ROWS = 9;
/** Symbols from never to often visited; the last two mark the start and the end. */
const MARKS = " .o+=*BOX@%&#/^SE";
const START = MARKS.length - 2;
const END = MARKS.length - 1;

/**
 * A key's fingerprint as a recognizable picture, as in OpenSSH.
 *
 * @param key The key
 * @param hash The hash of the fingerprint, SHA-256 unless given
 * @returns Eleven lines, without a final line feed
 *
 * @example
 * ```ts
 * import { generateKey, randomart } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * assert(randomart(key.publicKey).startsWith("+--[ED25519 256]--+\n|"));
 * ```
 */
export function randomart(key: PublicKey, hash: FingerprintHash = "SHA256"): string {
  const label = keyTypeLabel(key);
  const title = `[${label} ${key.bits}]`;
  const rows = walk(fingerprintBytes(key, hash));
  // The size is left out if it does not fit.
  const top = title.length > COLUMNS ? `[${label}]` : title;
  return [border(top), ...rows, border(`[${hash}]`)].join("\n");
}

/** A bishop moves diagonally, two bits per step, and leaves marks. */
function walk(digest: Uint8Array): string[] {
  const field = Array.from({ length: ROWS }, () => new Uint8Array(COLUMNS));
  let x = (COLUMNS - 1) / 2;
  let y = (ROWS - 1) / 2;
  const [startX, startY] = [x, y];
  for (const byte of digest) {
    for (let bits = 0; bits < 8; bits += 2) {
      x = clamp(x + (byte >> bits & 1 ? 1 : -1), COLUMNS);
      y = clamp(y + (byte >> bits & 2 ? 1 : -1), ROWS);
      if (field[y]![x]! < START - 1) field[y]![x]!++;
    }
  }
  field[startY]![startX] = START;
  field[y]![x] = END;
  return field.map((row) => `|${Array.from(row, (visits) => MARKS[visits]).join("")}|`);
}

function clamp(at: number, size: number): number {
  return Math.min(Math.max(at, 0), size - 1);
}

function border(label: string): string {
  const before = Math.floor((COLUMNS - label.length) / 2);
  return `+${("-".repeat(before) + label).padEnd(COLUMNS, "-")}+`;
}
