import { equals } from "@std/bytes";
import { ed25519PublicKey, signEd25519, verifyEd25519 } from "../crypto/sign.ts";
import { KeyFormatError } from "../errors.ts";
import type { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { KeyType } from "./key_type.ts";

const NAME = "ssh-ed25519";
const POINT_BYTES = 32;
/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64;

/** Ed25519 (RFC 8709). */
export const ed25519: KeyType = {
  name: NAME,
  algorithms: [NAME],

  readPublic(reader) {
    const point = ed25519Point(reader);
    return {
      bits: 256,
      verify: (_algorithm, data, { bytes }) =>
        bytes.length === SIGNATURE_BYTES && verifyEd25519(point, data, bytes),
    };
  },

  // OpenSSH PROTOCOL.key: the public key, then the seed and the public key once more.
  readPrivate(reader) {
    const point = reader.string();
    const secret = reader.string();
    if (point.length !== POINT_BYTES || secret.length !== 2 * POINT_BYTES) {
      throw new KeyFormatError("Ed25519 private key has the wrong length");
    }
    const seed = secret.subarray(0, POINT_BYTES);
    if (!equals(point, secret.subarray(POINT_BYTES)) || !equals(point, ed25519PublicKey(seed))) {
      throw new KeyFormatError("Private and public half of the Ed25519 key do not match");
    }
    return {
      publicBlob: new Writer().text(NAME).string(point).take(),
      sign: (_algorithm, data) => signEd25519(seed, data),
    };
  },
};

/** The point of a public key. */
export function ed25519Point(reader: Reader): Uint8Array {
  const point = reader.string();
  if (point.length !== POINT_BYTES) {
    throw new KeyFormatError(`Ed25519 key has ${point.length} bytes instead of ${POINT_BYTES}`);
  }
  return point;
}

/** The private section of openssh-key-v1, name included, for a seed. */
export function ed25519Section(seed: Uint8Array): Uint8Array<ArrayBuffer> {
  const point = ed25519PublicKey(seed);
  return new Writer().text(NAME).string(point).u32(2 * POINT_BYTES).bytes(seed).bytes(point).take();
}
