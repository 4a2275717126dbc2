import { assertEquals, assertThrows } from "@std/assert";
import { decodeHex } from "../../lib/encoding.ts";
import { KeyFormatError, printable, ProtocolError } from "../../lib/errors.ts";
import type { MessageLayout } from "../../lib/wire/message.ts";
import * as m from "../../lib/wire/messages.ts";
import { Reader } from "../../lib/wire/reader.ts";
import * as requests from "../../lib/wire/requests.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { replaced } from "../support/replaced.ts";

const hex = (text: string) => decodeHex(text.replaceAll(" ", ""));

// The examples of RFC 4251 §5, negative numbers left out.
const MPINTS: [magnitude: string, wire: string][] = [
  ["", "00000000"],
  ["00", "00000000"],
  ["09a378f9b2e332a7", "00000008 09a378f9b2e332a7"],
  ["80", "00000002 0080"],
  ["000080", "00000002 0080"],
  ["7f", "00000001 7f"],
];
for (const [magnitude, wire] of MPINTS) {
  Deno.test(`mpint of 0x${magnitude || "0"} is ${wire}`, () => {
    assertEquals(new Writer().mpint(hex(magnitude)).take(), hex(wire));
    const read = new Reader(hex(wire)).mpint();
    assertEquals(new Writer().mpint(read).take(), hex(wire));
  });
}

const BAD_MPINTS: Record<string, string> = {
  "a negative one": "00000001 80",
  "one that ends too early": "00000004 0102",
};
for (const [what, wire] of Object.entries(BAD_MPINTS)) {
  Deno.test(`Reader.mpint refuses ${what}`, () => {
    assertThrows(() => new Reader(hex(wire)).mpint(), ProtocolError);
  });
}

Deno.test("Reader.mpint accepts needless zeros, as OpenSSH does", () => {
  assertEquals(new Reader(hex("00000002 0001")).mpint(), hex("01"));
  assertEquals(new Reader(hex("00000004 00000080")).mpint(), hex("80"));
  assertEquals(new Reader(hex("00000001 00")).mpint(), hex(""));
});

Deno.test("A NUL at the end of a list or of a request's text is dropped, as by OpenSSH", () => {
  assertEquals(new Reader(new Writer().text("zlib,none\0").take()).names(), ["zlib", "none"]);
  assertEquals(new Reader(new Writer().text("\0").take()).names(), []);
  for (
    const [sent, read] of [["ls\0", "ls"], ["ls\0\0", "ls\0"], ["a\0b", "a\0b"], ["", ""]] as const
  ) {
    assertEquals(requests.Exec.decode(requests.Exec.encode({ command: sent })).command, read);
    assertEquals(requests.Subsystem.decode(requests.Subsystem.encode({ name: sent })).name, read);
  }
});

Deno.test("Reader.names reads the examples of RFC 4251 §5", () => {
  assertEquals(new Reader(hex("00000000")).names(), []);
  assertEquals(new Reader(hex("00000004 7a6c6962")).names(), ["zlib"]);
  assertEquals(new Reader(hex("00000009 7a6c69622c6e6f6e65")).names(), ["zlib", "none"]);
});

for (
  const [what, list, names] of [
    ["an empty name", "a,,b", ["a", "b"]],
    ["a trailing comma", "a,", ["a"]],
    ["nothing but commas", ",,", []],
    ["a space", "a b,c", ["a b", "c"]],
    ["non-ASCII", "ä,c", ["ä", "c"]],
    ["a NUL", "a\0b,c", ["a\0b", "c"]],
  ] as const
) {
  Deno.test(`Reader.names reads names with ${what}`, () => {
    const bytes = new Writer().text(list).take();
    assertEquals(new Reader(bytes).names(), [...names]);
  });
}

Deno.test("Writer.text makes no object for ASCII, and wipes that for other text", () => {
  const encoded: Uint8Array[] = [];
  const { encode } = TextEncoder.prototype;
  using _encode = replaced(TextEncoder.prototype, "encode", function (this: TextEncoder, text) {
    const bytes = encode.call(this, text);
    encoded.push(bytes);
    return bytes;
  });
  new Writer().text("secret");
  assertEquals(encoded, []);
  const message = new Writer().text("geheim\u00e4").take();
  assertEquals(message, hex("00000008 67656865696dc3a4"));
  assertEquals(encoded, [new Uint8Array(8)]);
});

const bytes = new Uint8Array([1, 2, 3]);
// deno-lint-ignore no-explicit-any
const SAMPLES: [MessageLayout<any>, Record<string, unknown>][] = [
  [m.Disconnect, { reason: 11, description: "bye", language: "" }],
  [m.Ignore, { data: bytes }],
  [m.Unimplemented, { sequence: 0xffff_ffff }],
  [m.Debug, { display: true, text: "x", language: "en" }],
  [m.ServiceRequest, { service: "ssh-userauth" }],
  [m.ServiceAccept, { service: "ssh-userauth" }],
  [m.ExtInfo, { count: 0, pairs: new Uint8Array(0) }],
  [m.KexInit, {
    cookie: new Uint8Array(16).fill(9),
    kex: ["a"],
    hostKey: ["b"],
    cipherC2S: ["c", "d"],
    cipherS2C: [],
    macC2S: [],
    macS2C: [],
    compressionC2S: ["none"],
    compressionS2C: ["none"],
    languageC2S: [],
    languageS2C: [],
    firstKexPacketFollows: true,
    reserved: 0,
  }],
  [m.NewKeys, {}],
  [m.KexEcdhInit, { publicValue: bytes }],
  [m.KexEcdhReply, { hostKey: bytes, publicValue: bytes, signature: bytes }],
  [m.KexDhGexRequest, { min: 2048, preferred: 3072, max: 8192 }],
  [m.KexDhGexGroup, { prime: new Uint8Array([0x80, 7]), generator: new Uint8Array([2]) }],
  [m.KexDhGexInit, { publicValue: bytes }],
  [m.KexDhGexReply, { hostKey: bytes, publicValue: bytes, signature: bytes }],
  [m.UserauthRequest, { user: "ü", service: "ssh-connection", method: "none", data: bytes }],
  [m.UserauthFailure, { remaining: ["publickey"], partial: false }],
  [m.UserauthBanner, { text: "hi", language: "" }],
  [m.GlobalRequest, { type: "x", wantReply: true, data: bytes }],
  [m.ChannelOpen, { type: "session", sender: 1, window: 2, maxPacket: 3, data: bytes }],
  [m.ChannelOpenConfirmation, {
    recipient: 1,
    sender: 2,
    window: 3,
    maxPacket: 4,
    data: bytes,
  }],
  [m.ChannelOpenFailure, { recipient: 1, reason: 2, description: "no", language: "" }],
  [m.ChannelRequest, { recipient: 1, type: "exec", wantReply: true, data: bytes }],
];
for (const [row, value] of SAMPLES) {
  Deno.test(`${row.name} survives the wire, and every truncation of it is refused`, () => {
    const wire = row.encode(value);
    assertEquals(wire[0], row.number);
    assertEquals(row.decode(wire), value);
    // A field with the rest of the message has any length.
    const open = ["data", "pairs"].includes(Object.keys(value).at(-1) ?? "") && row !== m.Ignore;
    const shortest = open
      ? wire.length - (value[Object.keys(value).at(-1)!] as Uint8Array).length
      : wire.length;
    for (let length = 0; length < shortest; length++) {
      if (length === 0) continue;
      assertThrows(() => row.decode(wire.subarray(0, length)), ProtocolError);
    }
    if (!open) {
      const long = new Uint8Array([...wire, 0]);
      assertThrows(() => row.decode(long), ProtocolError, "trailing bytes");
    }
  });
}

Deno.test("KEXINIT is laid out as RFC 4253 §7.1 says", () => {
  const wire = m.KexInit.encode({
    cookie: new Uint8Array(16).fill(0xcc),
    kex: ["k"],
    hostKey: ["h"],
    cipherC2S: ["c1"],
    cipherS2C: ["c2"],
    macC2S: ["m1"],
    macS2C: ["m2"],
    compressionC2S: ["z1"],
    compressionS2C: ["z2"],
    languageC2S: [],
    languageS2C: [],
    firstKexPacketFollows: true,
    reserved: 0,
  });
  assertEquals(
    wire,
    hex(
      "14" + "cc".repeat(16) + "00000001 6b 00000001 68 00000002 6331 00000002 6332" +
        "00000002 6d31 00000002 6d32 00000002 7a31 00000002 7a32 00000000 00000000 01 00000000",
    ),
  );
});

Deno.test("Decoders of random bytes throw only ProtocolError", () => {
  let seed = 0x5eed;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
  const rows = Object.values(m).filter((row): row is typeof m.Ignore =>
    typeof row === "object" && "decode" in row
  );
  const layouts = Object.values(requests);
  for (let round = 0; round < 5000; round++) {
    const payload = new Uint8Array(random() % 64);
    for (let i = 0; i < payload.length; i++) {
      payload[i] = random() % 3 === 0 ? random() : random() % 4;
    }
    for (const row of rows) {
      const own = payload.length > 0 ? new Uint8Array([row.number, ...payload]) : payload;
      if (own.length > 0) expectProtocolError(() => row.decode(own));
    }
    for (const layout of layouts) expectProtocolError(() => layout.decode(payload));
  }
});

function expectProtocolError(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

Deno.test("printable drops escapes and cuts long text", () => {
  assertEquals(printable("a\x1b[31mb\u202ec\r\n\x9b"), "a[31mbc");
  assertEquals(printable("x".repeat(300)).length, 256);
  assertEquals(new KeyFormatError("x").code, "key-format");
});
