import { digest } from "../crypto/digest.ts";
import { randomBytes } from "../crypto/random.ts";
import { wiping } from "../crypto/wiping.ts";
import { decodeHex, encodeHex } from "../encoding.ts";
import { KeyFormatError, PassphraseError, printable } from "../errors.ts";
import type { Armored } from "./armor.ts";
import { decryptDer, encryptPadded, PEM_CIPHERS, type PemCipher } from "./pem_cipher.ts";

// RFC 1421 §4.6.1.1 and .3, in the form of OpenSSL.
const PROC_TYPE = "Proc-Type";
const DEK_INFO = "DEK-Info";

const MD5_BYTES = 16;

/**
 * The DER in a PEM file that is encrypted by its headers.
 *
 * @throws {PassphraseError} If the passphrase is missing or wrong
 * @throws {KeyFormatError} If the headers are malformed
 */
export function decryptPem(
  { headers, bytes }: Armored,
  passphrase: string | undefined,
): Uint8Array {
  if (headers.get(PROC_TYPE) !== "4,ENCRYPTED") {
    throw new KeyFormatError("Private key has a header that is not understood");
  }
  const [title = "", hex = ""] = headers.get(DEK_INFO)?.split(",") ?? [];
  const cipher = PEM_CIPHERS.find((candidate) => candidate.title === title.toUpperCase());
  if (cipher === undefined) {
    throw new KeyFormatError(
      `Private key is encrypted by "${printable(title, 64)}", which is not supported`,
    );
  }
  if (hex.length !== 2 * cipher.block || !/^[0-9A-F]*$/i.test(hex)) {
    throw new KeyFormatError("Private key is encrypted with a malformed IV");
  }
  if (bytes.length === 0 || bytes.length % cipher.block !== 0) {
    throw new KeyFormatError("Private key does not fill the blocks of its cipher");
  }
  if (!passphrase) throw new PassphraseError("Private key is encrypted: passphrase required");
  const iv = decodeHex(hex);
  return withKey(cipher, passphrase, iv, (key) => decryptDer(cipher, key, iv, bytes));
}

/** Encrypts DER for a PEM file; the headers belong before it. */
export function encryptPem(
  cipher: PemCipher,
  passphrase: string,
  bytes: Uint8Array,
): { headers: Map<string, string>; bytes: Uint8Array } {
  const iv = randomBytes(cipher.block);
  const info = `${cipher.title},${encodeHex(iv).toUpperCase()}`;
  return {
    headers: new Map([[PROC_TYPE, "4,ENCRYPTED"], [DEK_INFO, info]]),
    bytes: withKey(cipher, passphrase, iv, (key) => encryptPadded(cipher, key, iv, bytes)),
  };
}

// OpenSSL's EVP_BytesToKey: MD5 once, the first half of the IV as the salt.
function withKey<T>(
  cipher: PemCipher,
  passphrase: string,
  iv: Uint8Array,
  use: (key: Uint8Array) => T,
): T {
  const secret = new TextEncoder().encode(passphrase);
  const salt = iv.subarray(0, 8);
  const derived = new Uint8Array(MD5_BYTES * Math.ceil(cipher.key / MD5_BYTES));
  for (let at = 0; at < derived.length; at += MD5_BYTES) {
    const last = derived.subarray(Math.max(at - MD5_BYTES, 0), at);
    wiping(digest("MD5", last, secret, salt), (hash) => void derived.set(hash, at));
  }
  try {
    return use(derived.subarray(0, cipher.key));
  } finally {
    secret.fill(0);
    derived.fill(0);
  }
}
