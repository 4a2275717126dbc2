import { KeyFormatError, printable } from "../errors.ts";
import type { Reader } from "../wire/reader.ts";
import { ecdsa } from "./ecdsa.ts";
import { ed25519 } from "./ed25519.ts";
import type { KeyType, PrivateParts } from "./key_type.ts";
import { rsa } from "./rsa.ts";
import { skEcdsa, skEd25519 } from "./security_key.ts";

/** Every type of key, best first. */
export const KEY_TYPES: readonly KeyType[] = [
  ed25519,
  ecdsa("nistp256", 256),
  ecdsa("nistp384", 384),
  ecdsa("nistp521", 521),
  rsa,
  skEd25519,
  skEcdsa,
];

/**
 * Every signature algorithm that a key can make, best first.
 *
 * @example
 * ```ts
 * import { SIGNATURE_ALGORITHMS } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(SIGNATURE_ALGORITHMS[0], "ssh-ed25519");
 * ```
 */
export const SIGNATURE_ALGORITHMS: readonly string[] = KEY_TYPES.flatMap((type) => type.algorithms);

/**
 * The type of a name.
 *
 * @throws {KeyFormatError} If it is unknown
 */
export function keyType(name: string): KeyType {
  const type = KEY_TYPES.find((candidate) => candidate.name === name);
  if (type === undefined) {
    throw new KeyFormatError(`Key type "${printable(name, 64)}" is not supported`);
  }
  return type;
}

/**
 * Reads a private section of openssh-key-v1, name and fields; the result keeps views of it.
 *
 * @throws {KeyFormatError | ProtocolError} If it is not an acceptable key
 */
export function readPrivateParts(reader: Reader): PrivateParts {
  return keyType(reader.text()).readPrivate(reader);
}
