/** The algorithms as tables; adding one is a row. Order is preference. */
import type { ShaName } from "./digest.ts";
import { dhGroupExchange } from "./kex/dh_exchange.ts";
import { dhFixedGroup } from "./kex/dh_group.ts";
import { asMpint, asString, coreMethod, type KexMethod } from "./kex/kex_method.ts";

/**
 * The algorithms offered by default: `"strict"` has those without a known weakness. `"default"` adds those
 * that OpenSSH offers by default for old peers, except SHA-1 and umac.
 */
export type Preset = "strict" | "default";

/** A row of any table. */
export interface Algorithm {
  readonly name: string;
  /** The narrowest preset that contains it; null means only on request. */
  readonly preset: Preset | null;
}

/** A key exchange: the method, and the hash that signs and derives (RFC 4253 §7.1). */
export interface KexAlgorithm extends Algorithm {
  readonly method: KexMethod;
  readonly hash: ShaName;
}

/** A cipher; an AEAD cipher needs no MAC. */
export interface CipherAlgorithm extends Algorithm {
  readonly aead: boolean;
}

/** Bytes of a public value: an X25519 point, and ciphertexts of ML-KEM-768 and sntrup761. */
const X25519_BYTES = 32;
const ML_KEM_BYTES = 1088;
const SNTRUP_BYTES = 1039;
/** Uncompressed points of NIST curves: 04, X, Y. */
const POINT_BYTES = { nistp256: 65, nistp384: 97, nistp521: 133 } as const;

/** X25519 (RFC 8731); K is the 32 bytes read as a big-endian number (§3.1). */
const curve25519 = coreMethod("x25519", asMpint, X25519_BYTES);

/** ML-KEM-768 with X25519 (draft-ietf-sshm-mlkem-hybrid-kex); K is a string, not an mpint (§2.4). */
const mlkem768x25519 = coreMethod("mlkem768x25519", asString, ML_KEM_BYTES + X25519_BYTES);

/** ML-KEM-768 with ECDH over P-256 (the same draft); K is a string. */
const mlkem768nistp256 = coreMethod(
  "mlkem768nistp256",
  asString,
  ML_KEM_BYTES + POINT_BYTES.nistp256,
);

/** Streamlined NTRU Prime with X25519 (RFC 9941); K is a string, not an mpint. */
const sntrup761x25519 = coreMethod("sntrup761x25519", asString, SNTRUP_BYTES + X25519_BYTES);

/** ECDH over a NIST curve (RFC 5656 §4); K is the X coordinate as an mpint. */
function ecdh(curve: keyof typeof POINT_BYTES): KexMethod {
  return coreMethod(curve, asMpint, POINT_BYTES[curve]);
}

// NIST curves (unexplained constants) and 2048-bit groups (112 bits of security) come last, for peers that
// have nothing else. Methods that hash with SHA-1 are offered only on request.
export const KEX: readonly KexAlgorithm[] = [
  { name: "mlkem768x25519-sha256", method: mlkem768x25519, hash: "SHA-256", preset: "strict" },
  { name: "mlkem768nistp256-sha256", method: mlkem768nistp256, hash: "SHA-256", preset: null },
  { name: "sntrup761x25519-sha512", method: sntrup761x25519, hash: "SHA-512", preset: "strict" },
  {
    name: "sntrup761x25519-sha512@openssh.com",
    method: sntrup761x25519,
    hash: "SHA-512",
    preset: "strict",
  },
  { name: "curve25519-sha256", method: curve25519, hash: "SHA-256", preset: "strict" },
  { name: "curve25519-sha256@libssh.org", method: curve25519, hash: "SHA-256", preset: "strict" },
  {
    name: "diffie-hellman-group16-sha512",
    method: dhFixedGroup(4096),
    hash: "SHA-512",
    preset: "strict",
  },
  // 8192 bits would block a server's only thread for a quarter of a second, before any login.
  {
    name: "diffie-hellman-group18-sha512",
    method: dhFixedGroup(8192),
    hash: "SHA-512",
    preset: null,
  },
  {
    name: "diffie-hellman-group-exchange-sha256",
    method: dhGroupExchange,
    hash: "SHA-256",
    preset: "strict",
  },
  { name: "ecdh-sha2-nistp256", method: ecdh("nistp256"), hash: "SHA-256", preset: "default" },
  { name: "ecdh-sha2-nistp384", method: ecdh("nistp384"), hash: "SHA-384", preset: "default" },
  { name: "ecdh-sha2-nistp521", method: ecdh("nistp521"), hash: "SHA-512", preset: "default" },
  {
    name: "diffie-hellman-group14-sha256",
    method: dhFixedGroup(2048),
    hash: "SHA-256",
    preset: "default",
  },
  {
    name: "diffie-hellman-group14-sha1",
    method: dhFixedGroup(2048),
    hash: "SHA-1",
    preset: null,
  },
  {
    name: "diffie-hellman-group-exchange-sha1",
    method: dhGroupExchange,
    hash: "SHA-1",
    preset: null,
  },
  { name: "diffie-hellman-group1-sha1", method: dhFixedGroup(1024), hash: "SHA-1", preset: null },
];

/** A signature algorithm; `preset` is for host keys, `userKey` for user keys. */
export interface SignatureAlgorithm extends Algorithm {
  readonly userKey: boolean;
}

/** Host key and user key signature algorithms (RFC 4253 §6.6, 8332, 5656, 8709, PROTOCOL.u2f). */
export const SIGNATURES: readonly SignatureAlgorithm[] = [
  { name: "ssh-ed25519", preset: "strict", userKey: true },
  { name: "rsa-sha2-512", preset: "strict", userKey: true },
  { name: "rsa-sha2-256", preset: "strict", userKey: true },
  { name: "ecdsa-sha2-nistp256", preset: "default", userKey: true },
  { name: "ecdsa-sha2-nistp384", preset: "default", userKey: true },
  { name: "ecdsa-sha2-nistp521", preset: "default", userKey: true },
  { name: "sk-ssh-ed25519@openssh.com", preset: "default", userKey: true },
  { name: "sk-ecdsa-sha2-nistp256@openssh.com", preset: "default", userKey: true },
  { name: "ssh-rsa", preset: null, userKey: false }, // SHA-1
];

/**
 * Host keys with a certificate (OpenSSH PROTOCOL.certkeys). If the authority is unknown, the key in the
 * certificate is looked up like a plain key.
 */
export const CERTIFIED: readonly Algorithm[] = SIGNATURES
  .map(({ name, preset }) => ({ name: certifiedName(name), preset: preset && "default" }));

/** User keys and their certificates, in the same order of preference. */
export const USER_KEYS: readonly Algorithm[] = [
  ...SIGNATURES.flatMap(({ name, userKey }): Algorithm[] => {
    const preset = userKey ? "strict" : null;
    return [{ name, preset }, { name: certifiedName(name), preset }];
  }),
  // Made by browsers (PROTOCOL.u2f); as in sshd, only on request.
  { name: "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", preset: null },
];

// CBC is only for old peers, even with the countermeasures of `wasm/fast/src/frame`.
export const CIPHERS: readonly CipherAlgorithm[] = [
  { name: "chacha20-poly1305@openssh.com", aead: true, preset: "strict" },
  { name: "aes128-gcm@openssh.com", aead: true, preset: "strict" },
  { name: "aes256-gcm@openssh.com", aead: true, preset: "strict" },
  { name: "aes128-ctr", aead: false, preset: "strict" },
  { name: "aes192-ctr", aead: false, preset: "strict" },
  { name: "aes256-ctr", aead: false, preset: "strict" },
  { name: "aes128-cbc", aead: false, preset: null },
  { name: "aes192-cbc", aead: false, preset: null },
  { name: "aes256-cbc", aead: false, preset: null },
  { name: "3des-cbc", aead: false, preset: null },
];

// Encrypt-and-MAC comes last: libssh2 1.10, Twisted and old asyncssh have nothing else.
export const MACS: readonly Algorithm[] = [
  { name: "hmac-sha2-256-etm@openssh.com", preset: "strict" },
  { name: "hmac-sha2-512-etm@openssh.com", preset: "strict" },
  { name: "hmac-sha2-256", preset: "default" },
  { name: "hmac-sha2-512", preset: "default" },
  { name: "hmac-sha1-etm@openssh.com", preset: null },
  { name: "hmac-sha1", preset: null },
];

// Off by default, as in OpenSSH: compressed lengths reveal contents, and links are faster than zlib.
export const COMPRESSIONS: readonly Algorithm[] = [
  { name: "none", preset: "strict" },
  { name: "zlib@openssh.com", preset: null },
  { name: "zlib", preset: null },
];

/** The name of an algorithm for keys with a certificate. */
function certifiedName(name: string): string {
  return name.replace(/(@openssh\.com)?$/, "-cert-v01@openssh.com");
}
