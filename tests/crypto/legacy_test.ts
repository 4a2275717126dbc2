/** Algorithms only for old peers and old files: MD5, DES, SHA-1 signatures, and large RSA keys. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash, sign, verify } from "node:crypto";
import { decryptBytes, encryptBytes } from "../../lib/crypto/cipher.ts";
import { digest } from "../../lib/crypto/digest.ts";
import { signRsa, verifyRsa } from "../../lib/crypto/sign.ts";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { noise } from "../support/random.ts";
import { rsaKey } from "./rsa_key.ts";

const message = noise(100);

Deno.test("MD5 agrees with node:crypto at every length", () => {
  for (let length = 0; length <= 300; length++) {
    const data = noise(length, length + 1);
    const theirs = new Uint8Array(createHash("md5").update(data).digest());
    assertEquals(digest("MD5", data.subarray(0, length >> 1), data.subarray(length >> 1)), theirs);
  }
});

Deno.test("des-cbc gives FIPS 81's ciphertext and decrypts it", () => {
  // FIPS 81, table C1.
  const [key, iv] = [
    decodeHex("0123456789abcdef"),
    decodeHex("1234567890abcdef"),
  ];
  const text = new TextEncoder().encode("Now is the time for all ");
  const sealed = encryptBytes("des-cbc", key, iv, text);
  assertEquals(encodeHex(sealed), "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6");
  assertEquals(decryptBytes("des-cbc", key, iv, sealed), text);
  assertThrows(() => decryptBytes("des-cbc", new Uint8Array(24), iv, sealed), RangeError);
});

Deno.test("3des-cbc gives OpenSSL's ciphertext at every length and decrypts it", () => {
  const key = Uint8Array.from({ length: 24 }, (_, i) => 7 * i);
  const iv = Uint8Array.from({ length: 8 }, (_, i) => 31 * i);
  const all = createHash("sha256");
  for (let length = 0; length < 400; length += 8) {
    const data = Uint8Array.from({ length }, (_, i) => i * length);
    const sealed = encryptBytes("3des-cbc", key, iv, data);
    all.update(sealed);
    assertEquals(decryptBytes("3des-cbc", key, iv, sealed), data);
  }
  // Of des-ede3-cbc in Node 20; Deno before 2.5 does not have it.
  const expected = "9761c350f8801e73c7f590e55c0c18e13ad2cb2a3d13eaa585694bdef717f8fd";
  assertEquals(all.digest("hex"), expected);
});

Deno.test("RSA with SHA-1 signs as node:crypto does, and verifies", () => {
  for (const bits of [2048, 3072]) {
    const { parts, privateKey, publicKey } = rsaKey(bits);
    const ours = signRsa("SHA-1", parts, message);
    assert(verify("SHA1", message, publicKey, ours));
    assertEquals(ours, new Uint8Array(sign("SHA1", Buffer.from(message), privateKey)));
    assert(verifyRsa("SHA-1", parts.n, parts.e, message, ours));
    assert(!verifyRsa("SHA-256", parts.n, parts.e, message, ours));
  }
});

Deno.test("RSA with SHA-1 refuses key parts that would leak the key", () => {
  const { parts } = rsaKey(2048);
  const other = rsaKey(2048).parts;
  for (const name of ["n", "d", "p", "q", "iqmp"] as const) {
    const mixed = { ...parts, [name]: other[name] };
    assertThrows(() => signRsa("SHA-1", mixed, message), RangeError, "do not match");
    assertThrows(
      () => signRsa("SHA-1", { ...parts, [name]: new Uint8Array() }, message),
      RangeError,
    );
  }
});

Deno.test("RSA 5120, beyond what ring signs with, signs as node:crypto does", () => {
  const { parts, privateKey } = rsaKey(5120);
  const ours = signRsa("SHA-512", parts, message);
  assertEquals(ours, new Uint8Array(sign("SHA512", Buffer.from(message), privateKey)));
});
