/** RSA keys of every size and exponent that OpenSSH reads. */
import { concat } from "@std/bytes";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError } from "../../lib/errors.ts";
import { generateKey, importPrivateKey, parsePublicKey } from "../../lib/keys/mod.ts";
import { addArmor } from "../../lib/keys/armor.ts";
import { integer, sequence } from "../../lib/keys/der_writer.ts";
import { decodeHex } from "../../lib/encoding.ts";
import { Writer } from "../../lib/wire/writer.ts";

const data = new TextEncoder().encode("what is signed");

for (const bits of [2048, 2056, 2504, 2560, 3000, 3064, 3072, 3080, 4088]) {
  Deno.test(`a generated RSA key of ${bits} bits signs`, async () => {
    using key = await generateKey("rsa", { bits });
    assertEquals(key.publicKey.bits, bits);
    for (const algorithm of ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"]) {
      assert(key.publicKey.verify(algorithm, data, key.sign(algorithm, data)), algorithm);
    }
  });
}

/** An RSA key with a public exponent of the caller's, in PKCS#1; null if the primes do not allow it. */
async function withExponent(exponent: bigint, bits = 2048): Promise<string> {
  for (;;) {
    const { privateKey } = await crypto.subtle.generateKey(
      {
        name: "RSASSA-PKCS1-v1_5",
        modulusLength: bits,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: "SHA-256",
      },
      true,
      ["sign"],
    ) as CryptoKeyPair;
    const jwk = await crypto.subtle.exportKey("jwk", privateKey);
    const number = (text: string) => {
      const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
      const hex = Array.from(bytes, (c) => c.charCodeAt(0).toString(16).padStart(2, "0"));
      return BigInt(`0x${hex.join("")}`);
    };
    const [p, q] = [number(jwk.p!), number(jwk.q!)];
    const order = (p - 1n) * (q - 1n);
    const d = inverse(exponent, order);
    if (d === null) continue;
    const parts = [0n, p * q, exponent, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)!];
    const key = sequence(...parts.map((part) => integer(bytesOf(part))));
    return addArmor("RSA PRIVATE KEY", concat(key));
  }
}

function bytesOf(number: bigint): Uint8Array {
  const hex = number.toString(16);
  return decodeHex(hex.padStart(hex.length + hex.length % 2, "0"));
}

/** The extended Euclidean algorithm. */
function inverse(number: bigint, modulus: bigint): bigint | null {
  let [a, b, x, y] = [number % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - a / b * y];
  return a === 1n ? (x % modulus + modulus) % modulus : null;
}

for (const exponent of [3n, 5n, 17n, 35n, 37n, 257n, 65537n, 2n ** 32n + 15n, 2n ** 63n + 29n]) {
  Deno.test(`an RSA key with the exponent ${exponent} loads, signs and verifies`, async () => {
    using key = importPrivateKey(await withExponent(exponent));
    const signature = key.sign("rsa-sha2-512", data);
    assert(key.publicKey.verify("rsa-sha2-512", data, signature));
    assert(!key.publicKey.verify("rsa-sha2-512", data.subarray(1), signature));
    assert(parsePublicKey(key.publicKey.blob).verify("rsa-sha2-512", data, signature));
  });
}

Deno.test("RSA keys below the floor are refused with the floor", () => {
  for (const bits of [1024, 2047]) {
    const n = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
    n[0] = 0xff >> (8 * n.length - bits);
    const blob = new Writer().text("ssh-rsa").mpint(new Uint8Array([1, 0, 1])).mpint(n).take();
    assertThrows(() => parsePublicKey(blob), KeyFormatError, `${bits} bits: 2048`);
  }
});
