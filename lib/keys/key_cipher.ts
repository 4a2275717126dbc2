import { decryptBytes, encryptBytes } from "../crypto/cipher.ts";
import { bcryptPbkdf } from "../crypto/digest.ts";
import { wiping } from "../crypto/wiping.ts";
import { KeyFormatError, PassphraseError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";

/**
 * The most bcrypt rounds that a file may request. `ssh-keygen` writes 16 or 24, careful users choose 100 to
 * 500. A round takes about 7 ms, so this limits how long a hostile file can block the program.
 */
export const MAX_BCRYPT_ROUNDS = 1024;

/** Longest salt: `ssh-keygen` writes 16 bytes. */
const MAX_SALT_BYTES = 1024;

/** A cipher that openssh-key-v1 may name; sizes in bytes. */
export interface KeyCipher {
  readonly name: Parameters<typeof decryptBytes>[0];
  readonly key: number;
  readonly iv: number;
  readonly block: number;
  /** Bytes of the tag that an authenticating cipher adds after the section. */
  readonly tag: number;
}

/** Every cipher of openssh-key-v1, best first. */
export const KEY_CIPHERS: readonly KeyCipher[] = [
  { name: "aes256-ctr", key: 32, iv: 16, block: 16, tag: 0 },
  { name: "aes192-ctr", key: 24, iv: 16, block: 16, tag: 0 },
  { name: "aes128-ctr", key: 16, iv: 16, block: 16, tag: 0 },
  { name: "aes256-cbc", key: 32, iv: 16, block: 16, tag: 0 },
  { name: "aes192-cbc", key: 24, iv: 16, block: 16, tag: 0 },
  { name: "aes128-cbc", key: 16, iv: 16, block: 16, tag: 0 },
  { name: "aes256-gcm@openssh.com", key: 32, iv: 12, block: 16, tag: 16 },
  { name: "aes128-gcm@openssh.com", key: 16, iv: 12, block: 16, tag: 16 },
  { name: "chacha20-poly1305@openssh.com", key: 64, iv: 0, block: 8, tag: 16 },
  { name: "3des-cbc", key: 24, iv: 8, block: 8, tag: 0 },
];

/**
 * The cipher of a name.
 *
 * @throws {KeyFormatError} If it is unknown
 */
export function keyCipher(name: string): KeyCipher {
  const cipher = KEY_CIPHERS.find((candidate) => candidate.name === name);
  if (cipher === undefined) {
    throw new KeyFormatError(
      `Private key is encrypted by "${printable(name, 64)}", which is not supported`,
    );
  }
  return cipher;
}

/** Encrypts a private section; `kdfOptions` are a salt and a number of rounds. */
export function encryptSection(
  cipher: KeyCipher,
  section: Uint8Array,
  passphrase: string,
  kdfOptions: Uint8Array,
): Uint8Array {
  return withKey(
    cipher,
    passphrase,
    kdfOptions,
    (key, iv) => encryptBytes(cipher.name, key, iv, section),
  );
}

/**
 * Decrypts a private section.
 *
 * @throws {PassphraseError} If an authenticating cipher finds the key wrong
 * @throws {KeyFormatError | ProtocolError} If the key derivation's options are malformed
 */
export function decryptSection(
  cipher: KeyCipher,
  sealed: Uint8Array,
  passphrase: string,
  kdfOptions: Uint8Array,
): Uint8Array {
  return withKey(cipher, passphrase, kdfOptions, (key, iv) => {
    try {
      return decryptBytes(cipher.name, key, iv, sealed);
    } catch (cause) {
      throw new PassphraseError("Cannot decrypt the private key: wrong passphrase", { cause });
    }
  });
}

/** Lends the key and IV of a passphrase, and wipes them afterwards. */
function withKey<T>(
  { key, iv }: KeyCipher,
  passphrase: string,
  kdfOptions: Uint8Array,
  use: (key: Uint8Array, iv: Uint8Array) => T,
): T {
  const reader = new Reader(kdfOptions);
  const salt = reader.string();
  const rounds = reader.u32();
  reader.end();
  if (salt.length === 0 || salt.length > MAX_SALT_BYTES) {
    throw new KeyFormatError(
      `Private key has a salt of ${salt.length} bytes: 1 to ${MAX_SALT_BYTES} are accepted`,
    );
  }
  if (rounds === 0 || rounds > MAX_BCRYPT_ROUNDS) {
    throw new KeyFormatError(
      `Private key requests ${rounds} bcrypt rounds: 1 to ${MAX_BCRYPT_ROUNDS} are accepted`,
    );
  }
  const derived = wiping(
    new TextEncoder().encode(passphrase),
    (secret) => bcryptPbkdf(secret, salt, rounds, key + iv),
  );
  return wiping(derived, () => use(derived.subarray(0, key), derived.subarray(key)));
}
