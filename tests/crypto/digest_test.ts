import { assert, assertEquals, assertThrows } from "@std/assert";
import { createHash, createHmac } from "node:crypto";
import {
  bcryptPbkdf,
  digest,
  equalConstantTime,
  type HashName,
  hmac,
  type ShaName,
} from "../../lib/crypto/digest.ts";
import { encodeHex } from "../../lib/encoding.ts";
import { testVectors } from "../vectors/read.ts";
import { noise } from "../support/random.ts";

const HASHES: ShaName[] = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
const utf8 = new TextEncoder();

function nodeName(hash: ShaName): string {
  return hash.toLowerCase().replace("-", "");
}

for (const hash of HASHES) {
  Deno.test(`${hash}: agrees with node:crypto at every length, also in parts`, () => {
    for (let length = 0; length <= 1100; length++) {
      const data = noise(length, length);
      const theirs = new Uint8Array(createHash(nodeName(hash)).update(data).digest());
      assertEquals(digest(hash, data), theirs, `length ${length}`);
      const cut = length * 7 % (length + 1);
      assertEquals(digest(hash, data.subarray(0, cut), data.subarray(cut)), theirs);
    }
  });

  Deno.test(`HMAC with ${hash}: agrees with node:crypto for short and long keys`, () => {
    for (let length = 0; length <= 300; length++) {
      const [key, data] = [noise(length, 3), noise(2 * length, length)];
      const theirs = createHmac(nodeName(hash), key).update(data).digest();
      assertEquals(hmac(hash, key, data), new Uint8Array(theirs), `key of ${length}`);
    }
  });
}

Deno.test("SHA-256 and SHA-512 of a million letters a are FIPS 180's", () => {
  const letters = new Uint8Array(1_000_000).fill(0x61);
  assertEquals(
    encodeHex(digest("SHA-256", letters)),
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  );
  assert(
    encodeHex(digest("SHA-512", letters)).startsWith("e718483d0ce769644e2e42c7bc15b4638e1f98b1"),
  );
});

Deno.test("HMAC gives RFC 4231's case 2", () => {
  const [key, data] = [utf8.encode("Jefe"), utf8.encode("what do ya want for nothing?")];
  assertEquals(
    encodeHex(hmac("SHA-256", key, data)),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  assertEquals(
    encodeHex(hmac("SHA-512", key, data)),
    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
  );
});

Deno.test("bcrypt_pbkdf gives OpenBSD's vectors, at lengths that interleave", () => {
  const password = utf8.encode("password");
  const salt = utf8.encode("salt");
  assertEquals(
    encodeHex(bcryptPbkdf(password, salt, 4, 32)),
    "5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9",
  );
  assertEquals(
    encodeHex(bcryptPbkdf(password, salt, 8, 64)),
    "e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec76227ea66088b849b20ab7aa478010246e74bba51723fefa9f9474d6508845e8d",
  );
});

Deno.test("bcrypt_pbkdf refuses what would give a weak key", () => {
  const some = utf8.encode("x");
  assertThrows(() => bcryptPbkdf(new Uint8Array(), some, 4, 32), RangeError);
  assertThrows(() => bcryptPbkdf(some, new Uint8Array(), 4, 32), RangeError);
  assertThrows(() => bcryptPbkdf(some, some, 0, 32), RangeError);
  assertThrows(() => bcryptPbkdf(some, some, 4, 0), RangeError);
});

Deno.test("an unknown hash is a TypeError", () => {
  assertThrows(() => digest("MD4" as HashName, new Uint8Array()), TypeError);
});

Deno.test("equalConstantTime sees a difference in any bit and in length", () => {
  const bytes = noise(33);
  assert(equalConstantTime(bytes, bytes.slice()));
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const other = bytes.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    assert(!equalConstantTime(bytes, other));
  }
  assert(!equalConstantTime(bytes, bytes.subarray(1)));
  assert(equalConstantTime(new Uint8Array(), new Uint8Array()));
});

for (
  const [set, hash] of [
    ["hmac_sha1", "SHA-1"],
    ["hmac_sha256", "SHA-256"],
    ["hmac_sha512", "SHA-512"],
  ] as const
) {
  testVectors(set, ({ key, message, tag, result }) => {
    const ours = hmac(hash, key, message).subarray(0, tag.length);
    assertEquals(equalConstantTime(ours, tag), result === "valid");
  });
}
