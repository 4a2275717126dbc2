import { ClosedError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { addArmor, removeArmor } from "./armor.ts";
import { type GeneratedKeyType, generateSection } from "./generate.ts";
import { MAX_BCRYPT_ROUNDS } from "./key_cipher.ts";
import { readPrivateParts } from "./key_types.ts";
import { parsing } from "./malformed.ts";
import { decodeOpenssh, encodeOpenssh, type OpenedKey, OPENSSH_LABEL } from "./openssh_format.ts";
import { sectionFromPem } from "./pem_keys.ts";
import { canUse } from "./parsed_key.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";
import { encodeSignature } from "./signature.ts";

export type { GeneratedKeyType };

/** Rounds of bcrypt when a key is encrypted: what `ssh-keygen` does today. */
const BCRYPT_ROUNDS = 24;

/**
 * Options of one signature.
 *
 * @example
 * ```ts
 * import { generateKey, type Signer, type SignOptions } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * const remote: Signer = {
 *   publicKey: key.publicKey,
 *   sign(algorithm, data, { signal }: SignOptions = {}) {
 *     signal?.throwIfAborted();
 *     return key.sign(algorithm, data);
 *   },
 * };
 * assertEquals((await remote.sign("ssh-ed25519", new Uint8Array(1))).length, 83);
 * ```
 */
export interface SignOptions {
  /** Gives up waiting for a signature that is made elsewhere, such as in an agent. */
  readonly signal?: AbortSignal;
}

/** What makes signatures: a private key here, or one in an agent. */
export interface Signer {
  /** The public half. */
  readonly publicKey: PublicKey;
  /** Signs `data` by one of the key's algorithms; the answer is a blob with the label. */
  sign(
    algorithm: string,
    data: Uint8Array,
    options?: SignOptions,
  ): Uint8Array | Promise<Uint8Array>;
}

/** A private key in memory; disposing wipes it. */
export interface PrivateKey extends Signer, Disposable {
  /** What its owner calls it, or `""`. */
  readonly comment: string;
  /** Signs `data` by one of the key's algorithms; the answer is a blob with the label. */
  sign(algorithm: string, data: Uint8Array): Uint8Array;
  /** The key in OpenSSH's format; encrypted if there is a passphrase. */
  export(options?: ExportOptions): string;
}

/** How to write a private key. */
export interface ExportOptions {
  /** Encrypts the key; not empty. */
  passphrase?: string;
  /** What to call the key in the file instead of its own comment. */
  comment?: string;
  /** Rounds of bcrypt for the passphrase, 24 unless given; each takes some milliseconds. */
  rounds?: number;
}

/** How to read a private key. */
export interface ImportOptions {
  /** What the key is encrypted with. */
  passphrase?: string;
}

/** What key to make. */
export interface GenerateOptions {
  /** What to call the key. */
  comment?: string;
  /** The size of an RSA key in bits, 3072 unless given. */
  bits?: number;
}

/**
 * Reads a private key: OpenSSH's format, plain or encrypted, or unencrypted PEM (PKCS#8, PKCS#1,
 * SEC1).
 *
 * @param text The text of the key file
 * @param options The passphrase, if the key is encrypted
 * @returns The key
 * @throws {PassphraseError} If the key is encrypted and the passphrase is missing or wrong
 * @throws {KeyFormatError} If the text is not an acceptable key
 *
 * @example
 * ```ts
 * import { generateKey, importPrivateKey } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * const text = key.export({ passphrase: "open sesame", rounds: 4 });
 * using same = importPrivateKey(text, { passphrase: "open sesame" });
 * assert(same.publicKey.equals(key.publicKey));
 * ```
 */
export function importPrivateKey(text: string, options: ImportOptions = {}): PrivateKey {
  const armored = removeArmor(text);
  try {
    return parsing(
      "Private key",
      () =>
        armored.label === OPENSSH_LABEL
          ? new OpenPrivateKey(decodeOpenssh(armored.bytes, options.passphrase))
          : fromSection(sectionFromPem(armored), ""),
    );
  } finally {
    armored.bytes.fill(0);
  }
}

/**
 * Makes a new key.
 *
 * @param type The kind of key, Ed25519 unless given
 * @param options The comment, and the size of an RSA key
 * @returns The key
 * @throws {TypeError | RangeError} If there is no such kind or size
 *
 * @example
 * ```ts
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ecdsa-p256", { comment: "me@home" });
 * assertEquals(key.publicKey.type, "ecdsa-sha2-nistp256");
 * ```
 */
export async function generateKey(
  type: GeneratedKeyType = "ed25519",
  options: GenerateOptions = {},
): Promise<PrivateKey> {
  return fromSection(await generateSection(type, options.bits), options.comment ?? "");
}

/** Takes over the section: wiped if it is not a key. */
function fromSection(secret: Uint8Array, comment: string): PrivateKey {
  try {
    const reader = new Reader(secret);
    const parts = readPrivateParts(reader);
    reader.end();
    return new OpenPrivateKey({ parts, secret, comment });
  } catch (error) {
    secret.fill(0);
    throw error;
  }
}

class OpenPrivateKey implements PrivateKey {
  readonly publicKey: PublicKey;
  #key: OpenedKey | null;

  constructor(key: OpenedKey) {
    this.publicKey = parsePublicKey(key.parts.publicBlob, key.comment);
    this.#key = key;
  }

  get comment(): string {
    return this.publicKey.comment;
  }

  sign(algorithm: string, data: Uint8Array): Uint8Array {
    const { parts } = this.#open("sign");
    if (!canUse(this.publicKey, algorithm)) {
      throw new TypeError(
        `A key of type "${this.publicKey.type}" cannot sign by "${printable(algorithm, 64)}"`,
      );
    }
    return encodeSignature({ algorithm, bytes: parts.sign(algorithm, data) });
  }

  export(options: ExportOptions = {}): string {
    const { parts, secret } = this.#open("export");
    const { passphrase, comment = this.comment, rounds = BCRYPT_ROUNDS } = options;
    if (passphrase === "") throw new TypeError("A passphrase must not be empty");
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > MAX_BCRYPT_ROUNDS) {
      throw new RangeError(`Rounds must be 1 to ${MAX_BCRYPT_ROUNDS}: got ${rounds}`);
    }
    const encryption = passphrase === undefined ? null : { passphrase, rounds };
    const file = encodeOpenssh({ parts, secret, comment }, encryption);
    const text = addArmor(OPENSSH_LABEL, file);
    file.fill(0);
    return text;
  }

  [Symbol.dispose](): void {
    this.#key?.secret.fill(0);
    this.#key = null;
  }

  #open(verb: string): OpenedKey {
    if (this.#key === null) throw new ClosedError(`Cannot ${verb}: the key has been disposed of`);
    return this.#key;
  }
}
