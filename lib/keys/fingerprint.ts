import { digest, type HashName } from "../crypto/digest.ts";
import { encodeBase64 } from "../encoding.ts";
import type { FingerprintHash, PublicKey } from "./key.ts";

const HASHES: Readonly<Record<FingerprintHash, HashName>> = {
  SHA256: "SHA-256",
  SHA512: "SHA-512",
  SHA384: "SHA-384",
  SHA1: "SHA-1",
  MD5: "MD5",
};

/** The bytes of a fingerprint; a certificate has its key's. */
export function fingerprintBytes(key: PublicKey, hash: FingerprintHash): Uint8Array {
  if (!Object.hasOwn(HASHES, hash)) throw new TypeError(`Unknown hash "${hash}"`);
  return digest(HASHES[hash], (key.certificate?.publicKey ?? key).blob);
}

/** A fingerprint as `ssh-keygen -l` shows it. */
export function fingerprintText(key: PublicKey, hash: FingerprintHash): string {
  const bytes = fingerprintBytes(key, hash);
  const text = hash === "MD5"
    ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":")
    : encodeBase64(bytes).replace(/=+$/, "");
  return `${hash}:${text}`;
}
