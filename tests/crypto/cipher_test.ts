import { assertEquals, assertThrows } from "@std/assert";
import { createCipheriv } from "node:crypto";
import { type CipherName, decryptBytes, encryptBytes } from "../../lib/crypto/cipher.ts";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { noise } from "../support/random.ts";
import { nodeEncrypt } from "./node_cipher.ts";

/** Cipher, key bytes, block, and node:crypto's name; Deno's node:crypto has no aes-192-cbc. */
const PLAIN: [CipherName, number, number, string][] = [
  ["aes128-ctr", 16, 1, "aes-128-ctr"],
  ["aes192-ctr", 24, 1, "aes-192-ctr"],
  ["aes256-ctr", 32, 1, "aes-256-ctr"],
  ["aes128-cbc", 16, 16, "aes-128-cbc"],
  ["aes256-cbc", 32, 16, "aes-256-cbc"],
];

for (const [cipher, keyBytes, block, name] of PLAIN) {
  Deno.test(`${cipher}: agrees with node:crypto at every length, and decrypts what it encrypts`, () => {
    for (let length = 0; length < 700; length += block) {
      const key = noise(keyBytes, length + 1);
      const iv = noise(16, length + 2);
      const data = noise(length, length + 3);
      const sealed = encryptBytes(cipher, key, iv, data);
      assertEquals(sealed, nodeEncrypt(name, key, iv, data), `length ${length}`);
      assertEquals(decryptBytes(cipher, key, iv, sealed), data);
    }
  });
}

Deno.test("a CTR counter carries through all of its 128 bits", () => {
  for (const low of [0xff, 0xfe, 0xf8, 0xf0]) {
    for (const ones of [7, 8, 15]) {
      const iv = new Uint8Array(16).fill(0xff, 15 - ones);
      iv[15] = low;
      const key = noise(16);
      const zeros = new Uint8Array(600);
      const theirs = nodeEncrypt("aes-128-ctr", key, iv, zeros);
      assertEquals(encryptBytes("aes128-ctr", key, iv, zeros), theirs);
    }
  }
});

Deno.test("long CTR streams agree with node:crypto from any start of the last byte", () => {
  for (let low = 0; low < 256; low += 5) {
    const iv = noise(16, low);
    iv[15] = low;
    iv[14] = 0xfe; // the counter carries into the next byte within the stream
    const [key, data] = [noise(32, low + 1), noise(9000 + low, low)];
    const theirs = nodeEncrypt("aes-256-ctr", key, iv, data);
    assertEquals(encryptBytes("aes256-ctr", key, iv, data), theirs, `${low}`);
  }
});

for (const size of [128, 256] as const) {
  Deno.test(`aes${size}-gcm: agrees with node:crypto at every length and refuses a wrong tag`, () => {
    const cipher = `aes${size}-gcm@openssh.com` as const;
    for (let length = 0; length < 700; length++) {
      const key = noise(size / 8, length + 1);
      const iv = noise(12, length + 2);
      const data = noise(length, length + 3);
      const theirs = createCipheriv(`aes-${size}-gcm`, key, iv);
      const text = theirs.update(data);
      theirs.final();
      const expected = new Uint8Array([...text, ...theirs.getAuthTag()]);
      const sealed = encryptBytes(cipher, key, iv, data);
      assertEquals(sealed, expected, `length ${length}`);
      assertEquals(decryptBytes(cipher, key, iv, sealed), data);
      sealed[length % sealed.length]! ^= 1;
      assertThrows(() => decryptBytes(cipher, key, iv, sealed), RangeError);
    }
  });
}

Deno.test("chacha20-poly1305@openssh.com: encrypted keys decrypt, and a wrong tag is refused", () => {
  const cipher = "chacha20-poly1305@openssh.com";
  for (let length = 0; length < 700; length++) {
    const [key, data] = [noise(64, length), noise(length, length + 1)];
    const sealed = encryptBytes(cipher, key, new Uint8Array(), data);
    assertEquals(sealed.length, length + 16);
    assertEquals(decryptBytes(cipher, key, new Uint8Array(), sealed), data);
    sealed[length % sealed.length]! ^= 1;
    assertThrows(() => decryptBytes(cipher, key, new Uint8Array(), sealed), RangeError);
  }
});

Deno.test("3des-cbc: gives NIST's ciphertext and decrypts it", () => {
  // SP 800-67's sample keys over its sample text, one block, zero IV.
  const key = decodeHex("0123456789abcdef23456789abcdef01456789abcdef0123");
  const text = new TextEncoder().encode("The qufck brown fox jump");
  const sealed = encryptBytes("3des-cbc", key, new Uint8Array(8), text);
  assertEquals(encodeHex(sealed.subarray(0, 8)), "a826fd8ce53b855f");
  assertEquals(decryptBytes("3des-cbc", key, new Uint8Array(8), sealed), text);
});

Deno.test("keys, IVs and data of a wrong length are refused", () => {
  const [key, iv] = [new Uint8Array(16), new Uint8Array(16)];
  assertThrows(() => encryptBytes("aes256-ctr", key, iv, iv), RangeError);
  assertThrows(() => encryptBytes("aes128-ctr", key, iv.subarray(1), iv), RangeError);
  assertThrows(() => decryptBytes("aes128-cbc", key, iv, new Uint8Array(17)), RangeError);
  assertThrows(
    () => decryptBytes("aes128-gcm@openssh.com", key, iv.subarray(4), key.subarray(1)),
    RangeError,
  );
});
