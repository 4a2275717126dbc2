import { Reader } from "../wire/reader.ts";
import type { PrivateParts } from "./key_type.ts";
import { readPrivateParts } from "./key_types.ts";

/** A private key that has been read. */
export interface OpenedKey {
  readonly parts: PrivateParts;
  /** The type and the fields; `parts` has views of it, so wiping it wipes the key. */
  readonly secret: Uint8Array;
  readonly comment: string;
}

/**
 * Takes over a private section of openssh-key-v1, name and fields; wipes it if it is not a key.
 *
 * @throws {KeyFormatError | ProtocolError} If it is not an acceptable key
 */
export function openSection(secret: Uint8Array, comment: string): OpenedKey {
  try {
    const reader = new Reader(secret);
    const parts = readPrivateParts(reader);
    reader.end();
    return { parts, secret, comment };
  } catch (error) {
    secret.fill(0);
    throw error;
  }
}
