import { Writer } from "../../wire/writer.ts";
import { type KexMethod, kexMethod } from "./kex_method.ts";

/** A ciphertext of ML-KEM-768 and a point of X25519. */
const ANSWER_BYTES = 1088 + 32;

/** ML-KEM-768 beside X25519 (draft-ietf-sshm-mlkem-hybrid-kex); K is a string, not an mpint (§2.4). */
export const mlkem768x25519: KexMethod = kexMethod(
  "mlkem768x25519",
  (secret) => new Writer().string(secret).take(),
  ANSWER_BYTES,
);
