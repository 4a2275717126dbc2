import {
  assert,
  assertEquals,
  assertInstanceOf,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "@std/assert";
import { concat, copy, endsWith, equals, indexOfNeedle, startsWith } from "@std/bytes";
import {
  LimitedBytesTransformStream,
  mergeReadableStreams,
  TextLineStream,
  toBytes,
  toText,
} from "@std/streams";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const failing: [string, () => void][] = [
  ["assert of false", () => assert(false)],
  ["assertEquals of other bytes", () => assertEquals(bytes(1, 2), bytes(1, 3))],
  ["assertEquals with a message", () => assertEquals(1, 2, "why")],
  ["assertNotEquals of equal values", () => assertNotEquals({ a: [1] }, { a: [1] })],
  ["assertStrictEquals of a copy", () => assertStrictEquals([1], [1])],
  ["assertInstanceOf of another class", () => assertInstanceOf(new Error("e"), TypeError)],
  ["assertStringIncludes of a missing text", () => assertStringIncludes("abc", "x")],
  ["assertMatch without a match", () => assertMatch("abc", /^b/)],
  ["fail", () => fail("as told")],
  ["unreachable", () => unreachable()],
  ["assertThrows of a function that does not throw", () => assertThrows(() => 1)],
  ["assertThrows with another class", () => assertThrows(() => raise(new Error("e")), TypeError)],
  [
    "assertThrows with another message",
    () => assertThrows(() => raise(new Error("e")), Error, "x"),
  ],
];

for (const [name, run] of failing) {
  Deno.test(`The stand-in for @std/assert fails on ${name}`, () => {
    let thrown: unknown;
    try {
      run();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof AssertionError)) throw new Error("It passed");
  });
}

Deno.test("The stand-in for @std/assert passes expected values", async () => {
  assert(1);
  assertEquals({ a: bytes(1), b: [undefined] }, { a: bytes(1), b: [undefined] });
  assertNotEquals(bytes(1), bytes(2));
  assertStrictEquals(Number.NaN, Number.NaN);
  assertInstanceOf(new TypeError(), Error);
  assertMatch("abc", /bc$/);
  const thrown = assertThrows(() => raise(new TypeError("no way")), TypeError, "no");
  assertEquals(thrown.message, "no way");
  const rejected = await assertRejects(() => Promise.reject(new RangeError("far")), RangeError);
  assertEquals(rejected.message, "far");
  assertEquals(await assertRejects(() => Promise.reject(5)), 5);
});

Deno.test("assertRejects fails on a promise that resolves and on a synchronous throw", async () => {
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError, "reject");
  await assertRejects(
    () => assertRejects(() => raise(new Error("sync"))),
    AssertionError,
    "Function throws when expected to reject",
  );
});

Deno.test("The stand-in for @std/bytes joins, copies, compares and searches", () => {
  assertEquals(concat([bytes(1), bytes(), bytes(2, 3)]), bytes(1, 2, 3));
  const target = bytes(0, 0, 0);
  assertEquals(copy(bytes(7, 8, 9), target, 1), 2);
  assertEquals(target, bytes(0, 7, 8));
  assertEquals(copy(bytes(1), target, 9), 0);
  assert(equals(bytes(1, 2), bytes(1, 2)));
  assert(!equals(bytes(1, 2), bytes(1, 2, 3)));
  assert(startsWith(bytes(1, 2, 3), bytes(1, 2)));
  assert(!startsWith(bytes(1), bytes(1, 2)));
  assert(endsWith(bytes(1, 2, 3), bytes(2, 3)));
  assert(!endsWith(bytes(3), bytes(2, 3)));
  assertEquals(indexOfNeedle(bytes(0, 1, 2, 1, 2), bytes(1, 2)), 1);
  assertEquals(indexOfNeedle(bytes(0, 1, 2, 1, 2), bytes(1, 2), 2), 3);
  assertEquals(indexOfNeedle(bytes(0, 1, 2, 1, 2), bytes(1, 2), -2), 3);
  assertEquals(indexOfNeedle(bytes(0, 1), bytes(2)), -1);
});

Deno.test("toBytes and toText collect, a character split between chunks included", async () => {
  assertEquals(await toBytes(ReadableStream.from([bytes(1), bytes(2, 3)])), bytes(1, 2, 3));
  assertEquals(await toText(ReadableStream.from([bytes(0xc3), bytes(0xa4)])), "ä");
  assertEquals(await toText(ReadableStream.from(["a", "b"])), "ab");
});

Deno.test("mergeReadableStreams yields every chunk of every stream", async () => {
  const merged = mergeReadableStreams(ReadableStream.from([1, 2]), ReadableStream.from([3]));
  assertEquals((await Array.fromAsync(merged)).sort(), [1, 2, 3]);
});

Deno.test("mergeReadableStreams fails when one of the streams fails", async () => {
  const bad = new ReadableStream<number>({ pull: (c) => c.error(new Error("broken")) });
  const merged = mergeReadableStreams(ReadableStream.from([1]), bad);
  await assertRejects(() => Array.fromAsync(merged), Error, "broken");
});

const lines: [string[], boolean, string[]][] = [
  [["a\nb\n"], false, ["a", "b"]],
  [["a\r", "\nb"], false, ["a", "b"]],
  [["a\n\nb\r\n"], false, ["a", "", "b"]],
  [["a\rb\n"], false, ["a\rb"]],
  [["a\rb\r", "\nc\r"], true, ["a", "b", "c"]],
  [["a", "b", "c"], false, ["abc"]],
];
for (const [chunks, allowCR, expected] of lines) {
  Deno.test(`TextLineStream splits ${JSON.stringify(chunks)}, allowCR ${allowCR}`, async () => {
    const stream = ReadableStream.from(chunks).pipeThrough(new TextLineStream({ allowCR }));
    assertEquals(await Array.fromAsync(stream), expected);
  });
}

Deno.test("LimitedBytesTransformStream ends at its limit, or fails if told so", async () => {
  const source = () => ReadableStream.from([bytes(1, 2), bytes(3), bytes(4)]);
  const ended = source().pipeThrough(new LimitedBytesTransformStream(3));
  assertEquals(await toBytes(ended), bytes(1, 2, 3));
  const failed = source().pipeThrough(new LimitedBytesTransformStream(3, { error: true }));
  await assertRejects(() => Array.fromAsync(failed), RangeError, "limit of '3'");
});

function raise(error: Error): never {
  throw error;
}
