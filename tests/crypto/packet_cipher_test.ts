import { assert, assertEquals, assertThrows } from "@std/assert";
import { equals } from "@std/bytes";
import { heap } from "../../lib/crypto/wasm.ts";
import { ClosedError, ProtocolError } from "../../lib/errors.ts";
import { Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { noise } from "../support/random.ts";
import { answer, drain, keysFor, nameOf, pairFor, PROTECTED, sealOne, SUITES } from "./packets.ts";

/** Around blocks, four-block chunks and the sizes where kernels change. */
const LENGTHS = [...Array(1100).keys()].slice(1).concat([2047, 4096, 8191, 32768, 35000, 262000]);
/** 3DES is slow, and has one way for all lengths. */
const LENGTHS_3DES = LENGTHS.filter((length) => length < 100 || length % 97 === 0);
const payloads = new Map(LENGTHS.map((length) => [length, noise(length, length)]));

for (const suite of SUITES) {
  Deno.test(`${nameOf(suite)}: opens what it seals, at every length`, () => {
    using pair = pairFor(suite);
    for (const length of suite.cipher === "3des-cbc" ? LENGTHS_3DES : LENGTHS) {
      const payload = payloads.get(length)!;
      pair.opener.push(sealOne(pair.sealer, payload));
      const opened = pair.opener.next();
      assert(opened !== null && equals(opened, payload), `payload of ${length}`);
      assertEquals(pair.opener.next(), null);
    }
  });
}

Deno.test("what was disposed gives its memory back, and refuses further work", () => {
  const bytes = noise(100_000);
  const useOnce = () => {
    const [sealer, opener] = [new Sealer(), new Opener()];
    sealer.sealPayload(bytes);
    opener.push(bytes);
    for (const used of [sealer, opener]) {
      used[Symbol.dispose]();
      used[Symbol.dispose]();
    }
    return { sealer, opener };
  };
  for (let i = 0; i < 10; i++) useOnce();
  const before = heap().length;
  for (let i = 0; i < 100; i++) useOnce();
  assertEquals(heap().length, before);
  const { sealer, opener } = useOnce();
  assertThrows(() => sealer.sealPayload(bytes), ClosedError, "Sealer is disposed");
  assertThrows(() => opener.push(bytes), ClosedError, "Opener is disposed");
});

for (const suite of PROTECTED) {
  Deno.test(`${nameOf(suite)}: a change in any byte of a packet is detected`, () => {
    using sealer = new Sealer();
    sealer.setKeys(keysFor(suite));
    const packet = sealOne(sealer, noise(300));
    for (let at = 0; at < packet.length; at++) {
      const forged = packet.slice();
      forged[at]! ^= 1 << at % 8;
      using opener = new Opener();
      opener.setKeys(keysFor(suite));
      opener.push(forged);
      opener.push(new Uint8Array(70000)); // a longer claim must be followed by its bytes
      assertThrows(() => {
        if (answer(opener) === null) throw new ProtocolError("claims more than was sent");
      }, ProtocolError);
    }
  });

  Deno.test(`${nameOf(suite)}: the same payload twice makes two different packets`, () => {
    using sealer = new Sealer();
    sealer.setKeys(keysFor(suite));
    const payload = new Uint8Array(64);
    assert(sealOne(sealer, payload).join() !== sealOne(sealer, payload).join());
  });
}

Deno.test("packets stay queued until they are taken, also in parts", () => {
  using pair = pairFor(SUITES[1]!);
  pair.sealer.sealPayload(noise(100));
  pair.sealer.sealPayload(noise(200));
  const part = new Uint8Array(7);
  for (let left = pair.sealer.pending; left > 0; left = pair.sealer.pending) {
    const length = pair.sealer.take(part);
    assertEquals(length, Math.min(7, left));
    pair.opener.push(part.subarray(0, length));
  }
  assertEquals(pair.opener.next(), noise(100));
  assertEquals(pair.opener.next(), noise(200));
  assertEquals(drain(pair.sealer).length, 0);
});
