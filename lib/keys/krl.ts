import { equals, startsWith } from "@std/bytes";
import { digest } from "../crypto/digest.ts";
import { KeyFormatError, printable } from "../errors.ts";
import { decodeBase64, encodeHex } from "../encoding.ts";
import type { Certificate, PublicKey } from "./key.ts";
import {
  decodeKrl,
  encodeKrl,
  KRL_MAGIC,
  type KrlFile,
  type RevokedCertificates,
  type SerialRange,
} from "./krl_format.ts";
import { krlText } from "./krl_text.ts";
import { parsing } from "./malformed.ts";
import { importPublicKey } from "./public_key.ts";

/** The keys and certificates to revoke. */
export interface Revocations {
  /** Keys; of a certificate, its key. */
  readonly keys?: readonly PublicKey[];
  /** Fingerprints of keys, `SHA256:` and base64, or `SHA1:`. */
  readonly fingerprints?: readonly string[];
  /** Certificates, by authority. */
  readonly certificates?: readonly {
    /** The authority that signed them; null for any. */
    readonly authority: PublicKey | null;
    /** Their serial numbers, or inclusive ranges of them; 0 cannot be revoked. */
    readonly serials?: readonly (bigint | readonly [first: bigint, last: bigint])[];
    /** Their key ids. */
    readonly keyIds?: readonly string[];
  }[];
  /** The version of the list, 0 unless given; it should increase with each list. */
  readonly version?: bigint;
  /** A comment. */
  readonly comment?: string;
}

/**
 * A list of revoked keys and certificates: OpenSSH's KRL, or a text with a key on each line, as in
 * `RevokedKeys` of sshd.
 *
 * @example
 * ```ts
 * import { generateKey, RevocationList } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using key = await generateKey();
 * const revoked = RevocationList.parse(
 *   new TextEncoder().encode(`${key.publicKey}\n`),
 * );
 * assert(revoked.isRevoked(key.publicKey));
 * ```
 */
export class RevocationList {
  readonly #file: KrlFile;

  /** @ignore */
  private constructor(file: KrlFile) {
    this.#file = file;
  }

  /**
   * Reads a list. An unknown part is an error, because it might revoke something.
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
   * assertThrows(
   *   () => RevocationList.parse(new Uint8Array([1, 2, 3])),
   *   KeyFormatError,
   * );
   * ```
   */
  static parse(bytes: Uint8Array): RevocationList {
    return parsing("Revocation list", () => {
      const file = startsWith(bytes, KRL_MAGIC) ? decodeKrl(bytes.slice()) : fromText(bytes);
      return new RevocationList(file);
    });
  }

  /**
   * Makes a list.
   *
   * @param revocations What to revoke
   * @returns The list, with the current time
   * @throws {TypeError | RangeError} If a fingerprint or a number is invalid
   *
   * @example
   * ```ts
   * import { generateKey, RevocationList } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using key = await generateKey();
   * const list = RevocationList.of({
   *   fingerprints: [key.publicKey.fingerprint()],
   * });
   * assert(list.isRevoked(key.publicKey));
   * ```
   */
  static of(revocations: Revocations): RevocationList {
    return new RevocationList(NOTHING).with(revocations);
  }

  /**
   * Returns a list with more revocations.
   *
   * @param revocations The keys and certificates to revoke; a version and a comment replace the old ones
   * @returns A new list, with the current time; this one is unchanged
   * @throws {TypeError | RangeError} If a fingerprint or a number is invalid
   *
   * @example
   * ```ts
   * import { generateKey, RevocationList } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using key = await generateKey();
   * using other = await generateKey();
   * const list = RevocationList.of({ keys: [key.publicKey] }).with({
   *   keys: [other.publicKey],
   * });
   * assert(list.isRevoked(key.publicKey) && list.isRevoked(other.publicKey));
   * ```
   */
  with(revocations: Revocations): RevocationList {
    return new RevocationList(merged(this.#file, revocations));
  }

  /**
   * The list as OpenSSH's KRL.
   *
   * @returns The contents of the file
   *
   * @example
   * ```ts
   * import { generateKey, RevocationList } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using key = await generateKey();
   * const bytes = RevocationList.of({ keys: [key.publicKey] }).encode();
   * assert(RevocationList.parse(bytes).isRevoked(key.publicKey));
   * ```
   */
  encode(): Uint8Array {
    return encodeKrl(this.#file);
  }

  /**
   * The list in the form of `ssh-keygen -Q -l`.
   *
   * @returns Lines, each with a line feed
   *
   * @example
   * ```ts
   * import { generateKey, RevocationList } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using key = await generateKey();
   * const text = RevocationList.of({ keys: [key.publicKey] }).toString();
   * assert(text.includes(`hash: ${key.publicKey.fingerprint()} # ssh-ed25519`));
   * ```
   */
  toString(): string {
    return krlText(this.#file);
  }

  /** The version of the list; 0 for a text. */
  get version(): bigint {
    return this.#file.version;
  }

  /** When the list was written; the beginning of 1970 for a text. */
  get generated(): Date {
    return new Date(Number(this.#file.generated) * 1000);
  }

  /** The comment of the list. */
  get comment(): string {
    return this.#file.comment;
  }

  /**
   * Whether a key is revoked; a certificate is also revoked with its key or its authority's key.
   *
   * @param key The key, a certificate, or the contents of a certificate
   * @returns Whether it must be refused
   *
   * @example
   * ```ts
   * import {
   *   generateKey,
   *   issueCertificate,
   *   RevocationList,
   * } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using authority = await generateKey();
   * using key = await generateKey();
   * const options = {
   *   kind: "user",
   *   keyId: "ann",
   *   principals: ["ann"],
   * } as const;
   * const certificate = await issueCertificate(
   *   authority,
   *   key.publicKey,
   *   options,
   * );
   * const text = `${authority.publicKey}\n`;
   * assert(
   *   RevocationList.parse(new TextEncoder().encode(text)).isRevoked(
   *     certificate,
   *   ),
   * );
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
    return keys.has(encodeHex(blob)) ||
      sha1.has(encodeHex(digest("SHA-1", blob))) || sha256.has(encodeHex(digest("SHA-256", blob)));
  }

  #hasCertificate({ authority, keyId, serial }: Certificate): boolean {
    const sections = this.#file.certificates.filter((section) =>
      section.authority.length === 0 || equals(section.authority, authority.blob)
    );
    if (sections.some((section) => section.keyIds.has(keyId))) return true;
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

const NOTHING: KrlFile = {
  version: 0n,
  generated: 0n,
  comment: "",
  certificates: [],
  keys: new Set(),
  sha1: new Set(),
  sha256: new Set(),
};

function merged(file: KrlFile, more: Revocations): KrlFile {
  const [sha1, sha256] = [new Set(file.sha1), new Set(file.sha256)];
  for (const fingerprint of more.fingerprints ?? []) {
    const [, hash, base64] = /^(SHA1|SHA256):([A-Za-z0-9+/]+)$/.exec(fingerprint) ?? [];
    const bytes = base64 && decodeBase64(base64.padEnd(Math.ceil(base64.length / 4) * 4, "="));
    if (!bytes || bytes.length !== (hash === "SHA1" ? 20 : 32)) {
      throw new TypeError(`"${printable(fingerprint, 64)}" is not a fingerprint`);
    }
    (hash === "SHA1" ? sha1 : sha256).add(encodeHex(bytes));
  }
  const keys = (more.keys ?? []).map((key) => encodeHex((key.certificate?.publicKey ?? key).blob));
  return {
    version: checked(more.version ?? file.version),
    generated: BigInt(Math.floor(Date.now() / 1000)),
    comment: more.comment ?? file.comment,
    keys: new Set([...file.keys, ...keys]),
    sha1,
    sha256,
    certificates: [...file.certificates, ...(more.certificates ?? []).map(revokedOf)],
  };
}

function revokedOf(
  { authority, serials = [], keyIds = [] }: NonNullable<Revocations["certificates"]>[number],
): RevokedCertificates {
  const ranges = serials.filter((serial) => typeof serial !== "bigint");
  return {
    authority: authority?.blob ?? new Uint8Array(0),
    serials: new Set(serials.filter((serial) => typeof serial === "bigint").map(checkedSerial)),
    ranges: ranges.map(([first, last]) => {
      if (first > last) throw new RangeError(`Range ${first} to ${last} ends before its start`);
      return { first: checkedSerial(first), last: checkedSerial(last), bitmap: null };
    }),
    keyIds: new Set(keyIds),
  };
}

// PROTOCOL.krl: a certificate with serial number 0 cannot be revoked by number.
function checkedSerial(number: bigint): bigint {
  if (number !== 0n) return checked(number);
  throw new RangeError("The serial number 0 cannot be revoked: use the key ID");
}

function checked(number: bigint): bigint {
  if (number >= 0n && number < 2n ** 64n) return number;
  throw new RangeError(`A number must fit 64 bits: ${number}`);
}

// sshd_config(5), RevokedKeys: one key per line.
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
    keys.add(encodeHex((key.certificate?.publicKey ?? key).blob));
  }
  return { ...NOTHING, keys };
}
