/** The algorithms as tables; adding one is a row. Order is preference. */
import type { ShaName } from "./digest.ts";
import { dhGroupExchange } from "./kex/dh_exchange.ts";
import { dhFixedGroup } from "./kex/dh_group.ts";
import { asMpint, asString, coreMethod, type KexMethod } from "./kex/kex_method.ts";

/** A row of any table; those that are not `default` are offered only on request. */
export interface Algorithm {
  readonly name: string;
  readonly default: boolean;
}

/** A key exchange: the method, and the hash that signs and derives (RFC 4253 §7.1). */
export interface KexAlgorithm extends Algorithm {
  readonly method: KexMethod;
  readonly hash: ShaName;
}

/** A cipher; one that authenticates by itself needs no MAC. */
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

/** ML-KEM-768 beside X25519 (draft-ietf-sshm-mlkem-hybrid-kex); K is a string, not an mpint (§2.4). */
const mlkem768x25519 = coreMethod("mlkem768x25519", asString, ML_KEM_BYTES + X25519_BYTES);

/** Streamlined NTRU Prime beside X25519 (RFC 9941); K is a string, not an mpint. */
const sntrup761x25519 = coreMethod("sntrup761x25519", asString, SNTRUP_BYTES + X25519_BYTES);

/** ECDH over a NIST curve (RFC 5656 §4); K is the X coordinate as an mpint. */
function ecdh(curve: keyof typeof POINT_BYTES): KexMethod {
  return coreMethod(curve, asMpint, POINT_BYTES[curve]);
}

// The NIST curves are not offered unasked: RFC 9142 allows them, but ssh-audit and the curves'
// unexplained constants speak against them, and every current peer knows curve25519. Nor are 2048-bit
// groups, worth 112 bits, and what hashes with SHA-1.
export const KEX: readonly KexAlgorithm[] = [
  { name: "mlkem768x25519-sha256", method: mlkem768x25519, hash: "SHA-256", default: true },
  { name: "sntrup761x25519-sha512", method: sntrup761x25519, hash: "SHA-512", default: true },
  {
    name: "sntrup761x25519-sha512@openssh.com",
    method: sntrup761x25519,
    hash: "SHA-512",
    default: true,
  },
  { name: "curve25519-sha256", method: curve25519, hash: "SHA-256", default: true },
  { name: "curve25519-sha256@libssh.org", method: curve25519, hash: "SHA-256", default: true },
  { name: "ecdh-sha2-nistp256", method: ecdh("nistp256"), hash: "SHA-256", default: false },
  { name: "ecdh-sha2-nistp384", method: ecdh("nistp384"), hash: "SHA-384", default: false },
  { name: "ecdh-sha2-nistp521", method: ecdh("nistp521"), hash: "SHA-512", default: false },
  {
    name: "diffie-hellman-group16-sha512",
    method: dhFixedGroup(4096),
    hash: "SHA-512",
    default: true,
  },
  // 8192 bits take a server's only thread a quarter of a second, before anybody has logged in.
  {
    name: "diffie-hellman-group18-sha512",
    method: dhFixedGroup(8192),
    hash: "SHA-512",
    default: false,
  },
  {
    name: "diffie-hellman-group-exchange-sha256",
    method: dhGroupExchange,
    hash: "SHA-256",
    default: true,
  },
  {
    name: "diffie-hellman-group14-sha256",
    method: dhFixedGroup(2048),
    hash: "SHA-256",
    default: false,
  },
  {
    name: "diffie-hellman-group14-sha1",
    method: dhFixedGroup(2048),
    hash: "SHA-1",
    default: false,
  },
  {
    name: "diffie-hellman-group-exchange-sha1",
    method: dhGroupExchange,
    hash: "SHA-1",
    default: false,
  },
  { name: "diffie-hellman-group1-sha1", method: dhFixedGroup(1024), hash: "SHA-1", default: false },
];

/** A signature algorithm; `default` is about host keys, `userKey` about keys to log in with. */
export interface SignatureAlgorithm extends Algorithm {
  readonly userKey: boolean;
}

/** Host key and user key signature algorithms (RFC 4253 §6.6, 8332, 5656, 8709, PROTOCOL.u2f). */
export const SIGNATURES: readonly SignatureAlgorithm[] = [
  { name: "ssh-ed25519", default: true, userKey: true },
  { name: "rsa-sha2-512", default: true, userKey: true },
  { name: "rsa-sha2-256", default: true, userKey: true },
  { name: "ecdsa-sha2-nistp256", default: false, userKey: true },
  { name: "ecdsa-sha2-nistp384", default: false, userKey: true },
  { name: "ecdsa-sha2-nistp521", default: false, userKey: true },
  { name: "sk-ssh-ed25519@openssh.com", default: false, userKey: true },
  { name: "sk-ecdsa-sha2-nistp256@openssh.com", default: false, userKey: true },
  { name: "ssh-rsa", default: false, userKey: false }, // SHA-1
];

/**
 * The same by a host key with a certificate (OpenSSH PROTOCOL.certkeys): asked for where an authority
 * is known, since elsewhere the certificate says nothing.
 */
export const CERTIFIED: readonly Algorithm[] = [
  { name: "ssh-ed25519-cert-v01@openssh.com", default: false },
  { name: "ecdsa-sha2-nistp256-cert-v01@openssh.com", default: false },
  { name: "ecdsa-sha2-nistp384-cert-v01@openssh.com", default: false },
  { name: "ecdsa-sha2-nistp521-cert-v01@openssh.com", default: false },
  { name: "rsa-sha2-512-cert-v01@openssh.com", default: false },
  { name: "rsa-sha2-256-cert-v01@openssh.com", default: false },
];

/** Keys to log in with, and certificates of them: one is as good as the other. */
export const USER_KEYS: readonly Algorithm[] = [
  ...SIGNATURES.flatMap(({ name, userKey }) => [
    { name, default: userKey },
    { name: name.replace(/(@openssh\.com)?$/, "-cert-v01@openssh.com"), default: userKey },
  ]),
  // Made by browsers (PROTOCOL.u2f): as in sshd, for who names it.
  { name: "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", default: false },
];

// CBC is for old peers only, even with the countermeasures that `wasm/src/frame` has.
export const CIPHERS: readonly CipherAlgorithm[] = [
  { name: "chacha20-poly1305@openssh.com", aead: true, default: true },
  { name: "aes128-gcm@openssh.com", aead: true, default: true },
  { name: "aes256-gcm@openssh.com", aead: true, default: true },
  { name: "aes128-ctr", aead: false, default: true },
  { name: "aes192-ctr", aead: false, default: true },
  { name: "aes256-ctr", aead: false, default: true },
  { name: "aes128-cbc", aead: false, default: false },
  { name: "aes192-cbc", aead: false, default: false },
  { name: "aes256-cbc", aead: false, default: false },
  { name: "3des-cbc", aead: false, default: false },
];

// Encrypt-and-MAC is off unless asked for: encrypt-then-MAC is refused by no current peer.
export const MACS: readonly Algorithm[] = [
  { name: "hmac-sha2-256-etm@openssh.com", default: true },
  { name: "hmac-sha2-512-etm@openssh.com", default: true },
  { name: "hmac-sha2-256", default: false },
  { name: "hmac-sha2-512", default: false },
  { name: "hmac-sha1-etm@openssh.com", default: false },
  { name: "hmac-sha1", default: false },
];

// Off unless asked for, as in OpenSSH: lengths tell of contents, and links are faster than zlib.
export const COMPRESSIONS: readonly Algorithm[] = [
  { name: "none", default: true },
  { name: "zlib@openssh.com", default: false },
  { name: "zlib", default: false },
];
