import { equals } from "@std/bytes";
import { digest } from "../crypto/digest.ts";
import { KeyFormatError, printable, ProtocolError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { KeyType, PublicParts } from "./key_type.ts";
import { keyType } from "./key_types.ts";
import { parsing } from "./malformed.ts";
import { decodeSignature } from "./signature.ts";

/** Longest comment kept, in characters: it is only ever shown. */
const MAX_COMMENT = 1024;

/** The public half of a key. */
export interface PublicKey {
  /** The name of the key's type, such as `"ssh-ed25519"`. */
  readonly type: string;
  /** The key as it travels (RFC 4253 §6.6). */
  readonly blob: Uint8Array;
  /** What its owner calls it, or `""`. */
  readonly comment: string;
  /** Its size in bits. */
  readonly bits: number;
  /** The signature algorithms that the key can make, best first. */
  readonly algorithms: readonly string[];
  /** The SHA-256 fingerprint as `ssh-keygen -l` shows it. */
  fingerprint(): string;
  /** Whether `signature`, a blob with its label, is this key's over `data` by `algorithm`. */
  verify(algorithm: string, data: Uint8Array, signature: Uint8Array): boolean;
  /** Whether the other is the same key; comments do not count. */
  equals(other: PublicKey): boolean;
  /** The key as one line, as in an `.pub` file. */
  toString(): string;
}

/**
 * Reads a public key blob.
 *
 * @param blob The key as it travels; copied
 * @param comment What to call it
 * @returns The key
 * @throws {KeyFormatError} If the blob is malformed, of an unsupported type or a weak key
 *
 * @example
 * ```ts
 * import { importPublicKey, parsePublicKey } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
 * const key = importPublicKey(line);
 * assert(parsePublicKey(key.blob).equals(key));
 * ```
 */
export function parsePublicKey(blob: Uint8Array, comment = ""): PublicKey {
  const owned = blob.slice();
  return parsing("Public key", () => {
    const reader = new Reader(owned);
    const type = keyType(reader.text());
    const parts = type.readPublic(reader);
    reader.end();
    return new ParsedPublicKey(type, parts, owned, printable(comment, MAX_COMMENT));
  });
}

/**
 * Reads a public key from one line of text, as in an `.pub` file.
 *
 * @param line The type, the key in base64, and perhaps a comment
 * @returns The key
 * @throws {KeyFormatError} If the line is not an acceptable key
 *
 * @example
 * ```ts
 * import { importPublicKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * const key = importPublicKey(
 *   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea me@home",
 * );
 * assertEquals(key.comment, "me@home");
 * ```
 */
export function importPublicKey(line: string): PublicKey {
  const match = /^(\S+)[ \t]+(\S+)(?:[ \t]+(\S[^\r\n]*))?$/.exec(line.trim());
  const blob = match && decodeBase64(match[2]!);
  if (!blob) throw new KeyFormatError("Public key is not a line of type, base64 and comment");
  const key = parsePublicKey(blob, match[3]);
  if (key.type !== match[1]) {
    throw new KeyFormatError(
      `Public key says "${printable(match[1]!, 64)}" outside and "${key.type}" inside`,
    );
  }
  return key;
}

class ParsedPublicKey implements PublicKey {
  readonly #type: KeyType;
  readonly #parts: PublicParts;
  readonly blob: Uint8Array;
  readonly comment: string;

  constructor(type: KeyType, parts: PublicParts, blob: Uint8Array, comment: string) {
    this.#type = type;
    this.#parts = parts;
    this.blob = blob;
    this.comment = comment;
  }

  get type(): string {
    return this.#type.name;
  }

  get bits(): number {
    return this.#parts.bits;
  }

  get algorithms(): readonly string[] {
    return this.#type.algorithms;
  }

  fingerprint(): string {
    return "SHA256:" + encodeBase64(digest("SHA-256", this.blob)).replace(/=+$/, "");
  }

  verify(algorithm: string, data: Uint8Array, signature: Uint8Array): boolean {
    if (!this.algorithms.includes(algorithm)) return false;
    try {
      const { algorithm: label, bytes } = decodeSignature(signature);
      // A signature under a weaker algorithm's label is not the one that was agreed on.
      return label === algorithm && this.#parts.verify(algorithm, data, bytes);
    } catch (error) {
      if (error instanceof ProtocolError) return false;
      throw error;
    }
  }

  equals(other: PublicKey): boolean {
    return equals(this.blob, other.blob);
  }

  toString(): string {
    const line = `${this.type} ${encodeBase64(this.blob)}`;
    return this.comment === "" ? line : `${line} ${this.comment}`;
  }
}
