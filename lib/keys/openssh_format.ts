import { equals } from "@std/bytes";
import { randomBytes } from "../crypto/random.ts";
import { KeyFormatError, PassphraseError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { decryptSection, encryptSection, type KeyCipher, keyCipher } from "./key_cipher.ts";
import { readPrivateParts } from "./key_types.ts";
import type { OpenedKey } from "./opened_key.ts";

/** The label of the format's armour. */
export const OPENSSH_LABEL = "OPENSSH PRIVATE KEY";

const MAGIC = new TextEncoder().encode("openssh-key-v1\0");
const SALT_BYTES = 16;

/** Padding of a section that is not encrypted. */
const PLAIN_BLOCK = 8;

/**
 * Reads openssh-key-v1 (OpenSSH PROTOCOL.key).
 *
 * @throws {PassphraseError} If the key is encrypted and the passphrase is missing or wrong
 * @throws {KeyFormatError | ProtocolError} If the bytes are not an acceptable key
 */
export function decodeOpenssh(bytes: Uint8Array, passphrase: string | undefined): OpenedKey {
  const reader = new Reader(bytes);
  const { cipherName, kdf, kdfOptions, publicBlob } = readHeader(reader);
  const length = reader.u32();

  if (cipherName === "none") {
    if (kdf !== "none") throw new KeyFormatError("Private key has a passphrase but no cipher");
    const section = reader.bytes(length).slice();
    reader.end();
    checkLength(section, PLAIN_BLOCK);
    return decodeSection(section, PLAIN_BLOCK, publicBlob);
  }
  const cipher = keyCipher(cipherName);
  if (kdf !== "bcrypt") {
    throw new KeyFormatError("Private key's passphrase is not hashed by bcrypt");
  }
  // The tag of an authenticating cipher follows the section and is not part of its length.
  const sealed = reader.bytes(length + cipher.tag);
  reader.end();
  checkLength(sealed.subarray(0, length), cipher.block);
  if (!passphrase) throw new PassphraseError("Private key is encrypted: passphrase required");
  const section = decryptSection(cipher, sealed, passphrase, kdfOptions);
  if (!checkIntsMatch(section)) {
    section.fill(0);
    throw new PassphraseError("Cannot decrypt the private key: wrong passphrase");
  }
  return decodeSection(section, cipher.block, publicBlob);
}

/**
 * The public key, which openssh-key-v1 has before the encrypted section.
 *
 * @throws {KeyFormatError | ProtocolError} If the bytes are not of the format
 */
export function opensshPublicBlob(bytes: Uint8Array): Uint8Array {
  return readHeader(new Reader(bytes)).publicBlob;
}

function readHeader(reader: Reader) {
  if (!equals(reader.bytes(MAGIC.length), MAGIC)) {
    throw new KeyFormatError("Private key is not of the format openssh-key-v1");
  }
  const cipherName = reader.text();
  const kdf = reader.text();
  const kdfOptions = reader.string();
  if (reader.u32() !== 1) {
    throw new KeyFormatError("Private key file does not hold exactly one key");
  }
  return { cipherName, kdf, kdfOptions, publicBlob: reader.string() };
}

/** Writes openssh-key-v1, encrypted if there is a passphrase. */
export function encodeOpenssh(
  key: OpenedKey,
  encryption: { cipher: KeyCipher; passphrase: string; rounds: number } | null,
): Uint8Array {
  const cipher = encryption?.cipher ?? null;
  const kdfOptions = encryption
    ? new Writer().string(randomBytes(SALT_BYTES)).u32(encryption.rounds).take()
    : new Uint8Array(0);
  const section = encodeSection(key, cipher?.block ?? PLAIN_BLOCK);
  const sealed = encryption && cipher
    ? encryptSection(cipher, section, encryption.passphrase, kdfOptions)
    : section;
  const file = new Writer().bytes(MAGIC)
    .text(cipher?.name ?? "none").text(cipher ? "bcrypt" : "none").string(kdfOptions)
    .u32(1).string(key.parts.publicBlob)
    // The tag of an authenticating cipher follows the section and is not part of its length.
    .u32(section.length).bytes(sealed).take();
  section.fill(0);
  return file;
}

/** Takes over the section; wipes it if it is not a key. */
function decodeSection(section: Uint8Array, block: number, publicBlob: Uint8Array): OpenedKey {
  try {
    if (!checkIntsMatch(section)) throw new KeyFormatError("Private key's check numbers differ");
    const reader = new Reader(section, 8);
    const parts = readPrivateParts(reader);
    const secret = section.subarray(8, reader.offset);
    const comment = reader.text();
    const padding = reader.remainder();
    if (padding.length > block || padding.some((byte, index) => byte !== index + 1)) {
      throw new KeyFormatError("Private key's padding is wrong");
    }
    if (!equals(parts.publicBlob, publicBlob)) {
      throw new KeyFormatError("Private key does not belong to the public key beside it");
    }
    return { parts, secret, comment };
  } catch (error) {
    section.fill(0);
    throw error;
  }
}

function encodeSection({ secret, comment }: OpenedKey, block: number): Uint8Array {
  const check = randomBytes(4);
  const writer = new Writer(secret.length + 4 * comment.length + 64)
    .bytes(check).bytes(check).bytes(secret).text(comment);
  for (let byte = 1; writer.length % block !== 0; byte++) writer.u8(byte);
  return writer.take();
}

function checkLength(section: Uint8Array, block: number): void {
  if (section.length < block || section.length % block !== 0) {
    throw new KeyFormatError("Private key's section has the wrong length");
  }
}

function checkIntsMatch(section: Uint8Array): boolean {
  const reader = new Reader(section);
  return reader.u32() === reader.u32();
}
