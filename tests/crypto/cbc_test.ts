/** CVE-2008-5161: the time of the answer to a forgery must not depend on the decrypted block under CBC. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MAX_PACKET_LENGTH } from "../../lib/defaults.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { Opener } from "../../lib/crypto/packet_cipher.ts";
import { noise } from "../support/random.ts";
import { drain, keysFor, nameOf, pairFor, PROTECTED, readsOn } from "./packets.ts";

/** The bytes that the opener reads until it answers, and the answer. */
function answeredAfter(opener: Opener, packet: Uint8Array): [number, string] {
  const bytes = new Uint8Array(packet.length + 2 * MAX_PACKET_LENGTH);
  bytes.set(packet);
  for (let at = 0; at < bytes.length; at += 64) {
    opener.push(bytes.subarray(at, at + 64));
    try {
      assertEquals(opener.next(), null);
    } catch (error) {
      assert(error instanceof ProtocolError, `${error}`);
      return [at, error.message];
    }
  }
  throw new Error("The opener never answers");
}

for (const suite of PROTECTED.filter(readsOn)) {
  Deno.test(`${nameOf(suite)}: every forgery is answered at the same position with the same error`, () => {
    const answers = new Set<string>();
    for (const at of [0, 1, 2, 3, 5, 30, 100, 330]) {
      for (const bit of [0x01, 0x10, 0x80]) {
        using pair = pairFor(suite);
        pair.sealer.sealPayload(noise(300));
        const packet = drain(pair.sealer);
        packet[Math.min(at, packet.length - 1)]! ^= bit;
        const [after, message] = answeredAfter(pair.opener, packet);
        // Near the limit the claimed length may be valid, followed by the tag.
        answers.add(`${after} ${message}`);
      }
    }
    assertEquals(answers.size, 1, [...answers].join("; "));
  });
}

Deno.test("with encrypt-then-MAC a forgery under CBC is answered immediately", () => {
  const suite = PROTECTED.find(({ cipher, mac }) =>
    cipher === "aes128-cbc" && mac.includes("etm")
  )!;
  using pair = pairFor(suite);
  pair.sealer.sealPayload(noise(300));
  const packet = drain(pair.sealer);
  packet[40]! ^= 1;
  pair.opener.push(packet);
  assertThrows(() => pair.opener.next(), ProtocolError, "not authentic");
});

Deno.test("memory does not grow while a forgery's bytes are discarded", () => {
  const suite = PROTECTED.find(readsOn)!;
  using opener = new Opener();
  opener.setKeys(keysFor(suite));
  opener.push(noise(64));
  let largest = 0;
  assertThrows(() => {
    for (let push = 0; push < 100; push++) {
      assertEquals(opener.next(), null);
      largest = Math.max(largest, opener.buffered);
      opener.push(noise(16 * 1024, push + 2));
    }
  }, ProtocolError);
  assertEquals(largest, 0);
});
