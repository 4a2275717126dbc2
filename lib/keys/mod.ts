/**
 * Reads, writes, generates, certifies and revokes keys; signs and verifies. Works on text and bytes, and
 * does not access files.
 *
 * ```ts
 * import { generateKey, importPrivateKey } from "@denossh/ssh/keys";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519", { comment: "me@home" });
 * const file = key.export({ passphrase: "open sesame" }); // id_ed25519
 * using same = importPrivateKey(file, { passphrase: "open sesame" });
 * assertEquals(same.publicKey.fingerprint(), key.publicKey.fingerprint());
 *
 * const data = new TextEncoder().encode("hello");
 * const signature = key.sign("ssh-ed25519", data);
 * assert(key.publicKey.verify("ssh-ed25519", data, signature));
 * ```
 *
 * - {@linkcode generateKey}, {@linkcode importPrivateKey} and {@linkcode importPublicKey} make and read keys;
 *   {@linkcode PrivateKey.export} writes them in OpenSSH's, PKCS#8, PEM and PuTTY's formats.
 * - {@linkcode issueCertificate}, {@linkcode withCertificate} and {@linkcode checkCertificate} make, use
 *   and check certificates; {@linkcode RevocationList} has revoked keys.
 * - {@linkcode signMessage}, {@linkcode verifyMessage} and {@linkcode AllowedSigners} sign files as
 *   `ssh-keygen -Y`.
 * - {@linkcode parseAuthorizedKeys} reads `authorized_keys`.
 *
 * @module
 */
export { type AllowedSigner, AllowedSigners, type SignedBy } from "./allowed_signers.ts";
export { type AuthorizedKey, parseAuthorities, parseAuthorizedKeys } from "./authorized_keys.ts";
export {
  type CertificateOptions,
  type CertificateRequirements,
  checkCertificate,
  issueCertificate,
  withCertificate,
} from "./certificate.ts";
export { CERTIFICATE_ALGORITHMS, plainAlgorithm } from "./certificate_names.ts";
export { keyTypeLabel } from "./key_labels.ts";
export { SIGNATURE_ALGORITHMS } from "./key_types.ts";
export { RevocationList, type Revocations } from "./krl.ts";
export type { HostProof } from "./key.ts";
export {
  type ExportOptions,
  type GeneratedKeyType,
  generateKey,
  type GenerateOptions,
  type ImportOptions,
  importPrivateKey,
  type PrivateKey,
  type PrivateKeyFormat,
  type Signer,
  type SignOptions,
} from "./private_key.ts";
export {
  type Certificate,
  exportPublicKey,
  type FingerprintHash,
  importPublicKey,
  parsePublicKey,
  type PublicKey,
  type PublicKeyExportOptions,
  type PublicKeyFormat,
  type VerifyOptions,
} from "./public_key.ts";
export { randomart } from "./randomart.ts";
export {
  type Message,
  type MessageHash,
  type MessageSignature,
  readSignature,
  signMessage,
  type SignMessageOptions,
  verifyMessage,
} from "./sshsig.ts";
