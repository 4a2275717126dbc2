/** Recordings of sessions as lines of asciicast version 2. */
import { assertEquals, assertRejects } from "@std/assert";
import { Asciicast } from "../../lib/server/asciicast.ts";
import type { Session } from "../../lib/session/session.ts";
import { turn } from "../sftp/world.ts";
import { FakeTime } from "../support/fake_time.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const size = (columns: number, rows: number) => ({ columns, rows, width: 0, height: 0 });

type Shown = Pick<Session, "pty" | "command" | "user">;

/** A recording that accepts each line immediately, unless `write` is given. */
function recording(
  session: Partial<Shown>,
  write: (line: string) => unknown = () => {},
  closing?: Promise<void>,
) {
  const lines: unknown[] = [];
  const to = new WritableStream<string>({
    async write(line) {
      await write(line);
      lines.push(JSON.parse(line));
    },
    async close() {
      await closing;
      lines.push("closed");
    },
    abort: (reason) => void lines.push(reason),
  });
  const shown: Shown = { pty: null, command: null, user: "me", ...session };
  return { lines, cast: new Asciicast(to, shown as Session) };
}

Deno.test("a recording begins with the terminal and the command, if any, and the time", async () => {
  using _time = new FakeTime();
  const timestamp = Math.floor(Date.now() / 1000);
  const pty = { columns: 132, rows: 43, term: "vt220" } as Session["pty"];
  const cases: [Partial<Shown>, Record<string, unknown>][] = [
    [{ pty }, { width: 132, height: 43, title: "me", env: { TERM: "vt220" } }],
    [{ command: "ls", user: "you" }, {
      width: 80,
      height: 24,
      command: "ls",
      title: "you",
      env: { TERM: "dumb" },
    }],
  ];
  for (const [session, header] of cases) {
    const { lines, cast } = recording(session);
    await cast.close();
    assertEquals(lines, [{ version: 2, timestamp, ...header }, "closed"]);
  }
});

Deno.test("events have the seconds since the start of the recording, in order", async () => {
  using time = new FakeTime();
  const { lines, cast } = recording({});
  time.skip(1_500);
  await cast.output(bytes("one"));
  time.skip(500);
  cast.resized(size(90, 30));
  cast.resized(size(91, 31));
  const shown = cast.output(bytes("two"));
  time.skip(1);
  await shown;
  await cast.close();
  assertEquals(lines.slice(1, -1), [
    [1.5, "o", "one"],
    [2, "r", "90x30"],
    [2, "r", "91x31"],
    [2, "o", "two"],
  ]);
});

Deno.test("a character in pieces is one event, once it is complete", async () => {
  const { lines, cast } = recording({});
  const euro = bytes("€");
  await cast.output(euro.subarray(0, 1));
  await cast.output(euro.subarray(1, 2));
  assertEquals(lines.length, 1);
  await cast.output(euro.subarray(2));
  await cast.close();
  assertEquals((lines[1] as unknown[])[2], "€");
});

Deno.test("output waits until it is written", async () => {
  const gate = Promise.withResolvers<void>();
  const { lines, cast } = recording({}, (line) => line.startsWith("[") ? gate.promise : undefined);
  const shown = cast.output(bytes("slow"));
  let written = false;
  shown.then(() => written = true);
  await turn();
  assertEquals([lines.length, written], [1, false]);
  gate.resolve();
  await shown;
  assertEquals(lines.length, 2);
});

Deno.test("a closed recording is complete", async () => {
  const gate = Promise.withResolvers<void>();
  const { lines, cast } = recording({}, () => {}, gate.promise);
  let closed = false;
  const closing = cast.close().then(() => closed = true);
  await turn();
  assertEquals(closed, false);
  gate.resolve();
  await closing;
  assertEquals(lines.length, 2);
});

Deno.test("a failed write rejects the next event, or the close", async () => {
  const full = (mark: string) => (line: string) => {
    if (line.startsWith(mark)) throw new Error("the disk is full");
  };
  const failed = async (ending: Promise<void>) => {
    await assertRejects(() => ending, Error, "the disk is full");
  };
  await failed(recording({}, full("{")).cast.close());
  await failed(recording({}, full("{")).cast.output(bytes("x")));
  await failed(recording({}, full("[")).cast.output(bytes("x")));
  const { cast } = recording({}, full("["));
  cast.resized(size(1, 1));
  await turn();
  await failed(cast.close());
  cast.abort(new Error("enough"));
});

Deno.test("aborting a recording aborts its stream with the reason", async () => {
  const { lines, cast } = recording({});
  await cast.output(bytes("x"));
  const reason = new Error("enough");
  cast.abort(reason);
  await turn();
  assertEquals(lines.slice(2), [reason]);
});
