import { equals } from "@std/bytes";
import { printable, ProtocolError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { encodeBase64 } from "../encoding.ts";
import { certified, plainAlgorithm } from "./certificate_names.ts";
import { fingerprintText } from "./fingerprint.ts";
import type { Certificate, FingerprintHash, PublicKey, VerifyOptions } from "./key.ts";
import type { KeyType, PublicParts } from "./key_type.ts";
import { KEY_TYPES, keyType } from "./key_types.ts";
import { decodeSignature } from "./signature.ts";

/** Longest comment to keep, in characters; comments are only displayed. */
const MAX_COMMENT = 1024;

/**
 * Reads a key that is not a certificate. Keeps the blob in canonical encoding, as OpenSSH does, so that a
 * key has one blob and one fingerprint.
 *
 * @throws {KeyFormatError | ProtocolError} If the blob is not an acceptable key
 */
export function parsePlainKey(blob: Uint8Array, comment: string): PublicKey {
  const reader = new Reader(blob);
  const type = keyType(reader.text());
  const parts = type.readPublic(reader);
  reader.end();
  return new ParsedPublicKey(type, parts, parts.blob ?? blob, comment, null);
}

/** Whether a key can sign with an algorithm, including legacy ones. */
export function canUse(key: PublicKey, algorithm: string): boolean {
  return key.algorithms.includes(algorithm) || key.legacyAlgorithms.includes(algorithm);
}

/** Whether a key's signatures with an algorithm can be verified, including those that it cannot make here. */
export function canVerify(key: PublicKey, algorithm: string): boolean {
  return canUse(key, algorithm) || isForeign(key, algorithm);
}

/** Whether only other programs can sign with an algorithm and such a key, as a browser with a token. */
export function isForeign(key: PublicKey, algorithm: string): boolean {
  const type = KEY_TYPES.find(({ name }) => name === key.type);
  return type?.foreignAlgorithms?.includes(algorithm) ?? false;
}

/** A parsed key, or a certificate. */
export class ParsedPublicKey implements PublicKey {
  readonly #parts: PublicParts;
  readonly type: string;
  readonly algorithms: readonly string[];
  readonly legacyAlgorithms: readonly string[];
  readonly blob: Uint8Array;
  readonly comment: string;
  readonly certificate: Certificate | null;

  constructor(
    type: KeyType,
    parts: PublicParts,
    blob: Uint8Array,
    comment: string,
    certificate: Certificate | null,
  ) {
    this.#parts = parts;
    this.type = certificate ? certified(type.name) : type.name;
    const named = (names: readonly string[]) => certificate ? names.map(certified) : names;
    this.algorithms = named(type.algorithms);
    this.legacyAlgorithms = named(type.legacyAlgorithms ?? []);
    this.blob = blob;
    this.comment = printable(comment, MAX_COMMENT);
    this.certificate = certificate;
  }

  get bits(): number {
    return this.#parts.bits;
  }

  fingerprint(hash: FingerprintHash = "SHA256"): string {
    return fingerprintText(this, hash);
  }

  verify(
    algorithm: string,
    data: Uint8Array,
    signature: Uint8Array,
    options: VerifyOptions = {},
  ): boolean {
    if (!canVerify(this, algorithm)) return false;
    const plain = plainAlgorithm(algorithm);
    try {
      const decoded = decodeSignature(signature);
      // A signature labelled with another algorithm, possibly a weaker one, is refused.
      return decoded.algorithm === plain && this.#parts.verify(plain, data, decoded, options);
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
