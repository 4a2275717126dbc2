import { generateEcdsa, generateEd25519 } from "../crypto/sign.ts";
import { MIN_RSA_BITS } from "../defaults.ts";
import { ecdsaSection } from "./ecdsa.ts";
import { ed25519Section } from "./ed25519.ts";
import { sectionFromPkcs8 } from "./pem_keys.ts";
import { wiping } from "../crypto/wiping.ts";

/** The kinds of keys that can be generated. */
export type GeneratedKeyType = "ed25519" | "ecdsa-p256" | "ecdsa-p384" | "ecdsa-p521" | "rsa";

/** Largest RSA key to generate, in bits: finding longer primes takes a minute. */
const MAX_BITS = 4096;

/** Default size of an RSA key: as in `ssh-keygen`, 128 bits of security. */
const RSA_BITS = 3072;

/** A new key as the private section of openssh-key-v1. */
export async function generateSection(
  type: GeneratedKeyType,
  bits: number | undefined,
): Promise<Uint8Array> {
  if (bits !== undefined && type !== "rsa") throw new TypeError(`A key "${type}" has a fixed size`);
  switch (type) {
    case "ed25519":
      return wiping(generateEd25519().seed, ed25519Section);
    case "ecdsa-p256":
      return wiping(generateEcdsa("nistp256").scalar, (d) => ecdsaSection("nistp256", d));
    case "ecdsa-p384":
      return wiping(generateEcdsa("nistp384").scalar, (d) => ecdsaSection("nistp384", d));
    case "ecdsa-p521":
      return wiping(generateEcdsa("nistp521").scalar, (d) => ecdsaSection("nistp521", d));
    case "rsa":
      return wiping(await rsaPkcs8(bits ?? RSA_BITS), sectionFromPkcs8);
    default:
      throw new TypeError(`Unknown key type "${type satisfies never}"`);
  }
}

// Uses WebCrypto, because finding primes takes a second in WASM, and PKCS#8, because JWK would put the
// secret numbers into strings, which cannot be wiped.
async function rsaPkcs8(bits: number): Promise<Uint8Array> {
  if (!Number.isInteger(bits) || bits % 8 !== 0 || bits < MIN_RSA_BITS || bits > MAX_BITS) {
    throw new RangeError(
      `An RSA key has ${MIN_RSA_BITS} to ${MAX_BITS} bits, a multiple of 8: got ${bits}`,
    );
  }
  const publicExponent = new Uint8Array([1, 0, 1]);
  const { privateKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: bits, publicExponent, hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  return new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
}
