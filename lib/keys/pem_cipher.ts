import { type CipherName, decryptBytes, encryptBytes } from "../crypto/cipher.ts";
import { PassphraseError } from "../errors.ts";
import { DerReader } from "./der.ts";

/** A CBC cipher of PEM files; sizes in bytes. */
export interface PemCipher {
  readonly name: Extract<CipherName, `${string}-cbc`>;
  /** The name in Proc-Type headers. */
  readonly title: string;
  /** The object identifier in PKCS#8, in hex. */
  readonly oid: string;
  readonly key: number;
  readonly block: number;
}

/** The ciphers that OpenSSL encrypts keys with, best first. */
export const PEM_CIPHERS: readonly PemCipher[] = [
  { name: "aes256-cbc", title: "AES-256-CBC", oid: "60864801650304012a", key: 32, block: 16 },
  { name: "aes192-cbc", title: "AES-192-CBC", oid: "608648016503040116", key: 24, block: 16 },
  { name: "aes128-cbc", title: "AES-128-CBC", oid: "608648016503040102", key: 16, block: 16 },
  { name: "3des-cbc", title: "DES-EDE3-CBC", oid: "2a864886f70d0307", key: 24, block: 8 },
  { name: "des-cbc", title: "DES-CBC", oid: "2b0e030207", key: 8, block: 8 },
];

/** Encrypts with the padding of RFC 8018 §6.1.1. */
export function encryptPadded(
  { name, block }: PemCipher,
  key: Uint8Array,
  iv: Uint8Array,
  text: Uint8Array,
): Uint8Array {
  const padding = block - text.length % block;
  const padded = new Uint8Array(text.length + padding).fill(padding);
  padded.set(text);
  const sealed = encryptBytes(name, key, iv, padded);
  padded.fill(0);
  return sealed;
}

/**
 * Decrypts DER. A wrong passphrase shows in a result that is not DER.
 *
 * @throws {PassphraseError} If the result is not DER
 */
export function decryptDer(
  { name, block }: PemCipher,
  key: Uint8Array,
  iv: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const text = iv.length === block && sealed.length > 0 && sealed.length % block === 0
    ? decryptBytes(name, key, iv, sealed)
    : new Uint8Array(1);
  const padding = text.at(-1)!;
  const end = text.length - padding;
  const isPadded = padding >= 1 && padding <= block && end >= 0 &&
    text.subarray(end).every((byte) => byte === padding);
  const plain = text.slice(0, Math.max(end, 0));
  text.fill(0);
  if (isPadded && isDer(plain)) return plain;
  plain.fill(0);
  throw new PassphraseError("Cannot decrypt the private key: wrong passphrase");
}

function isDer(bytes: Uint8Array): boolean {
  try {
    const reader = new DerReader(bytes);
    reader.sequence();
    reader.end();
    return true;
  } catch {
    return false;
  }
}
