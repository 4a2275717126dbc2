import { assertEquals, assertThrows } from "@std/assert";
import { type FlagSpec, parseFlags, parseMixed, UsageError } from "../../lib/cli/shared/flags.ts";

const SSH: FlagSpec = { letters: "qTvp:o:i:", names: ["port:", "exec"] };

const right: [string, string[], string, string[]][] = [
  ["no flags", ["host", "-q"], "", ["host", "-q"]],
  ["letters apart", ["-q", "-T", "host"], "q T", ["host"]],
  ["letters together", ["-qT", "host"], "q T", ["host"]],
  ["a value apart", ["-p", "22", "host"], "p=22", ["host"]],
  ["a value attached", ["-p22", "host"], "p=22", ["host"]],
  ["letters and a value", ["-qTp", "22", "host"], "q T p=22", ["host"]],
  ["letters and a value attached", ["-qp22T", "host"], "q p=22T", ["host"]],
  ["a value that looks like a flag", ["-o", "-q", "host"], "o=-q", ["host"]],
  ["a flag twice", ["-v", "-vv"], "v v v", []],
  ["an end", ["-q", "--", "-T"], "q", ["-T"]],
  ["a single dash is not a flag", ["-q", "-", "-T"], "q", ["-", "-T"]],
  ["a long flag", ["--exec", "x"], "exec", ["x"]],
  ["a long value apart", ["--port", "22"], "port=22", []],
  ["a long value attached", ["--port=22"], "port=22", []],
  ["an empty long value", ["--port="], "port=", []],
];

for (const [name, args, flags, rest] of right) {
  Deno.test(`parseFlags takes ${name}`, () => {
    const parsed = parseFlags(args, SSH);
    assertEquals(text(parsed.flags), flags);
    assertEquals(parsed.rest, rest);
  });
}

const wrong: [string, string[], string][] = [
  ["an unknown letter", ["-x"], "unknown option -- x"],
  ["an unknown letter among others", ["-qx"], "unknown option -- x"],
  ["a colon", ["-:"], "unknown option -- :"],
  ["a missing value", ["-p"], "option requires an argument -- p"],
  ["an unknown long flag", ["--nope"], "unknown option -- nope"],
  ["a missing long value", ["--port"], "option requires an argument -- port"],
  ["a value that is not wanted", ["--exec=1"], "option takes no argument -- exec"],
];

for (const [name, args, message] of wrong) {
  Deno.test(`parseFlags refuses ${name}`, () => {
    assertThrows(() => parseFlags(args, SSH), UsageError, message);
  });
}

Deno.test("parseFlags says whether -- ended the flags", () => {
  assertEquals(parseFlags(["-q", "--", "host"], SSH).ended, true);
  assertEquals(parseFlags(["-q", "host"], SSH).ended, false);
});

Deno.test("parseMixed accepts flags after operands, until --", () => {
  const { flags, rest } = parseMixed(["a", "-q", "b", "--port", "1", "--", "-T"], SSH);
  assertEquals(text(flags), "q port=1");
  assertEquals(rest, ["a", "b", "-T"]);
});

function text(flags: readonly { name: string; value: string }[]): string {
  return flags.map(({ name, value }) => value === "" && name !== "port" ? name : `${name}=${value}`)
    .join(" ");
}
