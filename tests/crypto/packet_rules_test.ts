import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { heap } from "../../lib/crypto/wasm.ts";
import { noise } from "../support/random.ts";
import {
  answer,
  drain,
  keysFor,
  nameOf,
  pairFor,
  PROTECTED,
  readsOn,
  sealOne,
  type Suite,
  SUITES,
} from "./packets.ts";

const NONE = SUITES[0]!;
const NEWKEYS = 21;
const USERAUTH_SUCCESS = 52;

/** A packet framed as by "none", with any length fields. */
function clear(packetLength: number, padding: number, body: number): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(4 + body);
  new DataView(packet.buffer).setUint32(0, packetLength);
  if (body > 0) packet[4] = padding;
  return packet;
}

for (const suite of SUITES) {
  Deno.test(`${nameOf(suite)}: packets are found in any split of the bytes`, () => {
    const payloads = [1, 12, 130, 300].map((length) => noise(length, length));
    using pair = pairFor(suite);
    for (const payload of payloads) pair.sealer.sealPayload(payload);
    const wire = drain(pair.sealer);
    for (let cut = 1; cut < wire.length; cut += cut < 40 ? 1 : 13) {
      using opener = new Opener();
      opener.setKeys(keysFor(suite));
      const opened: Uint8Array[] = [];
      for (let at = 0; at < wire.length; at += cut) {
        opener.push(wire.subarray(at, at + cut));
        for (let next; (next = opener.next()) !== null;) opened.push(next.slice());
      }
      assertEquals(opened, payloads, `in pieces of ${cut}`);
      assertEquals(opener.buffered, 0);
    }
  });

  Deno.test(`${nameOf(suite)}: padding and alignment are what RFC 4253 asks for`, () => {
    using sealer = new Sealer();
    sealer.setKeys(keysFor(suite));
    const block = suite.cipher.startsWith("aes") ? 16 : 8;
    const apart = suite.mac.includes("etm") || /gcm|chacha/.test(suite.cipher);
    const tag = suite.mac === "" ? (suite === NONE ? 0 : 16) : suite.macKey;
    for (let length = 1; length < 100; length++) {
      const body = sealOne(sealer, noise(length)).length - tag - 4;
      assertEquals((body + (apart ? 0 : 4)) % block, 0);
      const padding = body - 1 - length;
      assert(padding >= 4 && padding < 4 + block, `padding of ${padding}`);
    }
  });
}

for (const suite of PROTECTED) {
  Deno.test(`${nameOf(suite)}: good packets before a bad one are delivered first`, () => {
    using pair = pairFor(suite);
    const wire = [1, 2, 3].map((seed) => sealOne(pair.sealer, noise(50, seed)));
    wire[1]![20]! ^= 4;
    pair.opener.push(new Uint8Array([...wire[0]!, ...wire[1]!, ...wire[2]!]));
    assertEquals(pair.opener.next(), noise(50, 1));
    assertThrows(() => answer(pair.opener), ProtocolError, "not authentic");
    // It stays failed: nothing after a forgery is processed.
    assertThrows(() => pair.opener.next(), ProtocolError, "not authentic");
  });

  Deno.test(`${nameOf(suite)}: a forged packet's text is wiped`, () => {
    const secret = new TextEncoder().encode("the payload that a forger must never see ".repeat(40));
    using sealer = new Sealer();
    sealer.setKeys(keysFor(suite));
    const packet = sealOne(sealer, secret);
    sealer.sealPayload(new Uint8Array(secret.length)); // over the sealer's own copy
    drain(sealer);
    packet[packet.length - 1]! ^= 1;
    using opener = new Opener();
    opener.setKeys(keysFor(suite));
    opener.push(packet);
    const left = () => [0, 200, 800, 1500].map((at) => find(heap(), secret.subarray(at, at + 16)));
    if (readsOn(suite)) assertEquals(opener.next(), null);
    else assertThrows(() => opener.next(), ProtocolError);
    assertEquals(left(), [-1, -1, -1, -1]);
    assertThrows(() => answer(opener), ProtocolError);
  });
}

function find(memory: Uint8Array, needle: Uint8Array): number {
  for (let at = memory.indexOf(needle[0]!); at >= 0; at = memory.indexOf(needle[0]!, at + 1)) {
    if (needle.every((byte, offset) => memory[at + offset] === byte)) return at;
  }
  return -1;
}

Deno.test("one message and one reason for a bad MAC, bad padding and a bad hidden length", () => {
  const messages = new Set<string>();
  for (const suite of PROTECTED) {
    for (const at of [0, 5, 40]) {
      if (at === 0 && (suite.mac.includes("etm") || suite.cipher.includes("gcm"))) continue;
      using pair = pairFor(suite);
      const packet = sealOne(pair.sealer, noise(100));
      packet[at]! ^= 0x80;
      pair.opener.push(packet);
      const error = assertThrows(() => answer(pair.opener), ProtocolError);
      messages.add(`${plainMessage(error)}, ${(error as ProtocolError).disconnectReason}`);
    }
  }
  // RFC 4253 §11.1: SSH_DISCONNECT_MAC_ERROR
  const told = "Bad packet: not authentic (message authentication code incorrect), 5";
  assertEquals([...messages], [told]);
});

Deno.test("packet_length of 0, 1, 4, unaligned, or over the limit is refused at once", () => {
  for (const length of [0, 1, 4, 5, 11, 13, 262144 + 1024 + 12, 2 ** 31, 2 ** 32 - 1]) {
    using opener = new Opener();
    opener.push(clear(length, 4, 0));
    assertThrows(() => opener.next(), ProtocolError, "packet_length");
  }
});

Deno.test("the caller sets the limit", () => {
  using opener = new Opener({ maxPacket: 100 });
  opener.push(clear(108, 4, 0));
  assertThrows(() => opener.next(), ProtocolError);
  using wide = new Opener({ maxPacket: 1 << 20 });
  using sealer = new Sealer();
  wide.push(sealOne(sealer, noise(1_000_000)));
  assertEquals(wide.next()?.length, 1_000_000);
});

Deno.test("padding below 4, beyond the packet, or all of it is refused", () => {
  for (const padding of [0, 1, 2, 3, 12, 11, 255]) {
    using opener = new Opener();
    opener.push(clear(12, padding, 12));
    assertThrows(() => opener.next(), ProtocolError);
  }
  using opener = new Opener();
  opener.push(clear(12, 10, 12)); // one byte of payload
  assertEquals(opener.next()?.length, 1);
});

Deno.test("a claimed length of 200 KiB without data allocates nothing", () => {
  const before = heap().length;
  const openers = Array.from({ length: 100 }, () => new Opener());
  for (const opener of openers) {
    opener.push(clear(200 * 1024 + 4, 4, 1));
    assertEquals(opener.next(), null);
    assertEquals(opener.buffered, 5);
  }
  assert(heap().length - before < 1 << 20);
  for (const opener of openers) opener[Symbol.dispose]();
});

Deno.test("an outbox that is never quite empty does not grow", () => {
  using pair = pairFor(SUITES[1]!);
  const into = new Uint8Array(20_000);
  const payload = noise(20_000);
  pair.sealer.sealPayload(payload);
  for (let round = 0; round < 50; round++) {
    pair.sealer.sealPayload(payload);
    pair.opener.push(into.subarray(0, pair.sealer.take(into)));
    while (pair.opener.next() !== null);
  }
  const before = heap().length;
  for (let round = 0; round < 3000; round++) {
    pair.sealer.sealPayload(payload);
    pair.opener.push(into.subarray(0, pair.sealer.take(into)));
    while (pair.opener.next() !== null);
    while (pair.sealer.pending > 100_000) {
      pair.opener.push(into.subarray(0, pair.sealer.take(into)));
    }
  }
  assert(heap().length - before < 1 << 20);
});

Deno.test("idle connections release the memory of earlier bulk data", () => {
  const pairs = Array.from({ length: 40 }, () => pairFor(SUITES[1]!));
  const bulk = () => {
    for (const { sealer, opener } of pairs) {
      for (let packet = 0; packet < 8; packet++) sealer.sealPayload(noise(32768));
      opener.push(drain(sealer));
      while (opener.next() !== null);
      for (let packet = 0; packet < 40; packet++) {
        opener.push(sealOne(sealer, noise(10)));
        opener.next();
      }
    }
  };
  bulk();
  const before = heap().length;
  bulk();
  assertEquals(heap().length, before);
  assert(before < 16 << 20, "forty connections of 256 KiB each way would be 20 MiB");
  for (const pair of pairs) pair[Symbol.dispose]();
});

for (const kind of [NEWKEYS, USERAUTH_SUCCESS]) {
  Deno.test(`packets after message ${kind} wait for new keys in the same push`, () => {
    const [old, fresh] = [SUITES[1]!, SUITES[2]!];
    using pair = pairFor(old);
    const first = sealOne(pair.sealer, new Uint8Array([kind]));
    pair.sealer.setKeys(keysFor(fresh, 7));
    const second = sealOne(pair.sealer, noise(99));
    pair.opener.push(new Uint8Array([...first, ...second]));
    assertEquals(pair.opener.next(), new Uint8Array([kind]));
    assertEquals(pair.opener.sequence, 0);
    assertEquals(pair.opener.buffered, second.length);
    pair.opener.setKeys(keysFor(fresh, 7));
    assertEquals(pair.opener.next(), noise(99));
    assertEquals(pair.opener.sequence, 7);
  });
}

Deno.test("sequence numbers and buffered bytes are those at the packet returned last, also within a batch", () => {
  using pair = pairFor(NONE, 40);
  for (let packet = 0; packet < 5; packet++) pair.sealer.sealPayload(noise(30));
  assertEquals(pair.sealer.sequence, 45);
  const wire = drain(pair.sealer);
  pair.opener.push(wire);
  for (let packet = 0; packet < 5; packet++) {
    pair.opener.next();
    assertEquals(pair.opener.sequence, 40 + packet);
    assertEquals(pair.opener.buffered, (4 - packet) * wire.length / 5);
  }
});

Deno.test("more bytes may be pushed while a batch is partly read", () => {
  for (const suite of [NONE, SUITES[1]!, SUITES[8]!]) {
    using pair = pairFor(suite);
    let pushed = 0;
    let handed = 0;
    for (let round = 0; round < 200; round++) {
      for (let packet = 0; packet < 3; packet++) {
        pair.sealer.sealPayload(noise(10 + pushed * 37 % 900, pushed++));
      }
      pair.opener.push(drain(pair.sealer));
      for (let packet = 0; packet < 2 + round % 2; packet++) {
        assertEquals(pair.opener.next(), noise(10 + handed * 37 % 900, handed++));
      }
    }
    while (handed < pushed) {
      assertEquals(pair.opener.next(), noise(10 + handed * 37 % 900, handed++));
    }
    assertEquals(pair.opener.next(), null);
  }
});

Deno.test("padding is random", () => {
  using sealer = new Sealer();
  const paddings = new Set<string>();
  for (let packet = 0; packet < 2000; packet++) {
    paddings.add(encodeHex(sealOne(sealer, new Uint8Array(3)).subarray(8)));
  }
  assertEquals(paddings.size, 2000);
});

for (const suite of SUITES.filter((suite: Suite) => suite === NONE || suite.mac.length < 14)) {
  Deno.test(`${nameOf(suite)}: no packet is sealed or opened past 2^32 under one key`, () => {
    using pair = pairFor(suite, 2 ** 32 - 2);
    for (const seed of [1, 2]) {
      pair.opener.push(sealOne(pair.sealer, noise(20, seed)));
      assertEquals(pair.opener.next(), noise(20, seed));
    }
    assertThrows(() => pair.sealer.sealPayload(noise(20)), ProtocolError, "used up");
    assertEquals(pair.sealer.pending, 0);
    using other = new Sealer();
    other.setKeys(keysFor(suite));
    pair.opener.push(sealOne(other, noise(20)));
    const message = suite.cipher === "none" || suite.cipher.includes("gcm") ? "used up" : "";
    assertThrows(() => answer(pair.opener), ProtocolError, message);
  });
}

Deno.test("a disposed sealer or opener throws, and disposing twice is harmless", () => {
  const pair = pairFor(SUITES[1]!);
  pair[Symbol.dispose]();
  pair[Symbol.dispose]();
  assertThrows(() => pair.sealer.sealPayload(noise(1)), Error, "disposed");
  assertThrows(() => pair.opener.next(), Error, "disposed");
});
