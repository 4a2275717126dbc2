import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Progress, type TransferProgress } from "../../lib/sftp/transfer/progress.ts";
import { Throttle } from "../../lib/sftp/transfer/throttle.ts";
import { bitsOf, inFlightOf } from "../../lib/sftp/transfer/transfer_options.ts";
import { FakeTime } from "../support/fake_time.ts";

/** A progress on a fake clock, and its reports. */
function watched(): { time: FakeTime; progress: Progress; reports: TransferProgress[] } {
  const time = new FakeTime();
  const reports: TransferProgress[] = [];
  return { time, progress: new Progress((report) => reports.push(report)), reports };
}

Deno.test("progress is reported ten times a second, and at the end of each file", () => {
  const { time, progress, reports } = watched();
  using _ = time;
  progress.expect(1000);
  progress.advance("/a", 100); // the first at once
  time.skip(99);
  progress.advance("/a", 100);
  assertEquals(reports.length, 1);
  time.skip(1);
  progress.advance("/a", 100);
  assertEquals(reports.length, 2);
  progress.finish("/b");
  assertEquals(reports.map(({ path, transferred, total }) => [path, transferred, total]), [
    ["/a", 100, 1000],
    ["/a", 300, 1000],
    ["/b", 300, 1000],
  ]);
  assertEquals([progress.result().files, progress.result().bytes], [1, 300]);
});

Deno.test("the rate is the overall mean at first, and later the mean of the last seconds", () => {
  const { time, progress, reports } = watched();
  using _ = time;
  progress.expect(20_000);
  time.skip(1000);
  progress.advance("/a", 4000);
  time.skip(1000);
  progress.advance("/a", 0);
  assertEquals(reports.map(({ rate, remaining }) => [rate, remaining]), [[4000, 4], [2000, 8]]);
  time.skip(1000); // 3 s: from here on a moving mean
  progress.advance("/a", 5000);
  const weight = 1 - Math.exp(-1000 / 3000);
  const rate = 2000 + (5000 - 2000) * weight;
  assert(Math.abs(reports.at(-1)!.rate - rate) < 1e-6, `${reports.at(-1)!.rate}`);
  assertEquals(reports.at(-1)!.remaining, 11_000 / reports.at(-1)!.rate);
});

Deno.test("the remaining time is unknown without a total or a rate, and excess bytes raise the total", () => {
  const { time, progress, reports } = watched();
  using _ = time;
  time.skip(10);
  progress.finish("/empty");
  progress.advance("/a", 5);
  progress.finish("/a");
  assertEquals(reports.map(({ total, remaining }) => [total, remaining]), [[0, null], [5, null]]);
  progress.expect(3);
  progress.finish("/a");
  assertEquals([reports.at(-1)!.total, reports.at(-1)!.remaining], [5, 0]);
});

Deno.test("a rate over a tiny time is not infinite, and a slow rate is reported", () => {
  const rates = (...steps: [ms: number, bytes: number][]) => {
    const { time, progress, reports } = watched();
    using _ = time;
    progress.expect(1);
    for (const [ms, bytes] of steps) {
      time.skip(ms);
      progress.bytes += bytes;
      progress.finish("/a");
    }
    return reports.map(({ rate, remaining }) => [rate, remaining]);
  };
  assertEquals(rates([0, 0], [0, 10]), [[0, null], [10_000, 0]]);
  assertEquals(rates([2000, 1]), [[0.5, 0]]);
  // The first report is late, since there was no rate before.
  assertEquals(rates([4000, 41]), [[41 / 4.1 * (1 - Math.exp(-4100 / 3000)), 0]]);
  assertEquals(rates([4000, 0], [0, 10]), [[0, null], [0, null]]);
  const [, last] = rates([4000, 0], [1, 10]);
  assertEquals(last, [10_000 * (1 - Math.exp(-1 / 3000)), 0]);
});

Deno.test("every file is told and counted by what happened to it", () => {
  using time = new FakeTime();
  time.skip(5000);
  const told: string[] = [];
  const progress = new Progress(
    undefined,
    ({ path, action }) => void told.push(`${action} ${path}`),
  );
  assertEquals(progress.result(), {
    bytes: 0,
    files: 0,
    unchanged: 0,
    skipped: [],
    deleted: [],
    seconds: 0,
    failures: [],
    warnings: [],
  });
  progress.advance("/a", 7);
  progress.finish("/a");
  progress.same("/b");
  progress.skip("/c");
  progress.remove("/d");
  const failure = { path: "/e", error: new Error("no") };
  progress.failures.push(failure);
  progress.warnings.push({ path: "/f", message: "differs" });
  time.skip(1500);
  assertEquals(told, ["sent /a", "unchanged /b", "skipped /c", "deleted /d"]);
  assertEquals(progress.result(), {
    bytes: 7,
    files: 1,
    unchanged: 1,
    skipped: ["/c"],
    deleted: ["/d"],
    seconds: 1.5,
    failures: [failure],
    warnings: [{ path: "/f", message: "differs" }],
  });
});

Deno.test("bytes of an earlier attempt count as transferred, but not in the rate", () => {
  const { time, progress, reports } = watched();
  using _ = time;
  progress.expect(100);
  progress.held(60);
  time.skip(1000);
  progress.advance("/a", 20);
  assertEquals(reports.map(({ transferred, rate, remaining }) => [transferred, rate, remaining]), [
    [80, 20, 1],
  ]);
});

Deno.test("progress does not go back if bytes of an earlier attempt turn out to be useless", () => {
  const { time, progress, reports } = watched();
  using _ = time;
  progress.expect(100);
  progress.held(60);
  for (const [held, bytes] of [[0, 20], [-60, 10], [0, 60]] as const) {
    progress.held(held);
    time.skip(1000);
    progress.advance("/a", bytes);
  }
  assertEquals(reports.map(({ transferred, total }) => [transferred, total]), [
    [80, 100],
    [80, 100],
    [90, 100],
  ]);
});

Deno.test("a rate limit passes pieces when they are due, and does not save up unused time", async () => {
  using time = new FakeTime();
  const throttle = new Throttle(1000, undefined);
  assertEquals(throttle.piece, 100);
  assertEquals(new Throttle(1, undefined).piece, 1);
  await time.settle(throttle.pass(100));
  assertEquals(time.now, 100);
  time.skip(900); // unused
  await time.settle(throttle.pass(100));
  assertEquals(time.now, 1100);
  // In parallel: one after the other.
  await time.settle(Promise.all([throttle.pass(100), throttle.pass(200)]));
  assertEquals(time.now, 1400);
  // A wait below a millisecond is skipped, but accumulated.
  await time.settle(throttle.pass(0.5));
  assertEquals(time.now, 1400);
  for (let i = 0; i < 3; i++) await time.settle(throttle.pass(0.5));
  assertEquals(time.now, 1402);
  await time.settle(throttle.pass(1));
  assertEquals(time.now, 1403);
});

Deno.test("a wait of a rate limit is aborted", async () => {
  const abort = new AbortController();
  const passing = new Throttle(1, abort.signal).pass(1000);
  abort.abort(new Error("enough"));
  await assertRejects(() => passing, Error, "enough");
});

Deno.test("a transfer's memory follows its option, and is less with a rate limit", () => {
  assertEquals(inFlightOf({}), 32 * 1024 * 1024);
  assertEquals([inFlightOf({ inFlight: 5 }), inFlightOf({ inFlight: 1 })], [5, 1]);
  assertEquals(inFlightOf({ inFlight: 1000, rateLimit: 100 }), 50);
  assertEquals(inFlightOf({ inFlight: 1000, rateLimit: 1 }), 1);
  assertEquals(inFlightOf({ inFlight: 10, rateLimit: 100 }), 10);
  for (const wrong of [0, -1, NaN]) {
    assertThrows(() => inFlightOf({ inFlight: wrong }), RangeError, "inFlight");
    assertThrows(() => inFlightOf({ rateLimit: wrong }), RangeError, "rateLimit");
  }
});

Deno.test("a file gets the requested permission bits, or the source's without its type", () => {
  assertEquals(bitsOf({ mode: 0o104755 }, {}), 0o755);
  assertEquals(bitsOf({ mode: 0o100644 }, { mode: 0o600 }), 0o600);
  assertEquals(bitsOf(null, { mode: 0 }), 0);
  assertEquals([bitsOf(null, {}), bitsOf({ mode: null }, {})], [undefined, undefined]);
});
