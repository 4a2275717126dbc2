import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import {
  type Attributes,
  attributes,
  attributesOf,
  changesOf,
  infoOf,
} from "../../lib/sftp/protocol/attributes.ts";
import { ByteSource } from "../../lib/sftp/protocol/byte_source.ts";
import { longname, longnames } from "../../lib/sftp/protocol/longname.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { nameProblem, parent } from "../../lib/sftp/protocol/paths.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { keeping } from "../corpus/corpus.ts";
import { fuzzTest, LONG, mutate } from "../support/random.ts";
import { frame } from "./raw.ts";
import { channelPair, noise } from "./world.ts";

const handle = new Uint8Array([1, 2, 3, 4]);
const path = "/päth";
const all: Attributes = { size: 2 ** 40, uid: 1, gid: 2, mode: 0o100644, atime: 3, mtime: 4 };

/** One value for each row, and for the layouts inside EXTENDED. */
const values: [msg.Row<never>, unknown][] = [
  [msg.Open, { path, flags: 0x1b, attributes: all }],
  [msg.Close, { handle }],
  [msg.Read, { handle, offset: 2 ** 53 - 1, length: 32768 }],
  [msg.Write, { handle, offset: 0, data: new Uint8Array([9]) }],
  [msg.Remove, { path }],
  [msg.Rename, { from: path, to: "/b" }],
  [msg.Mkdir, { path, attributes: {} }],
  [msg.Rmdir, { path }],
  [msg.Opendir, { path }],
  [msg.Readdir, { handle }],
  [msg.Stat, { path }],
  [msg.Lstat, { path }],
  [msg.Fstat, { handle }],
  [msg.Setstat, { path, attributes: { mode: 0o644 } }],
  [msg.Fsetstat, { handle, attributes: { atime: 1, mtime: 2 } }],
  [msg.Readlink, { path }],
  [msg.Symlink, { target: "a", link: "b" }],
  [msg.LinkFirst, { target: "a", link: "b" }],
  [msg.Realpath, { path: "." }],
  [msg.Extended, { request: "x@y", data: new Uint8Array([1]) }],
  [msg.Status, { status: 2, message: "No", language: "en" }],
  [msg.Handle, { handle }],
  [msg.Data, { data: new Uint8Array([1, 2]) }],
  [msg.Name, { entries: [{ name: "a", longname: "l", attributes: all }] }],
  [msg.Attrs, { attributes: { uid: 0, gid: 0 } }],
  [msg.ExtendedReply, { data: new Uint8Array(0) }],
] as [msg.Row<never>, unknown][];

/** Rows whose bytes after the last field are ignored. */
const LIBERAL: readonly msg.Row<never>[] = [
  msg.Write,
  msg.Status,
  msg.Handle,
  msg.Data,
  msg.Name,
  msg.Attrs,
] as unknown as msg.Row<never>[];

Deno.test("every message survives the wire; truncated ones, and requests with trailing bytes, are refused", () => {
  for (const [row, value] of values) {
    const frame = row.encode(0xdeadbeef, value as never);
    const reader = new Reader(frame);
    assertEquals(reader.u32(), frame.length - 4);
    assertEquals([reader.u8(), reader.u32()], [row.type, 0xdeadbeef]);
    const body = frame.subarray(msg.FRAME_HEADER);
    assertEquals(row.decode(body), value);
    const open = row === msg.Extended || row === msg.ExtendedReply;
    const longer = new Uint8Array([...body, 0]);
    if (LIBERAL.includes(row)) assertEquals(row.decode(longer), value);
    else if (!open) assertThrows(() => row.decode(longer), ProtocolError);
    if (open || row === msg.Status) continue; // which may end early
    for (let cut = 0; cut < body.length; cut++) {
      assertThrows(() => row.decode(body.subarray(0, cut)), ProtocolError);
    }
  }
});

Deno.test("a path of any bytes survives, and different paths are different strings", () => {
  const strings = new Set<string>();
  const paths: number[][] = [[], [0xff], [0x80, 0x41], [0xc3, 0xa9], [0xc3], [0xe2, 0x82], [
    0xed,
    0xb2,
    0x80,
  ]];
  paths.push([0xf0, 0x9f, 0x98, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0xaf], [0xe0, 0x80, 0x80]);
  for (let byte = 1; byte < 256; byte++) paths.push([0x2f, byte, 0x63], [0x2f, 0xc3, byte]);
  for (const path of paths) {
    const body = new Writer().string(new Uint8Array(path)).take();
    const text = msg.Stat.decode(body).path;
    strings.add(text);
    assertEquals(msg.Stat.encode(0, { path: text }).subarray(msg.FRAME_HEADER), body);
  }
  assertEquals(strings.size, new Set(paths.map(String)).size);
  assertEquals(msg.Stat.decode(new Writer().text("/päth 😀").take()).path, "/päth 😀");
  for (const lone of ["\ud800", "\udc7f", "\udfff"]) {
    assertThrows(() => msg.Stat.encode(0, { path: lone }), TypeError);
  }
});

Deno.test("an old server's status without a message is accepted", () => {
  const body = new Writer().u32(4).take();
  assertEquals(msg.Status.decode(body), { status: 4, message: "", language: "" });
});

Deno.test("a NAME message that is written entry by entry is the same", () => {
  const entries = ["a", "b".repeat(2000)].map((name) => ({
    name,
    longname: `l${name}`,
    attributes: all,
  }));
  const writer = new msg.NameWriter(7);
  for (const entry of entries) writer.add(entry);
  const whole = msg.Name.encode(7, { entries });
  assertEquals([writer.count, writer.length, writer.take()], [2, whole.length, whole]);
});

Deno.test("the bytes of messages match the draft", () => {
  assertEquals(
    encodeHex(msg.Open.encode(7, { path: "ab", flags: 1, attributes: { mode: 0o644 } })),
    "00000017" + "03" + "00000007" + "00000002" + "6162" + "00000001" + "00000004" + "000001a4",
  );
  assertEquals(
    encodeHex(msg.writeHeader(1, new Uint8Array([5]), 2 ** 32, 3)),
    "00000019" + "06" + "00000001" + "00000001" + "05" + "0000000100000000" +
      "00000003",
  );
  assertEquals(encodeHex(msg.encodeVersion(FXP.INIT, 3)), "00000005" + "01" + "00000003");
});

Deno.test("attributes of any combination survive the wire", () => {
  for (let bits = 0; bits < 16; bits++) {
    const value: Attributes = {};
    if (bits & 1) value.size = bits;
    if (bits & 2) Object.assign(value, { uid: 1, gid: 2 });
    if (bits & 4) value.mode = 0o777;
    if (bits & 8) Object.assign(value, { atime: 1, mtime: 0xffff_ffff });
    const writer = new Writer();
    attributes.write(writer, value);
    const bytes = writer.take();
    assertEquals(new Reader(bytes).u32(), bits);
    assertEquals(attributes.read(new Reader(bytes)), value);
  }
});

Deno.test("extended attributes are skipped", () => {
  const bytes = new Writer().u32(0x8000_0001).u64(5n).u32(1).text("a@b").text("c").take();
  assertEquals(attributes.read(new Reader(bytes)), { size: 5 });
});

Deno.test("file information survives the wire", () => {
  const info = infoOf(all);
  assert(info.isFile && !info.isDirectory && !info.isSymlink);
  assertEquals(attributesOf(info), all);
  assertEquals(changesOf(all).mode, 0o644);
  const unknown = infoOf({});
  assertEquals([unknown.isFile, unknown.size, unknown.mode, unknown.mtime], [false, 0, null, null]);
  const early = { ...info, mtime: new Date(-1000), atime: new Date("2200-01-01") };
  assertEquals([attributesOf(early).mtime, attributesOf(early).atime], [0, 0xffff_ffff]);
  const windows = { ...info, mode: null, isFile: false, isDirectory: true };
  assertEquals(attributesOf(windows).mode, 0o040755);
});

Deno.test("a long name is a line of `ls -l`", () => {
  const now = new Date(2026, 5, 15, 12, 0);
  const base = infoOf({ ...all, size: 1234 });
  const at = (mode: number, mtime: Date) =>
    longname("name", { ...infoOf({ mode }), uid: 0, gid: 100, size: 1234, mtime }, {}, now);
  const recent = new Date(2026, 4, 3, 9, 7);
  assertEquals(
    at(0o100644, recent),
    "-rw-r--r--    1 0        100          1234 May  3 09:07 name",
  );
  assertEquals(
    at(0o041777, new Date(2019, 11, 24)),
    "drwxrwxrwt    1 0        100          1234 Dec 24  2019 name",
  );
  for (
    const [mode, text] of [
      [0o120777, "lrwxrwxrwx"],
      [0o104755, "-rwsr-xr-x"],
      [0o102644, "-rw-r-Sr--"],
      [0o010600, "prw-------"],
      [0o020000, "c---------"],
      [0o060000, "b---------"],
      [0o140000, "s---------"],
      [0o041666, "drw-rw-rwT"],
    ] as const
  ) assertEquals(at(mode, recent).slice(0, 10), text);
  assert(
    longname("future", { ...base, mtime: new Date(2030, 0, 1) }, {}, now).includes("Jan  1  2030"),
  );
});

Deno.test("a line of a listing does not depend on those before it", () => {
  const now = new Date(2026, 5, 15, 12, 0);
  const line = longnames(now);
  const times = [new Date(2026, 4, 3, 9, 7), new Date(2026, 4, 3, 9, 8), null];
  const owners = [{}, { owner: "ann" }, { owner: "ann", group: "wheel" }, { links: 2 }] as const;
  for (const mode of [0o100644, 0o040755, 0o100644]) {
    for (const mtime of times) {
      for (const details of owners) {
        for (const [uid, gid] of [[1, 1], [1, 2], [2, 2]] as const) {
          const info = { ...infoOf({ mode, size: uid }), uid, gid, mtime };
          assertEquals(line("x", info, details), longname("x", info, details, now));
        }
      }
    }
  }
});

Deno.test("names that could lead out of a folder are detected", () => {
  const bad = ["", ".", "..", "/", "a/b", "\0", "a\n", "\x1b[m", "\x7f", "\u0085"];
  for (const name of bad) assert(nameProblem(name, "linux") !== null, JSON.stringify(name));
  for (const name of ["a", "...", "..a", "a..", " ", "-", "ü", "a\\b", "CON"]) {
    assertEquals(nameProblem(name, "linux"), null);
  }
  const worse = ["a\\b", "C:", "a:b", "con", "NUL.txt", "a.", "a ", "com1", "a?", "a*", "<", "|"];
  for (const name of worse) assert(nameProblem(name, "windows") !== null, name);
  assertEquals(nameProblem("console", "windows"), null);
});

Deno.test("every path but the root has a parent", () => {
  const parents = ["/a/b", "/a/b/", "/a", "/", "a/b", "a", "", "//a"].map(parent);
  assertEquals(parents, ["/a", "/a", "/", null, "a", null, null, "/"]);
});

Deno.test("ByteSource returns the requested sizes from any chunks", async () => {
  const bytes = noise(10_000);
  for (const chunk of [1, 2, 7, 100, 9999, 10_000]) {
    const [near, far] = channelPair({ chunk, limit: 1 << 20 });
    await near.writeAll(bytes);
    await near.closeWrite();
    const source = new ByteSource(far);
    const scratch = new Uint8Array(5000);
    let at = 0;
    for (let length = 0; await source.more(); length = (length * 7 + 1) % 997) {
      const take = Math.min(length, bytes.length - at);
      const taken = await source.take(take, length % 2 ? scratch : undefined);
      assertEquals(taken, bytes.subarray(at, at + take));
      at += take;
    }
    assertEquals(at, bytes.length);
  }
});

Deno.test("ByteSource throws if the stream ends inside a requested size", async () => {
  const [near, far] = channelPair();
  await near.writeAll(new Uint8Array(3));
  await near.closeWrite();
  const source = new ByteSource(far);
  let error: unknown = null;
  await source.take(4).catch((cause) => error = cause);
  assert(error instanceof ProtocolError);
});

fuzzTest(
  "fuzz: for any bytes a parser returns or throws a ProtocolError",
  async (random) => {
    const parsers = [
      ...values.map(([row]) => (bytes: Uint8Array) => void row.decode(bytes)),
      (bytes: Uint8Array) => void msg.TwoPaths.decode(bytes),
      (bytes: Uint8Array) => void msg.OneHandle.decode(bytes),
      (bytes: Uint8Array) => void msg.Limits.decode(bytes),
      (bytes: Uint8Array) => void msg.decodeExtensions(bytes),
    ];
    for (let round = 0; round < 20_000 * LONG; round++) {
      const [row, value] = values[random(values.length)]!;
      const body = mutate(row.encode(1, value as never).subarray(msg.FRAME_HEADER), random);
      const parser = parsers[
        random(4) === 0 ? random(parsers.length) : values.findIndex(([r]) => r === row)
      ]!;
      const corpus = row.type > 100 && row.type < 200 ? "sftp_answers" : "sftp_requests";
      await keeping(corpus, frame(row.type, 1, body), () => {
        try {
          parser(body);
        } catch (cause) {
          if (!(cause instanceof ProtocolError)) throw cause;
        }
      });
    }
  },
);
