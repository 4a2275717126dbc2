import type { Curve } from "../sign.ts";
import { asMpint, coreMethod, type KexMethod } from "./kex_method.ts";

/** Uncompressed points: 04, X, Y. */
const POINT_BYTES = { nistp256: 65, nistp384: 97, nistp521: 133 } as const;

/** ECDH over a NIST curve (RFC 5656 §4); K is the X coordinate as an mpint. */
export function ecdh(curve: Curve): KexMethod {
  return coreMethod(curve, asMpint, POINT_BYTES[curve]);
}
