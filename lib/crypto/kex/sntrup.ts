import { asString, coreMethod, type KexMethod } from "./kex_method.ts";

/** A ciphertext of sntrup761 and a point of X25519. */
const ANSWER_BYTES = 1039 + 32;

/** Streamlined NTRU Prime beside X25519 (RFC 9941); K is a string, not an mpint. */
export const sntrup761x25519: KexMethod = coreMethod("sntrup761x25519", asString, ANSWER_BYTES);
