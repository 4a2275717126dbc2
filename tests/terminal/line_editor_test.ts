/** Lines as they are typed, key by key. */
import { assertEquals } from "@std/assert";
import { LineEditor } from "../../lib/terminal/line_editor.ts";

/** Types keys into an editor; returns the output, and the lines. */
function type(
  keys: string,
  options?: { isSecret: boolean },
): { shown: string; lines: (string | null)[] } {
  const editor = new LineEditor(options);
  const presses = Array.from(keys, (key) => editor.press(key));
  const lines = presses.flatMap(({ line }) => line === undefined ? [] : [line]);
  return { shown: presses.map(({ shown }) => shown).join(""), lines };
}

Deno.test("A line editor completes lines at CR, LF and CR LF", () => {
  assertEquals(type("a\rb\nc\r\n\rd"), {
    shown: "a\r\nb\r\nc\r\n\r\nd",
    lines: ["a", "b", "c", ""],
  });
  assertEquals(type("a\r\n\n").lines, ["a", ""]);
  assertEquals(type("\na\n").lines, ["", "a"]);
});

Deno.test("A line editor deletes characters and lines", () => {
  assertEquals(type("ab\x7fc\x08d\r"), { shown: "ab\b \bc\b \bd\r\n", lines: ["ad"] });
  assertEquals(type("é🌍\x7f\r").lines, ["é"]);
  assertEquals(type("\x7fx\r"), { shown: "x\r\n", lines: ["x"] });
  assertEquals(type("abc\x15d\r"), { shown: `abc${"\b \b".repeat(3)}d\r\n`, lines: ["d"] });
});

Deno.test("A line editor ends at Ctrl-C, and at Ctrl-D in an empty line", () => {
  assertEquals(type("ab\x03").lines, [null]);
  assertEquals(type("\x1c").lines, [null]);
  assertEquals(type("\x04").lines, [null]);
  assertEquals(type("ab\x04c\r").lines, ["abc"]);
});

Deno.test("A line editor shows no control characters, and ignores keys such as arrows", () => {
  assertEquals(type("a\x1b[1;5Cb\x1bOPc\x1bxd\x07\u202e\r"), {
    shown: "abcd\r\n",
    lines: ["abcd"],
  });
});

Deno.test("A line editor keeps every key of a secret, and shows none", () => {
  const { shown, lines } = type("a\tb\x1b[1;5Cx\x7f\x01c\r", { isSecret: true });
  assertEquals([shown, lines], ["\r\n", ["a\tb\x1b[1;5C\x01c"]]);
  assertEquals(type("wrong\x15right\n", { isSecret: true }).lines, ["right"]);
  assertEquals(type("se\x03", { isSecret: true }), { shown: "", lines: [null] });
});

Deno.test("A line editor accepts as many characters as a terminal", () => {
  const { shown, lines } = type(`${"x".repeat(5000)}\r`);
  assertEquals([shown.length, lines[0]!.length], [4097, 4095]);
});
