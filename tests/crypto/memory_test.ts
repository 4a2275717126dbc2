/** WebAssembly memory keeps no secrets, neither in freed blocks nor on the stack. */

import { assert } from "@std/assert";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { decryptBytes } from "../../lib/crypto/cipher.ts";
import { bcryptPbkdf, hmac } from "../../lib/crypto/digest.ts";
import { KEX } from "../../lib/crypto/algorithms.ts";
import { row } from "../../lib/crypto/suite.ts";
import { noise } from "../support/random.ts";
import { agreementOf } from "./agreement.ts";
import {
  ecdsaPublicKey,
  ed25519PublicKey,
  generateEcdsa,
  generateEd25519,
  signEcdsa,
  signEd25519,
  signRsa,
} from "../../lib/crypto/sign.ts";
import { heap } from "../../lib/crypto/wasm.ts";

function assertGone(secrets: Record<string, Uint8Array>): void {
  const memory = heap();
  for (const [name, bytes] of Object.entries(secrets)) {
    for (let start = 0; start + 8 <= bytes.length; start += 8) {
      for (
        const order of [bytes.slice(start, start + 8), bytes.slice(start, start + 8).reverse()]
      ) {
        const at = find(memory, order);
        assert(at < 0, `${name} from byte ${start} on is still at address ${at}`);
      }
    }
  }
}

function find(memory: Uint8Array, needle: Uint8Array): number {
  for (let at = memory.indexOf(needle[0]!); at >= 0; at = memory.indexOf(needle[0]!, at + 1)) {
    if (needle.every((byte, offset) => memory[at + offset] === byte)) return at;
  }
  return -1;
}

for (
  const name of [
    "curve25519-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "diffie-hellman-group14-sha256",
  ]
) {
  Deno.test(`${name}: the shared secret is not left in memory`, async () => {
    const agreement = await agreementOf(row(KEX, name).method);
    const initiator = agreement.initiate();
    const { publicValue, secret } = agreement.respond(initiator.publicValue);
    initiator.finish(publicValue);
    initiator[Symbol.dispose]();
    assertGone({ secret: secret.subarray(-32) });
  });
}

Deno.test("private keys are not left in memory by signing or by deriving public keys", () => {
  const { seed } = generateEd25519();
  signEd25519(seed, noise(50));
  ed25519PublicKey(seed);
  assertGone({ seed });
  for (const curve of ["nistp256", "nistp384", "nistp521"] as const) {
    const { scalar, point } = generateEcdsa(curve);
    signEcdsa(curve, scalar, point, noise(50));
    ecdsaPublicKey(curve, scalar);
    assertGone({ [curve]: scalar });
  }
});

Deno.test("an RSA key is not left in memory by signing", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = privateKey.export({ format: "jwk" }) as Record<string, string>;
  const part = (name: string) => new Uint8Array(Buffer.from(jwk[name]!, "base64url"));
  const [d, p, q, iqmp] = ["d", "p", "q", "qi"].map(part) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const key = { n: part("n"), e: part("e"), d, p, q, iqmp };
  signRsa("SHA-256", key, noise(50));
  signRsa("SHA-1", key, noise(50));
  assertGone({ d, p, q, iqmp, dp: part("dp"), dq: part("dq") });
});

Deno.test("keys and texts of private key files are not left in memory", () => {
  const passphrase = noise(24, 77);
  const key = bcryptPbkdf(passphrase, noise(16, 78), 2, 48);
  const text = decryptBytes("aes256-ctr", key.subarray(0, 32), key.subarray(32), noise(64, 79));
  hmac("SHA-256", key, noise(10));
  assertGone({ passphrase, key, text });
});
