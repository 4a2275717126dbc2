import { equals } from "@std/bytes";
import { type Curve, ecdsaPublicKey, FIELD_BYTES, signEcdsa, verifyEcdsa } from "../crypto/sign.ts";
import { KeyFormatError } from "../errors.ts";
import { Writer } from "../wire/writer.ts";
import { isOnCurve } from "./curve_points.ts";
import type { KeyType } from "./key_type.ts";
import { decodeEcdsa, encodeEcdsa } from "./signature.ts";

/** ECDSA on a NIST curve (RFC 5656 §3.1); `bits` is the size of its numbers. */
export function ecdsa(curve: Curve, bits: number): KeyType {
  const name = `ecdsa-sha2-${curve}`;
  return {
    name,
    algorithms: [name],

    readPublic(reader) {
      if (reader.text() !== curve) throw new KeyFormatError(`Key "${name}" is on another curve`);
      const point = checkedPoint(curve, reader.string());
      return {
        bits,
        verify(_algorithm, data, { bytes }) {
          const { r, s } = decodeEcdsa(bytes);
          return verifyEcdsa(curve, point, data, r, s);
        },
      };
    },

    // OpenSSH PROTOCOL.key: the curve, the public point, the secret number.
    readPrivate(reader) {
      if (reader.text() !== curve) throw new KeyFormatError(`Key "${name}" is on another curve`);
      const point = reader.string();
      const scalar = reader.mpint();
      if (!equals(point, publicPoint(curve, scalar))) {
        throw new KeyFormatError("Private and public half of the ECDSA key do not match");
      }
      return {
        publicBlob: new Writer().text(name).text(curve).string(point).take(),
        sign: (_algorithm, data) => encodeEcdsa(signEcdsa(curve, scalar, point, data)),
      };
    },
  };
}

/** The private section of openssh-key-v1, name included, for a secret number. */
export function ecdsaSection(curve: Curve, scalar: Uint8Array): Uint8Array<ArrayBuffer> {
  const point = publicPoint(curve, scalar);
  return new Writer().text(`ecdsa-sha2-${curve}`).text(curve).string(point).mpint(scalar).take();
}

/**
 * Checks a point.
 *
 * @throws {KeyFormatError} If it is compressed, not as long as points of the curve are, or not on it
 */
export function checkedPoint(curve: Curve, point: Uint8Array): Uint8Array {
  // RFC 5656 §3.1 allows compressed points, but implementations do not send them, and OpenSSH refuses them,
  // too.
  if (point.length !== 1 + 2 * FIELD_BYTES[curve] || point[0] !== 4) {
    throw new KeyFormatError("ECDSA key is not an uncompressed point of its curve");
  }
  if (!isOnCurve(curve, point)) throw new KeyFormatError("ECDSA key is not on its curve");
  return point;
}

function publicPoint(curve: Curve, scalar: Uint8Array): Uint8Array {
  try {
    return ecdsaPublicKey(curve, scalar);
  } catch (cause) {
    throw new KeyFormatError("ECDSA private key is not a number of its curve", { cause });
  }
}
