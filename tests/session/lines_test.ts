/** Lines that a client types or pipes, and the words of its command, as a handler sees them. */
import { assertEquals } from "@std/assert";
import { connectedPair } from "@denossh/ssh/testing";
import { LineEditor } from "../../lib/terminal/line_editor.ts";

/** Types keys into an editor; returns what was shown, and the lines. */
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
});

Deno.test("A line editor takes back characters and lines", () => {
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

Deno.test("A line editor shows no control characters, and leaves out keys such as arrows", () => {
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

Deno.test("A line editor takes as many characters as a terminal", () => {
  const { shown, lines } = type(`${"x".repeat(5000)}\r`);
  assertEquals([shown.length, lines[0]!.length], [4097, 4095]);
});

Deno.test("session.lines() echoes and edits at a terminal, and gives plain lines without", async () => {
  const seen: string[] = [];
  await using pair = await connectedPair({
    handler: async (session) => {
      for await (const line of session.lines()) {
        seen.push(line);
        await session.print(`<${line}>\n`);
      }
      return 4;
    },
  });
  await using shell = await pair.host.shell();
  await shell.send("hell");
  await shell.expect("hell");
  await shell.send("p\x7fo\rnext");
  await shell.expect("p\b \bo\r\n<hello>\r\nnext");
  await shell.send("\r\x04");
  assertEquals((await shell.status).code, 4);
  const piped = await pair.host.command("x", { input: "one\r\ntwo\x7f" }).output();
  assertEquals(new TextDecoder().decode(piped.stdout), "<one>\n<two\x7f>\n");
  assertEquals(seen, ["hello", "next", "one", "two\x7f"]);
});

Deno.test("session.arguments are the words of the command; a shell has none", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print(JSON.stringify(session.arguments)),
  });
  const { host } = pair;
  assertEquals(await host.command("git-upload-pack '/a b.git'").json(), [
    "git-upload-pack",
    "/a b.git",
  ]);
  await using shell = await host.shell({ pty: false });
  assertEquals(new TextDecoder().decode((await shell.output()).stdout), "[]");
  assertEquals((await host.command("open 'quote").output()).code, 1);
});
