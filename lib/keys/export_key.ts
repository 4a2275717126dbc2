import { addArmor } from "./armor.ts";
import { ARGON2_MAX_WORK_KIB } from "../defaults.ts";
import { KeyFormatError } from "../errors.ts";
import { keyCipher, MAX_BCRYPT_ROUNDS } from "./key_cipher.ts";
import type { OpenedKey } from "./opened_key.ts";
import { encodeOpenssh, OPENSSH_LABEL } from "./openssh_format.ts";
import { encryptPkcs8, MAX_PBKDF2_ITERATIONS } from "./pbes2.ts";
import { PEM_CIPHERS, type PemCipher } from "./pem_cipher.ts";
import { encryptPem } from "./pem_encryption.ts";
import { encodePkcs8, encodeTraditional } from "./pem_writing.ts";
import { encodePpk, PPK_KDF } from "./ppk.ts";
import { privateNumbers } from "./private_numbers.ts";

/** Rounds of bcrypt for a new encrypted key, as in `ssh-keygen`. */
const BCRYPT_ROUNDS = 24;

/** Iterations of PBKDF2: about half a second. OpenSSL's default of 2048 hardly protects. */
const PBKDF2_ITERATIONS = 100_000;

/** The formats of private keys. */
export type PrivateKeyFormat = "openssh" | "pkcs8" | "pem" | "ppk";

/** How to write a private key. */
export interface ExportOptions {
  /**
   * The format: OpenSSH's own unless given; `"pkcs8"`; `"pem"`, which is PKCS#1 for RSA and SEC 1 for
   * ECDSA; or `"ppk"` for PuTTY. PKCS#8 and PEM hold no comment.
   */
  readonly format?: PrivateKeyFormat;
  /** Encrypts the key; not empty. */
  readonly passphrase?: string;
  /** The comment in the file; the key's own by default. */
  readonly comment?: string;
  /**
   * The number of hash rounds of the passphrase. OpenSSH: rounds of bcrypt, 24 unless given; PKCS#8:
   * iterations of PBKDF2, 100,000; PPK: passes of Argon2 over 8 MiB, 13. Not available for the format
   * `"pem"`.
   */
  readonly rounds?: number;
  /**
   * The cipher, by its SSH name. OpenSSH: any that `ssh-keygen -Z` accepts, aes256-ctr unless given;
   * PKCS#8: aes256-cbc, or another of CBC; PEM: aes128-cbc, or another of CBC; PPK: aes256-cbc only.
   */
  readonly cipher?: string;
  /** The version of a PPK file, 3 unless given; 2 is for PuTTY before 0.75, and weak. */
  readonly ppkVersion?: 2 | 3;
}

/** A private key as the text of a file. */
export function exportKey(key: OpenedKey, options: ExportOptions): string {
  if (options.passphrase === "") throw new TypeError("A passphrase must not be empty");
  const named = { ...key, comment: options.comment ?? key.comment };
  if (/[\r\n\0]/.test(named.comment)) throw new TypeError("A comment must be one line");
  const { format = "openssh" } = options;
  switch (format) {
    case "openssh":
      return toOpenssh(named, options);
    case "pkcs8":
      return toPkcs8(named, options);
    case "pem":
      return toPem(named, options);
    case "ppk":
      return toPpk(named, options);
    default:
      throw new TypeError(`Unknown format "${format satisfies never}"`);
  }
}

function toOpenssh(key: OpenedKey, options: ExportOptions): string {
  const { passphrase, cipher = "aes256-ctr" } = options;
  const rounds = roundsOf(options, BCRYPT_ROUNDS, MAX_BCRYPT_ROUNDS);
  const chosen = known(() => keyCipher(cipher), cipher);
  const file = encodeOpenssh(
    key,
    passphrase === undefined ? null : { cipher: chosen, passphrase, rounds },
  );
  return armored(OPENSSH_LABEL, file);
}

function toPkcs8({ secret }: OpenedKey, options: ExportOptions): string {
  const { passphrase, cipher = "aes256-cbc" } = options;
  const iterations = roundsOf(options, PBKDF2_ITERATIONS, MAX_PBKDF2_ITERATIONS);
  const chosen = pemCipher(cipher);
  const plain = encodePkcs8(privateNumbers(secret));
  if (passphrase === undefined) return armored("PRIVATE KEY", plain);
  const sealed = encryptPkcs8(chosen, passphrase, iterations, plain);
  plain.fill(0);
  return addArmor("ENCRYPTED PRIVATE KEY", sealed);
}

function toPem({ secret }: OpenedKey, options: ExportOptions): string {
  const { passphrase, cipher = "aes128-cbc" } = options;
  if (options.rounds !== undefined) throw new TypeError('The format "pem" does not support rounds');
  const chosen = pemCipher(cipher);
  const { label, bytes } = encodeTraditional(privateNumbers(secret));
  if (passphrase === undefined) return armored(label, bytes);
  const sealed = encryptPem(chosen, passphrase, bytes);
  bytes.fill(0);
  return addArmor(label, sealed.bytes, sealed.headers);
}

function toPpk(key: OpenedKey, options: ExportOptions): string {
  const { passphrase, cipher = "aes256-cbc", ppkVersion: version = 3 } = options;
  if (cipher !== "aes256-cbc") throw new TypeError(`PPK does not support the cipher "${cipher}"`);
  if (version !== 2 && version !== 3) {
    throw new TypeError(`PPK does not support the version ${version}`);
  }
  const most = Math.floor(ARGON2_MAX_WORK_KIB / PPK_KDF.memory);
  const passes = roundsOf(options, PPK_KDF.passes, most);
  const kdf = { ...PPK_KDF, passes };
  return encodePpk(key, version, passphrase === undefined ? null : { passphrase, kdf });
}

function pemCipher(name: string): PemCipher {
  const cipher = PEM_CIPHERS.find((candidate) => candidate.name === name);
  if (cipher === undefined) throw new TypeError(`PEM does not support the cipher "${name}"`);
  return cipher;
}

function roundsOf({ rounds }: ExportOptions, otherwise: number, most: number): number {
  if (rounds === undefined) return otherwise;
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= most) return rounds;
  throw new RangeError(`Rounds must be 1 to ${most}: got ${rounds}`);
}

function known<T>(find: () => T, name: string): T {
  try {
    return find();
  } catch (cause) {
    if (!(cause instanceof KeyFormatError)) throw cause;
    throw new TypeError(`OpenSSH's format does not support the cipher "${name}"`, { cause });
  }
}

function armored(label: string, bytes: Uint8Array): string {
  const text = addArmor(label, bytes);
  bytes.fill(0);
  return text;
}
