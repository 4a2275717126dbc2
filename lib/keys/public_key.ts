import { KeyFormatError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { decodeBase64 } from "./base64.ts";
import { decodeCertificate } from "./certificate_format.ts";
import { certifiedType } from "./certificate_names.ts";
import type { PublicKey } from "./key.ts";
import { parsing } from "./malformed.ts";
import { parsePlainKey } from "./parsed_key.ts";

export type { Certificate, FingerprintHash, PublicKey, VerifyOptions } from "./key.ts";

/**
 * Reads a public key blob, or a certificate's: then its signature holds, and what it says is for
 * {@linkcode checkCertificate} to judge.
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
    const type = certifiedType(new Reader(owned).text());
    return type === null ? parsePlainKey(owned, comment) : decodeCertificate(type, owned, comment);
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
