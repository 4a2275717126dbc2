import { assertEquals, assertThrows } from "@std/assert";
import { argon2 } from "../../lib/crypto/digest.ts";
import { encodeHex } from "../../lib/encoding.ts";

const utf8 = new TextEncoder();
const [passphrase, salt] = [utf8.encode("password"), utf8.encode("somesalt")];

/** From the reference implementation, version 0x13. */
const VECTORS = [
  ["argon2i", 256, 2, 1, "89e9029f4637b295beb027056a7336c414fadd43f6b208645281cb214a56452f"],
  ["argon2i", 256, 2, 2, "4ff5ce2769a1d7f4c8a491df09d41a9fbe90e5eb02155a13e4c01e20cd4eab61"],
  ["argon2id", 256, 2, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"],
  ["argon2id", 256, 2, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"],
  ["argon2id", 65536, 2, 1, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"],
] as const;

Deno.test("Argon2 gives the reference implementation's keys", () => {
  for (const [variant, memory, passes, parallelism, expected] of VECTORS) {
    const key = argon2(variant, passphrase, salt, { memory, passes, parallelism }, 32);
    assertEquals(encodeHex(key), expected, `${variant} ${memory} ${passes} ${parallelism}`);
  }
});

Deno.test("Argon2 refuses invalid or excessive costs immediately", () => {
  const cost = { memory: 64, passes: 1, parallelism: 1 };
  for (
    const wrong of [
      { memory: 0 },
      { memory: 7 },
      { memory: 2 ** 20 + 1 },
      { memory: 2 ** 32 + 64 },
      { passes: 0 },
      { passes: 2 ** 31 },
      { parallelism: 0 },
      { parallelism: 9 }, // 8 KiB of memory for each
    ]
  ) {
    assertThrows(
      () => argon2("argon2id", passphrase, salt, { ...cost, ...wrong }, 32),
      RangeError,
      "Cannot derive a key",
    );
  }
  assertThrows(() => argon2("argon2id", passphrase, salt.subarray(1), cost, 32), RangeError);
  assertThrows(() => argon2("argon2id", passphrase, salt, cost, 3), RangeError);
  assertThrows(() => argon2("argon2id", passphrase, salt, cost, 2 ** 20), RangeError);
});
