import { concat } from "@std/bytes";
import { pbkdf2, type Pbkdf2Hash, scrypt } from "../crypto/digest.ts";
import { randomBytes } from "../crypto/random.ts";
import { wiping } from "../crypto/wiping.ts";
import { KeyFormatError, PassphraseError } from "../errors.ts";
import { DerReader } from "./der.ts";
import { integer, NULL, octetString, oid, sequence } from "./der_writer.ts";
import { oldScheme } from "./pbes1.ts";
import { decryptDer, encryptPadded, PEM_CIPHERS, type PemCipher } from "./pem_cipher.ts";

// RFC 8018 §A, RFC 7914 §7
const OID_PBES2 = "2a864886f70d01050d";
const OID_PBKDF2 = "2a864886f70d01050c";
const OID_SCRYPT = "2b06010401da47040b";
const OID_HMAC_SHA256 = "2a864886f70d0209";
const HMACS: Readonly<Record<string, Pbkdf2Hash>> = {
  "2a864886f70d0207": "SHA-1",
  "2a864886f70d0208": "SHA-224",
  [OID_HMAC_SHA256]: "SHA-256",
  "2a864886f70d020a": "SHA-384",
  "2a864886f70d020b": "SHA-512",
  "2a864886f70d020d": "SHA-512/256",
};

/** Maximum iterations that a file may request: about ten seconds. OpenSSL writes 2048 by default. */
export const MAX_PBKDF2_ITERATIONS = 2_000_000;

/** Maximum memory for scrypt that a file may request, in bytes; OpenSSL writes 16 MiB. */
const MAX_SCRYPT_BYTES = 256 * 1024 * 1024;

/** Maximum work, in units of 128 bytes: eight times that of OpenSSL's files. */
const MAX_SCRYPT_WORK = 1024 * 1024;

const SALT_BYTES = 16;

type KeyDerivation = (passphrase: Uint8Array, length: number) => Uint8Array;

/**
 * The PKCS#8 in an EncryptedPrivateKeyInfo (RFC 5958 §3).
 *
 * @throws {PassphraseError} If the passphrase is missing or wrong
 * @throws {KeyFormatError} If the bytes are malformed, or encrypted in an unsupported way
 */
export function decryptPkcs8(bytes: Uint8Array, passphrase: string | undefined): Uint8Array {
  const outer = new DerReader(bytes);
  const info = outer.sequence();
  outer.end();
  const scheme = info.sequence();
  const sealed = info.octets();
  info.end();
  const kind = scheme.oid();
  const parameters = scheme.sequence();
  scheme.end();
  if (kind !== OID_PBES2) return decryptOld(oldScheme(kind, parameters), sealed, passphrase);
  const derivation = parameters.sequence();
  const encryption = parameters.sequence();
  parameters.end();
  const cipherOid = encryption.oid();
  const cipher = PEM_CIPHERS.find((candidate) => candidate.oid === cipherOid);
  if (cipher === undefined) {
    throw new KeyFormatError("PKCS#8 key is encrypted by a cipher that is not supported");
  }
  const iv = encryption.octets();
  encryption.end();
  if (iv.length !== cipher.block || sealed.length === 0 || sealed.length % cipher.block !== 0) {
    throw new KeyFormatError("PKCS#8 key does not fill the blocks of its cipher");
  }
  const derive = derivationOf(derivation, cipher);
  if (!passphrase) throw new PassphraseError("Private key is encrypted: passphrase required");
  return withKey(cipher, passphrase, derive, (key) => decryptDer(cipher, key, iv, sealed));
}

function decryptOld(
  keysOf: ReturnType<typeof oldScheme>,
  sealed: Uint8Array,
  passphrase: string | undefined,
): Uint8Array {
  if (sealed.length === 0 || sealed.length % 8 !== 0) {
    throw new KeyFormatError("PKCS#8 key does not fill the blocks of its cipher");
  }
  if (!passphrase) throw new PassphraseError("Private key is encrypted: passphrase required");
  const { cipher, key, iv } = keysOf(passphrase);
  return wiping(key, () => decryptDer(cipher, key, iv, sealed));
}

/** An EncryptedPrivateKeyInfo, by PBKDF2 with HMAC-SHA-256. */
export function encryptPkcs8(
  cipher: PemCipher,
  passphrase: string,
  iterations: number,
  bytes: Uint8Array,
): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  const iv = randomBytes(cipher.block);
  const derive: KeyDerivation = (secret, length) =>
    pbkdf2("SHA-256", secret, salt, iterations, length);
  const sealed = withKey(
    cipher,
    passphrase,
    derive,
    (key) => encryptPadded(cipher, key, iv, bytes),
  );
  const hash = sequence(oid(OID_HMAC_SHA256), NULL);
  const derivation = sequence(octetString(salt), integer(iterations), hash);
  const scheme = sequence(
    sequence(oid(OID_PBKDF2), derivation),
    sequence(oid(cipher.oid), octetString(iv)),
  );
  return concat(sequence(sequence(oid(OID_PBES2), scheme), octetString(sealed)));
}

function derivationOf(derivation: DerReader, cipher: PemCipher): KeyDerivation {
  const kind = derivation.oid();
  const parameters = derivation.sequence();
  derivation.end();
  if (kind === OID_PBKDF2) return pbkdf2Of(parameters, cipher);
  if (kind === OID_SCRYPT) return scryptOf(parameters, cipher);
  throw new KeyFormatError("PKCS#8 key's passphrase is hashed by neither PBKDF2 nor scrypt");
}

// RFC 8018 §A.2: salt, iterations, optionally the length of the key and the hash (default SHA-1).
function pbkdf2Of(parameters: DerReader, cipher: PemCipher): KeyDerivation {
  const salt = parameters.octets();
  const iterations = parameters.uint32();
  checkLength(parameters, cipher);
  let hash: Pbkdf2Hash | undefined = "SHA-1";
  if (!parameters.done) {
    const algorithm = parameters.sequence();
    hash = HMACS[algorithm.oid()];
    parameters.end();
  }
  if (hash === undefined) {
    throw new KeyFormatError("PKCS#8 key's passphrase is hashed by a hash that is not supported");
  }
  if (iterations === 0 || iterations > MAX_PBKDF2_ITERATIONS) {
    throw new KeyFormatError(
      `Private key requests ${iterations} iterations: 1 to ${MAX_PBKDF2_ITERATIONS} are accepted`,
    );
  }
  return (secret, length) => pbkdf2(hash, secret, salt, iterations, length);
}

// RFC 7914 §7.1: salt, N, r, p, optionally the length of the key.
function scryptOf(parameters: DerReader, cipher: PemCipher): KeyDerivation {
  const salt = parameters.octets();
  const [n, r, p] = [parameters.uint32(), parameters.uint32(), parameters.uint32()];
  checkLength(parameters, cipher);
  parameters.end();
  const isPowerOfTwo = n > 1 && (n & (n - 1)) === 0;
  if (!isPowerOfTwo || r === 0 || p === 0) throw new KeyFormatError("scrypt has impossible costs");
  if (128 * n * r > MAX_SCRYPT_BYTES || n * r * p > MAX_SCRYPT_WORK) {
    throw new KeyFormatError(`Private key requests too much work: scrypt with ${n}, ${r}, ${p}`);
  }
  return (secret, length) => scrypt(secret, salt, { n, r, p }, length);
}

function checkLength(parameters: DerReader, cipher: PemCipher): void {
  const length = parameters.optionalUint32();
  if (length !== null && length !== cipher.key) {
    throw new KeyFormatError("PKCS#8 key is encrypted with a key of the wrong length");
  }
}

function withKey(
  cipher: PemCipher,
  passphrase: string,
  derive: KeyDerivation,
  use: (key: Uint8Array) => Uint8Array,
): Uint8Array {
  const key = wiping(
    new TextEncoder().encode(passphrase),
    (secret) => derive(secret, cipher.key),
  );
  return wiping(key, use);
}
