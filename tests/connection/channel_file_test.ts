/** Buffered files on a scripted channel: the buffers that they read into, and when they write. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ClosedError, SshError } from "../../lib/errors.ts";
import { ChannelFile, type ChannelFileOptions } from "../../lib/connection/channel_file.ts";

/** A file whose channel returns these pieces, and records the calls. */
function fileOf(options: ChannelFileOptions, ...pieces: string[]) {
  const memory = new Set<ArrayBufferLike>();
  const calls: string[] = [];
  const file = new ChannelFile({
    read: (into) => {
      memory.add(into.buffer);
      const piece = pieces.shift();
      if (piece === undefined) return Promise.resolve(null);
      return Promise.resolve(new TextEncoder().encodeInto(piece, into).written);
    },
    write: (data) => Promise.resolve(void calls.push(new TextDecoder().decode(data))),
    close: () => Promise.resolve(void calls.push("closed")),
  }, options);
  return { file, memory, calls };
}

Deno.test("ChannelFile reads lines into the same memory until it is full", async () => {
  const { file, memory } = fileOf({}, "one\ntw", "o\r\n", "thr", "ee", "\nfour\r");
  assertEquals(await Array.fromAsync(file.lines()), ["one", "two", "three", "four\r"]);
  assertEquals(memory.size, 1);
  const line = "x".repeat(5000);
  const long = fileOf({}, line, line.slice(0, 3192), line, "\nrest");
  assertEquals(await Array.fromAsync(long.file.lines()), [
    line + line.slice(0, 3192) + line,
    "rest",
  ]);
  assertEquals(long.memory.size, 2);
});

Deno.test("ChannelFile returns the rest of a line's chunk in the next read, and then reads more", async () => {
  const { file } = fileOf({}, "one\ntwo", "three");
  assertEquals(await file.readLine(), "one");
  const into = new Uint8Array(2);
  const read = async () => {
    const n = await file.read(into);
    return n === null ? null : new TextDecoder().decode(into.subarray(0, n));
  };
  assertEquals([await read(), await read()], ["tw", "o"]);
  assertEquals([await read(), await file.readLine()], ["th", null]);
});

Deno.test("ChannelFile is closed for writing at once, and flushes before its end", async () => {
  const { file, calls } = fileOf({ mode: "w" });
  await file.write("all");
  const closing = file.close();
  assertEquals(file.closed, true);
  await assertRejects(() => file.write("late"), ClosedError, "The file is closed");
  await Promise.all([closing, file.close()]);
  assertEquals(calls, ["all", "closed"]);
});

Deno.test("ChannelFile writes once its buffer is full, and not before", async () => {
  const { file, calls } = fileOf({ mode: "w", bufferSize: 4 });
  await file.flush();
  await file.write("abc");
  assertEquals(calls, []);
  await file.write("d");
  assertEquals(calls, ["abcd"]);
  await file.write("ef");
  await file.flush();
  await file.flush();
  await file.write("g");
  await file.close();
  await file.close();
  assertEquals(calls.slice(1), ["ef", "g", "closed"]);
});

Deno.test("ChannelFile writes whole lines with a buffer of 1, and immediately with none", async () => {
  const lined = fileOf({ mode: "w", bufferSize: 1 });
  for (const part of ["ab", "c\nd", "e", "\n"]) await lined.file.write(part);
  assertEquals(lined.calls, ["abc\nd", "e\n"]);
  const direct = fileOf({ mode: "w", bufferSize: 0 });
  for (const part of ["a", "bc"]) await direct.file.write(part);
  assertEquals(direct.calls, ["a", "bc"]);
});

Deno.test("A closed ChannelFile neither reads nor writes", async () => {
  const { file, calls } = fileOf({ mode: "r+" }, "one\n");
  assertEquals(file.closed, false);
  await file.close();
  assertEquals([file.closed, calls], [true, ["closed"]]);
  await assertRejects(() => file.write("x"), ClosedError, "The file is closed");
  await assertRejects(() => file.readLine(), ClosedError, "The file is closed");
  await assertRejects(() => file.read(new Uint8Array(1)), ClosedError, "The file is closed");
  const reading = fileOf({});
  await assertRejects(() => reading.file.write("x"), TypeError, "not open for writing");
  await reading.file.close();
  for (const mode of ["w", "a"] as const) {
    await assertRejects(
      () => fileOf({ mode }).file.read(new Uint8Array(1)),
      TypeError,
      "for reading",
    );
    await assertRejects(() => fileOf({ mode }).file.readLine(), TypeError, "for reading");
  }
  assertEquals(reading.calls, []);
});

const LINE_BYTES = 1024 * 1024;

/** A file whose channel returns pieces of these lengths, and then throws; a length of 0 is LF. */
function longFile(...lengths: number[]): ChannelFile {
  return new ChannelFile({
    read: (into) => {
      const length = lengths.shift();
      if (length === undefined) return Promise.reject(new Error("It reads too far"));
      if (length === 0) into[0] = 10;
      else into.fill(120, 0, Math.min(length, into.length));
      if (length > into.length) lengths.unshift(length - into.length);
      return Promise.resolve(Math.min(length || 1, into.length));
    },
    write: () => Promise.resolve(),
    close: () => Promise.resolve(),
  });
}

Deno.test("A line has 1 MiB at most, and no more is read than shows that it is longer", async () => {
  assertEquals((await longFile(LINE_BYTES, 0).readLine())?.length, LINE_BYTES);
  const long = () => longFile(LINE_BYTES, 1).readLine();
  const error = await assertRejects(long, SshError, "A line of over 1048576 bytes");
  assertEquals(error.code, "command");
});

Deno.test("A line that fills the buffer after another one is kept whole", async () => {
  const { file, memory } = fileOf({}, "one\n" + "x".repeat(8188), "yz\nlast");
  const lines = await Array.fromAsync(file.lines());
  assertEquals(lines, ["one", "x".repeat(8188) + "yz", "last"]);
  assertEquals([...memory].map(({ byteLength }) => byteLength), [8192, 2 * 8188]);
});

Deno.test("A file's buffer is a whole number of bytes, and reads are at least as large", async () => {
  for (const bufferSize of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => fileOf({ bufferSize }), RangeError, "Buffer size");
  }
  for (const [bufferSize, read] of [[undefined, 8192], [0, 8192], [9000, 9000]] as const) {
    const { file, memory } = fileOf({ ...(bufferSize !== undefined && { bufferSize }) }, "a\n");
    assertEquals(await file.readLine(), "a");
    assertEquals([...memory].map(({ byteLength }) => byteLength), [read]);
  }
});

Deno.test("The default buffer of a file has 8192 bytes", async () => {
  const { file, calls } = fileOf({ mode: "w" });
  await file.write("x".repeat(8191));
  assertEquals(calls, []);
  await file.write("y");
  assertEquals(calls.map(({ length }) => length), [8192]);
});

Deno.test("What is written may be changed afterwards, and an empty line is one", async () => {
  const { file, calls } = fileOf({ mode: "r+" }, "\n\r\na\r\r\n", "\n", "b\n\nc");
  const bytes = new TextEncoder().encode("abc");
  await file.write(bytes);
  bytes.fill(0);
  await file.flush();
  assertEquals(calls, ["abc"]);
  assertEquals(await Array.fromAsync(file.lines()), ["", "", "a\r", "", "b", "", "c"]);
});

Deno.test("A character may be cut anywhere between reads of a line", async () => {
  const text = new TextEncoder().encode("äöü€\n");
  const pieces = [...text].map((byte) => Uint8Array.of(byte));
  const file = new ChannelFile({
    read: (into) => {
      const piece = pieces.shift();
      if (piece === undefined) return Promise.resolve(null);
      into.set(piece);
      return Promise.resolve(1);
    },
    write: () => Promise.resolve(),
    close: () => Promise.resolve(),
  });
  assertEquals([await file.readLine(), await file.readLine()], ["äöü€", null]);
});

Deno.test("A failed write is an error of the call that caused it, and is not written again", async () => {
  const calls: string[] = [];
  let broken = true;
  const write = async (data: Uint8Array) => {
    await new Promise((resolve) => setTimeout(resolve));
    if (broken) throw new Error("lost");
    calls.push(new TextDecoder().decode(data));
  };
  const close = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    calls.push("closed");
  };
  const read = () => Promise.resolve(null);
  const file = new ChannelFile({ read, write, close }, { mode: "a", bufferSize: 2 });
  await assertRejects(() => file.write("ab"), Error, "lost");
  await file.write("c");
  await assertRejects(() => file.flush(), Error, "lost");
  broken = false;
  await file.write("d");
  await file.close();
  assertEquals(calls, ["d", "closed"]); // in this order, though writing takes time
  const direct = new ChannelFile({
    read: () => Promise.resolve(null),
    write: () => Promise.reject(new Error("lost")),
    close: () => Promise.resolve(),
  }, { mode: "w", bufferSize: 0 });
  await assertRejects(() => direct.write("a"), Error, "lost");
});

Deno.test("Calls of a file pass their options on", async () => {
  const { signal } = new AbortController();
  const seen: unknown[] = [];
  const file = new ChannelFile({
    read: (_into, options) => {
      seen.push(options?.signal);
      return Promise.resolve(null);
    },
    write: (_data, options) => Promise.resolve(void seen.push(options?.signal)),
    close: () => Promise.resolve(),
  }, { mode: "r+", bufferSize: 1 });
  const options = { signal };
  await file.read(new Uint8Array(1), options);
  await file.readLine(options);
  await Array.fromAsync(file.lines(options));
  await file.write("a\n", options);
  await file.write("b");
  await file.flush(options);
  assertEquals(seen.map((one) => one === signal), [true, true, true, true, true]);
});
