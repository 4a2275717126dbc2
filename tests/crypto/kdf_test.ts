import { assertEquals, assertThrows } from "@std/assert";
import { pbkdf2Sync } from "node:crypto";
import { pbkdf2, scrypt, type ShaName } from "../../lib/crypto/digest.ts";
import { encodeHex } from "../../lib/encoding.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("scrypt gives the vectors of RFC 7914 §12", () => {
  const key = scrypt(bytes(""), bytes(""), { n: 16, r: 1, p: 1 }, 64);
  assertEquals(
    encodeHex(key),
    "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442" +
      "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
  );
});

Deno.test("scrypt agrees with Node's for many costs and lengths", () => {
  const theirs = [
    [{ n: 2, r: 1, p: 1 }, "a0"],
    [{ n: 64, r: 8, p: 1 }, "ab894967c48d51cdf063beb56691b22788fd061b3292ed014cf3f498f1969c59"],
    [{ n: 32, r: 3, p: 5 }, "ff79f1db78258d3e9a42cff9901047a444964bf6bcfd0aae"],
    [
      { n: 256, r: 8, p: 2 },
      "f8d57925d1faf48ac34ee999c871a924566dbe538cdcf64ac56cc0dfa8441885779cad93c91a8c30589b" +
      "0030117093fcd1c9b61e5f9ad3ca441c29cd84b2cbfc4111725276e2b7920bcb2d2a947c9721ac2624c1" +
      "5431259288aaa905bc4788cee6f9f9bf",
    ],
  ] as const;
  for (const [costs, expected] of theirs) {
    const key = scrypt(bytes("öpen"), bytes("salt"), costs, expected.length / 2);
    assertEquals(encodeHex(key), expected);
  }
});

Deno.test("PBKDF2 agrees with Node's for all hashes and many lengths", () => {
  for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"] as ShaName[]) {
    for (const [iterations, length] of [[1, 1], [2, 20], [50, 32], [3, 200]] as const) {
      const key = pbkdf2(hash, bytes("öpen"), bytes("salt"), iterations, length);
      const theirs = pbkdf2Sync("öpen", "salt", iterations, length, hash.replace("-", ""));
      assertEquals(encodeHex(key), theirs.toString("hex"));
    }
  }
});

Deno.test("Invalid costs are refused", () => {
  const [secret, salt] = [bytes("x"), bytes("salt")];
  assertThrows(() => pbkdf2("SHA-256", secret, salt, 0, 32), RangeError, "0 iterations");
  for (
    const [n, r, p] of [[1, 8, 1], [3, 8, 1], [16, 0, 1], [16, 8, 0], [2 ** 60, 8, 1]] as const
  ) {
    assertThrows(() => scrypt(secret, salt, { n, r, p }, 32), RangeError, `${n}, ${r}, ${p}`);
  }
});

Deno.test("PBKDF2 with SHA-224 and SHA-512/256 agrees with OpenSSL's", () => {
  const theirs = [
    [
      "SHA-224",
      "b1cd9f5e89b2258634b00c721e6250791be50503db548e350024fa5a6897119ebc5fd1" +
      "eb5ceb020a36851f361a083cf8f8c2d9482e1de3a8b09bb193362d9bb20b191abbbf99",
    ],
    [
      "SHA-512/256",
      "9bbd5077e0f6001885184f639a2868bad315e386f91676368ec101a92ca5912fee7575" +
      "22d4b8f1c9b7c83b447cd20d482fc919e1a032ca527598356de0e801c9894391091db7",
    ],
  ] as const;
  for (const [hash, expected] of theirs) {
    assertEquals(encodeHex(pbkdf2(hash, bytes("secret"), bytes("salty"), 3, 70)), expected);
  }
});
