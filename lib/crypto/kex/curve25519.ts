import { Writer } from "../../wire/writer.ts";
import { type KexMethod, kexMethod } from "./kex_method.ts";

const POINT_BYTES = 32;

/** X25519 (RFC 8731); K is the 32 bytes read as a big-endian number (§3.1). */
export const curve25519: KexMethod = kexMethod(
  "x25519",
  (secret) => new Writer().mpint(secret).take(),
  POINT_BYTES,
);
