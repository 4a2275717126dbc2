/** zlib inside the sealer and the opener (RFC 4253 §6.2). */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { createDeflate, createInflate, deflateSync } from "node:zlib";
import { MAX_PACKET_LENGTH } from "../../lib/defaults.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { type DirectionKeys, Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { fuzzTest, LONG, noise } from "../support/random.ts";
import { drain } from "./packets.ts";

const NOTHING = new Uint8Array(32);
const KEYS: DirectionKeys = {
  cipher: "aes128-gcm@openssh.com",
  mac: "",
  compression: "zlib",
  hash: "SHA-256",
  secret: NOTHING,
  exchangeHash: NOTHING,
  sessionId: NOTHING,
  direction: "client-to-server",
  resetSequence: true,
};
const NONE = { ...KEYS, cipher: "none" };
const LATER = { ...KEYS, compression: "zlib@openssh.com" };

function pair(keys: DirectionKeys): { sealer: Sealer; opener: Opener } & Disposable {
  const [sealer, opener] = [new Sealer(), new Opener()];
  sealer.rekey(keys);
  opener.rekey(keys);
  return {
    sealer,
    opener,
    [Symbol.dispose]() {
      sealer[Symbol.dispose]();
      opener[Symbol.dispose]();
    },
  };
}

/** Repetitive text, which compresses to a sixth. */
function text(length: number): Uint8Array<ArrayBuffer> {
  const words = new TextEncoder().encode("all work and no play makes a dull boy, ");
  return Uint8Array.from({ length }, (_, at) => words[(at + (at >> 8)) % words.length]!);
}

Deno.test("payloads of all kinds and sizes survive, alone and in batches", () => {
  using ends = pair(KEYS);
  const payloads = [1, 2, 100, 5000, 32768, 200_000].flatMap((length) => [
    text(length),
    noise(length, length),
    new Uint8Array(length).fill(7),
  ]);
  for (const payload of payloads) {
    ends.sealer.sealPayload(payload);
    ends.opener.push(drain(ends.sealer));
    assertEquals(ends.opener.next(), payload);
    assertEquals(ends.opener.next(), null);
  }
  for (const payload of payloads) ends.sealer.sealPayload(payload);
  const wire = drain(ends.sealer);
  for (let at = 0, next = 0; next < payloads.length; at += 1000) {
    ends.opener.push(wire.subarray(at, at + 1000));
    for (let payload; (payload = ends.opener.next()) !== null;) {
      assertEquals(payload, payloads[next++]);
    }
  }
});

Deno.test("text becomes smaller on the wire, and noise hardly larger", () => {
  using ends = pair(KEYS);
  const size = (payload: Uint8Array) => {
    ends.sealer.sealPayload(payload);
    return drain(ends.sealer).length;
  };
  assert(size(text(30_000)) < 3_000);
  assert(size(noise(30_000)) < 30_200);
});

Deno.test("zlib@openssh.com starts after authentication, and restarts at each rekey", () => {
  using ends = pair(LATER);
  const carry = (payload: Uint8Array): number => {
    ends.sealer.sealPayload(payload);
    const wire = drain(ends.sealer);
    ends.opener.push(wire);
    assertEquals(ends.opener.next(), payload);
    return wire.length;
  };
  assert(carry(text(9000)) > 9000);
  ends.sealer.authenticated();
  ends.opener.authenticated();
  assert(carry(text(9000)) < 1000);
  const again = carry(text(9000));
  ends.sealer.rekey(LATER);
  ends.opener.rekey(LATER);
  assert(carry(text(9000)) > again, "what was sent before is forgotten");
  ends.sealer.rekey({ ...LATER, compression: "none" });
  ends.opener.rekey({ ...LATER, compression: "none" });
  assert(carry(text(9000)) > 9000);
});

/** The payloads deflated by zlib, a chunk for each, flushed with `flush`. */
async function deflated(payloads: Uint8Array[], flush: number): Promise<Uint8Array[]> {
  const stream = createDeflate({ flush });
  const packets: Uint8Array[] = [];
  for (const payload of payloads) {
    const chunks: Uint8Array[] = [];
    const take = (chunk: Uint8Array) => chunks.push(chunk);
    stream.on("data", take);
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.write(payload, () => stream.flush(flush, () => resolve()));
    await promise;
    stream.off("data", take);
    packets.push(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()));
  }
  stream.destroy();
  return packets;
}

/** Opens a packet whose payload is on the wire as given. */
function inflate(opener: Opener, packed: Uint8Array): Uint8Array | null {
  using sealer = new Sealer();
  sealer.sealPayload(packed);
  opener.push(drain(sealer));
  return opener.next();
}

Deno.test("zlib's output is inflated with every kind of flush", async () => {
  const [PARTIAL, SYNC, FULL] = [1, 2, 3];
  const payloads = [text(3), text(4000), noise(4000), new Uint8Array(40_000), text(1)];
  for (const flush of [PARTIAL, SYNC, FULL]) {
    const packets = await deflated(payloads, flush!);
    using opener = new Opener();
    opener.rekey(NONE);
    for (const [at, packed] of packets.entries()) {
      assertEquals(inflate(opener, packed), payloads[at], `flush ${flush}, payload ${at}`);
    }
  }
});

Deno.test("zlib inflates our output packet by packet", async () => {
  using sealer = new Sealer();
  sealer.rekey(NONE);
  const stream = createInflate();
  let read: number[] = [];
  stream.on("data", (chunk: Uint8Array) => read = [...read, ...chunk]);
  for (const payload of [text(10), noise(900), text(5000), new Uint8Array(9000)]) {
    sealer.sealPayload(payload);
    const packet = drain(sealer);
    const packed = packet.subarray(5, packet.length - packet[4]!);
    read = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.write(packed, () => resolve());
    await promise;
    assertEquals(new Uint8Array(read), payload);
  }
  stream.destroy();
});

Deno.test("a bomb is refused during inflation, in time proportional to its packet", () => {
  // A megabyte of zeros for each kilobyte of packet.
  for (const megabytes of [1, 16, 64]) {
    const bomb = new Uint8Array(deflateSync(new Uint8Array(megabytes << 20)));
    using opener = new Opener();
    opener.rekey(NONE);
    const error = assertThrows(() => inflate(opener, bomb), ProtocolError, "compression");
    assertEquals((error as ProtocolError).disconnectReason, 6);
    assertThrows(() => opener.next(), ProtocolError, "compression");
  }
});

Deno.test("a payload may be inflated up to the size of the largest packet and no further", async () => {
  for (
    const [length, fits] of [[MAX_PACKET_LENGTH, true], [MAX_PACKET_LENGTH + 1, false]] as const
  ) {
    const [packed] = await deflated([new Uint8Array(length)], 2);
    using opener = new Opener();
    opener.rekey(NONE);
    if (fits) assertEquals(inflate(opener, packed!)?.length, length);
    else assertThrows(() => inflate(opener, packed!), ProtocolError, "compression");
  }
});

Deno.test("a malformed, ended or empty stream is the same protocol error", async () => {
  const [good] = await deflated([text(500)], 2);
  const broken = good!.slice();
  broken[1]! ^= 0x55;
  const streams: Record<string, Uint8Array> = {
    header: broken,
    noise: noise(300),
    ended: new Uint8Array(deflateSync(text(500))),
    empty: good!.subarray(0, 2),
    "block of no type": new Uint8Array([...good!.subarray(0, 2), 0x07]),
  };
  for (const [name, packed] of Object.entries(streams)) {
    using opener = new Opener();
    opener.rekey(NONE);
    const error = assertThrows(() => inflate(opener, packed), ProtocolError, "compression", name);
    assertEquals((error as ProtocolError).disconnectReason, 6);
  }
});

fuzzTest(
  "deflate streams changed at random give a payload or one error, never a trap",
  async (random) => {
    const packets = await deflated([text(2000), noise(500), new Uint8Array(3000), text(90)], 1);
    let refused = 0;
    for (let round = 0; round < 1500 * LONG; round++) {
      using opener = new Opener();
      opener.rekey(NONE);
      try {
        for (const packed of packets) {
          const changed = packed.slice();
          if (random(2) === 0) changed[random(changed.length)]! ^= random(256);
          inflate(opener, random(16) === 0 ? changed.subarray(0, random(256)) : changed);
        }
      } catch (error) {
        assert(error instanceof ProtocolError, `${error}`);
        refused++;
      }
    }
    assert(refused > 100);
  },
);

Deno.test("an unknown compression is refused", () => {
  using sealer = new Sealer();
  assertThrows(() => sealer.rekey({ ...KEYS, compression: "lzma" }), TypeError, "lzma");
});
