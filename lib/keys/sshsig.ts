import { equals } from "@std/bytes";
import { digest } from "../crypto/digest.ts";
import { KeyFormatError, printable, SignatureError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { addArmor, removeArmor } from "./armor.ts";
import type { PublicKey, VerifyOptions } from "./key.ts";
import { parsing } from "./malformed.ts";
import { isForeign } from "./parsed_key.ts";
import type { Signer } from "./private_key.ts";
import { parsePublicKey } from "./public_key.ts";
import { decodeSignature } from "./signature.ts";

const LABEL = "SSH SIGNATURE";
const MAGIC = new TextEncoder().encode("SSHSIG");
const VERSION = 1;

/** The hash of a signed message; OpenSSH PROTOCOL.sshsig allows no others. */
export type MessageHash = "sha256" | "sha512";

const HASHES = { sha256: "SHA-256", sha512: "SHA-512" } as const;

/** The signed data: a message, or its digest with the hash of the signature. */
export type Message = Uint8Array | { readonly digest: Uint8Array };

/** Options for signing a message. */
export interface SignMessageOptions {
  /** The purpose of the signature, such as `"file"` or `"git"`; it is valid only for this one. */
  readonly namespace: string;
  /** The hash of the message, `"sha512"` unless given. */
  readonly hash?: MessageHash;
  /** The signature algorithm, the key's best unless given. */
  readonly algorithm?: string;
}

/** A signature over a message, read but not verified. */
export interface MessageSignature {
  /** The key in the signature, or its certificate. */
  readonly publicKey: PublicKey;
  /** The purpose. */
  readonly namespace: string;
  /** The hash of the message. */
  readonly hash: MessageHash;
  /** The signature algorithm. */
  readonly algorithm: string;
  /** Whether the key has signed this message for this namespace. */
  verify(message: Message, options?: VerifyOptions): boolean;
}

/**
 * Signs a message as `ssh-keygen -Y sign` does (OpenSSH PROTOCOL.sshsig).
 *
 * @param signer The signing key: a private key, one with its certificate, or one in an agent
 * @param message The message, or its digest
 * @param options The purpose, the hash and the algorithm
 * @returns The signature between BEGIN and END lines
 * @throws {TypeError} If the namespace is empty, or a digest has the wrong length
 *
 * @example
 * ```ts
 * import { generateKey, signMessage, verifyMessage } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using key = await generateKey();
 * const message = new TextEncoder().encode("I owe you");
 * const signature = await signMessage(key, message, { namespace: "file" });
 * const { publicKey } = verifyMessage(signature, message, {
 *   namespace: "file",
 * });
 * // Whether that key is to be trusted is another question: AllowedSigners.
 * assert(publicKey.equals(key.publicKey));
 * ```
 */
export async function signMessage(
  signer: Signer,
  message: Message,
  options: SignMessageOptions,
): Promise<string> {
  const { namespace, hash = "sha512", algorithm = signer.publicKey.algorithms[0]! } = options;
  if (!namespace) throw new TypeError('A signature needs a namespace, such as "file"');
  if (!Object.hasOwn(HASHES, hash)) throw new TypeError(`Unknown hash "${printable(hash, 64)}"`);
  const signature = await signer.sign(algorithm, signedData(namespace, hash, message));
  const blob = new Writer().bytes(MAGIC).u32(VERSION).string(signer.publicKey.blob)
    .text(namespace).text("").text(hash).string(signature).take();
  return addArmor(LABEL, blob);
}

/**
 * Reads a signature without verifying it.
 *
 * @param text The signature, as `ssh-keygen -Y sign` writes it
 * @returns The signature
 * @throws {KeyFormatError} If the text is not a signature of a supported kind
 *
 * @example
 * ```ts
 * import { generateKey, readSignature, signMessage } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey();
 * const text = await signMessage(key, new Uint8Array(3), {
 *   namespace: "file",
 * });
 * const signature = readSignature(text);
 * assertEquals([signature.namespace, signature.hash], ["file", "sha512"]);
 * assertEquals(signature.verify(new Uint8Array(4)), false);
 * ```
 */
export function readSignature(text: string): MessageSignature {
  const { label, bytes } = removeArmor(text, "Signature");
  if (label !== LABEL) {
    throw new KeyFormatError(`Signature has the wrong BEGIN line: "${printable(label, 64)}"`);
  }
  return parsing("Signature", () => decode(bytes));
}

/**
 * Verifies a signature over a message. {@linkcode AllowedSigners} tells whether the key may sign.
 *
 * @param text The signature, as `ssh-keygen -Y sign` writes it
 * @param message The message, or its digest
 * @param expected The expected purpose, and requirements for security tokens
 * @returns The signature, with the key that has made it
 * @throws {KeyFormatError} If the text is not a signature of a supported kind
 * @throws {SignatureError} If the signature is not valid, or has another purpose
 *
 * @example
 * ```ts
 * import { SignatureError } from "@denossh/ssh";
 * import { generateKey, signMessage, verifyMessage } from "@denossh/ssh/keys";
 * import { assertThrows } from "@std/assert";
 *
 * using key = await generateKey();
 * const text = await signMessage(key, new Uint8Array(3), {
 *   namespace: "file",
 * });
 * verifyMessage(text, new Uint8Array(3), { namespace: "file" });
 * assertThrows(
 *   () => verifyMessage(text, new Uint8Array(3), { namespace: "git" }),
 *   SignatureError,
 * );
 * ```
 */
export function verifyMessage(
  text: string,
  message: Message,
  expected: { readonly namespace: string } & VerifyOptions,
): MessageSignature {
  const signature = readSignature(text);
  if (signature.namespace !== expected.namespace) {
    const [theirs, ours] = [signature.namespace, expected.namespace].map((n) => printable(n, 64));
    throw new SignatureError("namespace", `Signature is for "${theirs}", not for "${ours}"`);
  }
  if (!signature.verify(message, expected)) {
    throw new SignatureError("message", "Signature is not valid for the message");
  }
  return signature;
}

function decode(bytes: Uint8Array): MessageSignature {
  const reader = new Reader(bytes);
  if (!equals(reader.bytes(MAGIC.length), MAGIC)) {
    throw new KeyFormatError("Signature is not an SSHSIG");
  }
  const version = reader.u32();
  if (version !== VERSION) {
    throw new KeyFormatError(`Signature has version ${version}, which is not supported`);
  }
  const publicKey = parsePublicKey(reader.string());
  const namespace = reader.text();
  const reserved = reader.string();
  const hash = reader.text();
  const blob = reader.string();
  reader.end();
  const { algorithm } = decodeSignature(blob);
  if (namespace === "") throw new KeyFormatError("Signature has no namespace");
  if (!isHash(hash)) {
    throw new KeyFormatError(
      `Signature uses the hash "${printable(hash, 64)}", which is not supported`,
    );
  }
  const { certificate } = publicKey;
  // The label is that of the plain key, even with a certificate.
  const key = certificate?.publicKey ?? publicKey;
  if (!key.algorithms.includes(algorithm) && !isForeign(key, algorithm)) {
    throw new KeyFormatError(
      `Signature is by "${printable(algorithm, 64)}", which is not accepted`,
    );
  }
  return {
    publicKey,
    namespace,
    hash,
    algorithm,
    verify: (message, options) =>
      key.verify(algorithm, signedData(namespace, hash, message, reserved), blob, options),
  };
}

function signedData(
  namespace: string,
  hash: MessageHash,
  message: Message,
  reserved: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const hashed = message instanceof Uint8Array ? digest(HASHES[hash], message) : message.digest;
  if (hashed.length !== (hash === "sha256" ? 32 : 64)) {
    throw new TypeError(`A digest of ${hashed.length} bytes is not by ${hash}`);
  }
  return new Writer().bytes(MAGIC).text(namespace).string(reserved).text(hash).string(hashed)
    .take();
}

function isHash(name: string): name is MessageHash {
  return Object.hasOwn(HASHES, name);
}
