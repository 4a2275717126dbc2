import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Deadline } from "../../lib/cli/shared/deadline.ts";
import { EscapeKeys } from "../../lib/cli/ssh/escape_keys.ts";
import { messageOf } from "../../lib/cli/shared/failure.ts";
import { lines } from "../../lib/cli/sftp/lines.ts";
import { meterLine } from "../../lib/cli/shared/meter.ts";
import { ProgressLine, progressText, sizeText } from "../../lib/cli/shared/progress.ts";
import { within } from "../support/within.ts";

Deno.test("A deadline aborts with its reason", async () => {
  using deadline = new Deadline(1, () => new Error("late"));
  const { promise, reject } = Promise.withResolvers<never>();
  deadline.signal.addEventListener("abort", () => reject(deadline.signal.reason));
  await assertRejects(() => within(promise, 5_000, "The deadline"), Error, "late");
});

Deno.test("A deadline stands still while the user is being asked", async () => {
  using deadline = new Deadline(30, () => new Error("late"));
  // Another clock of twice that time, so that the pause is longer than the limit.
  using other = new Deadline(60, () => new Error("other"));
  const { promise, resolve } = Promise.withResolvers<void>();
  other.signal.addEventListener("abort", () => resolve());
  await deadline.pausedFor(() => promise);
  assertEquals(deadline.signal.aborted, false);
});

Deno.test("A deadline of 0 is none", () => {
  using deadline = new Deadline(0, () => new Error("late"));
  assertEquals(deadline.signal.aborted, false);
});

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

Deno.test("Lines come whole, whatever the pieces are", async () => {
  const pieces = ["a\nb", "c\r\n", "\n", "é"].map((text) => new TextEncoder().encode(text));
  const from = {
    read(into: Uint8Array) {
      const piece = pieces.shift();
      if (piece) into.set(piece);
      return Promise.resolve(piece?.length ?? null);
    },
  };
  assertEquals(await Array.fromAsync(lines(from)), ["a", "bc", "", "é"]);
});

const sizes: [number, string][] = [
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [268435456, "256 MiB"],
  [5 * 2 ** 40, "5 TiB"],
];

for (const [bytes, text] of sizes) {
  Deno.test(`${bytes} bytes are shown as ${text}`, () => assertEquals(sizeText(bytes), text));
}

Deno.test("A progress bar has the percentage, the rate and the time left", () => {
  const text = progressText({ transferred: 50e6, total: 200e6, rate: 10e6 });
  assertEquals(text, `${"█".repeat(5)}${"░".repeat(15)}  25%  47.7 MiB  10.0 MB/s    0:15`);
  assertStringIncludes(progressText({ transferred: 0, total: 0, rate: 0 }), "100%");
});

Deno.test("A progress line is drawn on a terminal only", () => {
  for (const terminal of [true, false]) {
    let written = "";
    const out = {
      isTerminal: () => terminal,
      writeSync(bytes: Uint8Array) {
        written += new TextDecoder().decode(bytes);
        return bytes.length;
      },
    };
    const line = new ProgressLine("file", out);
    line.update({ transferred: 1, total: 2, rate: 1 });
    line.keep();
    assertEquals(written === "", !terminal);
    if (!terminal) continue;
    assert(written.startsWith("\r\x1b[Kfile  ") && written.endsWith("\n"), written);
    assertStringIncludes(written, " 50% ");
  }
});

Deno.test("An error is one line, the file in front", async () => {
  const missing = await assertRejects(() => Deno.readTextFile("/nothing/there"));
  assertEquals(messageOf(missing), "/nothing/there: No such file or directory");
  assertEquals(messageOf(new Error("a\n  b\x1b[31m")), "a; b[31m");
});

Deno.test("The meter looks like OpenSSH's, whatever the width", () => {
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
