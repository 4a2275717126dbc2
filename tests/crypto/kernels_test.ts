import { assert, assertEquals } from "@std/assert";
import { createDecipheriv, createHmac } from "node:crypto";
import { encryptBytes } from "../../lib/crypto/cipher.ts";
import { Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { core } from "../../lib/crypto/wasm.ts";
import { encodeHex } from "../../lib/encoding.ts";
import { poly1305, RingCipher } from "../../wasm/reference/mod.ts";
import { testVectors } from "../vectors/read.ts";
import { noise } from "../support/random.ts";
import { nodeEncrypt } from "./node_cipher.ts";
import { hex, keysFor, nameOf, pairFor, PROTECTED, sealOne } from "./packets.ts";

const TAG = 16;
/** Every length at which a kernel changes its code path, and every remainder. */
const LENGTHS = [...Array(1200).keys()].slice(1).concat([4095, 32768, 33000, 65536, 261120]);

for (const suite of PROTECTED.filter((suite) => suite.mac === "")) {
  Deno.test(`${nameOf(suite)}: ring opens what we seal, at every length`, () => {
    // GCM's nonce in the test: zeros, then the packet's number.
    const keys = { ...keysFor(suite), iv: new Uint8Array(suite.iv) };
    using pair = pairFor(suite);
    pair.sealer.setKeys(keys);
    pair.opener.setKeys(keys);
    const ring = new RingCipher(keys.key);
    for (const [number, length] of LENGTHS.entries()) {
      const payload = noise(length, length);
      const packet = sealOne(pair.sealer, payload);
      ring.load(packet);
      assert(ring.open(number), `ring refuses a payload of ${length}`);
      assertEquals(ring.packet.slice(5, 5 + length), payload, `payload of ${length}`);
      // Sealed again by ring, with its plain length, the packet equals ours including the tag.
      const clear = ring.packet;
      new DataView(clear.buffer, clear.byteOffset).setUint32(0, packet.length - 4 - TAG);
      ring.seal(number);
      assertEquals(ring.packet.slice(), packet);
      pair.opener.push(packet);
      assertEquals(pair.opener.next()?.length, length);
    }
  });
}

Deno.test("chacha20-poly1305@openssh.com: ring opens ciphertexts with long carries", () => {
  const suite = PROTECTED.find(({ cipher }) => cipher.startsWith("chacha20"))!;
  using pair = pairFor(suite);
  const ring = new RingCipher(keysFor(suite).key);
  let sequence = 0;
  for (const fill of [0x00, 0xff, 0xfb, 0xfc, 0xfe, 0x80]) {
    // Each packet has a different Poly1305 key; its payload is chosen so that the MAC input is `fill`.
    for (let length = 1; length < 800; length += 7) {
      ring.load(new Uint8Array(4 + 1 + length + TAG));
      ring.seal(sequence);
      const payload = ring.packet.slice(5, 5 + length).map((key) => key ^ fill);
      const packet = sealOne(pair.sealer, payload);
      assertEquals(packet.subarray(5, 5 + length), new Uint8Array(length).fill(fill));
      ring.load(packet);
      assert(ring.open(sequence), `ring refuses ${length} bytes of ${fill}`);
      pair.opener.push(packet);
      assertEquals(pair.opener.next(), payload);
      sequence++;
    }
  }
});

for (const suite of PROTECTED) {
  const [, bits, hash] = `${suite.cipher} ${suite.mac}`.match(/^aes(\d+)-ctr hmac-sha2-(\d+)/) ??
    [];
  if (bits === undefined) continue;
  Deno.test(`${nameOf(suite)}: node:crypto opens what we seal, at every fifth length`, () => {
    const keys = keysFor(suite);
    using sealer = new Sealer();
    sealer.setKeys(keys);
    const cipher = createDecipheriv(`aes-${bits}-ctr`, keys.key, keys.iv);
    const lengths = LENGTHS.filter((length) =>
      (length % 5 === 0 || length > 1200) && length < 40_000
    );
    for (const [number, length] of lengths.entries()) {
      const packet = sealOne(sealer, noise(length, length));
      const sent = packet.subarray(0, packet.length - suite.macKey);
      const clear = suite.mac.includes("etm") ? 4 : 0; // packet_length
      const text = new Uint8Array(sent);
      text.set(cipher.update(sent.subarray(clear)), clear);
      assertEquals(text.subarray(5, 5 + length), noise(length, length), `payload of ${length}`);
      const sequence = new Uint8Array(4);
      new DataView(sequence.buffer).setUint32(0, number);
      const mac = createHmac(`sha${hash}`, keys.macKey).update(sequence);
      const tag = new Uint8Array(mac.update(clear === 4 ? sent : text).digest());
      assertEquals(packet.subarray(sent.length), tag, `tag of ${length}`);
    }
    cipher.final();
  });
}

Deno.test("ChaCha20 gives RFC 8439's key stream for block 1 of the zero key", () => {
  const cipher = "chacha20-poly1305@openssh.com";
  const zeros = new Uint8Array(64);
  const sealed = encryptBytes(cipher, zeros, new Uint8Array(), zeros);
  assertEquals(
    encodeHex(sealed.subarray(0, 64)),
    "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed" +
      "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
  );
});

Deno.test("Poly1305 gives RFC 8439's tag", () => {
  const key = hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
  const message = new TextEncoder().encode("Cryptographic Forum Research Group");
  assertEquals(encodeHex(poly1305(key, message)), "a8061dc1305136c6c22b8baf0c0127a9");
});

Deno.test("Poly1305 agrees with plain arithmetic for long carries", () => {
  const little = (bytes: Uint8Array) => BigInt(`0x0${encodeHex(bytes.toReversed())}`);
  const prime = (1n << 130n) - 5n;
  const check = (key: Uint8Array, message: Uint8Array) => {
    const r = little(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
    let sum = 0n;
    for (let at = 0; at < message.length; at += 16) {
      const block = message.subarray(at, at + 16);
      sum = (sum + little(block) + (1n << BigInt(8 * block.length))) * r % prime;
    }
    const tag = (sum + little(key.subarray(16))) & (1n << 128n) - 1n;
    const expected = hex(tag.toString(16).padStart(32, "0")).toReversed();
    assertEquals(poly1305(key, message), expected);
  };
  for (const fill of [0x00, 0xff, 0xfb, 0xfc, 0xfe, 0x80]) {
    for (let length = 0; length < 200; length++) {
      const message = new Uint8Array(length).fill(fill);
      check(new Uint8Array(32).fill(0xff), message);
      check(noise(32, length), message);
      // r = 1 and r = 2 leave sums around the prime itself.
      for (const r of [1, 2]) check(new Uint8Array([r, ...new Uint8Array(31)]), message);
    }
  }
  for (let seed = 0; seed < 2000; seed++) check(noise(32, seed), noise(seed % 150, seed + 1));
  // RFC 8439 A.3, vectors 7 to 11: sums that wrap around 2^130 - 5.
  const one = new Uint8Array([1, ...new Uint8Array(31)]);
  const ones = "ff".repeat(16);
  check(one, hex(ones + "f0" + "ff".repeat(15) + "11" + "00".repeat(15)));
  check(one, hex(ones + "fb" + "fe".repeat(15) + "01".repeat(16)));
  check(new Uint8Array([2, ...new Uint8Array(31)]), hex("fd" + "ff".repeat(15)));
});

Deno.test("AES gives FIPS 197's ciphertexts for its three key sizes", () => {
  const text = hex("00112233445566778899aabbccddeeff");
  const key = Uint8Array.from({ length: 32 }, (_, at) => at);
  const encrypt = (cipher: "aes128-cbc" | "aes192-cbc" | "aes256-cbc", size: number) =>
    encodeHex(encryptBytes(cipher, key.subarray(0, size), new Uint8Array(16), text));
  assertEquals(encrypt("aes128-cbc", 16), "69c4e0d86a7b0430d8cdb78070b4c55a");
  assertEquals(encrypt("aes192-cbc", 24), "dda97ca4864cdfe06eaf70a0ec0d7191");
  assertEquals(encrypt("aes256-cbc", 32), "8ea2b7ca516745bfeafc49904b496089");
});

Deno.test("AES's S-box is right for every byte in every position", () => {
  // Encryption of all 256 bytes in all 16 places meets every entry of every table many times.
  for (let byte = 0; byte < 256; byte++) {
    const key = new Uint8Array(16).fill(byte ^ 0xa5);
    const text = new Uint8Array(256);
    for (let at = 0; at < 16; at++) text[17 * at] = byte;
    const expected = nodeEncrypt("aes-128-ecb", key, new Uint8Array(), text);
    for (let at = 0; at < 256; at += 16) {
      const ours = encryptBytes("aes128-cbc", key, new Uint8Array(16), text.subarray(at, at + 16));
      assertEquals(ours, expected.subarray(at, at + 16));
    }
  }
});

Deno.test("packets of many sizes in one batch do not disturb each other", () => {
  for (const suite of PROTECTED) {
    using pair = pairFor(suite);
    const lengths = Array.from({ length: 60 }, (_, at) => 1 + at * at * 7 % 3000);
    const wire: number[] = [];
    for (const length of lengths) wire.push(...sealOne(pair.sealer, noise(length, length)));
    using opener = new Opener();
    opener.setKeys(keysFor(suite));
    opener.push(new Uint8Array(wire));
    for (const length of lengths) assertEquals(opener.next(), noise(length, length));
  }
});

testVectors("aes_gcm", ({ key, iv, text, sealed, result }) => {
  const cipher = key.length === 16 ? "aes128-gcm@openssh.com" : "aes256-gcm@openssh.com";
  const opened = core().crypt(cipher, key, iv, sealed, false);
  if (result !== "valid") return assertEquals(opened, undefined);
  assertEquals(opened, text);
  assertEquals(core().crypt(cipher, key, iv, text, true), sealed);
  assertEquals(sealed.length, text.length + TAG);
});

testVectors("aes_cbc_pkcs5", ({ key, iv, text, sealed, result }) => {
  const cipher = `aes${8 * key.length}-cbc`;
  const opened = core().crypt(cipher, key, iv, sealed, false);
  if (result !== "valid") return; // bad padding, which only the caller detects
  const padding = opened!.at(-1)!;
  assertEquals(opened!.slice(0, -padding), text);
  assertEquals(core().crypt(cipher, key, iv, opened!, true), sealed);
});
