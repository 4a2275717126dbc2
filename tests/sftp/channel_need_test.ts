import { assertEquals, assertMatch } from "@std/assert";
import { SFTP_CHANNELS } from "../../lib/defaults.ts";
import {
  areWindowsFull,
  ChannelNeed,
  type ChannelSample,
  mayNeedMore,
} from "../../lib/sftp/remote/channel_need.ts";

const MIB = 1024 ** 2;
const START: ChannelSample = {
  at: 1000,
  channels: 1,
  bytes: 5 * MIB,
  waited: 300,
  window: 2 * MIB,
  roundTrip: 50,
};

/** A sample this many milliseconds later, in which a window was sent each round trip. */
function later(from: ChannelSample, ms: number, more: Partial<ChannelSample> = {}): ChannelSample {
  const { at, bytes, waited, channels, window, roundTrip } = from;
  return {
    ...from,
    at: at + ms,
    bytes: bytes + ms / roundTrip * window * channels,
    waited: waited + ms * channels * 0.9,
    ...more,
  };
}

Deno.test("a window that is full each round trip needs four channels, and then doubles them", () => {
  const need = new ChannelNeed();
  assertEquals([need.count(START, Infinity), need.why], [1, ""]);
  assertEquals(need.count(later(START, 99), Infinity), 1); // not two round trips
  const second = later(START, 100);
  assertEquals(need.count(second, Infinity), 4);
  assertEquals(
    need.why,
    "writes wait for a window of 2048 KiB, at a round trip of 50 ms and 42 MB/s",
  );
  need.changed();
  const four = { ...second, channels: 4 };
  assertEquals(need.count(four, Infinity), 4);
  assertEquals(need.count(later(four, 100), Infinity), SFTP_CHANNELS);
});

Deno.test("a long path is measured for one round trip, and gets the maximum of channels", () => {
  const need = new ChannelNeed();
  const first = { ...START, roundTrip: 70 };
  need.count(first, Infinity);
  assertEquals(need.count(later(first, 69), Infinity), 1);
  assertEquals(need.count(later(first, 70), Infinity), SFTP_CHANNELS);
  const slow = new ChannelNeed();
  slow.count(first, Infinity);
  assertEquals(slow.count(later(first, 70, { bytes: 5.9 * MIB }), Infinity), 1);
  assertMatch(slow.whyNot!, /^13 MB\/s are less than the window allows$/);
});

Deno.test("a measurement begins with the first write, whose window shows nothing", () => {
  const first = { ...START, bytes: 0, waited: 0, roundTrip: 200 };
  const filled = { ...first, at: first.at + 200, bytes: 2 * MIB, waited: 190 };
  const half = { ...first, at: first.at + 210, bytes: 3.1 * MIB, waited: 195 };
  const need = new ChannelNeed();
  need.begin(first);
  need.begin({ ...first, at: 5000 }); // of another file
  assertEquals(need.count(filled, Infinity), 1);
  assertMatch(need.whyNot!, /^0\.0 MB\/s are less/);
  assertEquals(need.count(half, Infinity), SFTP_CHANNELS);
});

Deno.test("one channel is enough once eight measurements in turn show no need", () => {
  const need = new ChannelNeed();
  let sample: ChannelSample = { ...START, roundTrip: 100 };
  need.begin(sample);
  for (let i = 0; i < 16; i++) {
    assertEquals([need.isEnough, need.count(sample, Infinity)], [false, 1]);
    sample = later(sample, 101, { bytes: sample.bytes });
  }
  need.count(sample, Infinity);
  assertEquals(need.isEnough, true);
});

Deno.test("channels are opened in advance for a large file over a long path", () => {
  assertEquals(mayNeedMore(32 * MIB, 2 * MIB, 70), true);
  assertEquals(mayNeedMore(32 * MIB - 1, 2 * MIB, 70), false);
  assertEquals(mayNeedMore(32 * MIB, 2 * MIB, 69), false);
  assertEquals(mayNeedMore(32 * MIB, 2 * MIB, Infinity), false);
  assertEquals(mayNeedMore(Infinity, 2 * MIB, 70), false);
});

Deno.test("the windows were full if three quarters of them were sent in each round trip", () => {
  const since = { ...START, channels: 10 };
  assertEquals(areWindowsFull(since, later(since, 400)), true);
  assertEquals(areWindowsFull(since, later(since, 399)), false); // not eight round trips
  for (const [share, isFull] of [[0.76, true], [0.74, false]] as const) {
    const now = later(since, 1000, { bytes: since.bytes + 20 * share * 20 * MIB });
    assertEquals(areWindowsFull(since, now), isFull);
  }
  assertEquals(areWindowsFull(since, later(since, 1000, { channels: 9 })), false);
});

Deno.test("no more channels are needed if the window is not the limit", () => {
  for (
    const [from, to, left, reason] of [
      [{ roundTrip: 4 }, {}, Infinity, /^the round trip takes 4\.0 ms$/],
      [{ roundTrip: Infinity }, {}, Infinity, /^the round trip takes Infinity ms$/],
      [{}, { waited: 340 }, Infinity, /^writes waited for the window 40 % of the time$/],
      [{}, { bytes: 5.9 * MIB }, Infinity, /^9\.4 MB\/s are less than the window allows$/],
      [{}, {}, 15 * MIB, /^the rest is short$/],
    ] as const
  ) {
    const need = new ChannelNeed();
    const first = { ...START, ...from };
    assertEquals([need.count(first, left), need.count(later(first, 100, to), left)], [1, 1]);
    assertMatch(need.whyNot!, reason);
  }
});

Deno.test("at least 20 ms are measured", () => {
  const need = new ChannelNeed();
  const first = { ...START, roundTrip: 6 };
  need.count(first, Infinity);
  assertEquals(need.count(later(first, 19), Infinity), 1);
  assertEquals(need.count(later(first, 20), Infinity), 4);
});

Deno.test("no channels are added after an increase without gain", () => {
  const need = new ChannelNeed();
  need.count(START, Infinity);
  const second = later(START, 100);
  assertEquals(need.count(second, Infinity), 4);
  need.changed();
  const four = { ...second, channels: 4, window: MIB / 2 };
  need.count(four, Infinity);
  assertEquals(need.count(later(four, 100), Infinity), 4);
  assertMatch(need.whyNot!, /^the last ones raised the rate only to 42 MB\/s$/);
});

Deno.test("a limit that is reached exactly counts as a need", () => {
  for (
    const [from, ms, to, left] of [
      [{ roundTrip: 5 }, 20, {}, Infinity],
      [{}, 100, { waited: START.waited + 50 }, Infinity],
      [{}, 100, { bytes: START.bytes + 2 * MIB }, Infinity],
      [{}, 100, {}, 16 * MIB],
    ] as const
  ) {
    const need = new ChannelNeed();
    const first = { ...START, ...from };
    need.count(first, left);
    assertEquals([need.count(later(first, ms, to), left), need.whyNot], [4, null]);
  }
  const need = new ChannelNeed();
  const one = { ...START, bytes: 0, window: 500 }; // 10 bytes a millisecond
  need.count(one, Infinity);
  need.count(later(one, 100), Infinity);
  need.changed();
  const four = { ...one, channels: 4, window: 200 };
  need.count(four, Infinity);
  assertEquals(need.count(later(four, 100, { bytes: 1200 }), Infinity), SFTP_CHANNELS);
  const since = { ...START, channels: 10, window: 1000, bytes: 0 };
  assertEquals(areWindowsFull(since, later(since, 1000, { bytes: 150_000 })), true);
});

Deno.test("measurements of exactly two round trips show that one channel is enough", () => {
  const need = new ChannelNeed();
  let sample: ChannelSample = { ...START, roundTrip: 100 };
  need.begin(sample);
  for (let i = 0; i < 8; i++) {
    assertEquals(need.isEnough, false);
    sample = later(sample, 200, { bytes: sample.bytes });
    need.count(sample, Infinity);
  }
  assertEquals(need.isEnough, true);
});

Deno.test("a need is followed by another measurement, and so is a change of the channels", () => {
  const need = new ChannelNeed();
  need.count(START, Infinity);
  const second = later(START, 100);
  assertEquals(need.count(second, Infinity), 4);
  need.count(later(second, 99), Infinity);
  assertEquals(need.whyNot, null);
  need.changed();
  const four = { ...later(second, 1000), channels: 4 };
  assertEquals([need.count(four, Infinity), need.whyNot], [4, null]);
});

Deno.test("a rate below 10 MB/s is told with one decimal", () => {
  for (const [rate, told] of [[5451, "5.5"], [10_000, "10"]] as const) {
    const need = new ChannelNeed();
    need.count(START, Infinity);
    need.count(later(START, 100, { bytes: START.bytes + 100 * rate }), Infinity);
    assertEquals(need.whyNot, `${told} MB/s are less than the window allows`);
  }
});
