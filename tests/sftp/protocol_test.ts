/** Edge cases of the parts of SFTP's messages. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import { SftpError, type SftpFileInfo, SftpStatus } from "../../lib/sftp/mod.ts";
import {
  type Attributes,
  attributes,
  attributesOf,
  attributesOfChanges,
  changesOf,
  dateOf,
  infoOf,
  modeOf,
  reportedAttributes,
} from "../../lib/sftp/protocol/attributes.ts";
import { ByteSource } from "../../lib/sftp/protocol/byte_source.ts";
import { consume, type SftpChannel, streamChannel } from "../../lib/sftp/protocol/channel.ts";
import { fileSystemOf, wireFileSystem } from "../../lib/sftp/protocol/file_system.ts";
import { longname, typeOfLongname } from "../../lib/sftp/protocol/longname.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import {
  ATTR,
  FXF,
  FXP,
  MAX_HANDLE_LENGTH,
  S_IF,
  SFTP_VERSION,
  STATVFS_FLAG,
} from "../../lib/sftp/protocol/numbers.ts";
import { flagsOf } from "../../lib/sftp/protocol/options.ts";
import { Outbox } from "../../lib/sftp/protocol/outbox.ts";
import { decodePath, encodePath } from "../../lib/sftp/protocol/path_bytes.ts";
import {
  baseName,
  hiddenBeside,
  join,
  nameProblem,
  parent,
} from "../../lib/sftp/protocol/paths.ts";
import {
  callOf,
  isRefusal,
  lost,
  malformed,
  nullIfNoSuchFile,
  nullIfRefused,
  refuse,
  sessionError,
  sftpError,
  statusText,
} from "../../lib/sftp/protocol/status.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

Deno.test("the numbers match the draft and POSIX", () => {
  assertEquals([SFTP_VERSION, MAX_HANDLE_LENGTH], [3, 256]);
  const requests = "INIT VERSION OPEN CLOSE READ WRITE LSTAT FSTAT SETSTAT FSETSTAT OPENDIR " +
    "READDIR REMOVE MKDIR RMDIR REALPATH STAT RENAME READLINK SYMLINK";
  const answers = "STATUS HANDLE DATA NAME ATTRS";
  assertEquals(FXP as Record<string, number>, {
    ...Object.fromEntries(requests.split(" ").map((name, index) => [name, index + 1])),
    ...Object.fromEntries(answers.split(" ").map((name, index) => [name, index + 101])),
    EXTENDED: 200,
    EXTENDED_REPLY: 201,
  });
  const bits = (names: string) =>
    Object.fromEntries(names.split(" ").map((name, index) => [name, 2 ** index]));
  assertEquals(FXF as Record<string, number>, bits("READ WRITE APPEND CREAT TRUNC EXCL"));
  assertEquals(ATTR as Record<string, number>, {
    ...bits("SIZE UIDGID PERMISSIONS ACMODTIME"),
    EXTENDED: 2 ** 31,
  });
  assertEquals(STATVFS_FLAG as Record<string, number>, bits("READ_ONLY NO_SETUID"));
  assertEquals(S_IF as Record<string, number>, {
    MASK: 0xf000,
    SOCKET: 0xc000,
    LINK: 0xa000,
    FILE: 0x8000,
    BLOCK: 0x6000,
    DIRECTORY: 0x4000,
    CHARACTER: 0x2000,
    FIFO: 0x1000,
  });
  const names = "OK EOF NO_SUCH_FILE PERMISSION_DENIED FAILURE BAD_MESSAGE NO_CONNECTION " +
    "CONNECTION_LOST OP_UNSUPPORTED";
  assertEquals(
    SftpStatus as Record<string, number>,
    Object.fromEntries(names.split(" ").map((name, index) => [name, index])),
  );
});

/**
 * Bytes, and whether they are UTF-8: the first and last characters of each length, and their
 * neighbours.
 */
const sequences: [bytes: number[], valid: boolean][] = [
  [[0x00], true],
  [[0x7f], true],
  [[0x80], false],
  [[0xc1, 0xbf], false],
  [[0xc2, 0x80], true],
  [[0xc2], false],
  [[0xc2, 0x7f], false],
  [[0xc2, 0xc0], false],
  [[0xdf, 0xbf], true],
  [[0xe0, 0x9f, 0xbf], false],
  [[0xe0, 0xa0, 0x80], true],
  [[0xe1, 0x80], false],
  [[0xe1, 0x80, 0x7f], false],
  [[0xe1, 0x80, 0xc0], false],
  [[0xe1, 0x7f, 0x80], false],
  [[0xe1, 0x80, 0x80], true],
  [[0xed, 0x9f, 0xbf], true],
  [[0xed, 0xa0, 0x80], false],
  [[0xee, 0x80, 0x80], true],
  [[0xef, 0xbf, 0xbf], true],
  [[0xf0, 0x8f, 0xbf, 0xbf], false],
  [[0xf0, 0x90, 0x80, 0x80], true],
  [[0xf1, 0x80, 0x80], false],
  [[0xf1, 0x80, 0x80, 0x7f], false],
  [[0xf1, 0x80, 0x80, 0xc0], false],
  [[0xf3, 0xbf, 0xbf, 0xbf], true],
  [[0xf4, 0x8f, 0xbf, 0xbf], true],
  [[0xf4, 0x90, 0x80, 0x80], false],
  [[0xf5, 0x80, 0x80, 0x80], false],
];

Deno.test("the bytes of a path are text if they are UTF-8, otherwise escaped one by one", () => {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (const [sequence, valid] of sequences) {
    for (const after of [[], [0x41]]) {
      const bytes = new Uint8Array([0xff, ...sequence, ...after]);
      // A byte below 0x80 stands for itself even after a broken sequence.
      const escaped = sequence.map((byte) =>
        String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)
      );
      const inside = valid ? utf8.decode(new Uint8Array(sequence)) : escaped.join("");
      const expected = `\udcff${inside}${after.length > 0 ? "A" : ""}`;
      assertEquals(
        decodePath(bytes),
        expected,
        sequence.map((byte) => byte.toString(16)).join(" "),
      );
      assertEquals(encodePath(expected), bytes);
    }
  }
  assertEquals(decodePath(new Uint8Array([0xef, 0xbb, 0xbf])), "\ufeff");
});

Deno.test("a lone surrogate stands for a byte from 0x80 to 0xff, or for nothing", () => {
  assertEquals(
    encodePath("a\udc80\udcff\u{1f600}"),
    new Uint8Array([97, 128, 255, 240, 159, 152, 128]),
  );
  for (const lone of ["\ud800", "\udbff", "\udc7f", "\udd00", "\udfff", "a\ud83d"]) {
    assertThrows(() => encodePath(lone), TypeError, "stands for no byte");
  }
  assertEquals(encodePath("\ud7ff\ue000").length, 6);
});

Deno.test("a uint64 is exact up to 2^53, and refused beyond unless a server reports it", () => {
  const largest = 2 ** 53 - 1;
  const size = (value: bigint) => new Reader(new Writer().u32(ATTR.SIZE).u64(value).take());
  assertEquals(attributes.read(size(BigInt(largest))), { size: largest });
  assertThrows(() => attributes.read(size(2n ** 53n)), ProtocolError, "beyond 2^53");
  assertEquals(reportedAttributes.read(size(BigInt(largest))), { size: largest });
  assertEquals(reportedAttributes.read(size(2n ** 53n)), {});
  for (const value of [0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, largest]) {
    const writer = new Writer();
    attributes.write(writer, { size: value });
    assertEquals(writer.take(), new Writer().u32(ATTR.SIZE).u64(BigInt(value)).take());
  }
  for (const value of [0.5, NaN, Infinity]) {
    assertThrows(() => attributes.write(new Writer(), { size: value }), RangeError);
  }
});

Deno.test("any number of extended attributes is skipped", () => {
  const pair = (writer: Writer) => writer.text("a@b").text("c");
  for (const count of [0, 1, 2]) {
    const writer = new Writer().u32(ATTR.EXTENDED).u32(count);
    for (let at = 0; at < count; at++) pair(writer);
    const reader = new Reader(writer.u8(7).take());
    assertEquals([attributes.read(reader), reader.u8(), reader.remaining], [{}, 7, 0]);
  }
});

Deno.test("half of an attribute pair is not written, and refused in a change", () => {
  const written = (value: Attributes) => {
    const writer = new Writer();
    attributes.write(writer, value);
    return new Reader(writer.take()).u32();
  };
  assertEquals([written({ uid: 1 }), written({ gid: 1 }), written({ uid: 0, gid: 0 })], [0, 0, 2]);
  assertEquals([written({ atime: 1 }), written({ mtime: 1 }), written({ atime: 0, mtime: 0 })], [
    0,
    0,
    8,
  ]);
  assertEquals([written({ size: 0 }), written({ mode: 0 })], [1, 4]);
  const date = new Date(5000);
  for (const half of [{ uid: 1 }, { gid: 1 }]) {
    assertThrows(() => attributesOfChanges(half), TypeError, "uid and gid");
    assertEquals(changesOf(half), {});
  }
  for (const half of [{ atime: date }, { mtime: date }]) {
    assertThrows(() => attributesOfChanges(half), TypeError, "atime and mtime");
  }
  for (const half of [{ atime: 1 }, { mtime: 1 }]) assertEquals(changesOf(half), {});
});

Deno.test("changes survive the wire, and other fields are not sent", () => {
  const [atime, mtime] = [new Date(5000), new Date(7000)];
  const all = { size: 0, mode: 0o7777, uid: 0, gid: 1, atime, mtime };
  const wire = { size: 0, mode: 0o7777, uid: 0, gid: 1, atime: 5, mtime: 7 };
  assertEquals([attributesOfChanges(all), changesOf(wire)], [wire, all]);
  assertEquals([attributesOfChanges({}), changesOf({})], [{}, {}]);
  assertEquals(changesOf({ mode: 0o107644 }), { mode: 0o7644 });
  assertEquals(attributesOfChanges({ atime: new Date(NaN), mtime: new Date(5999) }), {
    atime: 0,
    mtime: 5,
  });
  assertEquals([dateOf(5), dateOf(mtime)], [atime, mtime]);
});

const INFO: SftpFileInfo = {
  isFile: false,
  isDirectory: false,
  isSymlink: false,
  size: 0,
  mtime: null,
  atime: null,
  mode: null,
  uid: null,
  gid: null,
};

Deno.test("file information has a type from the mode or another source, or none", () => {
  const types = (mode: number | undefined, other?: number) => {
    const { isFile, isDirectory, isSymlink } = infoOf(mode === undefined ? {} : { mode }, other);
    return [isFile, isDirectory, isSymlink];
  };
  assertEquals(types(0o100644), [true, false, false]);
  assertEquals(types(0o040755, S_IF.FILE), [false, true, false]);
  assertEquals(types(0o120777), [false, false, true]);
  assertEquals(types(0o644, S_IF.DIRECTORY), [false, true, false]);
  assertEquals(types(undefined, S_IF.FILE), [true, false, false]);
  assertEquals([types(0o644), types(undefined)], [[false, false, false], [false, false, false]]);
  const zero = infoOf({ size: 0, uid: 0, gid: 0, mode: 0, atime: 0, mtime: 0 });
  const epoch = new Date(0);
  assertEquals([zero.mtime, zero.atime, zero.mode, zero.uid, zero.gid], [epoch, epoch, 0, 0, 0]);
  assertEquals(infoOf({ mode: 0x1_81a4 }).mode, 0o100644);
  const { atime, mtime } = infoOf({ atime: 5, mtime: 7 });
  assertEquals([atime, mtime], [new Date(5000), new Date(7000)]);
});

Deno.test("a mode always has a type on the wire, and missing fields of a platform get defaults", () => {
  assertEquals(modeOf({ ...INFO, isFile: true }), 0o100644);
  assertEquals(modeOf({ ...INFO, isDirectory: true }), 0o040755);
  assertEquals(modeOf({ ...INFO, isSymlink: true, mode: 0o777 }), 0o120777);
  assertEquals(modeOf({ ...INFO, isFile: true, mode: 0o170600 }), 0o100600);
  assertEquals(modeOf({ ...INFO, mode: 0o010640 }), 0o010640);
  assertEquals(modeOf(INFO), 0o644);
  assertEquals(attributesOf(INFO), { size: 0, mode: 0o644 });
  assertEquals(attributesOf({ ...INFO, uid: 0, gid: 0 }), { size: 0, mode: 0o644, uid: 0, gid: 0 });
  assertEquals(attributesOf({ ...INFO, uid: 1 }), { size: 0, mode: 0o644 });
  assertEquals(attributesOf({ ...INFO, gid: 1 }), { size: 0, mode: 0o644 });
  const times = (mtime: Date | null, atime: Date | null) => {
    const found = attributesOf({ ...INFO, mtime, atime });
    return [found.mtime, found.atime];
  };
  assertEquals(times(new Date(5000), null), [5, 5]);
  assertEquals(times(new Date(5000), new Date(7000)), [5, 7]);
  assertEquals(times(null, new Date(7000)), [undefined, undefined]);
});

Deno.test("a long name has a type if it begins like a line of ls", () => {
  const rest = "rwsr-S-wT 1 a b 1 x";
  const types = [..."sl-bdcp"].map((letter) => typeOfLongname(letter + rest));
  const { SOCKET, LINK, FILE, BLOCK, DIRECTORY, CHARACTER, FIFO } = S_IF;
  assertEquals(types, [SOCKET, LINK, FILE, BLOCK, DIRECTORY, CHARACTER, FIFO]);
  for (
    const line of ["", "d", "drwxr-xr", "?rwxr-xr-x", "Drwxr-xr-x", " drwxr-xr-x", "drwxr-xr-."]
  ) {
    assertEquals(typeOfLongname(line), 0, line);
  }
});

Deno.test("a long name shows its fields, and the year for times outside of the last half year", () => {
  const now = new Date(2026, 5, 15, 12, 0);
  const MINUTE_MS = 60_000; // the precision of times
  const half = 182 * 24 * 60 * MINUTE_MS;
  const line = (mtime: number, details = {}) =>
    longname("n", { ...INFO, isFile: true, mtime: new Date(mtime) }, details, now);
  const recent = (mtime: number) => /\d\d:\d\d n$/.test(line(mtime));
  assertEquals(
    [-half, half, -half - 1, half + MINUTE_MS].map((age) => recent(now.getTime() + age)),
    [true, true, false, false],
  );
  const details = { owner: "ow\x1bner", group: "group", links: 12, size: "1.5K" };
  assertEquals(
    line(new Date(2026, 0, 2, 3, 4).getTime(), details),
    "-rw-r--r--   12 owner    group        1.5K Jan  2 03:04 n",
  );
  assertEquals(
    line(new Date(2020, 11, 31).getTime(), { owner: null, group: null, links: "?" }),
    "-rw-r--r--    ? 0        0               0 Dec 31  2020 n",
  );
  const execute = longname("n", { ...INFO, isFile: true, mode: 0o111 });
  assert(execute.startsWith("---x--x--x "), execute);
  assert(longname("n", INFO, { links: null }).startsWith("?rw-r--r--    1 "));
});

Deno.test("paths are joined and split at slashes", () => {
  assertEquals([join("/a", "b"), join("/a/", "b"), join("/", "b"), join("", "b"), join("a", "b")], [
    "/a/b",
    "/a/b",
    "/b",
    "b",
    "a/b",
  ]);
  assertEquals(["/a/b/", "/a", "a", "/", ""].map(parent), ["/a", "/", null, null, null]);
  assertEquals(["/a/b/", "/a", "a", "/", "a//"].map(baseName), ["b", "a", "a", "", "a"]);
  assertEquals(hiddenBeside("/a/b", "part", "1"), "/a/.1.part");
  assertEquals(hiddenBeside("b", "old", "1"), ".1.old");
  assert(hiddenBeside("/a/b", "part") !== hiddenBeside("/a/b", "part"));
});

Deno.test("a name that is not UTF-8 is valid only on servers", () => {
  assertEquals([nameProblem("\udcff", "server"), nameProblem("a\\b", "server")], [null, null]);
  assertEquals(nameProblem("\udcff", "linux"), "it is not UTF-8");
  assertEquals(["", ".", "..", "a/b", "\x1f", "\x9f"].map((name) => nameProblem(name, "server")), [
    "it is empty",
    "it leads elsewhere",
    "it leads elsewhere",
    "it has a slash in it",
    "it has a control character in it",
    "it has a control character in it",
  ]);
  assertEquals(nameProblem("\u00a0", "server"), null);
  assertEquals(nameProblem("aux", "windows"), "not a valid name on Windows");
});

Deno.test("the flags of an OPEN match the options", () => {
  const { READ, WRITE, APPEND, CREAT, TRUNC, EXCL } = FXF;
  assertEquals(flagsOf({}), READ);
  assertEquals(flagsOf({ write: true }), WRITE);
  assertEquals(flagsOf({ append: true }), WRITE | APPEND);
  assertEquals(flagsOf({ read: true, append: true }), READ | WRITE | APPEND);
  assertEquals(flagsOf({ read: true, write: true, create: true }), READ | WRITE | CREAT);
  assertEquals(flagsOf({ append: true, create: true }), WRITE | APPEND | CREAT);
  assertEquals(flagsOf({ write: true, createNew: true }), WRITE | CREAT | EXCL);
  assertEquals(flagsOf({ write: true, truncate: true }), WRITE | TRUNC);
  for (
    const wrong of [
      { read: false },
      { create: true },
      { createNew: true },
      { read: true, createNew: true },
      { truncate: true },
      { append: true, truncate: true },
    ]
  ) assertThrows(() => flagsOf(wrong), TypeError);
});

Deno.test("an error names the operation, the path and the reason, from the server if given", () => {
  const call = { operation: "open", path: "/a\x07" };
  const plain = sftpError(SftpStatus.FAILURE, call);
  assertEquals([plainMessage(plain), plain.status, plain.operation, plain.path, "cause" in plain], [
    'Cannot open "/a" on the server: Failure',
    4,
    "open",
    "/a\x07",
    false,
  ]);
  const cause = new ProtocolError("bad");
  assertEquals(sftpError(4, call, "busy", cause).cause, cause);
  assertEquals(
    plainMessage(sftpError(3, call, "\x07")),
    'Cannot open "/a" on the server: Permission denied',
  );
  assertEquals(
    plainMessage(sftpError(99, { operation: "limits", path: null })),
    "Cannot limits on the server: Status 99",
  );
  const bad = malformed(call, cause);
  assertEquals([bad.status, plainMessage(bad), bad.cause], [
    5,
    'Cannot open "/a" on the server: the server\'s answer is malformed: bad',
    cause,
  ]);
  assertEquals([statusText(0), statusText(8), statusText(9)], [
    "Success",
    "Operation not supported",
    "Status 9",
  ]);
  assertEquals(callOf("x", "/y", { timeout: 5 }), {
    operation: "x",
    path: "/y",
    signal: undefined,
    timeout: 5,
  });
});

Deno.test("the error of a session is reported once, with its cause", () => {
  const cause = new Error("cable");
  const over = sessionError(SftpStatus.CONNECTION_LOST, "gone", cause);
  assertEquals([plainMessage(over), over.cause, over.path], [
    "SFTP session is over: gone",
    cause,
    null,
  ]);
  assertEquals("cause" in sessionError(7, "gone"), false);
  assertStrictEquals(lost(over), over);
  const broken = lost(new ProtocolError("absurd"));
  assertEquals([broken.status, plainMessage(broken)], [5, "SFTP session is over: absurd"]);
  assertEquals([lost(cause).status, lost(cause).cause, plainMessage(lost("text"))], [
    7,
    cause,
    "SFTP session is over: text",
  ]);
});

Deno.test("a refusal does not end the session", async () => {
  const call = { operation: "stat", path: "/" };
  const missing = sftpError(SftpStatus.NO_SUCH_FILE, call);
  const denied = sftpError(SftpStatus.PERMISSION_DENIED, call);
  const late = sftpError(SftpStatus.CONNECTION_LOST, call);
  const over = sessionError(SftpStatus.BAD_MESSAGE, "x");
  const errors = [missing, denied, late, over, new Error("x"), null];
  assertEquals(errors.map(isRefusal), [true, true, false, false, false, false]);
  const outcome = (run: (answer: Promise<number>) => Promise<number | null>, error: unknown) =>
    run(Promise.reject(error)).catch((cause) => cause);
  assertEquals(await nullIfNoSuchFile(Promise.resolve(0)), 0);
  assertEquals(await nullIfRefused(Promise.resolve(0)), 0);
  for (
    const [error, file, any] of [
      [missing, null, null],
      [denied, denied, null],
      [late, late, late],
      [over, over, over],
    ] as const
  ) {
    assertEquals(await outcome(nullIfNoSuchFile, error), file);
    assertEquals(await outcome(nullIfRefused, error), any);
  }
  const other = new Error("no SftpError");
  assertEquals(await outcome(nullIfNoSuchFile, other), other);
  const refused = assertThrows(() => refuse("no"), SftpError);
  assertEquals([refused.status, plainMessage(refused)], [SftpStatus.FAILURE, "no"]);
  assertEquals(assertThrows(() => refuse("no", 8), SftpError).status, 8);
});

Deno.test("flags of a file system have names", () => {
  const numbers = {
    blockSize: 1,
    fragmentSize: 2,
    blocks: 3,
    freeBlocks: 4,
    availableBlocks: 5,
    files: 6,
    freeFiles: 7,
    availableFiles: 8,
    id: 9n,
    maxNameLength: 10,
  };
  for (
    const [flags, readOnly, noSetuid] of [
      [0n, false, false],
      [1n, true, false],
      [2n, false, true],
      [
        3n,
        true,
        true,
      ],
    ] as const
  ) {
    const wire = { ...numbers, flags };
    assertEquals(fileSystemOf(wire), { ...numbers, readOnly, noSetuid });
    assertEquals(wireFileSystem({ ...numbers, readOnly, noSetuid }), wire);
    assertEquals(fileSystemOf({ ...wire, flags: flags | 1n << 63n }).readOnly, readOnly);
    assertEquals(msg.FileSystem.decode(msg.FileSystem.encode(wire)), wire);
  }
});

Deno.test("layouts of extensions survive the wire, and check their lengths", () => {
  const ids = { users: [1, 2 ** 32 - 1], groups: [] };
  assertEquals(msg.Ids.decode(msg.Ids.encode(ids)), ids);
  const names = { users: ["a", ""], groups: ["ü"] };
  assertEquals(msg.IdNames.decode(msg.IdNames.encode(names)), names);
  const copy = {
    from: new Uint8Array([1]),
    fromOffset: 2,
    length: 3,
    to: new Uint8Array([4]),
    toOffset: 5,
  };
  assertEquals(msg.CopyData.decode(msg.CopyData.encode(copy)), copy);
  const limits = { packetLength: 1, readLength: 2, writeLength: 3, openHandles: 4 };
  const encoded = msg.Limits.encode(limits);
  assertEquals(msg.Limits.decode(new Uint8Array([...encoded, 9])), limits);
  encoded.fill(255);
  assertEquals(msg.Limits.decode(encoded).openHandles, 2 ** 53 - 1);
  for (const bytes of [[0, 0, 0, 5, 0, 0, 0, 2, 9], [0, 0, 0, 3, 0, 0, 1]]) {
    const data = new Uint8Array([...bytes, 0, 0, 0, 0]);
    assertThrows(() => msg.Ids.decode(data), ProtocolError);
    assertThrows(() => msg.IdNames.decode(data), ProtocolError);
  }
  const odd = new Uint8Array([0, 0, 0, 1, 9, 0, 0, 0, 0]);
  assertThrows(() => msg.IdNames.decode(odd), ProtocolError);
});

Deno.test("a handle has at most 256 bytes, and a path has no NUL", () => {
  const handle = new Uint8Array(256);
  assertEquals(msg.Close.decode(new Writer().string(handle).take()).handle.length, 256);
  assertThrows(
    () => msg.Close.decode(new Writer().string(new Uint8Array(257)).take()),
    ProtocolError,
  );
  assertThrows(() => msg.Stat.decode(new Writer().text("a\0").take()), ProtocolError, "NUL");
});

Deno.test("a NUL at the end of a name is dropped, as in C, and one inside is refused", () => {
  const named = (name: string) =>
    msg.Name.decode(new Writer().u32(1).text(name).text("").u32(0).take()).entries[0]!.name;
  assertEquals([named("ab"), named("ab\0"), named(""), named("\0")], ["ab", "ab", "", ""]);
  assertEquals(named("\u0001"), "\u0001");
  for (const bad of ["a\0b", "ab\0\0", "\0a"]) assertThrows(() => named(bad), ProtocolError, "NUL");
});

Deno.test("a path in a request has at most 4096 bytes", () => {
  const path = (length: number) => new Writer().text("x".repeat(length)).take();
  assertEquals(msg.Stat.decode(path(4096)).path.length, 4096);
  assertThrows(() => msg.Stat.decode(path(4097)), SftpError, "too long");
});

Deno.test("the length of a status is exact", () => {
  const decode = (writer: Writer) => msg.Status.decode(writer.take());
  const code = () => new Writer().u32(3);
  assertEquals(decode(code()), { status: 3, message: "", language: "" });
  assertEquals(decode(code().bytes(new Uint8Array([0, 0, 0]))).message, "");
  assertEquals(decode(code().u32(0)).message, "");
  assertEquals(decode(code().u32(1).u8(97)).message, "a");
  assertEquals(decode(code().u32(9).u8(97)).message, "a");
  assertEquals(decode(code().text("no").text("en")), { status: 3, message: "no", language: "en" });
});

Deno.test("extensions of a VERSION end at the first malformed one", () => {
  const encoded = msg.encodeVersion(FXP.VERSION, 3, [["a", "1"], ["b", ""]]);
  assertEquals([...encoded.subarray(0, 9)], [0, 0, 0, 5 + 10 + 9, 2, 0, 0, 0, 3]);
  assertEquals([...msg.decodeExtensions(encoded.subarray(9))], [["a", "1"], ["b", ""]]);
  for (const cut of [1, 4, 8]) {
    assertEquals([...msg.decodeExtensions(encoded.subarray(9, -cut))], [["a", "1"]]);
  }
  assertEquals(msg.decodeExtensions(new Uint8Array(0)).size, 0);
});

Deno.test("a data message is built around the data already in its buffer", () => {
  const memory = new Uint8Array(20).fill(7);
  const frame = msg.dataFrame(memory, 0x01020304, 5);
  assertStrictEquals(frame.buffer, memory.buffer);
  assertEquals([...frame], [0, 0, 0, 14, 103, 1, 2, 3, 4, 0, 0, 0, 5, 7, 7, 7, 7, 7]);
  assertEquals(msg.Data.decode(frame.subarray(msg.FRAME_HEADER)).data.length, 5);
  assertEquals([msg.FRAME_HEADER, msg.DATA_HEADER], [9, 13]);
});

/** A channel whose writes the test completes. */
function gated(): { channel: SftpChannel; writes: string[]; end(error?: Error): Promise<void> } {
  const writes: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  return {
    writes,
    channel: {
      readChunk: () => Promise.resolve(null),
      writeAll(...chunks) {
        writes.push(chunks.map((chunk) => String.fromCharCode(...chunk)).join("+"));
        gates.push(Promise.withResolvers());
        return gates.at(-1)!.promise;
      },
      closeWrite: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    async end(error) {
      const gate = gates.shift()!;
      if (error) gate.reject(error);
      else gate.resolve();
      await turn();
    },
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("an outbox sends messages of one turn in one write, and later ones in the next", async () => {
  const { channel, writes, end } = gated();
  const outbox = new Outbox(channel, () => assert(false));
  const released: string[] = [];
  outbox.push([bytes("a"), bytes("b")], () => released.push("ab"));
  outbox.push([bytes("c")], () => released.push("c"));
  assertEquals(writes, []);
  await turn();
  assertEquals(writes, ["abc"]); // each chunk would be a packet
  outbox.push([bytes("d")], () => released.push("d"));
  outbox.push([bytes("e")]);
  await turn();
  assertEquals([writes.length, released], [1, []]);
  await end();
  assertEquals([writes, released], [["abc", "de"], ["ab", "c"]]);
  await end();
  outbox.push([bytes("f")]);
  await turn();
  assertEquals(writes[2], "f");
  await end();
  assertEquals(released, ["ab", "c", "d"]);
});

Deno.test("an outbox joins small chunks to about a packet, and leaves large ones as they are", async () => {
  const { channel, writes, end } = gated();
  const outbox = new Outbox(channel, () => assert(false));
  const sizes = [1, 1025, 1024, 1, 1025, ...Array(40).fill(1000)];
  const sent = sizes.map((size, at) => bytes(String.fromCharCode(48 + at).repeat(size)));
  outbox.push(sent);
  await turn();
  const lengths = writes[0]!.split("+").map(({ length }) => length);
  assertEquals(lengths, [1, 1025, 1025, 1025, 32_000, 8000]);
  assertEquals(writes[0]!.replaceAll("+", ""), sent.map((chunk) => text(chunk)).join(""));
  await end();
});

Deno.test("an outbox counts joined small chunks as one", async () => {
  const { channel, writes, end } = gated();
  const outbox = new Outbox(channel, () => assert(false));
  outbox.push([bytes("first")]);
  await turn();
  const reused = bytes("answer");
  for (let i = 0; i < 1000; i++) outbox.push([reused]);
  reused.fill(0); // joined chunks have been copied, except the first chunk of the write
  await end();
  assertEquals(writes[1]!.slice(6), "answer".repeat(999));
  let isBelow = false;
  outbox.below(6000 + 255).then(() => isBelow = true);
  await turn();
  assertEquals(isBelow, false);
  await outbox.below(6000 + 256);
  await end();
});

Deno.test("an outbox signals when few enough bytes are queued", async () => {
  const { channel, end } = gated();
  const outbox = new Outbox(channel, () => {});
  await outbox.below(0);
  outbox.push([bytes("abc")]);
  await turn();
  outbox.push([bytes("de")]);
  await outbox.below(2 * 256 + 5);
  const below = [false, false, false];
  for (const [index, limit] of [2 * 256 + 4, 256 + 2, 0].entries()) {
    outbox.below(limit).then(() => below[index] = true);
  }
  await turn();
  assertEquals(below, [false, false, false]);
  await end();
  assertEquals(below, [true, true, false]);
  await end();
  assertEquals(below, [true, true, true]);
});

Deno.test("a dropped outbox releases chunks that are queued, in flight or pushed later", async () => {
  for (const error of [undefined, new Error("gone")]) {
    const { channel, end } = gated();
    const outbox = new Outbox(channel, () => assert(false));
    const released: string[] = [];
    outbox.push([bytes("a")], () => released.push("a"));
    await turn();
    outbox.push([bytes("b")], () => released.push("b"));
    outbox.drop();
    assertEquals(released, ["b"]);
    outbox.push([bytes("c")], () => released.push("c"));
    assertEquals(released, ["b", "c"]);
    await end(error);
    assertEquals(released, ["b", "c", "a"]);
  }
});

Deno.test("a failed outbox reports once, releases nothing and sends nothing more", async () => {
  const { channel, writes, end } = gated();
  const failures: unknown[] = [];
  const outbox = new Outbox(channel, (cause) => failures.push(cause));
  let released = 0;
  outbox.push([bytes("a")], () => released++);
  await turn();
  outbox.push([bytes("b")], () => released++);
  const waiting = outbox.below(0);
  const failure = new Error("cable");
  await end(failure);
  await waiting;
  outbox.push([bytes("c")], () => released++);
  await turn();
  assertEquals([writes, failures, released], [["a"], [failure], 0]);
});

function chunks(...texts: string[]): SftpChannel {
  return {
    ...gated().channel,
    readChunk: () => Promise.resolve(bytes(texts.shift() ?? "") || null),
  };
}

Deno.test("a source returns views if possible, and otherwise collects into the given buffer", async () => {
  const left = [bytes("abcdef"), bytes(""), bytes("gh"), bytes("ij")];
  const first = left[0]!;
  const source = new ByteSource({
    ...gated().channel,
    readChunk: () => Promise.resolve(left.shift() ?? null),
  });
  assertEquals([source.arrived, await source.more(), source.arrived], [0, true, 6]);
  const view = await source.take(4);
  assertStrictEquals(view.buffer, first.buffer);
  assertEquals([view, source.arrived], [bytes("abcd"), 2]);
  const scratch = new Uint8Array(8);
  const gathered = await source.take(3, scratch);
  assertStrictEquals(gathered.buffer, scratch.buffer);
  assertEquals(gathered, bytes("efg"));
  assertEquals(await source.some(9), bytes("h"));
  assertEquals(await source.some(1), bytes("i"));
  const last = await source.take(1, scratch); // the rest is also a view
  assertEquals([last, last.buffer === scratch.buffer], [bytes("j"), false]);
  assertEquals([await source.more(), await source.take(0)], [false, new Uint8Array(0)]);
  await assertRejects(() => source.some(1), ProtocolError, "ends inside a message");
  await assertRejects(() => source.take(1), ProtocolError, "ends inside a message");
});

Deno.test("a source that reuses its memory takes more of it while reads fill it, from 4 to 256 KiB", async () => {
  const memories: Uint8Array[] = [];
  const read = (into: Uint8Array) => Promise.resolve((memories.push(into), into.length - spare));
  let spare = 1;
  const source = new ByteSource({ ...gated().channel, read }, { reuses: true });
  const take = async () => source.takeNow((await source.more(), source.arrived))!;
  const kept = [await take(), await take()];
  source.keep(kept[1]!);
  spare = 0;
  for (let times = 0; times < 5; times++) await take();
  assertEquals(memories.map(({ length }) => length / 1024), [4, 4, 4, 16, 64, 256, 256]);
  const buffers = memories.map(({ buffer }) => buffer);
  assertEquals(buffers.map((buffer) => buffers.indexOf(buffer)), [0, 0, 2, 3, 4, 5, 5]);
});

Deno.test("a channel is read to its end, by its own consume() if it has one", async () => {
  const left = [bytes("a"), bytes("b")];
  const plain = { ...gated().channel, readChunk: () => Promise.resolve(left.shift() ?? null) };
  const taken: string[] = [];
  const take = (chunk: Uint8Array) => void taken.push(String.fromCharCode(...chunk));
  await consume(plain, take);
  const own = (take: (bytes: Uint8Array) => void) => Promise.resolve(take(bytes("c")));
  await consume({ ...plain, consume: own }, take);
  assertEquals(taken, ["a", "b", "c"]);
  await assertRejects(
    () =>
      consume(chunks("x"), () => {
        throw new RangeError("enough");
      }),
    RangeError,
  );
});

Deno.test("a pair of streams works as a channel, which closes both", async () => {
  const loop = new TransformStream<Uint8Array, Uint8Array>();
  const channel = streamChannel(loop.readable, loop.writable);
  const [, chunk] = await Promise.all([
    channel.writeAll(bytes("a"), bytes("b")),
    channel.readChunk(),
  ]);
  assertEquals(chunk, bytes("ab"));
  const closing = channel.closeWrite();
  assertEquals(await channel.readChunk(), null);
  await closing;
  await channel.close();
  let [cancelled, closed] = [false, false];
  const other = streamChannel(
    new ReadableStream({
      async cancel() {
        await turn();
        cancelled = true;
      },
    }),
    new WritableStream({
      async close() {
        await turn();
        closed = true;
      },
    }),
  );
  await other.close();
  assertEquals([cancelled, closed], [true, true]);
});
