import { assertEquals, assertThrows } from "@std/assert";
import { pbkdf2Sync, scryptSync } from "node:crypto";
import { pbkdf2, scrypt, type ShaName } from "../../lib/crypto/digest.ts";
import { encodeHex } from "../../lib/encoding.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("scrypt gives what RFC 7914 §12 says", () => {
  const key = scrypt(bytes(""), bytes(""), { n: 16, r: 1, p: 1 }, 64);
  assertEquals(
    encodeHex(key),
    "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442" +
      "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
  );
});

Deno.test("scrypt gives what Node's does, for all kinds of costs and lengths", () => {
  for (
    const [n, r, p, length] of [[2, 1, 1, 1], [64, 8, 1, 32], [32, 3, 5, 24], [
      256,
      8,
      2,
      100,
    ]] as const
  ) {
    const key = scrypt(bytes("öpen"), bytes("salt"), { n, r, p }, length);
    assertEquals(
      encodeHex(key),
      scryptSync("öpen", "salt", length, { N: n, r, p }).toString("hex"),
    );
  }
});

Deno.test("PBKDF2 gives what Node's does, for all hashes and lengths", () => {
  for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"] as ShaName[]) {
    for (const [iterations, length] of [[1, 1], [2, 20], [50, 32], [3, 200]] as const) {
      const key = pbkdf2(hash, bytes("öpen"), bytes("salt"), iterations, length);
      const theirs = pbkdf2Sync("öpen", "salt", iterations, length, hash.replace("-", ""));
      assertEquals(encodeHex(key), theirs.toString("hex"));
    }
  }
});

Deno.test("Costs that are none are refused", () => {
  const [secret, salt] = [bytes("x"), bytes("salt")];
  assertThrows(() => pbkdf2("SHA-256", secret, salt, 0, 32), RangeError, "0 iterations");
  for (
    const [n, r, p] of [[1, 8, 1], [3, 8, 1], [16, 0, 1], [16, 8, 0], [2 ** 60, 8, 1]] as const
  ) {
    assertThrows(() => scrypt(secret, salt, { n, r, p }, 32), RangeError, `${n}, ${r}, ${p}`);
  }
});
