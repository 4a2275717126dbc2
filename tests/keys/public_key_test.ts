import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { concat } from "@std/bytes";
import { decodeHex } from "../../lib/encoding.ts";
import { KeyFormatError } from "../../lib/errors.ts";
import { coefficientB, PRIMES, toBigInt } from "../../lib/keys/curve_points.ts";
import {
  type GeneratedKeyType,
  generateKey,
  importPublicKey,
  parsePublicKey,
  type PublicKey,
  SIGNATURE_ALGORITHMS,
} from "../../lib/keys/mod.ts";
import { decodeSignature, encodeSignature } from "../../lib/keys/signature.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testKey } from "../support/keys.ts";

const data = new TextEncoder().encode("what is signed");
const LINE =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea me@home";

function rsaBlob(bits: number, e = [1, 0, 1], last = 1): Uint8Array {
  const n = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
  n[0] = 0xff >> (n.length * 8 - bits);
  n[n.length - 1] = last;
  return new Writer().text("ssh-rsa").mpint(new Uint8Array(e)).mpint(n).take();
}

Deno.test("importPublicKey and toString are inverse", () => {
  assertEquals(importPublicKey(LINE).toString(), LINE);
  const bare = LINE.split(" ").slice(0, 2).join(" ");
  assertEquals(importPublicKey(`  ${bare}\r\n`).toString(), bare);
  assertEquals(importPublicKey(bare.replace(" ", "\t \t")).toString(), bare);
  assertEquals(importPublicKey(`${bare} two words`).comment, "two words");
});

Deno.test("importPublicKey refuses lines that are not keys", () => {
  const [type, base64] = LINE.split(" ") as [string, string];
  const refused = [
    "",
    "# comment",
    type,
    base64,
    `${type}${base64}`,
    `ssh-rsa ${base64}`,
    `${type} ${base64.slice(0, -1)}`,
    `${type} ${base64}=`,
    `${type} ${base64.slice(0, -4)}`,
    `${type} ${base64}AAAA`,
    `${type} ${base64}\n${type} ${base64}`,
    `no-pty ${LINE}`,
    `${type} ${"-".repeat(60)}`,
  ];
  for (const line of refused) {
    assertThrows(() => importPublicKey(line), KeyFormatError, undefined, line);
  }
});

Deno.test("importPublicKey takes at most linear time on hostile lines", () => {
  // Quadratic time would be most of an hour.
  const hostile = ["a b" + " ".repeat(2e6) + "\nx", " ".repeat(2e6) + "x", "a" + "\t".repeat(2e6)];
  for (const line of hostile) assertThrows(() => importPublicKey(line), KeyFormatError);
});

Deno.test("a comment cannot break out of its line", () => {
  const { blob } = importPublicKey(LINE);
  const key = parsePublicKey(blob, `me\nssh-ed25519 AAAA\x1b[2J`);
  assertEquals(key.comment, "messh-ed25519 AAAA[2J");
  assertEquals(key.toString().split("\n").length, 1);
  assert(parsePublicKey(blob, "x".repeat(1e6)).comment.length < 2000);
});

Deno.test("parsePublicKey copies the blob", () => {
  const blob = importPublicKey(LINE).blob.slice();
  const key = parsePublicKey(blob);
  blob.fill(0);
  assertEquals(key.toString() + " me@home", LINE);
});

Deno.test("the fingerprint equals ssh-keygen's", () => {
  assertEquals(
    importPublicKey(LINE).fingerprint(),
    "SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8",
  );
});

Deno.test("parsePublicKey refuses wrong lengths, trailing bytes and foreign curves", () => {
  const refused: [string, Uint8Array][] = [
    ["empty", new Uint8Array(0)],
    ["unknown type", new Writer().text("ssh-dss").take()],
    ["a type with escapes", new Writer().text("\x1b[2J").take()],
    ["short", new Writer().text("ssh-ed25519").string(new Uint8Array(31)).take()],
    ["long", new Writer().text("ssh-ed25519").string(new Uint8Array(33)).take()],
    ["trailing", new Writer().bytes(importPublicKey(LINE).blob).u8(0).take()],
  ];
  for (const [curve, length] of [["nistp256", 65], ["nistp384", 97], ["nistp521", 133]] as const) {
    const name = `ecdsa-sha2-${curve}`;
    const other = curve === "nistp256" ? "nistp384" : "nistp256";
    const point = new Uint8Array(length).fill(4);
    const key = (curve: string, point: Uint8Array) =>
      new Writer().text(name).text(curve).string(point).take();
    refused.push(["foreign curve", key(other, point)]);
    refused.push(["short point", key(curve, point.subarray(1))]);
    refused.push(["long point", key(curve, new Uint8Array(length + 1).fill(4))]);
    refused.push(["compressed", key(curve, point.subarray(0, (length + 1) / 2).map(() => 2))]);
    refused.push(["infinity", key(curve, new Uint8Array(1))]);
  }
  for (const [what, blob] of refused) {
    const error = assertThrows(() => parsePublicKey(blob), KeyFormatError, undefined, what);
    assert(!error.message.includes("\x1b"));
  }
});

for (const type of ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] as const) {
  Deno.test(`an ${type} key is a point of its curve, with coordinates below the prime`, async () => {
    using key = await generateKey(type);
    const { blob } = key.publicKey;
    const reader = new Reader(blob);
    const [name, curve, point] = [reader.text(), reader.text(), reader.string()];
    const of = (point: Uint8Array, type = name) => {
      const writer = new Writer().text(type).text(curve).string(point);
      return (type.startsWith("sk-") ? writer.text("ssh:") : writer).take();
    };
    const half = (point.length + 1) / 2;
    const [x, y] = [point.slice(1, half), point.slice(half)];
    const p = PRIMES[curve as keyof typeof PRIMES];
    const wrong: [string, Uint8Array][] = [
      ["another y", point.with(-1, point.at(-1)! ^ 1)],
      ["another x", point.with(half - 1, point[half - 1]! ^ 1)],
      ["swapped", concat([Uint8Array.of(4), y, x])],
      ["0, 0", new Uint8Array(point.length).with(0, 4)],
    ];
    const types = [name, ...curve === "nistp256" ? [`sk-${name}@openssh.com`] : []];
    for (const type of types) {
      parsePublicKey(of(point, type));
      // The mirrored point is also on the curve, but is a different key.
      const mirrored = concat([point.subarray(0, half), numberBytes(p - toBigInt(y), y.length)]);
      assert(!parsePublicKey(of(mirrored, type)).equals(key.publicKey));
      for (const [what, bad] of wrong) {
        assertThrows(() => parsePublicKey(of(bad, type)), KeyFormatError, "not on its curve", what);
      }
    }
    // sqrt(b) exists for x = 0 on each curve: with x = p it would be the same point again.
    const root = squareRoot(coefficientB(curve as keyof typeof PRIMES), p);
    const zero = concat([Uint8Array.of(4), new Uint8Array(x.length), numberBytes(root, y.length)]);
    parsePublicKey(of(zero));
    const high = concat([Uint8Array.of(4), numberBytes(p, x.length), numberBytes(root, y.length)]);
    assertThrows(() => parsePublicKey(of(high)), KeyFormatError, "not on its curve");
    if (curve !== "nistp521") return; // only there is place for more than the prime
    const over = concat([point.subarray(0, half), numberBytes(p + toBigInt(y), y.length)]);
    assertThrows(() => parsePublicKey(of(over)), KeyFormatError, "not on its curve");
  });
}

function numberBytes(value: bigint, length: number): Uint8Array {
  return decodeHex(value.toString(16).padStart(2 * length, "0"));
}

/** All three primes are 3 modulo 4. */
function squareRoot(square: bigint, p: bigint): bigint {
  let root = 1n;
  for (let exponent = (p + 1n) / 4n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) root = root * square % p;
    square = square * square % p;
  }
  return root;
}

Deno.test("RSA keys have 2048 to 16384 bits and an odd exponent of at least 3", () => {
  for (const bits of [2048, 2049, 4096, 16384]) {
    assertEquals(parsePublicKey(rsaBlob(bits)).bits, bits);
  }
  assertEquals(parsePublicKey(rsaBlob(2048, [3])).bits, 2048);
  for (const bits of [1, 512, 1024, 2047, 16385, 65536]) {
    assertThrows(() => parsePublicKey(rsaBlob(bits)), KeyFormatError, `${bits} bits`);
  }
  for (const e of [[], [1], [2], [1, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 1]]) {
    assertThrows(() => parsePublicKey(rsaBlob(2048, e)), KeyFormatError, "exponent");
  }
  assertThrows(() => parsePublicKey(rsaBlob(2048, [3], 2)), KeyFormatError, "modulus");
});

Deno.test("an RSA key of 4 Mbit is refused by its length, before any arithmetic", () => {
  const blob = rsaBlob(1 << 22);
  for (let i = 0; i < 50; i++) {
    assertThrows(() => parsePublicKey(blob), KeyFormatError, "4194304 bits");
  }
});

Deno.test("negative numbers are refused", () => {
  const n = new Uint8Array(256).fill(0xff);
  const negative = new Writer().text("ssh-rsa").mpint(new Uint8Array([3])).string(n).take();
  assertThrows(() => parsePublicKey(negative), KeyFormatError, "Negative");
});

Deno.test("an RSA key with needless zeros is the key without them", async () => {
  using key = await testKey("rsa");
  const reader = new Reader(key.publicKey.blob);
  const [name, e, n] = [reader.text(), reader.mpint(), reader.mpint()];
  const zeros = (number: Uint8Array) => concat([new Uint8Array(3), number]);
  const padded = new Writer().text(name).string(zeros(e)).string(zeros(n)).take();
  const parsed = parsePublicKey(padded);
  assert(parsed.equals(key.publicKey) && key.publicKey.equals(parsed));
  assertEquals(parsed.fingerprint(), key.publicKey.fingerprint());
  assertEquals(parsed.bits, 2048);
  assert(parsed.verify("rsa-sha2-256", data, key.sign("rsa-sha2-256", data)));
});

for (const type of ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"] as const) {
  Deno.test(`a signature of ${type} may have needless zeros`, async () => {
    using key = await testKey(type);
    const [algorithm] = key.publicKey.algorithms;
    const reader = new Reader(key.sign(algorithm!, data));
    const label = reader.text();
    const bytes = reader.string();
    const zeros = (number: Uint8Array) => concat([new Uint8Array(2), number]);
    const numbers = new Reader(bytes);
    const padded = type === "rsa"
      ? zeros(bytes)
      : new Writer().string(zeros(numbers.mpint())).string(zeros(numbers.mpint())).take();
    const signature = new Writer().text(label).string(padded).take();
    assert(key.publicKey.verify(algorithm!, data, signature));
    assert(!key.publicKey.verify(algorithm!, data.subarray(1), signature));
  });
}

for (
  const type of ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"] as GeneratedKeyType[]
) {
  Deno.test(`a key of type ${type} verifies only its own signatures`, async () => {
    using key = await testKey(type);
    using other = await testKey(type);
    const { publicKey } = key;
    for (const algorithm of publicKey.algorithms) {
      const signature = key.sign(algorithm, data);
      assert(publicKey.verify(algorithm, data, signature));
      assert(!other.publicKey.verify(algorithm, data, signature));
      assert(!publicKey.verify(algorithm, data.subarray(1), signature));
      assert(!publicKey.verify(algorithm, new Uint8Array(0), signature));
      for (const wrong of [...SIGNATURE_ALGORITHMS, "ssh-rsa", "", "none"]) {
        if (wrong === algorithm) continue;
        assert(!publicKey.verify(wrong, data, signature), wrong);
        assert(!publicKey.verify(algorithm, data, relabelled(signature, wrong)), wrong);
        assert(!publicKey.verify(wrong, data, relabelled(signature, wrong)), wrong);
      }
      assertTamperEvident(publicKey, algorithm, signature);
    }
  });
}

function relabelled(signature: Uint8Array, algorithm: string): Uint8Array {
  return encodeSignature({ ...decodeSignature(signature), algorithm });
}

function assertTamperEvident(key: PublicKey, algorithm: string, signature: Uint8Array): void {
  for (let i = 0; i < signature.length; i += key.type === "ssh-ed25519" ? 1 : 7) {
    const tampered = signature.slice();
    tampered[i]! ^= 1;
    assert(!key.verify(algorithm, data, tampered), `byte ${i}`);
    assert(!key.verify(algorithm, data, signature.subarray(0, i)), `length ${i}`);
  }
  assert(!key.verify(algorithm, data, new Uint8Array([...signature, 0])));
}

Deno.test("an RSA signature without its leading zeros still verifies", async () => {
  const hash = "SHA-256";
  const publicExponent = new Uint8Array([1, 0, 1]);
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent, hash },
    true,
    ["sign", "verify"],
  );
  const { n } = await crypto.subtle.exportKey("jwk", publicKey);
  const modulus = new Uint8Array(Buffer.from(n!, "base64url"));
  const key = parsePublicKey(
    new Writer().text("ssh-rsa").mpint(publicExponent).mpint(modulus).take(),
  );
  // One signature in 256 starts with a zero.
  for (let i = 0;; i++) {
    const message = new Uint8Array([i >> 8, i]);
    const bytes = new Uint8Array(
      await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, message),
    );
    if (bytes[0] !== 0) continue;
    const algorithm = "rsa-sha2-256";
    for (const signature of [bytes, bytes.subarray(1)]) {
      assert(key.verify(algorithm, message, encodeSignature({ algorithm, bytes: signature })));
    }
    break;
  }
});

Deno.test("a fingerprint may use another hash", () => {
  const key = importPublicKey(LINE);
  assertEquals(key.fingerprint("SHA256"), key.fingerprint());
  assertEquals(key.fingerprint("MD5").length, "MD5:".length + 16 * 3 - 1);
  assertEquals(key.fingerprint("SHA512").length, "SHA512:".length + 86);
  assertThrows(() => key.fingerprint("toString" as "MD5"), TypeError);
});

Deno.test("an RSA key signs and verifies with SHA-1 only on request, and does not offer it", async () => {
  using key = await testKey("rsa");
  const { publicKey } = key;
  assertEquals([publicKey.algorithms.includes("ssh-rsa"), publicKey.legacyAlgorithms], [false, [
    "ssh-rsa",
  ]]);
  const signature = key.sign("ssh-rsa", data);
  assertEquals(decodeSignature(signature).algorithm, "ssh-rsa");
  assert(publicKey.verify("ssh-rsa", data, signature));
  for (const algorithm of publicKey.algorithms) {
    assert(!publicKey.verify(algorithm, data, signature));
    assert(!publicKey.verify(algorithm, data, relabelled(signature, algorithm)));
    assert(!publicKey.verify("ssh-rsa", data, relabelled(key.sign(algorithm, data), "ssh-rsa")));
  }
});

Deno.test("equals compares keys and not comments", async () => {
  using other = await generateKey();
  const key = importPublicKey(LINE);
  assert(key.equals(parsePublicKey(key.blob, "another name")));
  assert(!key.equals(other.publicKey));
});

Deno.test("SIGNATURE_ALGORITHMS has no SHA-1", () => {
  assertEquals(SIGNATURE_ALGORITHMS, [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
  ]);
});
