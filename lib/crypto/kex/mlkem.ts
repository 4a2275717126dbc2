import { asString, coreMethod, type KexMethod } from "./kex_method.ts";

/** A ciphertext of ML-KEM-768 and a point of X25519. */
const ANSWER_BYTES = 1088 + 32;

/** ML-KEM-768 beside X25519 (draft-ietf-sshm-mlkem-hybrid-kex); K is a string, not an mpint (§2.4). */
export const mlkem768x25519: KexMethod = coreMethod("mlkem768x25519", asString, ANSWER_BYTES);
