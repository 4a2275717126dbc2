import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { EscapeKeys } from "../../lib/cli/ssh/escape_keys.ts";
import { messageOf } from "../../lib/cli/shared/failure.ts";
import { requestTimeout } from "../../lib/cli/shared/remote_host.ts";
import { readLines } from "../../lib/cli/sftp/read_lines.ts";
import { meterLine, ProgressMeter } from "../../lib/cli/shared/progress_meter.ts";

const keys: [string, string[], string, boolean][] = [
  ["other keys", ["ls\r"], "ls\r", false],
  ["~. at the start", ["~."], "", true],
  ["~. after a line", ["ls\r~."], "ls\r", true],
  ["~. in two pieces", ["ls\r~", "."], "ls\r", true],
  ["~. in a line", ["ls ~.\r"], "ls ~.\r", false],
  ["~~", ["\r~~.\r"], "\r~.\r", false],
  ["~ and another key", ["~/x\r"], "~/x\r", false],
];

for (const [name, pieces, sent, left] of keys) {
  Deno.test(`The escape keys treat ${name}`, () => {
    let gone = false;
    const escape = new EscapeKeys(() => gone = true);
    const kept = pieces.map((piece) => escape.filter(new TextEncoder().encode(piece)));
    assertEquals(gone, left);
    const text = kept.map((bytes) => new TextDecoder().decode(bytes)).join("");
    assertEquals(left ? sent.startsWith(text) : text === sent, true, JSON.stringify(text));
  });
}

Deno.test("Lines are complete, whatever the pieces are", async () => {
  const pieces = ["a\nb", "c\r\n", "\n", "é"].map((text) => new TextEncoder().encode(text));
  const from = {
    read(into: Uint8Array) {
      const piece = pieces.shift();
      if (piece) into.set(piece);
      return Promise.resolve(piece?.length ?? null);
    },
  };
  assertEquals(await Array.fromAsync(readLines(from)), ["a", "bc", "", "é"]);
});

const ends: ["keep" | "clear", string][] = [["keep", " 100%"], ["clear", ""]];
for (const [atEnd, last] of ends) {
  Deno.test(`The progress meter draws on a terminal only (at the end: ${atEnd})`, () => {
    for (const terminal of [true, false]) {
      let written = "";
      const out = {
        isTerminal: () => terminal,
        writeSync(bytes: Uint8Array) {
          written += new TextDecoder().decode(bytes);
          return bytes.length;
        },
      };
      const meter = new ProgressMeter("file", { out, atEnd });
      meter.update({ transferred: 1, total: 2, rate: 1 });
      meter.update({ transferred: 2, total: 2, rate: 1 });
      meter[Symbol.dispose]();
      if (!terminal) {
        assertEquals(written, "");
        continue;
      }
      const [before, first, , end] = written.split("\r\x1b[K");
      assertEquals(before, "");
      assertMatch(first!, /^file +50% /);
      assertEquals(end!.includes(last) && end!.endsWith("\n"), atEnd === "keep");
      if (atEnd === "clear") assertEquals(end, last);
    }
  });
}

Deno.test("An error is one line that begins with the file", async () => {
  const missing = await assertRejects(() => Deno.readTextFile("/nothing/there"));
  assertEquals(messageOf(missing), "/nothing/there: No such file or directory");
  assertEquals(messageOf(new Error("a\n  b\x1b[31m")), "a; b[31m");
});

Deno.test("The meter looks like OpenSSH's at every width", () => {
  const state = { transferred: 366_592, total: 1_000_000, rate: 12.3 * 1024 ** 2 };
  assertEquals(
    meterLine("data", state, { left: 65, done: false }, 60),
    `${"data".padEnd(24)}  36%  358KB  12.3MB/s   01:05 ETA`,
  );
  const done = { transferred: 12, total: 12, rate: 0 };
  assertEquals(
    meterLine("a long name of a file", done, { left: 3700, done: true }, 46),
    `a long nam 100%   12     0.0KB/s 1:01:40    `,
  );
  const stalled = { transferred: 0, total: 2 ** 40, rate: 0 };
  assertStringIncludes(meterLine("x", stalled, { left: null, done: false }, 10), "  --:-- ETA");
});

Deno.test("Every SFTP request of the tools has a time limit, from ServerAliveInterval if it is set", () => {
  assertEquals(requestTimeout({}), 120_000);
  assertEquals(requestTimeout({ ServerAliveInterval: 0 }), 120_000);
  assertEquals(requestTimeout({ ServerAliveInterval: 15_000 }), 45_000);
  assertEquals(requestTimeout({ ServerAliveInterval: 15_000, ServerAliveCountMax: 2 }), 30_000);
  assertEquals(requestTimeout({ ServerAliveInterval: 1000 }), 10_000);
  assertEquals(requestTimeout({ ServerAliveInterval: 300_000 }), 120_000);
});
