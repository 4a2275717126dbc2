import { ClosedError, KeyFormatError, printable } from "../errors.ts";
import { removeArmor } from "./armor.ts";
import { exportKey, type ExportOptions } from "./export_key.ts";
import { type GeneratedKeyType, generateSection } from "./generate.ts";
import type { HostProof } from "./key.ts";
import { parsing } from "./malformed.ts";
import { type OpenedKey, openSection } from "./opened_key.ts";
import { decodeOpenssh, OPENSSH_LABEL } from "./openssh_format.ts";
import { sectionFromPem } from "./pem_keys.ts";
import { decodePpk } from "./ppk.ts";
import { PPK_MARK } from "./ppk_text.ts";
import { canUse } from "./parsed_key.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";
import { encodeSignature } from "./signature.ts";

export type { ExportOptions, PrivateKeyFormat } from "./export_key.ts";
export type { GeneratedKeyType };

/** Options of one signature. */
export interface SignOptions {
  /** Stops waiting for a signature of an agent or a token. */
  readonly signal?: AbortSignal;
  /** The session that the signature is for, sent to agents; set during a login. */
  readonly host?: HostProof;
}

/**
 * Makes signatures: a private key in memory, or one in an agent.
 *
 * @example
 * ```ts
 * import { generateKey, type Signer } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using key = await generateKey();
 * const signer: Signer = key; // a key of an agent is one too
 * const [algorithm] = signer.publicKey.algorithms;
 * const signature = await signer.sign(algorithm!, new Uint8Array(3));
 * assert(signer.publicKey.verify(algorithm!, new Uint8Array(3), signature));
 * ```
 */
export interface Signer {
  /** The public half. */
  readonly publicKey: PublicKey;
  /** Signs `data` with one of the key's algorithms; the result is a blob with the label (RFC 4253 §6.6). */
  sign(
    algorithm: string,
    data: Uint8Array,
    options?: SignOptions,
  ): Uint8Array | Promise<Uint8Array>;
}

/** A private key in memory. Disposing of it wipes the memory. */
export interface PrivateKey extends Signer, Disposable {
  /** The comment, or `""`. */
  readonly comment: string;
  /** Signs `data` with one of the key's algorithms, and returns a blob with the label (RFC 4253 §6.6). */
  sign(algorithm: string, data: Uint8Array): Uint8Array;
  /** The key as the text of a file, in OpenSSH's format by default; encrypted if there is a passphrase. */
  export(options?: ExportOptions): string;
}

/** Options for reading a private key. */
export interface ImportOptions {
  /** The passphrase of an encrypted key. */
  passphrase?: string;
}

/** Options of a new key. */
export interface GenerateOptions {
  /** The comment of the key. */
  comment?: string;
  /** The size of an RSA key in bits, 3072 unless given. */
  bits?: number;
}

/**
 * Reads a private key, plain or encrypted: OpenSSH's format, PEM (PKCS#8, PKCS#1, SEC 1) or PuTTY's.
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
  const { passphrase } = options;
  return parsing("Private key", () => new OpenPrivateKey(opened(text, passphrase)));
}

function opened(text: string, passphrase: string | undefined): OpenedKey {
  if (text.trimStart().startsWith(PPK_MARK)) return decodePpk(text.trimStart(), passphrase);
  if (/^\s*(?:---- BEGIN SSH2 PUBLIC|(?:ssh|ecdsa|sk)-\S+\s+AAAA)/.test(text)) {
    throw new KeyFormatError(
      "Not a private key, but a public key or a certificate: give the file without .pub",
    );
  }
  if (/^(?:~|\.{0,2}\/|[A-Z]:\\)\S*$/i.test(text)) {
    throw new KeyFormatError("Private key is the path of a file: read it with loadKey()");
  }
  const armored = removeArmor(text, "Private key", /PRIVATE KEY$/);
  try {
    return armored.label === OPENSSH_LABEL
      ? decodeOpenssh(armored.bytes, passphrase)
      : openSection(sectionFromPem(armored, passphrase), "");
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
 * @throws {TypeError | RangeError} If the kind or the size is not supported
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
  const section = await generateSection(type, options.bits);
  return new OpenPrivateKey(openSection(section, options.comment ?? ""));
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
        `A key of type "${this.publicKey.type}" cannot sign with "${printable(algorithm, 64)}"`,
      );
    }
    return encodeSignature({ algorithm, bytes: parts.sign(algorithm, data) });
  }

  export(options: ExportOptions = {}): string {
    const { parts, secret } = this.#open("export");
    return exportKey({ parts, secret, comment: this.comment }, options);
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
