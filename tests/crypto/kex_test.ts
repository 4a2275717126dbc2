import { assert, assertEquals, assertThrows } from "@std/assert";
import { createECDH } from "node:crypto";
import { encodeHex } from "../../lib/encoding.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { KEX } from "../../lib/crypto/algorithms.ts";
import { row } from "../../lib/crypto/suite.ts";
import { dhFixedGroup } from "../../lib/crypto/kex/dh_group.ts";
import { asString, initiator } from "../../lib/crypto/kex/kex_method.ts";
import { core } from "../../lib/crypto/wasm.ts";
import { digest } from "../../lib/crypto/digest.ts";
import { agreementOf } from "./agreement.ts";
import { hex } from "./packets.ts";
import { testVectors } from "../vectors/read.ts";

const method = (name: string) => row(KEX, name).method;
const x25519 = await agreementOf(method("curve25519-sha256"));
const METHODS = {
  curve25519: x25519,
  nistp256: await agreementOf(method("ecdh-sha2-nistp256")),
  nistp384: await agreementOf(method("ecdh-sha2-nistp384")),
  nistp521: await agreementOf(method("ecdh-sha2-nistp521")),
  mlkem768x25519: await agreementOf(method("mlkem768x25519-sha256")),
  mlkem768nistp256: await agreementOf(method("mlkem768nistp256-sha256")),
  sntrup761x25519: await agreementOf(method("sntrup761x25519-sha512")),
  group14: await agreementOf(dhFixedGroup(2048)),
};

Deno.test("The core's private value is freed once, and its copy of the secret is wiped", () => {
  let freed = 0;
  const secret = Uint8Array.of(7);
  const ours = initiator({
    public_value: () => Uint8Array.of(1),
    finish: () => secret,
    free: () => void freed++,
  }, asString);
  assertEquals([...ours.finish(Uint8Array.of(1))], [0, 0, 0, 1, 7]);
  assertEquals([secret[0], freed], [0, 0]);
  ours[Symbol.dispose]();
  ours[Symbol.dispose]();
  assertEquals(freed, 1);
});

for (const [name, method] of Object.entries(METHODS)) {
  Deno.test(`${name}: both sides reach the same secret, and a new one each time`, () => {
    const secrets = new Set<string>();
    for (let round = 0; round < 8; round++) {
      using initiator = method.initiate();
      const { publicValue, secret } = method.respond(initiator.publicValue);
      assertEquals(initiator.finish(publicValue), secret);
      secrets.add(encodeHex(secret));
    }
    assertEquals(secrets.size, 8);
  });

  Deno.test(`${name}: public values that are malformed are refused on both sides`, () => {
    using initiator = method.initiate();
    const good = method.respond(initiator.publicValue).publicValue;
    for (const length of [0, 1, 31, good.length - 1, good.length + 1]) {
      const bad = new Uint8Array(length).fill(0xff, 0, 1); // as an mpint it would be negative
      assertThrows(() => initiator.finish(bad), ProtocolError);
      assertThrows(() => method.respond(bad), ProtocolError);
    }
    assertThrows(() => initiator.finish(new Uint8Array(good.length)), ProtocolError);
  });

  Deno.test(`${name}: no exchange can be finished after the private value was disposed`, () => {
    const initiator = method.initiate();
    const { publicValue } = method.respond(initiator.publicValue);
    initiator[Symbol.dispose]();
    initiator[Symbol.dispose]();
    assertThrows(() => initiator.finish(publicValue));
  });
}

Deno.test("K is an mpint without needless zeros, and with one before a set top bit", () => {
  let [short, padded] = [0, 0];
  for (let round = 0; round < 1500; round++) {
    const scalar = digest("SHA-256", new Uint8Array([round, round >> 8]));
    const raw = core().agree("x25519", scalar, BASE_POINT)!;
    if (raw[0] === 0) short++;
    if (raw[0]! >= 0x80) padded++;
  }
  assert(short > 0 && padded > 0, "the sample has both kinds");
  using initiator = x25519.initiate();
  for (let round = 0; round < 600; round++) {
    const { publicValue, secret } = x25519.respond(initiator.publicValue);
    assertEquals(initiator.finish(publicValue), secret);
    const length = new DataView(secret.buffer, secret.byteOffset).getUint32(0);
    assertEquals(length, secret.length - 4);
    assert(secret[4] !== 0 || secret[5]! >= 0x80, "a zero stands only before a top bit");
  }
});

const BASE_POINT = new Uint8Array(32);
BASE_POINT[0] = 9;

Deno.test("X25519 gives RFC 7748's results after one and a thousand iterations", () => {
  const once = core().agree(
    "x25519",
    hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
    hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
  );
  assertEquals(
    once && encodeHex(once),
    "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
  );
  let [k, u]: Uint8Array[] = [BASE_POINT, BASE_POINT];
  for (let round = 0; round < 1000; round++) [k, u] = [core().agree("x25519", k!, u!)!, k];
  assertEquals(encodeHex(k!), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
});

Deno.test("X25519 refuses points of small order", () => {
  // 0, 1, p - 1 and the two of order 8.
  const points = [
    "00".repeat(32),
    "01" + "00".repeat(31),
    "ec" + "ff".repeat(30) + "7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  ];
  for (const point of points) assertThrows(() => x25519.respond(hex(point)), ProtocolError);
});

for (const [curve, name] of [["nistp256", "prime256v1"], ["nistp384", "secp384r1"]] as const) {
  Deno.test(`${curve}: agrees with node:crypto`, () => {
    const theirs = createECDH(name);
    for (let round = 0; round < 20; round++) {
      theirs.generateKeys();
      using initiator = METHODS[curve].initiate();
      const secret = initiator.finish(new Uint8Array(theirs.getPublicKey()));
      const expected = theirs.computeSecret(initiator.publicValue).toString("hex");
      assertEquals(
        encodeHex(secret.subarray(4)).replace(/^(00)+/, ""),
        expected.replace(/^(00)+/, ""),
      );
    }
  });
}

for (
  const [set, curve, size] of [
    ["x25519", "x25519", 32],
    ["ecdh_secp256r1", "nistp256", 32],
    ["ecdh_secp384r1", "nistp384", 48],
  ] as const
) {
  testVectors(set, ({ publicKey, privateKey, shared, result }) => {
    const scalar = new Uint8Array(size);
    scalar.set(privateKey.slice(-size), size - Math.min(size, privateKey.length));
    const secret = core().agree(curve, scalar, publicKey);
    if (result === "invalid") assertEquals(secret, undefined);
    else if (secret !== undefined) assertEquals(secret, shared);
    else assert(result === "acceptable", "a valid exchange must work");
  });
}

testVectors("mlkem_768", ({ seed, publicKeyHash, ciphertext, shared, result }) => {
  const key = core().encapsulation_key(seed);
  if (publicKeyHash.length > 0 && key !== undefined) {
    assertEquals(digest("SHA-256", key), publicKeyHash);
  }
  const secret = core().mlkem_decapsulate(seed, ciphertext);
  assertEquals(secret, result === "valid" ? shared : undefined);
});

testVectors("mlkem_768_encaps", ({ random, publicKey, resultHash, result }) => {
  const both = core().mlkem_encapsulate(publicKey, random);
  if (result === "valid") assertEquals(digest("SHA-256", both!), resultHash);
  else assertEquals(both, undefined);
});

Deno.test("thousands of exchanges: both sides encode the same K, also if it begins with zeros", () => {
  const rounds = { curve25519: 1500, nistp256: 600 };
  for (const [name, count] of Object.entries(rounds)) {
    const method = METHODS[name as keyof typeof rounds];
    for (let round = 0; round < count; round++) {
      using initiator = method.initiate();
      const { publicValue, secret } = method.respond(initiator.publicValue);
      assertEquals(initiator.finish(publicValue), secret);
      const length = new DataView(secret.buffer, secret.byteOffset).getUint32(0);
      assertEquals(length, secret.length - 4);
      assert(length === 0 || secret[4] !== 0 || secret[5]! >= 0x80);
    }
  }
});

Deno.test("a hybrid's ciphertext that was changed gives another secret, and no error", () => {
  for (const name of ["mlkem768x25519", "sntrup761x25519"] as const) {
    using initiator = METHODS[name].initiate();
    const { publicValue, secret } = METHODS[name].respond(initiator.publicValue);
    for (const at of [0, 500, 1000]) {
      const changed = publicValue.slice();
      changed[at]! ^= 1;
      const other = initiator.finish(changed);
      assertEquals(other.length, secret.length);
      assert(encodeHex(other) !== encodeHex(secret));
    }
  }
});
