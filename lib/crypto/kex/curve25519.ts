import { asMpint, coreMethod, type KexMethod } from "./kex_method.ts";

const POINT_BYTES = 32;

/** X25519 (RFC 8731); K is the 32 bytes read as a big-endian number (§3.1). */
export const curve25519: KexMethod = coreMethod("x25519", asMpint, POINT_BYTES);
