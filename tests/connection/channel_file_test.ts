/** Buffered files on a scripted channel: the buffers that they read into, and when they write. */
import { assertEquals, assertRejects } from "@std/assert";
import { ClosedError } from "../../lib/errors.ts";
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
