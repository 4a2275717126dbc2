import { equals, startsWith } from "@std/bytes";
import { digest } from "../crypto/digest.ts";
import { KeyFormatError } from "../errors.ts";
import type { Certificate, PublicKey } from "./key.ts";
import { decodeKrl, KRL_MAGIC, type KrlFile, type SerialRange } from "./krl_format.ts";
import { parsing } from "./malformed.ts";
import { importPublicKey } from "./public_key.ts";

/**
 * Keys and certificates that must not be accepted any more: OpenSSH's KRL, or a text with a key on
 * each line, as `RevokedKeys` of sshd has them.
 *
 * @example
 * ```ts
 * import { generateKey, RevocationList } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using key = await generateKey();
 * const revoked = RevocationList.parse(new TextEncoder().encode(`${key.publicKey}\n`));
 * assert(revoked.isRevoked(key.publicKey));
 * ```
 */
export class RevocationList {
  readonly #file: KrlFile;

  private constructor(file: KrlFile) {
    this.#file = file;
  }

  /**
   * Reads a list. A part of it that is not understood is an error: it might revoke.
   *
   * @param bytes The contents of the file
   * @returns The list
   * @throws {KeyFormatError} If it is malformed
   *
   * @example
   * ```ts
   * import { KeyFormatError } from "@denossh/ssh";
   * import { RevocationList } from "@denossh/ssh/keys";
   * import { assertThrows } from "@std/assert";
   *
   * assertThrows(() => RevocationList.parse(new Uint8Array([1, 2, 3])), KeyFormatError);
   * ```
   */
  static parse(bytes: Uint8Array): RevocationList {
    return parsing("Revocation list", () => {
      const file = startsWith(bytes, KRL_MAGIC) ? decodeKrl(bytes.slice()) : fromText(bytes);
      return new RevocationList(file);
    });
  }

  /** The number that whoever wrote the list gave it, 0 for a text. */
  get version(): bigint {
    return this.#file.version;
  }

  /** When the list was written; the beginning of 1970 for a text. */
  get generated(): Date {
    return new Date(Number(this.#file.generated) * 1000);
  }

  /** What whoever wrote the list calls it. */
  get comment(): string {
    return this.#file.comment;
  }

  /**
   * Whether a key is revoked; a certificate also is if its key or its authority's is.
   *
   * @param key The key, a certificate of one, or what the certificate says
   * @returns Whether it must be refused
   *
   * @example
   * ```ts
   * import { generateKey, issueCertificate, RevocationList } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using authority = await generateKey();
   * using key = await generateKey();
   * const options = { kind: "user", keyId: "ann", principals: ["ann"] } as const;
   * const certificate = await issueCertificate(authority, key.publicKey, options);
   * const text = `${authority.publicKey}\n`;
   * assert(RevocationList.parse(new TextEncoder().encode(text)).isRevoked(certificate));
   * ```
   */
  isRevoked(key: PublicKey | Certificate): boolean {
    const certificate = "authority" in key ? key : key.certificate;
    const plain = certificate?.publicKey ?? key as PublicKey;
    if (this.#hasKey(plain)) return true;
    if (certificate === null) return false;
    return this.#hasKey(certificate.authority) || this.#hasCertificate(certificate);
  }

  #hasKey({ blob }: PublicKey): boolean {
    const { keys, sha1, sha256 } = this.#file;
    return keys.has(blob.toHex()) ||
      sha1.size > 0 && sha1.has(digest("SHA-1", blob).toHex()) ||
      sha256.size > 0 && sha256.has(digest("SHA-256", blob).toHex());
  }

  #hasCertificate({ authority, keyId, serial }: Certificate): boolean {
    const sections = this.#file.certificates.filter((section) =>
      section.authority.length === 0 || equals(section.authority, authority.blob)
    );
    if (sections.some((section) => section.keyIds.has(keyId))) return true;
    // PROTOCOL.krl: a certificate without a number cannot be revoked by it.
    if (serial === 0n) return false;
    return sections.some(({ serials, ranges }) =>
      serials.has(serial) || ranges.some((range) => inRange(range, serial))
    );
  }
}

function inRange({ first, last, bitmap }: SerialRange, serial: bigint): boolean {
  if (serial < first || serial > last) return false;
  if (bitmap === null) return true;
  const bit = Number(serial - first);
  return (bitmap.at(-1 - (bit >> 3))! >> (bit & 7) & 1) === 1;
}

// sshd_config(5), RevokedKeys: a key a line.
function fromText(bytes: Uint8Array): KrlFile {
  const keys = new Set<string>();
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new KeyFormatError("Revocation list is neither a KRL nor a text", { cause });
  }
  for (const line of text.split("\n").map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const key = importPublicKey(line);
    keys.add((key.certificate?.publicKey ?? key).blob.toHex());
  }
  const [none, nobody] = [new Set<string>(), []];
  return {
    ...{ version: 0n, generated: 0n, comment: "", keys },
    sha1: none,
    sha256: none,
    certificates: nobody,
  };
}
