import { assertEquals, assertInstanceOf, assertMatch, assertStringIncludes } from "@std/assert";
import { type Client, CommandError, fleet, type FleetRunOptions } from "@denossh/ssh";
import { linePrinter } from "../../lib/fleet/line_printer.ts";
import { readLines } from "../../lib/fleet/lines.ts";
import { commandRunner } from "../../lib/fleet/run.ts";
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

/** The options with which a host runs a command. */
async function optionsOf(given: FleetRunOptions): Promise<Record<string, unknown>> {
  const { signal } = new AbortController();
  let seen: Record<string, unknown> = {};
  const client = {
    run: (command: string, options: Record<string, unknown>) => {
      seen = { command, ...options };
      assertEquals(options.signal, signal);
      return Promise.resolve("");
    },
  } as unknown as Client;
  await commandRunner("x", given, ["web1"])(client, "web1", signal);
  const { signal: _, ...others } = seen;
  return others;
}

Deno.test("A host collects 1 MiB by default, and gets the options of the command alone", async () => {
  const maxOutput = 1024 * 1024;
  assertEquals(await optionsOf({}), { command: "x", maxOutput });
  assertEquals(await optionsOf({ live: false }), { command: "x", maxOutput });
  const input = { input: "in", env: { A: "1" }, timeout: 5 };
  assertEquals(await optionsOf({ ...input, idempotent: true, maxOutput: 7 }), {
    command: "x",
    ...input,
    maxOutput: 7,
  });
});

Deno.test("A command whose lines are reported has no input, unless it is given some", async () => {
  const { connect } = memoryHosts({
    handler: () => async (session) => {
      await session.print(new TextDecoder().decode(await session.channel.readAll()) || "nothing");
    },
  });
  const hosts = fleet(["web1"], { connect });
  for (const [options, expected] of [[{}, "nothing"], [{ input: "text" }, "text"]] as const) {
    const { results } = await hosts.run("x", { onLine: () => {}, ...options });
    assertEquals(results[0]!.success && results[0]!.value, expected);
  }
});

Deno.test("Lines of a stream that is not piped are not reported", async () => {
  const { connect } = memoryHosts({
    handler: () => async (session) => {
      await session.print("out\n");
      await session.printError("err\n");
    },
  });
  for (const stream of ["stdout", "stderr"] as const) {
    const lines: string[] = [];
    const onLine = ({ text }: { text: string }) => lines.push(text);
    const hosts = fleet(["web1"], { connect });
    const said = await captured(
      async () => (await hosts.run("x", { onLine, [stream]: "inherit" })).success ? 0 : 1,
      [],
    );
    assertEquals(said.code, 0);
    assertEquals(
      [said.text, said.stderr, lines],
      stream === "stdout" ? ["out\n", "", ["err"]] : ["", "err\n", ["out"]],
    );
  }
});

Deno.test("Both listeners get each line, and a failed command has its last lines", async () => {
  const { connect } = memoryHosts({
    handler: () => async (session) => {
      await session.print("one\ntwo");
      await session.printError("three\n");
      return 4;
    },
  });
  const lines: string[] = [];
  const said = await captured(async () => {
    const { failed } = await fleet(["web1"], { connect }).run("x", {
      live: true,
      onLine: ({ host, stream, text }) => lines.push(`${host} ${stream} ${text}`),
    });
    const error = failed[0]!.error as CommandError;
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([text(error.stdout), text(error.stderr)], ["two", "three"]);
    return error.exitCode!;
  }, []);
  assertEquals(said, { code: 4, text: "web1 | one\nweb1 | two\n", stderr: "web1 | three\n" });
  const expected = ["web1 stderr three", "web1 stdout one", "web1 stdout two"];
  assertEquals(lines.toSorted(), expected);
});

/** The lines that chunks consist of. */
async function linesOf(...chunks: (string | Uint8Array)[]): Promise<string[]> {
  const bytes = chunks.map((chunk) =>
    typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
  );
  const lines: string[] = [];
  await readLines(() => Promise.resolve(bytes.shift() ?? null), (line) => lines.push(line));
  return lines;
}

Deno.test("Lines end with LF or CR LF, or at the end, and characters may be in pieces", async () => {
  assertEquals(await linesOf(), []);
  assertEquals(await linesOf(""), []);
  assertEquals(await linesOf("\n"), [""]);
  assertEquals(await linesOf("a\r\nb\r", "\nc\rd\n", "e"), ["a", "b", "c\rd", "e"]);
  assertEquals(await linesOf("a\r"), ["a\r"]);
  const euro = new TextEncoder().encode("€");
  assertEquals(await linesOf(euro.slice(0, 1), euro.slice(1), "\n"), ["€"]);
  assertEquals(await linesOf(euro.slice(0, 2)), ["\ufffd"]);
});

Deno.test("No line is longer than 64 KiB, however its pieces arrive", async () => {
  const most = 64 * 1024;
  const long = "x".repeat(most);
  const cases: [chunks: string[], lengths: number[]][] = [
    [[long], [most]],
    [[`${long}y`], [most, 1]],
    [[long, "y"], [most, 1]],
    [[`${long}\r\n`], [most]],
    [[`${long}y\nz`], [most, 1, 1]],
    [[long, long, "y\nz"], [most, most, 1, 1]],
    [[long.slice(1), `${long}\n`], [most, most - 1]],
  ];
  for (const [chunks, lengths] of cases) {
    assertEquals((await linesOf(...chunks)).map(({ length }) => length), lengths);
  }
});

Deno.test("The colours of hosts repeat after five, and the names are aligned", async () => {
  using _terminal = replaced(Deno.stdout, "isTerminal", () => true);
  using _errors = replaced(Deno.stderr, "isTerminal", () => false);
  using _colour = replaced(Deno, "noColor", false);
  const hosts = names(6).map((name, at) => at === 5 ? `${name}0` : name);
  const said = await captured(() => {
    const print = linePrinter(hosts);
    for (const host of [...hosts, "other"]) print({ host, stream: "stdout", text: "x " });
    print({ host: "web1", stream: "stderr", text: "\ta\x07b" });
    print({ host: "web1", stream: "stderr", text: "" });
    return Promise.resolve(0);
  }, []);
  const line = (colour: number, name: string) => `\x1b[${colour}m${name.padEnd(5)} |\x1b[0m x\n`;
  const colours = [32, 33, 34, 35, 36, 32, 32];
  assertEquals(said.text, [...hosts, "other"].map((name, at) => line(colours[at]!, name)).join(""));
  assertEquals(said.stderr, "web1  | \tab\nweb1  |\n");
});
