/** The three hand-written messages, byte by byte, and the numbers of Reader and Writer. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { decodeHex } from "../../lib/encoding.ts";
import { ProtocolError } from "../../lib/errors.ts";
import * as hot from "../../lib/wire/hot.ts";
import { layout, remainder, uint64 } from "../../lib/wire/message.ts";
import { Reader, withoutLeadingZeros } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";

const hex = (text: string) => decodeHex(text.replaceAll(" ", ""));
const data = hex("aabbcc");

Deno.test("Data and credit are laid out as RFC 4254 §5.2 says", () => {
  const plain = new Uint8Array(hot.DATA_HEADER + data.length);
  hot.writeData(plain, 0x01020304, 0, data);
  assertEquals(plain, hex("5e 01020304 00000003 aabbcc"));
  const extended = new Uint8Array(hot.EXTENDED_DATA_HEADER + data.length);
  hot.writeData(extended, 0xfffefdfc, 0x81020304, data);
  assertEquals(extended, hex("5f fffefdfc 81020304 00000003 aabbcc"));
  hot.writeData(extended, 7, 1, data); // standard error
  assertEquals(extended, hex("5f 00000007 00000001 00000003 aabbcc"));
  const credit = new Uint8Array(hot.WINDOW_ADJUST_LENGTH);
  hot.writeWindowAdjust(credit, 0x80000001, 0xfedcba98);
  assertEquals(credit, hex("5d 80000001 fedcba98"));
});

Deno.test("Data is a view of its message, and its length must match", () => {
  for (const header of [hot.DATA_HEADER, hot.EXTENDED_DATA_HEADER]) {
    const message = (length: string, rest: string) => hex("00".repeat(header - 4) + length + rest);
    const good = message("00000002", "0102");
    const view = hot.readData(good, header);
    assertEquals(view, hex("0102"));
    assertStrictEquals(view.buffer, good.buffer);
    assertEquals(hot.readData(message("00000000", ""), header), hex(""));
    for (
      const wrong of [message("00000003", "0102"), message("00000001", "0102"), message("", "0000")]
    ) {
      assertThrows(() => hot.readData(wrong, header), ProtocolError, "does not fill");
    }
    for (let length = 0; length < header; length++) {
      assertThrows(() => hot.readData(new Uint8Array(length), header), ProtocolError);
    }
  }
});

Deno.test("peek32 and poke32 handle all 32 bits at any offset", () => {
  for (
    const [value, bytes] of [[0, "00000000"], [0x80402010, "80402010"], [
      2 ** 32 - 1,
      "ffffffff",
    ]] as const
  ) {
    const message = new Uint8Array(6).fill(7);
    hot.poke32(message, 1, value);
    assertEquals(message, hex(`07${bytes}07`));
    assertEquals(hot.peek32(message, 1), value);
  }
});

Deno.test("Numbers and booleans are big-endian and have their lengths", () => {
  const written = new Writer(1).u8(0xff).u32(0x80402010).u64(0xfedcba9876543210n).bool(true)
    .bool(false).take();
  assertEquals(written, hex("ff 80402010 fedcba9876543210 01 00"));
  const reader = new Reader(written);
  assertEquals([reader.u8(), reader.u32()], [0xff, 0x80402010]);
  assertEquals([reader.offset, reader.remaining], [5, 10]);
  assertEquals([reader.u64(), reader.bool(), reader.bool()], [0xfedcba9876543210n, true, false]);
  reader.end();
  assertEquals(new Reader(hex("02")).bool(), true); // RFC 4251 §5: any number but 0
});

Deno.test("A reader of a part of a buffer starts there, or at an offset, and never reads beyond", () => {
  const part = hex("00 01020304 05").subarray(1, 5);
  assertEquals(new Reader(part).u32(), 0x01020304);
  assertEquals(new Reader(part, 2).remainder(), hex("0304"));
  for (
    const read of [
      (reader: Reader) => reader.u8(),
      (reader: Reader) => reader.u32(),
      (reader: Reader) => reader.u64(),
      (reader: Reader) => reader.bytes(3),
      (reader: Reader) => reader.string(),
    ]
  ) {
    assertThrows(() => read(new Reader(part, 2).bytes(2) && new Reader(part, 4)), ProtocolError);
  }
  const whole = new Reader(part);
  assertEquals(whole.bytes(4), part);
  assertEquals(whole.bytes(0), hex(""));
  whole.end();
  assertThrows(() => new Reader(part, 1).end(), ProtocolError, "3 trailing bytes");
});

Deno.test("Text is UTF-8; invalid bytes become U+FFFD, and a byte order mark is kept", () => {
  assertEquals(new Writer().text("ü€").take(), hex("00000005 c3bc e282ac"));
  assertEquals(new Writer().u8(1).text("a\x7f").u8(2).take(), hex("01 00000002 617f 02"));
  assertEquals(new Writer().u8(1).text("a\x80").u8(2).take(), hex("01 00000003 61c280 02"));
  assertEquals(new Writer(4).text("abü").take(), hex("00000004 6162 c3bc"));
  assertEquals(new Reader(hex("00000005 c3bce282ac")).text(), "ü€");
  assertEquals(new Reader(hex("00000002 41ff")).text(), "A\ufffd");
  assertEquals(new Reader(hex("00000003 efbbbf")).text(), "\ufeff");
});

Deno.test("A writer grows on demand, keeps its bytes, and wipes the old buffer", () => {
  const sizes: number[] = [];
  const left: Uint8Array[] = [];
  const { set } = Uint8Array.prototype;
  const writer = new Writer(4);
  try {
    // On growth the bytes are copied from the old buffer.
    Uint8Array.prototype.set = function (source, at) {
      if (source instanceof Uint8Array && source.buffer !== this.buffer && at === undefined) {
        left.push(source);
        sizes.push(this.length);
      }
      return Reflect.apply(set, this, [source, at]);
    };
    writer.u32(0x01020304).u8(5).bytes(new Uint8Array(20).fill(6));
  } finally {
    Uint8Array.prototype.set = set;
  }
  assertEquals(sizes, [8, 25]);
  assertEquals(writer.length, 25);
  assertEquals(writer.take(), hex("0102030405" + "06".repeat(20)));
  assert(left.every((bytes) => bytes.every((byte) => byte === 0)));
  // A writer with just enough room keeps its buffer.
  assertEquals(new Writer(4).u32(1).take().buffer.byteLength, 4);
  assertEquals(new Writer(4).u32(1).u8(1).take().buffer.byteLength, 8);
  const patched = new Writer().u32(0).u8(9).patch(0, 0x81020304).take();
  assertEquals(patched, hex("81020304 09"));
});

Deno.test("An mpint of a magnitude has no needless zeros, and one before a set top bit", () => {
  assertEquals(withoutLeadingZeros(hex("000001")), hex("01"));
  assertEquals(withoutLeadingZeros(hex("0000")), hex(""));
  assertEquals(withoutLeadingZeros(hex("80")), hex("80"));
  const written = new Writer().mpint(hex("00ff")).mpint(hex("7f00")).mpint(hex("")).take();
  assertEquals(written, hex("00000002 00ff 00000002 7f00 00000000"));
});

Deno.test("Fields are copied from the message, including a uint64 and the rest", () => {
  const row = layout({ number: uint64, data: remainder });
  const wire = row.encode({ number: 2n ** 63n, data });
  assertEquals(wire, hex("8000000000000000 aabbcc"));
  const value = row.decode(wire);
  wire.fill(0);
  assertEquals(value, { number: 2n ** 63n, data });
});
