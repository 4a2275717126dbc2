import { assertEquals, assertThrows } from "@std/assert";
import { MAX_PACKET_LENGTH } from "../../lib/defaults.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { PlainOpener, PlainSealer } from "../../lib/transport/plain_packets.ts";
import { noise } from "../support/random.ts";
import { uint32 } from "../support/raw_packets.ts";

/** Sizes around the initial buffer and the largest packet. */
const SIZES = [1, 2, 5, 1000, 32 * 1024, 65_536, 200_000, 256 * 1024, 3];

for (const step of [1, 7, 4096, Infinity]) {
  Deno.test(`Plain packets arrive complete in chunks of ${step} bytes`, () => {
    const messages = SIZES.map((size) => noise(size, size));
    const sealer = new PlainSealer();
    const opener = new PlainOpener();
    const sent: number[] = [];
    for (const message of messages) sealer.sealPayload(message);
    const received: Uint8Array[] = [];
    const piece = new Uint8Array(Math.min(step, 500_000));
    while (sealer.pending > 0) {
      const length = sealer.take(piece);
      sent.push(length);
      opener.push(piece.subarray(0, length));
      for (let message; (message = opener.next()) !== null;) received.push(message.slice());
    }
    assertEquals(received.length, messages.length);
    for (const [i, message] of messages.entries()) {
      assertEquals(received[i]!.length, message.length);
      assertEquals(received[i]!.every((byte, at) => byte === message[at]), true);
    }
    assertEquals(opener.buffered, 0);
    const framed = messages.reduce((sum, { length }) => sum + length + 5, 0);
    assertEquals(sent.reduce((sum, n) => sum + n, 0), framed);
  });
}

Deno.test("A plain sealer keeps unread data while it grows", () => {
  const sealer = new PlainSealer();
  sealer.sealPayload(new Uint8Array([9, 8, 7]));
  const two = new Uint8Array(2);
  sealer.take(two);
  const room = sealer.room(100_000);
  room.fill(5);
  sealer.seal(100_000);
  const rest = new Uint8Array(sealer.pending);
  assertEquals(sealer.take(rest), 100_011);
  assertEquals([...two, ...rest.subarray(0, 12)], [0, 0, 0, 4, 0, 9, 8, 7, 0, 1, 0x86, 0xa1, 0, 5]);
});

Deno.test("A plain packet has no padding, also in a reused buffer", () => {
  using sealer = new PlainSealer();
  const taken = (fill: number, ...lengths: number[]) => {
    for (const length of lengths) sealer.sealPayload(new Uint8Array(length).fill(fill));
    const packets = new Uint8Array(sealer.pending);
    sealer.take(packets);
    return packets;
  };
  taken(0xff, 3, 20);
  const packets = taken(7, 10, 1);
  assertEquals([...packets.subarray(0, 5)], [0, 0, 0, 11, 0]);
  assertEquals([...packets.subarray(15)], [0, 0, 0, 2, 0, 7]);
});

Deno.test("Plain packets reuse the buffer while half of it is enough", () => {
  const sealer = new PlainSealer();
  const memory = sealer.room(1).buffer;
  const taken = new Uint8Array(10_000);
  for (let round = 0; round < 100; round++) {
    sealer.sealPayload(new Uint8Array(10_000));
    assertEquals(sealer.take(taken), taken.length); // five bytes are left, each time more
  }
  assertEquals([sealer.pending, sealer.room(1).buffer === memory], [500, true]);
  const most = memory.byteLength / 2 - sealer.pending - 5;
  sealer.room(most);
  assertEquals(sealer.room(1).buffer === memory, true);
  sealer.seal(most);
  sealer.room(memory.byteLength / 2);
  assertEquals(sealer.room(1).buffer.byteLength, 2 * (memory.byteLength + 5));
});

const headers: [length: number, padding: number, error: string | null][] = [
  [0, 0, "out of range"],
  [1, 0, "out of range"],
  [2, 0, null],
  [2, 1, "padding"],
  [MAX_PACKET_LENGTH, 0, null],
  [MAX_PACKET_LENGTH + 1, 0, "out of range"],
  [2 ** 32 - 1, 0, "out of range"],
];
for (const [length, padding, error] of headers) {
  Deno.test(`A plain packet of length ${length} and padding ${padding} is ${error === null ? "awaited" : "refused before it arrives"}`, () => {
    const opener = new PlainOpener();
    opener.push(uint32(length));
    assertEquals(opener.next(), null);
    opener.push(Uint8Array.of(padding));
    if (error === null) assertEquals(opener.next(), null);
    else assertThrows(() => opener.next(), ProtocolError, error);
  });
}

Deno.test("A packet that fills the buffer exactly fits in, also after others", () => {
  const sealer = new PlainSealer();
  const memory = sealer.room(1).buffer;
  for (let round = 0; round < 2; round++) {
    assertEquals(sealer.room(memory.byteLength - 5).buffer === memory, true);
    sealer.seal(memory.byteLength - 5);
    assertEquals(sealer.take(new Uint8Array(memory.byteLength)), memory.byteLength);
  }
});

Deno.test("A plain sealer frees its memory at the end", () => {
  const sealer = new PlainSealer();
  sealer.sealPayload(new Uint8Array(3));
  const memory = sealer.room(1).buffer;
  sealer[Symbol.dispose]();
  assertEquals([sealer.pending, sealer.room(1).buffer === memory], [0, false]);
});
