import { assertEquals } from "@std/assert";
import {
  CommandError,
  ConnectError,
  FleetReport,
  type FleetResult,
  resultJson,
} from "@denossh/ssh";

Deno.test("A report has a table and JSON", () => {
  const output = {
    code: 1,
    signal: null,
    stdout: new Uint8Array(),
    stderr: new TextEncoder().encode("no\n"),
  };
  const results: FleetResult<unknown>[] = [
    { host: "web1", success: true, value: "a\nlast line\n", tries: 1, milliseconds: 1234.5 },
    { host: "db", success: true, value: { files: 2, bytes: 30 }, tries: 1, milliseconds: 10 },
    {
      host: "web3",
      success: false,
      error: new CommandError("It\nfailed", output),
      tries: 2,
      milliseconds: 0,
    },
    { host: "web4", success: false, error: "enough", tries: 0, milliseconds: 0 },
    { host: "web5", success: true, value: ["a"], tries: 1, milliseconds: 0 },
  ];
  const report = new FleetReport(results);
  assertEquals(
    report.table(),
    `host  state   tries  time
web1  ok      1      1.2 s  last line
db    ok      1      0.0 s  2 files, 30 bytes
web3  failed  2      0.0 s  It
web4  failed  0      0.0 s  enough
web5  ok      1      0.0 s`,
  );
  assertEquals(report.table({ columns: 10 }).split("\n")[1], "web1  ok …");
  assertEquals(JSON.parse(JSON.stringify(report)).slice(1, 4), [
    { host: "db", success: true, value: { files: 2, bytes: 30 }, tries: 1, milliseconds: 10 },
    {
      host: "web3",
      success: false,
      error: {
        name: "CommandError",
        message: "It\nfailed [command]",
        code: "command",
        exitCode: 1,
        stdout: "",
        stderr: "no\n",
      },
      tries: 2,
      milliseconds: 0,
    },
    {
      host: "web4",
      success: false,
      error: { name: "string", message: "enough" },
      tries: 0,
      milliseconds: 0,
    },
  ]);
  assertEquals(new FleetReport([]).table(), "host  state  tries  time");
});

Deno.test("The columns of a table fit their content, and a line has at most 120 characters", () => {
  const line = (value: string) =>
    new FleetReport<string>([
      { host: "h", success: true, value, tries: 1_000_000, milliseconds: 12_345_678 },
    ]).table();
  assertEquals(line("x"), "host  state  tries    time\nh     ok     1000000  12345.7 s  x");
  const before = "h     ok     1000000  12345.7 s  ".length;
  const whole = "x".repeat(120 - before);
  assertEquals(line(whole).split("\n")[1]!.slice(before), whole);
  assertEquals(line(`${whole}x`).split("\n")[1]!.slice(before), `${whole.slice(1)}…`);
});

Deno.test("An error that is not of a command has a name, a message and its kind in JSON", () => {
  const json = (error: unknown) =>
    resultJson({ host: "h", success: false, error, tries: 1, milliseconds: 1.5 });
  assertEquals(json(new ConnectError("It is down")), {
    host: "h",
    success: false,
    error: { name: "ConnectError", message: "It is down [connect]", code: "connect" },
    tries: 1,
    milliseconds: 2,
  });
  assertEquals(json(new RangeError("No")).error, { name: "RangeError", message: "No" });
});

Deno.test("A report is a success without failures, and has each result once", () => {
  const good = { host: "a", success: true, value: 1, tries: 1, milliseconds: 1 } as const;
  const bad = { host: "b", success: false, error: "no", tries: 1, milliseconds: 1 } as const;
  const cases: [FleetResult<number>[], boolean][] = [
    [[], true],
    [[good], true],
    [[good, bad], false],
    [[bad, good, bad], false],
  ];
  for (const [results, success] of cases) {
    const report = new FleetReport(results);
    assertEquals([report.success, report.results], [success, results]);
    assertEquals(
      report.succeeded,
      results.filter((one) => one === good) as typeof report.succeeded,
    );
    assertEquals(report.failed, results.filter((one) => one === bad) as typeof report.failed);
  }
});
