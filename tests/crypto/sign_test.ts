import { assert, assertEquals, assertThrows } from "@std/assert";
import { sign, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import {
  ecdsaPublicKey,
  ed25519PublicKey,
  generateEcdsa,
  generateEd25519,
  signEcdsa,
  signEd25519,
  signRsa,
  verifyEcdsa,
  verifyEd25519,
  verifyRsa,
} from "../../lib/crypto/sign.ts";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { noise } from "../support/random.ts";
import { hex } from "./packets.ts";
import { rsaKey } from "./rsa_key.ts";

const message = noise(100);

Deno.test("Ed25519 gives RFC 8032's second vector", () => {
  const seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  assertEquals(
    encodeHex(ed25519PublicKey(seed)),
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
  );
  const signature = signEd25519(seed, hex("72"));
  assertEquals(
    encodeHex(signature),
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  assert(verifyEd25519(ed25519PublicKey(seed), hex("72"), signature));
});

Deno.test("Ed25519: a new key signs, and nothing else verifies", () => {
  const { seed, publicKey } = generateEd25519();
  const signature = signEd25519(seed, message);
  assert(verifyEd25519(publicKey, message, signature));
  for (let at = 0; at < signature.length; at++) {
    const forged = signature.slice();
    forged[at]! ^= 1;
    assert(!verifyEd25519(publicKey, message, forged));
  }
  assert(!verifyEd25519(generateEd25519().publicKey, message, signature));
  assert(!verifyEd25519(publicKey.subarray(1), message, signature));
  assertThrows(() => signEd25519(seed.subarray(1), message), RangeError);
});

Deno.test("Ed25519: a signature whose number is not reduced is refused (CVE-2026-3706)", () => {
  const { seed, publicKey } = generateEd25519();
  const signature = signEd25519(seed, message);
  const order = 2n ** 252n + 27742317777372353535851937790883648493n; // RFC 8032 §5.1
  const number = (bytes: Uint8Array) => BigInt(`0x${encodeHex(bytes.toReversed())}`);
  const s = number(signature.subarray(32));
  assert(s < order);
  for (let other = s + order; other < 2n ** 256n; other += order) {
    const forged = signature.slice();
    forged.set(decodeHex(other.toString(16).padStart(64, "0")).toReversed(), 32);
    assert(!verifyEd25519(publicKey, message, forged), `${other}`);
  }
});

for (const [curve, size, rounds] of [["nistp256", 32, 300], ["nistp384", 48, 60]] as const) {
  Deno.test(`${curve}: a new key signs, and nothing else verifies`, () => {
    const { scalar, point } = generateEcdsa(curve);
    assertEquals(ecdsaPublicKey(curve, scalar), point);
    const { r, s } = signEcdsa(curve, scalar, point, message);
    assert(verifyEcdsa(curve, point, message, r, s));
    assert(!verifyEcdsa(curve, point, message.subarray(1), r, s));
    assert(!verifyEcdsa(curve, point, message, s, r));
    assert(!verifyEcdsa(curve, point, message, new Uint8Array(size), s));
    assert(!verifyEcdsa(curve, point, message, r, new Uint8Array(size)));
    assert(!verifyEcdsa(curve, point, message, new Uint8Array(size + 1).fill(1), s));
    assertThrows(() => signEcdsa(curve, scalar, generateEcdsa(curve).point, message), RangeError);
    assertThrows(() => ecdsaPublicKey(curve, new Uint8Array(size)), RangeError);
  });

  Deno.test(`${curve}: ${rounds} signatures have ${rounds} nonces that use the whole range`, () => {
    const { scalar, point } = generateEcdsa(curve);
    const seen = new Set<string>();
    let top = 0;
    for (let round = 0; round < rounds; round++) {
      const { r, s } = signEcdsa(curve, scalar, point, message);
      seen.add(encodeHex(r));
      if (nonceOf(curve, scalar, r, s) >> BigInt(8 * size - 8) > 0n) top++;
    }
    assertEquals(seen.size, rounds);
    // CVE-2024-31497: biased nonces with leading zeros leaked keys. Only about 1 in 256 may begin with
    // a zero byte.
    assert(top > 0.95 * rounds, `${rounds - top} of ${rounds} nonces begin with a zero byte`);
  });

  Deno.test(`${curve}: scalars and magnitudes may lack leading zeros or have an extra one`, () => {
    const { scalar, point } = generateEcdsa(curve);
    const { r, s } = signEcdsa(curve, new Uint8Array([0, ...scalar]), point, message);
    assert(verifyEcdsa(curve, point, message, new Uint8Array([0, ...r]), s));
  });
}

const ORDER = {
  nistp256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  nistp384:
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
};

/** k = (z + r d) / s: the signer's nonce. */
function nonceOf(
  curve: "nistp256" | "nistp384",
  scalar: Uint8Array,
  r: Uint8Array,
  s: Uint8Array,
): bigint {
  const order = ORDER[curve];
  const number = (bytes: Uint8Array) => BigInt(`0x${encodeHex(bytes)}`);
  const z = number(HASHED[curve]);
  return (z + number(r) * number(scalar)) * inverse(number(s), order) % order;
}

const HASHED = {
  nistp256: new Uint8Array(await crypto.subtle.digest("SHA-256", message)),
  nistp384: new Uint8Array(await crypto.subtle.digest("SHA-384", message)),
};

function inverse(a: bigint, m: bigint): bigint {
  let [old, now, x, y] = [a, m, 1n, 0n];
  while (now !== 0n) {
    const quotient = old / now;
    [old, now] = [now, old - quotient * now];
    [x, y] = [y, x - quotient * y];
  }
  return (x % m + m) % m;
}

for (const bits of [2048, 4096]) {
  Deno.test(`RSA ${bits}: node:crypto verifies our signatures, and we verify its`, () => {
    const { parts, privateKey, publicKey } = rsaKey(bits);
    for (const hash of ["SHA-256", "SHA-512"] as const) {
      const name = hash.replace("-", "");
      const ours = signRsa(hash, parts, message);
      assertEquals(ours.length, bits / 8);
      assert(verify(name, message, publicKey, ours));
      const theirs = new Uint8Array(sign(name, Buffer.from(message), privateKey));
      assertEquals(theirs, ours);
      assert(verifyRsa(hash, parts.n, parts.e, message, theirs));
      assert(!verifyRsa(hash, parts.n, parts.e, message.subarray(1), theirs));
      const other = hash === "SHA-256" ? "SHA-512" : "SHA-256";
      assert(!verifyRsa(other, parts.n, parts.e, message, theirs), "another hash's label");
    }
  });
}

Deno.test("RSA: a SHA-1 signature verifies under SHA-1 and under nothing else", () => {
  const { parts, privateKey } = rsaKey(2048);
  const signature = new Uint8Array(sign("SHA1", Buffer.from(message), privateKey));
  assert(verifyRsa("SHA-1", parts.n, parts.e, message, signature));
  assert(!verifyRsa("SHA-256", parts.n, parts.e, message, signature));
  assert(!verifyRsa("SHA-512", parts.n, parts.e, message, signature));
});

Deno.test("RSA: parts that do not belong together are refused", () => {
  const { parts } = rsaKey(2048);
  const other = rsaKey(2048).parts;
  for (const name of ["n", "d", "p", "q", "iqmp"] as const) {
    const mixed = { ...parts, [name]: other[name] };
    let signature: Uint8Array;
    try {
      signature = signRsa("SHA-256", mixed, message);
    } catch (error) {
      assert(error instanceof RangeError);
      continue;
    }
    assert(verifyRsa("SHA-256", parts.n, parts.e, message, signature), `${name} is another key's`);
  }
});

Deno.test("RSA: the primes may come in either order", () => {
  const { parts } = rsaKey(2048);
  const number = (bytes: Uint8Array) => BigInt(`0x${encodeHex(bytes)}`);
  const iqmp = inverse(number(parts.p), number(parts.q)).toString(16).padStart(256, "0");
  const swapped = { ...parts, p: parts.q, q: parts.p, iqmp: hex(iqmp) };
  assertEquals(signRsa("SHA-256", swapped, message), signRsa("SHA-256", parts, message));
});

Deno.test("RSA: a key of 4 Mbit is refused before any arithmetic, and so are weak exponents", () => {
  // A power of that size would take days.
  const n = new Uint8Array(1 << 19).fill(0xff);
  assert(!verifyRsa("SHA-512", n, new Uint8Array([1, 0, 1]), message, n.slice()));
  assert(!verifyRsa("SHA-512", n, n, message, n.slice()));
  const { parts } = rsaKey(2048);
  const signature = signRsa("SHA-256", parts, message);
  for (const e of [[], [0], [1], [2], [1, 0, 0]]) {
    assert(!verifyRsa("SHA-256", parts.n, new Uint8Array(e), message, signature), `e = ${e}`);
  }
  assert(!verifyRsa("SHA-256", new Uint8Array(128).fill(0xff), parts.e, message, signature));
});

Deno.test("RSA 11213: verifies a signature that was made by hand", () => {
  // For a prime modulus the private exponent is 1/e mod n - 1, so no two primes are needed.
  // 2^11213 - 1 is a Mersenne prime; its size exceeds the limit of ring.
  const n = 2n ** 11213n - 1n;
  const e = 65537n;
  const d = inverse(e, n - 1n);
  const bytes = (value: bigint, length: number) =>
    decodeHex(value.toString(16).padStart(2 * length, "0"));
  const length = Math.ceil(11213 / 8);
  const info = hex("3031300d060960864801650304020105000420" + encodeHex(HASHED.nistp256));
  const padded = new Uint8Array(length).fill(0xff);
  padded.set([0, 1]);
  padded[length - info.length - 1] = 0;
  padded.set(info, length - info.length);
  const signature = bytes(power(BigInt(`0x${encodeHex(padded)}`), d, n), length);
  const [modulus, exponent] = [bytes(n, length), bytes(e, 3)];
  assert(verifyRsa("SHA-256", modulus, exponent, message, signature));
  assert(!verifyRsa("SHA-512", modulus, exponent, message, signature));
  signature[700]! ^= 1;
  assert(!verifyRsa("SHA-256", modulus, exponent, message, signature));
});

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = result * base % modulus;
    base = base * base % modulus;
  }
  return result;
}
