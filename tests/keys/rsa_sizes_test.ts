/** RSA keys of every size and exponent that OpenSSH reads. */
import { concat } from "@std/bytes";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError } from "../../lib/errors.ts";
import { generateKey, importPrivateKey, parsePublicKey } from "../../lib/keys/mod.ts";
import { addArmor } from "../../lib/keys/armor.ts";
import { integer, sequence } from "../../lib/keys/der_writer.ts";
import { decodeHex } from "../../lib/encoding.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { RSA_SIZES } from "./rsa_sizes.ts";

const data = new TextEncoder().encode("what is signed");

for (const [bits, file] of Object.entries(RSA_SIZES)) {
  Deno.test(`an RSA key of ${bits} bits loads and signs`, () => {
    using key = importPrivateKey(file);
    assertEquals(key.publicKey.bits, Number(bits));
    for (const algorithm of ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"]) {
      assert(key.publicKey.verify(algorithm, data, key.sign(algorithm, data)), algorithm);
    }
  });
}

Deno.test("the size of a generated RSA key need not be a multiple of 64", async () => {
  using key = await generateKey("rsa", { bits: 2056 });
  assertEquals(key.publicKey.bits, 2056);
  assert(key.publicKey.verify("rsa-sha2-256", data, key.sign("rsa-sha2-256", data)));
});

/** Two primes of 1024 bits; p - 1 and q - 1 share no factor with the exponents below. */
const P = BigInt(
  "0xc0246dceeb78629348e828f73128b1b54fdff244b4d11c2b87e6ee846c5d52d48596e2e44134523427a4872eba581c28f14f6b7316048b0600add239db679b083d1e60822565fa4c68cfa0c8d8b9adaa2aa736584f75015e4605902ac2f09abf5a539dbc4d2aa194eadbf8630d631bb2023a530b29366df33e295f51eeb37615",
);
const Q = BigInt(
  "0xe76e77dbd5216039a460e5ec76c1593eb5dc8ced5c072ca7acdc3267c0ff1e7ff1f2e77896a2e5db330d1c4f1c3c9b332681985d0d88e99f8d89bc905fb82954cf1663731673125686a8dd8ee258a74cd6d557f4757144f30041feac4dbce8a2f7b1a1d8351cbb2f4a9412be186a07b9080b65955ddde9b3f9009279c5c34591",
);

/** An RSA key with the given public exponent, in PKCS#1. */
function withExponent(exponent: bigint): string {
  const d = inverse(exponent, (P - 1n) * (Q - 1n));
  const parts = [0n, P * Q, exponent, d, P, Q, d % (P - 1n), d % (Q - 1n), inverse(Q, P)];
  return addArmor("RSA PRIVATE KEY", concat(sequence(...parts.map((n) => integer(bytesOf(n))))));
}

function bytesOf(number: bigint): Uint8Array {
  const hex = number.toString(16);
  return decodeHex(hex.padStart(hex.length + hex.length % 2, "0"));
}

/** The extended Euclidean algorithm. */
function inverse(number: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [number % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - a / b * y];
  assertEquals(a, 1n);
  return (x % modulus + modulus) % modulus;
}

for (const exponent of [3n, 5n, 17n, 35n, 37n, 257n, 65537n, 2n ** 32n + 15n, 2n ** 63n + 29n]) {
  Deno.test(`an RSA key with the exponent ${exponent} loads, signs and verifies`, () => {
    using key = importPrivateKey(withExponent(exponent));
    const signature = key.sign("rsa-sha2-512", data);
    assert(key.publicKey.verify("rsa-sha2-512", data, signature));
    assert(!key.publicKey.verify("rsa-sha2-512", data.subarray(1), signature));
    assert(parsePublicKey(key.publicKey.blob).verify("rsa-sha2-512", data, signature));
  });
}

Deno.test("RSA keys below the minimum are refused, and the error names the minimum", () => {
  for (const bits of [1024, 2047]) {
    const n = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
    n[0] = 0xff >> (8 * n.length - bits);
    const blob = new Writer().text("ssh-rsa").mpint(new Uint8Array([1, 0, 1])).mpint(n).take();
    assertThrows(() => parsePublicKey(blob), KeyFormatError, `${bits} bits: 2048`);
  }
});
