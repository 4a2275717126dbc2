import { concat, equals } from "@std/bytes";
import { decryptBytes, encryptBytes } from "../crypto/cipher.ts";
import { argon2, digest, equalConstantTime, hmac } from "../crypto/digest.ts";
import { randomBytes } from "../crypto/random.ts";
import { wiping } from "../crypto/wiping.ts";
import { KeyFormatError, PassphraseError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

import { ecdsaSection } from "./ecdsa.ts";
import { ed25519Section } from "./ed25519.ts";
import { type OpenedKey, openSection } from "./opened_key.ts";
import { type PpkFile, type PpkKdf, readPpk, writePpk } from "./ppk_text.ts";
import { privateNumbers } from "./private_numbers.ts";
import { rsaSection } from "./rsa.ts";
import { plainMessage } from "../error_messages.ts";

const BLOCK = 16;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const SHA1_BYTES = 20;
const CIPHER = "aes256-cbc";
const V2_MAC_KEY = new TextEncoder().encode("putty-private-key-file-mac-key");
const utf8 = new TextEncoder();

/** The default cost of Argon2, as in PuTTY. */
export const PPK_KDF: Omit<PpkKdf, "salt"> = {
  variant: "argon2id",
  memory: 8192,
  passes: 13,
  parallelism: 1,
};

/** How to encrypt a PuTTY key. */
export interface PpkEncryption {
  readonly passphrase: string;
  /** The cost of Argon2; version 2 uses another hash. */
  readonly kdf: Omit<PpkKdf, "salt">;
}

interface PpkKeys {
  readonly cipher: Uint8Array;
  readonly iv: Uint8Array;
  readonly mac: Uint8Array;
}

/**
 * Reads a PuTTY private key (its manual, appendix C), version 2 or 3.
 *
 * @throws {PassphraseError} If the key is encrypted and the passphrase is missing or wrong
 * @throws {KeyFormatError | ProtocolError} If the text is not an acceptable key
 */
export function decodePpk(text: string, passphrase: string | undefined): OpenedKey {
  const file = readPpk(text);
  const isEncrypted = file.encryption === CIPHER;
  if (!isEncrypted && file.encryption !== "none") {
    throw new KeyFormatError(
      `Private key is encrypted by "${printable(file.encryption, 64)}", which is not supported`,
    );
  }
  if (isEncrypted && file.privateBlob.length % BLOCK !== 0) {
    throw new KeyFormatError("Private key does not fill the blocks of its cipher");
  }
  if (isEncrypted && !passphrase) {
    throw new PassphraseError("Private key is encrypted: passphrase required");
  }
  const keys = keysOf(file, isEncrypted ? passphrase! : null);
  const plain = isEncrypted
    ? decryptBytes(CIPHER, keys.cipher.subarray(0, KEY_BYTES), keys.iv, file.privateBlob)
    : file.privateBlob;
  try {
    if (!equalConstantTime(macOf(file, plain, keys.mac), file.mac)) {
      throw isEncrypted
        ? new PassphraseError("Cannot decrypt the private key: wrong passphrase")
        : new KeyFormatError("Private key was changed: its MAC is wrong");
    }
    return opened(file, plain);
  } finally {
    plain.fill(0);
    wipe(keys);
  }
}

/** Writes a PuTTY private key, encrypted if `encryption` is given. */
export function encodePpk(
  { parts, secret, comment }: OpenedKey,
  version: 2 | 3,
  encryption: PpkEncryption | null,
): string {
  const plain = privateBlob(secret);
  const unsealed: PpkFile = {
    version,
    type: new Reader(parts.publicBlob).text(),
    encryption: encryption ? CIPHER : "none",
    comment,
    publicBlob: parts.publicBlob,
    kdf: encryption && version === 3 ? { ...encryption.kdf, salt: randomBytes(SALT_BYTES) } : null,
    privateBlob: plain,
    mac: new Uint8Array(0),
  };
  const padded = encryption ? fillBlocks(plain) : plain;
  const keys = keysOf(unsealed, encryption?.passphrase ?? null);
  try {
    const sealed = encryption
      ? encryptBytes(CIPHER, keys.cipher.subarray(0, KEY_BYTES), keys.iv, padded)
      : padded;
    return writePpk({ ...unsealed, privateBlob: sealed, mac: macOf(unsealed, padded, keys.mac) });
  } finally {
    plain.fill(0);
    padded.fill(0);
    wipe(keys);
  }
}

function keysOf(file: PpkFile, passphrase: string | null): PpkKeys {
  const none = new Uint8Array(0);
  const secret = passphrase === null ? none : utf8.encode(passphrase);
  try {
    if (file.version === 2) {
      const cipher = new Uint8Array(2 * SHA1_BYTES);
      for (const n of [0, 1]) {
        const hash = digest("SHA-1", new Uint8Array([0, 0, 0, n]), secret);
        wiping(hash, (hash) => void cipher.set(hash, n * SHA1_BYTES));
      }
      return {
        cipher,
        iv: new Uint8Array(BLOCK),
        mac: digest("SHA-1", V2_MAC_KEY, secret),
      };
    }
    if (passphrase === null) return { cipher: none, iv: none, mac: none };
    if (file.kdf === null) throw new KeyFormatError("Private key's passphrase is not hashed");
    const { variant, salt, ...cost } = file.kdf;
    const derived = hashed(() => argon2(variant, secret, salt, cost, 80));
    return {
      cipher: derived.subarray(0, KEY_BYTES),
      iv: derived.subarray(KEY_BYTES, KEY_BYTES + BLOCK),
      mac: derived.subarray(KEY_BYTES + BLOCK),
    };
  } finally {
    secret.fill(0);
  }
}

function hashed(derive: () => Uint8Array): Uint8Array {
  try {
    return derive();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new KeyFormatError(`Private key requests too much: ${plainMessage(cause)}`, { cause });
  }
}

// The MAC covers all visible fields, and the padding.
function macOf(file: PpkFile, plain: Uint8Array, key: Uint8Array): Uint8Array {
  const { version, type, encryption, comment, publicBlob } = file;
  const data = new Writer(publicBlob.length + plain.length + 256).text(type).text(encryption)
    .text(comment).string(publicBlob).string(plain).take();
  const mac = hmac(version === 2 ? "SHA-1" : "SHA-256", key, data);
  data.fill(0);
  return mac;
}

function opened({ type, publicBlob, comment }: PpkFile, plain: Uint8Array): OpenedKey {
  const key = openSection(sectionOf(type, publicBlob, new Reader(plain)), comment);
  if (equals(key.parts.publicBlob, publicBlob)) return key;
  key.secret.fill(0);
  throw new KeyFormatError("Private key does not belong to the public key beside it");
}

/** The private section of openssh-key-v1 for the numbers; the padding after them is ignored. */
function sectionOf(type: string, publicBlob: Uint8Array, numbers: Reader): Uint8Array {
  const known = new Reader(publicBlob);
  if (known.text() !== type) throw new KeyFormatError("Private key has two types");
  switch (type) {
    case "ssh-ed25519": {
      // A number in little-endian order, without zeros at its end.
      const short = numbers.string();
      if (short.length > 32) throw new KeyFormatError("Ed25519 seed is too long");
      const seed = new Uint8Array(32);
      seed.set(short);
      return wiping(seed, ed25519Section);
    }
    case "ssh-rsa": {
      const [e, n] = [known.mpint(), known.mpint()];
      const [d, p] = [numbers.mpint(), numbers.mpint()];
      return rsaSection({ n, e, d, p, q: numbers.mpint(), iqmp: numbers.mpint() });
    }
    case "ecdsa-sha2-nistp256":
      return ecdsaSection("nistp256", numbers.mpint());
    case "ecdsa-sha2-nistp384":
      return ecdsaSection("nistp384", numbers.mpint());
    case "ecdsa-sha2-nistp521":
      return ecdsaSection("nistp521", numbers.mpint());
    default:
      throw new KeyFormatError(`Key type "${printable(type, 64)}" is not supported`);
  }
}

function privateBlob(secret: Uint8Array): Uint8Array {
  const key = privateNumbers(secret);
  switch (key.kind) {
    case "ed25519":
      return new Writer().string(key.seed).take();
    case "ecdsa":
      return new Writer().mpint(key.scalar).take();
    case "rsa":
      return new Writer(2048).mpint(key.d).mpint(key.p).mpint(key.q).mpint(key.iqmp).take();
  }
}

/** PuTTY pads with a hash of the data, so that the padding reveals nothing. */
function fillBlocks(plain: Uint8Array): Uint8Array {
  const missing = (BLOCK - plain.length % BLOCK) % BLOCK;
  return concat([plain, digest("SHA-1", plain).subarray(0, missing)]);
}

function wipe({ cipher, mac }: PpkKeys): void {
  cipher.fill(0);
  mac.fill(0);
}
