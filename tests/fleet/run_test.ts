import { assertEquals, assertInstanceOf, assertMatch, assertStringIncludes } from "@std/assert";
import { CommandError, fleet } from "@denossh/ssh";
import { captured } from "../cli/captured.ts";
import { replaced } from "../support/replaced.ts";
import { failureOf, memoryHosts, names } from "./world.ts";

Deno.test("Lines are reported as they arrive, and the value is the last one", async () => {
  const { connect } = memoryHosts({
    handler: (host) => async (session) => {
      await session.print(`one\r\ntwo of ${host}`);
      await session.printError("oops\n");
      return host === "web2" ? 9 : 0;
    },
  });
  const lines: string[] = [];
  const { results } = await fleet(names(2), { connect }).run("x", {
    onLine: ({ host, stream, text }) => {
      lines.push(`${host} ${stream} ${text}`);
      throw new Error("a listener harms nothing");
    },
  });
  assertEquals(lines.filter((line) => line.startsWith("web1")).toSorted(), [
    "web1 stderr oops",
    "web1 stdout one",
    "web1 stdout two of web1",
  ]);
  assertEquals(results[0]!.success && results[0]!.value, "two of web1");
  const error = failureOf(results, "web2");
  assertInstanceOf(error, CommandError);
  assertStringIncludes(error.message, "failed with exit code 9: oops");
});

Deno.test("An endless line is reported in pieces, and is not buffered", async () => {
  const { connect } = memoryHosts({ handler: () => (it) => it.print("x".repeat(300_000)) });
  const lengths: number[] = [];
  await fleet(["web1"], { connect }).run("x", {
    onLine: ({ text }) => lengths.push(text.length),
  });
  assertEquals(Math.max(...lengths), 64 * 1024);
  assertEquals(lengths.reduce((sum, length) => sum + length), 300_000);
});

Deno.test("More output than maxOutput fails the host, and only that one", async () => {
  const { connect } = memoryHosts({
    handler: (host) => (it) => it.print("x".repeat(host === "web1" ? 1001 : 1000)),
  });
  const { failed, succeeded } = await fleet(names(2), { connect }).run("x", { maxOutput: 1000 });
  assertEquals([failed.length, succeeded.length], [1, 1]);
  assertMatch((failed[0]!.error as Error).message, /1000/);
});

Deno.test("Live output has the names of the hosts, and no control characters", async () => {
  const { connect } = memoryHosts({
    handler: (host) => async (session) => {
      await session.print(`\x1b[31mred\tand ${host}\n`);
      await session.printError("oops\n");
    },
  });
  const hosts = fleet(["a", "web10"], { connect, concurrency: 1 });
  const said = await captured(
    async () => (await hosts.run("x", { live: true })).success ? 0 : 1,
    [],
  );
  assertEquals(said, {
    code: 0,
    text: "a     | [31mred\tand a\nweb10 | [31mred\tand web10\n",
    stderr: "a     | oops\nweb10 | oops\n",
  });
});

Deno.test("On a terminal, host names have colours, unless NO_COLOR is set", async () => {
  const { connect } = memoryHosts();
  const hosts = fleet(["a", "b"], { connect, concurrency: 1 });
  const live = async () => (await hosts.run("x", { live: true })).success ? 0 : 1;
  using _terminal = replaced(Deno.stdout, "isTerminal", () => true);
  for (const noColor of [false, true]) {
    using _noColor = replaced(Deno, "noColor", noColor);
    const { text } = await captured(live, []);
    const names = noColor ? ["a |", "b |"] : ["\x1b[32ma |\x1b[0m", "\x1b[33mb |\x1b[0m"];
    assertEquals(text, `${names[0]} a: x\n${names[1]} b: x\n`);
  }
});
