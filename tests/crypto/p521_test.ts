/** P-521, whose arithmetic is from a different crate than the smaller curves'. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { digest } from "../../lib/crypto/digest.ts";
import { ecdsaPublicKey, generateEcdsa, signEcdsa, verifyEcdsa } from "../../lib/crypto/sign.ts";
import { core } from "../../lib/crypto/wasm.ts";
import { encodeHex } from "../../lib/encoding.ts";
import { testVectors } from "../vectors/read.ts";
import { noise } from "../support/random.ts";
import { hex } from "./packets.ts";

const SIZE = 66;
const ORDER = 2n ** 521n -
  0x5ae79787c40d069948033feb708f65a2fc44a36477663b851449048e16ec79bf7n;
const message = noise(100);
const number = (bytes: Uint8Array) => BigInt(`0x${encodeHex(bytes)}`);
const scalarOf = (value: bigint) => hex(value.toString(16).padStart(2 * SIZE, "0"));

Deno.test("nistp521: a new key signs, and nothing else verifies", () => {
  const { scalar, point } = generateEcdsa("nistp521");
  assertEquals([scalar.length, point.length, point[0]], [SIZE, 2 * SIZE + 1, 4]);
  assertEquals(ecdsaPublicKey("nistp521", scalar), point);
  const { r, s } = signEcdsa("nistp521", scalar, point, message);
  const holds = (...[p, m, x, y]: [Uint8Array, Uint8Array, Uint8Array, Uint8Array]) =>
    verifyEcdsa("nistp521", p, m, x, y);
  assert(holds(point, message, r, s));
  assert(holds(point, message, new Uint8Array([0, ...r]), s), "one zero too many");
  assert(!holds(point, message.subarray(1), r, s));
  assert(!holds(point, message, s, r));
  assert(!holds(point, message, new Uint8Array(SIZE), s));
  assert(!holds(point, message, r, new Uint8Array(SIZE)));
  assert(!holds(point, message, new Uint8Array(SIZE + 1).fill(1), s));
  assert(!holds(generateEcdsa("nistp521").point, message, r, s));
  const compressed = new Uint8Array([2 + (point.at(-1)! & 1), ...point.subarray(1, SIZE + 1)]);
  assert(!holds(compressed, message, r, s), "compressed points are refused as ring refuses them");
  const other = generateEcdsa("nistp521").point;
  assertThrows(() => signEcdsa("nistp521", scalar, other, message), RangeError);
});

Deno.test("nistp521: scalars of 0, of the order and above are refused", () => {
  for (const value of [0n, ORDER, ORDER + 1n, 2n ** 528n - 1n]) {
    assertThrows(() => ecdsaPublicKey("nistp521", scalarOf(value)), RangeError);
  }
  ecdsaPublicKey("nistp521", scalarOf(ORDER - 1n));
  assertEquals(
    ecdsaPublicKey("nistp521", new Uint8Array([1])),
    ecdsaPublicKey("nistp521", scalarOf(1n)),
  );
});

Deno.test("nistp521: 100 signatures of one message have 100 nonces that use the whole range", () => {
  const { scalar, point } = generateEcdsa("nistp521");
  const hashed = number(digest("SHA-512", message));
  const nonces = new Set<bigint>();
  let top = 0;
  for (let round = 0; round < 100; round++) {
    const { r, s } = signEcdsa("nistp521", scalar, point, message);
    const nonce = (hashed + number(r) * number(scalar)) * inverse(number(s), ORDER) % ORDER;
    nonces.add(nonce);
    if (nonce >> 513n !== 0n) top++;
  }
  assertEquals(nonces.size, 100);
  // CVE-2024-31497 affected this curve: the top nine of the 521 bits of PuTTY's nonces were zero.
  assert(top > 90, `${100 - top} of 100 nonces have eight zero bits on top`);
});

Deno.test("nistp521: the scalar 1 is the base point's, and both sides of ECDH agree", () => {
  assertEquals(
    encodeHex(ecdsaPublicKey("nistp521", new Uint8Array([1])).subarray(1, 1 + SIZE)),
    "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ff" +
      "a8de3348b3c1856a429bf97e7e31c2e5bd66",
  );
  const [ours, theirs] = [generateEcdsa("nistp521"), generateEcdsa("nistp521")];
  const secret = core().agree("nistp521", ours.scalar, theirs.point);
  assertEquals(secret, core().agree("nistp521", theirs.scalar, ours.point));
});

testVectors("ecdh_secp521r1", ({ publicKey, privateKey, shared, result }) => {
  const scalar = new Uint8Array(SIZE);
  scalar.set(privateKey.slice(-SIZE), SIZE - Math.min(SIZE, privateKey.length));
  const secret = core().agree("nistp521", scalar, publicKey);
  if (result === "invalid") assertEquals(secret, undefined);
  else if (secret !== undefined) assertEquals(secret, shared);
  else assert(result === "acceptable", "a valid exchange must work");
});

function inverse(a: bigint, m: bigint): bigint {
  let [old, now, x, y] = [a, m, 1n, 0n];
  while (now !== 0n) {
    const quotient = old / now;
    [old, now] = [now, old - quotient * now];
    [x, y] = [y, x - quotient * y];
  }
  return (x % m + m) % m;
}
