import { STRANGERS_RSA_BITS } from "../defaults.ts";
import { KeyFormatError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { decodeBase64 } from "../encoding.ts";
import { decodeCertificate } from "./certificate_format.ts";
import { certifiedType } from "./certificate_names.ts";
import type { PublicKey } from "./key.ts";
import { parsing } from "./malformed.ts";
import { parsePlainKey } from "./parsed_key.ts";
import { blobFromPem, toPkcs1, toSpki } from "./public_pem.ts";
import { decodeRfc4716, encodeRfc4716, RFC4716_BEGIN } from "./rfc4716.ts";

export type { Certificate, FingerprintHash, PublicKey, VerifyOptions } from "./key.ts";

/**
 * Reads the blob of a public key or a certificate. The signature of a
 * certificate is verified; check its contents with {@linkcode checkCertificate}.
 *
 * @param blob The key in wire format; copied
 * @param comment The comment
 * @returns The key
 * @throws {KeyFormatError} If the blob is malformed, of an unsupported type or a weak key
 *
 * @example
 * ```ts
 * import { importPublicKey, parsePublicKey } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * const line =
 *   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lk" +
 *   "BzoO4XLz2qYjJa8CGmj3B1Ea";
 * const key = importPublicKey(line);
 * assert(parsePublicKey(key.blob).equals(key));
 * ```
 */
export function parsePublicKey(blob: Uint8Array, comment = ""): PublicKey {
  return parsed(blob, comment, Infinity);
}

/** The same for keys of clients before login, where the size of a certificate's authority is limited. */
export function parseStrangersKey(blob: Uint8Array): PublicKey {
  return parsed(blob, "", STRANGERS_RSA_BITS);
}

function parsed(blob: Uint8Array, comment: string, authorityBits: number): PublicKey {
  const owned = blob.slice();
  return parsing("Public key", () => {
    const type = certifiedType(new Reader(owned).text());
    return type === null
      ? parsePlainKey(owned, comment)
      : decodeCertificate(type, owned, comment, authorityBits);
  });
}

/**
 * Reads a public key or a certificate: a line as in a `.pub` file, RFC 4716, or PEM.
 *
 * @param text A line of type, base64 and optionally a comment; or a block between BEGIN and END lines
 * @returns The key
 * @throws {KeyFormatError} If the text is not an acceptable key
 *
 * @example
 * ```ts
 * import { importPublicKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * const key = importPublicKey(
 *   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lk" +
 *     "BzoO4XLz2qYjJa8CGmj3B1Ea me@home",
 * );
 * assertEquals(key.comment, "me@home");
 * ```
 */
export function importPublicKey(text: string): PublicKey {
  const trimmed = text.trim();
  if (trimmed.startsWith(RFC4716_BEGIN)) {
    const { blob, comment } = decodeRfc4716(trimmed);
    return parsePublicKey(blob, comment);
  }
  if (trimmed.startsWith("-----BEGIN ")) return parsePublicKey(blobFromPem(trimmed));
  return fromLine(trimmed);
}

/** Parses a public key in text; null if it is not one. */
export function tryPublicKey(text: string): PublicKey | null {
  try {
    return importPublicKey(text);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}

function fromLine(line: string): PublicKey {
  const match = /^(\S+)[ \t]+(\S+)(?:[ \t]+(\S[^\r\n]*))?$/.exec(line);
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

/** The formats of public keys. */
export type PublicKeyFormat = "openssh" | "rfc4716" | "pkcs8" | "pem";

/** Options for writing a public key. */
export interface PublicKeyExportOptions {
  /**
   * The format: a line of OpenSSH's unless given; `"rfc4716"`; `"pkcs8"`, a PUBLIC KEY block of OpenSSL; or
   * `"pem"`, an RSA PUBLIC KEY block for RSA and the same as `"pkcs8"` for others.
   */
  readonly format?: PublicKeyFormat;
  /** The comment in the file instead of the key's own; PEM has no comments. */
  readonly comment?: string;
}

/**
 * Writes a public key.
 *
 * @param key The key, or a certificate, which only OpenSSH's format and RFC 4716 can represent
 * @param options The format and the comment
 * @returns The text of the file
 * @throws {TypeError} If the format cannot represent the key
 *
 * @example
 * ```ts
 * import {
 *   exportPublicKey,
 *   generateKey,
 *   importPublicKey,
 * } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519", { comment: "me@home" });
 * const text = exportPublicKey(key.publicKey, { format: "rfc4716" });
 * assertEquals(importPublicKey(text).toString(), key.publicKey.toString());
 * ```
 */
export function exportPublicKey(key: PublicKey, options: PublicKeyExportOptions = {}): string {
  const { format = "openssh", comment = key.comment } = options;
  if (/[\r\n\0]/.test(comment)) throw new TypeError("A comment must be one line");
  switch (format) {
    case "openssh":
      return `${parsePublicKey(key.blob, comment)}\n`;
    case "rfc4716":
      return encodeRfc4716(key, comment);
    case "pkcs8":
      return toSpki(key);
    case "pem":
      return toPkcs1(key);
    default:
      throw new TypeError(`Unknown format "${format satisfies never}"`);
  }
}
