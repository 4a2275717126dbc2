/** The first message of an X client, byte by byte. */
import { assertEquals, assertRejects } from "@std/assert";
import { encodeRefusal, encodeSetup, readSetup } from "../../lib/connection/x11_setup.ts";
import { ProtocolError } from "../../lib/errors.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A message with a name and a secret of some lengths, which consist of N and D. */
function hello(name: number, data: number, littleEndian = true): Uint8Array {
  const padded = (length: number) => Math.ceil(length / 4) * 4;
  const bytes = new Uint8Array(12 + padded(name) + padded(data));
  const view = new DataView(bytes.buffer);
  bytes[0] = encode(littleEndian ? "l" : "B")[0]!;
  view.setUint16(2, 11, littleEndian);
  view.setUint16(6, name, littleEndian);
  view.setUint16(8, data, littleEndian);
  bytes.fill(encode("N")[0]!, 12, 12 + name);
  bytes.fill(encode("D")[0]!, 12 + padded(name), 12 + padded(name) + data);
  return bytes;
}

/** Reads a message; also returns how many bytes were taken. */
async function reading(bytes: Uint8Array) {
  let at = 0;
  const setup = await readSetup(async (into) => {
    await null;
    if (at + into.length > bytes.length) throw new Error("too short");
    into.set(bytes.subarray(at, at += into.length));
  });
  return { ...setup, taken: at };
}

for (const littleEndian of [true, false]) {
  const order = littleEndian ? "little" : "big";
  Deno.test(`An X client's name and secret may have any length up to 4096 (${order} endian)`, async () => {
    for (const name of [0, 1, 3, 4, 5, 18, 4096]) {
      for (const data of [0, 1, 4, 16, 4095, 4096]) {
        const bytes = hello(name, data, littleEndian);
        const setup = await reading(new Uint8Array([...bytes, 1, 2, 3]));
        assertEquals([setup.littleEndian, setup.taken], [littleEndian, bytes.length]);
        assertEquals(setup.protocol, "N".repeat(name));
        assertEquals(setup.data, new Uint8Array(data).fill(encode("D")[0]!));
        assertEquals(setup.head, bytes.subarray(0, 12));
      }
    }
    for (const [name, data] of [[4097, 0], [0, 4097], [0xffff, 0xffff]] as const) {
      await assertRejects(
        () => reading(hello(name, data, littleEndian)),
        ProtocolError,
        "too long",
      );
    }
  });

  Deno.test(`The secret is replaced, or left out, and the rest of the head stays (${order} endian)`, async () => {
    const setup = await reading(hello(18, 16, littleEndian));
    const bare = encodeSetup(setup, null);
    assertEquals(bare, hello(0, 0, littleEndian));
    for (const [name, data] of [[3, 5], [4, 4], [1, 0]] as const) {
      const other = { protocol: "N".repeat(name), data: new Uint8Array(data).fill(68) };
      assertEquals(encodeSetup(setup, other), hello(name, data, littleEndian));
    }
  });

  Deno.test(`A refusal is an X server's, with its length in words (${order} endian)`, async () => {
    const setup = await reading(hello(0, 0, littleEndian));
    const two = (value: number) => littleEndian ? [value, 0] : [0, value];
    for (const [reason, padding] of [["no", 2], ["nope", 0], ["never", 3]] as const) {
      const words = Math.ceil(reason.length / 4);
      assertEquals(
        encodeRefusal(setup, reason),
        new Uint8Array([
          ...[0, reason.length, ...two(11), 0, 0, ...two(words)],
          ...encode(reason),
          ...new Array(padding).fill(0),
        ]),
      );
    }
  });
}

Deno.test("A first message with another byte order is refused after its head", async () => {
  for (const first of [0, 0x6b, 0x6d, 0x41, 0x43]) {
    const bytes = hello(0, 0);
    bytes[0] = first;
    await assertRejects(() => reading(bytes), ProtocolError, "Not an X client");
  }
});
