import type { Reader } from "../wire/reader.ts";
import type { VerifyOptions } from "./key.ts";
import type { Signature } from "./signature.ts";

/**
 * One type of key: how its halves are read and what they do. A new type is one file and one row in
 * `key_types.ts`.
 */
export interface KeyType {
  /** The name in key blobs. */
  readonly name: string;
  /** The signature algorithms that a key of the type can make, best first. */
  readonly algorithms: readonly string[];
  /** Those that it can make but must be asked for by name; none unless given. */
  readonly legacyAlgorithms?: readonly string[];
  /** Those by which others than we have it sign: verified where they are named; none unless given. */
  readonly foreignAlgorithms?: readonly string[];
  /**
   * Reads what follows the name in a public key blob; keeps views on it.
   *
   * @throws {KeyFormatError | ProtocolError} If it is no acceptable key
   */
  readPublic(reader: Reader): PublicParts;
  /**
   * Reads what follows the name in the private section of openssh-key-v1; keeps views on it.
   *
   * @throws {KeyFormatError | ProtocolError} If it is no acceptable key or the halves do not match
   */
  readPrivate(reader: Reader): PrivateParts;
}

/** The public half of a key. */
export interface PublicParts {
  /** The size that people name the key by. */
  readonly bits: number;
  /**
   * The key's blob in its only correct encoding, for types whose numbers may have needless zeros; the
   * blob that was read unless given.
   */
  readonly blob?: Uint8Array;
  /** Checks a signature; the algorithm is one of the type. */
  verify(
    algorithm: string,
    data: Uint8Array,
    signature: Signature,
    options: VerifyOptions,
  ): boolean;
}

/** The private half of a key. */
export interface PrivateParts {
  /** The blob of the public half that belongs to it. */
  readonly publicBlob: Uint8Array;
  /** Makes a signature without its label; the algorithm is one of the type. */
  sign(algorithm: string, data: Uint8Array): Uint8Array;
}
