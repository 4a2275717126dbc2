import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { Buffer } from "node:buffer";
import type { RsaPrivateParts } from "../../lib/crypto/sign.ts";

/** Sizes whose keys are stored in `rsa_keys/` as PKCS#8, since generating one takes seconds. */
const KEPT: readonly number[] = [4096, 5120];

/** A key of node:crypto, and its parts for our signing. */
export function rsaKey(
  bits: number,
): { parts: RsaPrivateParts; privateKey: KeyObject; publicKey: KeyObject } {
  const privateKey = KEPT.includes(bits)
    ? kept(bits)
    : generateKeyPairSync("rsa", { modulusLength: bits }).privateKey;
  const jwk = privateKey.export({ format: "jwk" }) as Record<string, string>;
  const part = (name: string) => new Uint8Array(Buffer.from(jwk[name]!, "base64url"));
  const [n, e, d, p, q, iqmp] = ["n", "e", "d", "p", "q", "qi"].map(part);
  const parts: RsaPrivateParts = { n: n!, e: e!, d: d!, p: p!, q: q!, iqmp: iqmp! };
  return { parts, privateKey, publicKey: createPublicKey(privateKey) };
}

function kept(bits: number): KeyObject {
  const text = Deno.readTextFileSync(new URL(`rsa_keys/${bits}.txt`, import.meta.url));
  return createPrivateKey({ key: Buffer.from(text, "base64"), format: "der", type: "pkcs8" });
}
