/** Patterns are found in bytes across any chunks, with limited work and memory. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EXPECT_BUFFER_BYTES, EXPECT_WINDOW } from "../../lib/defaults.ts";
import { type Pattern, PatternSearch } from "../../lib/session/pattern_search.ts";
import { replaced } from "../support/replaced.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** So much that the window is shortened after it. */
const LONG = "€".repeat(3 * EXPECT_WINDOW);

/** Searches bytes in chunks, after each chunk. */
function search(patterns: readonly Pattern[], pieces: Iterable<Uint8Array>, before = "") {
  const searching = new PatternSearch(patterns, before);
  for (const piece of pieces) {
    searching.push(piece);
    const match = searching.find();
    if (match) return { ...match, rest: searching.rest() };
  }
  return null;
}

const bytewise = (bytes: Uint8Array) => Array.from(bytes, (byte) => new Uint8Array([byte]));

Deno.test("A text is found across any chunks, and the data after it is kept", () => {
  const bytes = encode("ein Gruß 🌍 an Ülo: hier");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const found = search(["🌍 an Ü"], [bytes.subarray(0, cut), bytes.subarray(cut)])!;
    assertEquals([found.before, found.text], ["ein Gruß ", "🌍 an Ü"]);
    // Data that arrived after the match is not included.
    assert("lo: hier".startsWith(decode(found.rest)));
  }
  assertEquals(decode(search(["ß"], [bytes])!.rest), " 🌍 an Ülo: hier");
});

Deno.test("A byte order mark is an ordinary character, and a single character can be found", () => {
  const found = search(["x"], [encode("\ufeffxy")])!;
  assertEquals([found.before, decode(found.rest)], ["\ufeff", "y"]);
  assertEquals(search(["x"], [encode("x")])!.text, "x");
});

Deno.test("The match that begins first wins, and of two at the same position the earlier pattern", () => {
  const bytes = [encode("one two three")];
  assertEquals(search(["three", /tw./, "two"], bytes)!.index, 1);
  assertEquals(search(["two t", "two", /one$/], bytes)!.text, "two t");
});

Deno.test("A regular expression returns its groups, matches lines, and is not changed", () => {
  const pattern = /^(?<name>\w+)=(\d+)?$/gm;
  const found = search([pattern], [encode("x\nport=22\n")])!;
  assertEquals(found.captures, ["port", "22"]);
  assertEquals(found.groups, { name: "port" });
  assertEquals(search([pattern], [encode("port=")])!.captures, ["port", undefined]);
  assertEquals([pattern.lastIndex, search([/x/y], [encode("..x")])!.text], [0, "x"]);
});

Deno.test("The context before the first byte affects ^, but is not part of a match", () => {
  assertEquals(search([/^b/m], [encode("b")], "a"), null);
  assertEquals(search([/^b/m], [encode("b")], "\n")!.text, "b");
  assertEquals(search(["ab", /ab/, /a/], [encode("b")], "a"), null);
  assertEquals(search([/(?<=a)b/], [encode("bc")], "a")!.before, "");
});

Deno.test("Invalid UTF-8 is kept unchanged", () => {
  const binary = new Uint8Array([0xff, 0xe2, 0x28, 0xa1, 0xf0, 0x9f]);
  const found = search(["READY\n"], [new Uint8Array([...encode("é READY\n"), ...binary])])!;
  assertEquals([found.before, found.rest], ["é ", binary]);
  const searching = new PatternSearch(["x"]);
  searching.push(binary);
  searching.end();
  assertEquals([searching.find(), searching.kept()], [null, binary]);
  assertEquals(search(["x"], [new Uint8Array([...binary, 0x78, 0x79])])!.rest, encode("y"));
  // An incomplete character becomes a replacement character only at the end.
  const last = new PatternSearch([/a\ufffd/]);
  last.push(new Uint8Array([0x61, 0xe2]));
  assertEquals(last.find(), null);
  last.end();
  assertEquals(last.find()?.text, "a\ufffd");
});

Deno.test("Input that arrives byte by byte is searched in a limited part each time", () => {
  const bytes = 2.5 * EXPECT_WINDOW;
  let scanned = 0;
  const { exec } = RegExp.prototype;
  using _counting = replaced(RegExp.prototype, "exec", function (this: RegExp, text: string) {
    scanned += text.length - this.lastIndex;
    return exec.call(this, text);
  });
  assertEquals(search([/needle/], bytewise(new Uint8Array(bytes).fill(0x61))), null);
  assert(scanned <= bytes * (2 * EXPECT_WINDOW + 1), `${scanned} characters`);
  assert(scanned > bytes, "the counter counts");
});

Deno.test("Each byte is searched once for a text, which is found across a shortened window", () => {
  const filler = "a".repeat(2.5 * EXPECT_WINDOW);
  let scanned = 0;
  const { indexOf } = String.prototype;
  using _counting = replaced(String.prototype, "indexOf", function (
    this: string,
    text: string,
    from = 0,
  ) {
    scanned += this.length - from;
    return indexOf.call(this, text, from);
  });
  const found = search(["needle"], bytewise(encode(`${filler}needle!`)))!;
  assertEquals(found.before.length, filler.length);
  assert(scanned <= 8 * filler.length, `${scanned} characters`);
});

Deno.test("Single bytes are moved rarely", () => {
  const bytes = 2.5 * EXPECT_WINDOW;
  let moved = 0;
  const { set } = Uint8Array.prototype;
  using _counting = replaced(Uint8Array.prototype, "set", function (this: Uint8Array, from, at) {
    moved += from.length;
    return set.call(this, from, at);
  });
  assertEquals(search(["needle"], bytewise(new Uint8Array(bytes))), null);
  assert(moved >= bytes && moved <= 4 * bytes, `${moved} bytes`);
});

Deno.test("A text that begins just before the window is shortened is found", () => {
  for (const length of [1, 2, EXPECT_WINDOW, 2 * EXPECT_WINDOW]) {
    const pieces = [`${"x".repeat(length)}a`, "b"];
    assertEquals(search(["ab"], pieces.map(encode))!.before.length, length);
  }
});

Deno.test("A match may begin at the start of the window", () => {
  const long = "b".repeat(2 * EXPECT_WINDOW);
  const pieces = ["a".repeat(5 * EXPECT_WINDOW), long.slice(5), "bbbbb!"].map(encode);
  assertEquals(search([`${long}!`], pieces)!.text.length, long.length + 1);
  const regular = [`${"€".repeat(3 * EXPECT_WINDOW)}<`, "x".repeat(EXPECT_WINDOW - 2), ">"];
  assertEquals(search([/<x+>/], regular.map(encode))!.text.length, EXPECT_WINDOW);
});

Deno.test("The newest MiB of endless input is kept", () => {
  const searching = new PatternSearch([/needle/]);
  const block = encode(`${"€".repeat(10_000)}\n`);
  let most = 0;
  for (let pushed = 0; pushed < 8 * EXPECT_BUFFER_BYTES; pushed += block.length) {
    searching.push(block);
    assertEquals(searching.find(), null);
    most = Math.max(most, searching.kept().length);
  }
  assert(most >= EXPECT_BUFFER_BYTES && most <= 2 * EXPECT_BUFFER_BYTES + block.length, `${most}`);
  searching.push(encode("a needle here"));
  const { before } = searching.find()!;
  assert(before.endsWith("€€€\na ") && before.length > EXPECT_BUFFER_BYTES / 3);
  assertEquals(decode(searching.rest()), " here");
});

Deno.test("A surrogate pair is not split when the window is shortened", () => {
  for (const shift of ["", "x"]) {
    const pieces = [`${shift}${"🌍".repeat(2 * EXPECT_WINDOW)}${shift}`, "end.", "rest"];
    const found = search(["end."], pieces.map(encode))!;
    assertEquals(found.before, pieces[0]);
  }
});

Deno.test("A match may begin with the first character that a shortened window keeps", () => {
  for (const first of ["<", "\ue000"]) {
    const kept = `${first}${"x".repeat(EXPECT_WINDOW - 1)}`;
    const found = search([new RegExp(`${first}x+>`)], [`${LONG}${kept}`, ">"].map(encode))!;
    assertEquals([found.before, found.text], [LONG, `${kept}>`]);
  }
});

Deno.test("A match does not begin with half a character of a shortened window", () => {
  const kept = "x".repeat(EXPECT_WINDOW - 1);
  const pattern = new RegExp(`[^]x{${kept.length - 1},}>`);
  for (const cut of ["🌍", "\u{10000}", "\u{103ff}"]) {
    const found = search([pattern], [`${LONG}${cut}${kept}`, ">"].map(encode))!;
    assertEquals([found.before, found.text], [`${LONG}${cut}`, `${kept}>`]);
  }
});

Deno.test("Characters of each length are found once complete, and invalid ones immediately", () => {
  for (const character of ["\u0080", "\u07ff", "\u0800", "\uffff", "\u{10000}", "\u{10ffff}"]) {
    assertEquals(search([/[^]+/], bytewise(encode(character)))!.text, character);
  }
  assertEquals(search(["("], [new Uint8Array([0xe2, 0x28])])!.before, "\ufffd");
});

Deno.test("Without a match all bytes remain, and after one at the end none", () => {
  const searching = new PatternSearch([/$/]);
  searching.push(new Uint8Array([0x61, 0xe2]));
  assertEquals(searching.rest(), searching.kept());
  searching.end();
  assertEquals([searching.find()!.before, searching.rest().length], ["a\ufffd", 0]);
});

Deno.test("Invalid patterns are refused", () => {
  for (const [wrong, given] of [[[], "one"], [[""], "an empty text"], [[5], "number"]]) {
    assertThrows(() => new PatternSearch(wrong as Pattern[]), TypeError, `${given}`);
  }
});
