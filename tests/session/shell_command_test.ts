/** Commands from templates, and the forms of a command's output. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CommandError, SshError } from "@denossh/ssh";
import type { SessionHandler } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { quote, sh, type ShellValue } from "../../lib/quote.ts";
import { shellWords } from "../../lib/session/shell_words.ts";

const echo: SessionHandler = (session) => session.print(session.command!);

Deno.test("Values of a template are single words, and lists several words", () => {
  assertEquals(sh`ls -l`, "ls -l");
  assertEquals(sh`cat ${"a b"} | head -${5}`, "cat 'a b' | head -5");
  assertEquals(sh`rm ${["-r", "x y", 7]} ${""}`, "rm -r 'x y' 7 ''");
  assertEquals(sh`rm ${[]}`, "rm ");
  assertEquals(sh`echo ${'$HOME `id` "x" \n it\'s'}`, `echo '$HOME \`id\` "x" \n it'\\''s'`);
});

Deno.test("Values that cannot be words are refused", () => {
  for (const value of [null, undefined, {}, true, ["a", null], [["a"]], 5n]) {
    assertThrows(
      () => sh`ls ${value as unknown as ShellValue}`,
      TypeError,
      "A value in a command",
    );
  }
  assertThrows(() => sh`ls ${"a\0b"}`, TypeError, "NUL");
  assertThrows(
    () => quote(5 as never),
    TypeError,
    "quote() needs a text or a list of texts, not 5",
  );
  assertThrows(() => quote(["a", null] as never), TypeError, "must be text, not null");
});

Deno.test("quote() keeps plain words, and a shell reads the others back unchanged", async () => {
  for (const plain of ["a", "A-b_c.d/e:f,g@h%i+j", "1"]) assertEquals(quote(plain), plain);
  const words = [
    "",
    " ",
    "'",
    "''",
    "a'b",
    "~",
    "*",
    "a=b",
    "#",
    "!",
    "\\",
    "\n",
    "é",
    "-",
    "$(id)",
  ];
  for (const word of words.filter((word) => !["é", "-"].includes(word))) {
    assertEquals(quote(word) === word, false, word);
  }
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", `printf '%s\\0' ${quote(words)}`],
  }).output();
  assertEquals(new TextDecoder().decode(stdout).split("\0"), [...words, ""]);
});

Deno.test("shellWords() parses quotes and backslashes like a POSIX shell", async () => {
  const lines = [
    `git-upload-pack '/my repo.git'`,
    `  a\tb\n c  `,
    `a'b c'"d e"f\\ g`,
    `"\\$ \\\` \\" \\\\ \\a" '\\a' ''  ""`,
    `a\\\nb "c\\\nd" 'e\nf'`,
    `ü=€ --x=1`,
  ];
  for (const line of lines) {
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", `printf '%s\\0' ${line.trim().replaceAll(/\n(?= c)/g, " ")}`],
    }).output();
    assertEquals([...shellWords(line), ""], new TextDecoder().decode(stdout).split("\0"), line);
  }
  const words = ["", " ", "'", '"', "\\", "\n", "$HOME", "a b", "x;y|z"];
  assertEquals(shellWords(quote(words)), words);
  assertEquals(shellWords(""), []);
  assertEquals(shellWords("a;b $x *"), ["a;b", "$x", "*"]);
  for (const open of ["'", 'a "b', "a\\"]) {
    assertThrows(() => shellWords(open), SshError, "unclosed");
  }
});

Deno.test("An awaited template runs, and rejects if the command fails", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await echo(session);
      return session.command === "false" ? 1 : 0;
    },
  });
  const { host } = pair;
  const { code, stdout } = await host.$`echo ${"a b"}`;
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "echo 'a b'"]);
  await assertRejects(async () => await host.$`false`, CommandError, "exit code 1");
  await assertRejects(() => host.$`false`.text(), CommandError);
  assertEquals((await host.$`false`.output()).code, 1);
});

Deno.test("A command returns its output as lines, JSON and bytes", async () => {
  const outputs: Record<string, string> = { lines: "a\r\nb\n\nc\n", json: '{"a":[1]}\n', none: "" };
  await using pair = await connectedPair({
    handler: (session) => session.print(outputs[session.command!]!),
  });
  const { host } = pair;
  assertEquals(await host.command("lines").lines(), ["a", "b", "", "c"]);
  assertEquals(await host.command("none").lines(), []);
  assertEquals(await host.command("json").json(), { a: [1] });
  await assertRejects(() => host.command("none").json(), SyntaxError);
  assertEquals((await host.command("lines").bytes()).length, outputs.lines!.length);
});

Deno.test("A process yields the lines of both outputs as they arrive", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("one\ntw");
      await session.channel.readChunk();
      await session.print("o\r\nthree");
      await session.printError("oh\nno\n");
    },
  });
  await using process = await pair.host.command("x").spawn();
  const lines: string[] = [];
  for await (const line of process.lines()) {
    lines.push(line);
    if (line === "one") await process.channel.writeAll(new Uint8Array(1));
  }
  assertEquals(lines, ["one", "two", "three"]);
  assertEquals(await Array.fromAsync(process.stderrLines()), ["oh", "no"]);
});
