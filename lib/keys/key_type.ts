import type { Reader } from "../wire/reader.ts";
import type { VerifyOptions } from "./key.ts";
import type { Signature } from "./signature.ts";

/**
 * One type of key: parsers for its public and private half. A new type is one file and one row in
 * `key_types.ts`.
 */
export interface KeyType {
  /** The name in key blobs. */
  readonly name: string;
  /** The signature algorithms that a key of the type can make, best first. */
  readonly algorithms: readonly string[];
  /** Algorithms that it can make only if asked for by name; none unless given. */
  readonly legacyAlgorithms?: readonly string[];
  /** Algorithms that only other programs can sign with: verified if asked for by name; none unless given. */
  readonly foreignAlgorithms?: readonly string[];
  /**
   * Reads the fields after the name in a public key blob; keeps views of it.
   *
   * @throws {KeyFormatError | ProtocolError} If it is not an acceptable key
   */
  readPublic(reader: Reader): PublicParts;
  /**
   * Reads the fields after the name in the private section of openssh-key-v1; keeps views of it.
   *
   * @throws {KeyFormatError | ProtocolError} If it is not an acceptable key or the halves do not match
   */
  readPrivate(reader: Reader): PrivateParts;
}

/** The public half of a key. */
export interface PublicParts {
  /** The size of the key, in bits. */
  readonly bits: number;
  /**
   * The blob in canonical encoding, for types whose numbers may have leading zeros; unless given, the blob
   * that was read.
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
  /** The blob of its public half. */
  readonly publicBlob: Uint8Array;
  /** Makes a signature without its label; the algorithm is one of the type. */
  sign(algorithm: string, data: Uint8Array): Uint8Array;
}
