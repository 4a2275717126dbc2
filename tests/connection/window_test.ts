import { assert, assertEquals, assertThrows } from "@std/assert";
import { ReceiveWindow, SendWindow } from "../../lib/connection/window.ts";
import { ConnectionBudget, windowsOf } from "../../lib/connection/window_budget.ts";
import { MAX_CHANNELS } from "../../lib/defaults.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { FakeTime } from "../support/fake_time.ts";

Deno.test("ReceiveWindow returns exactly what was consumed", () => {
  const window = new ReceiveWindow(8000);
  let seed = 12345;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) >>> 0) % below;
  let buffered = 0;
  let sent = 0;
  let credited = 0;
  for (let round = 0; round < 10_000; round++) {
    const n = random(window.available + 1);
    window.receive(n);
    buffered += n;
    sent += n;
    const taken = random(buffered + 1);
    credited += window.consume(taken);
    buffered -= taken;
    assertEquals(window.available, 8000 - sent + credited);
    // The peer's remaining window plus our unread data never exceed the window.
    if (window.available + buffered > 8000) throw new Error("window exceeded");
  }
});

Deno.test("ReceiveWindow refuses one byte too many", () => {
  const window = new ReceiveWindow(1024);
  window.receive(1024);
  assertThrows(() => window.receive(1), ProtocolError, "beyond the window");
});

Deno.test("SendWindow grows to 2^32 - 1 and no further", () => {
  const window = new SendWindow(1);
  window.grow(0xffff_fffe);
  assertEquals(window.available, 0xffff_ffff);
  assertThrows(() => window.grow(1), ProtocolError, "2^32 - 1");
});

Deno.test("SendWindow remembers the most that was available at one time", () => {
  const window = new SendWindow(10);
  assertEquals(window.largest, 10);
  window.take(8);
  window.grow(5);
  assertEquals([window.available, window.largest], [7, 10]);
  window.grow(5);
  assertEquals([window.available, window.largest], [12, 12]);
});

Deno.test("ReceiveWindow returns credit at an eighth of the window, and not a byte before", () => {
  const window = new ReceiveWindow(8000);
  window.receive(2000);
  assertEquals([window.consume(999), window.available], [0, 6000]);
  assertEquals([window.consume(1), window.available], [1000, 7000]);
  assertEquals([window.consume(999), window.consume(1)], [0, 1000]);
});

/** A path with a given round trip; the peer always sends a whole window at once. */
function tuned(roundTrip: number | null, left: number, size = 8000) {
  const budget = {
    initial: 8000,
    roundTrip: roundTrip as number | null,
    left,
    take(bytes: number) {
      const taken = Math.min(bytes, budget.left);
      budget.left -= taken;
      return taken;
    },
    give(bytes: number) {
      budget.left += bytes;
    },
  };
  return { budget, window: new ReceiveWindow(size, budget) };
}

function flow(window: ReceiveWindow, bytes: number): void {
  for (let at = 0; at < bytes; at += 500) {
    window.receive(500);
    assert(window.consume(500) >= 0); // what the peer may send cannot be taken back
  }
}

Deno.test("ReceiveWindow doubles while half a window arrives within a round trip", () => {
  const { budget, window } = tuned(1e9, 100_000);
  flow(window, 20_000);
  assertEquals(window.size > 16_000, true);
  flow(window, 400_000);
  // At most the budget on any path.
  assertEquals([window.size, budget.left], [108_000, 0]);
  window.close();
  assertEquals(budget.left, 108_000);
});

Deno.test("ReceiveWindow that had to start small grows on a short path, up to what others start with", () => {
  using time = new FakeTime();
  const { budget, window } = tuned(0.1, 100_000, 1000);
  time.skip(1000);
  flow(window, 100_000);
  assertEquals([window.size, budget.left], [8000, 93_000]);
});

Deno.test("A closed ReceiveWindow returns read bytes, and the rest at the second close", () => {
  const { budget, window } = tuned(1e9, 0);
  window.receive(6000);
  assertEquals([window.consume(500), window.consume(500)], [0, 1000]);
  window.close(5000);
  assertEquals(budget.left, 3000);
  assertEquals([window.consume(2000), budget.left], [0, 5000]);
  window.consume(-500); // put back by the reader
  assertEquals(budget.left, 4500);
  window.close();
  window.close();
  assertEquals(budget.left, 8000);
  assertEquals([window.consume(3500), budget.left], [0, 8000]);
});

const paths: [roundTrip: number | null, grows: boolean][] = [
  [null, false],
  [0, false],
  [1, false],
  [5, false],
  [5.1, true],
  [200, true],
];
for (const [roundTrip, grows] of paths) {
  const path = roundTrip === null ? "that was not measured" : `of ${roundTrip} ms`;
  Deno.test(`ReceiveWindow ${grows ? "grows" : "does not change"} on a path ${path}`, () => {
    using time = new FakeTime();
    const { window } = tuned(roundTrip, 100_000);
    time.skip(1000);
    // Half of the window arrives immediately, so only the window can slow the peer down.
    flow(window, 100_000);
    assertEquals([window.size > 8000, window.available <= window.size], [grows, true]);
  });
}

Deno.test("ReceiveWindow grows only if half of it arrives within a round trip", () => {
  for (const [elapsed, size] of [[99, 16_000], [100, 8000], [3199, 8000]] as const) {
    using time = new FakeTime();
    const { window } = tuned(100, 100_000);
    time.skip(100_000);
    flow(window, 4000); // the first half only starts the clock
    time.skip(elapsed);
    flow(window, 4000);
    assertEquals(window.size, size, `${elapsed} ms`);
  }
});

Deno.test("ReceiveWindow measures the time of exactly half of its size", () => {
  using time = new FakeTime();
  const { window } = tuned(100, 100_000);
  time.skip(100_000);
  const consume = (...amounts: number[]) => {
    for (const bytes of amounts) {
      window.receive(bytes);
      window.consume(bytes);
    }
  };
  consume(1000, 1000, 1999); // a byte less than half
  time.skip(100);
  consume(1000); // more than half, from which the clock starts
  consume(1000, 1000);
  time.skip(50);
  consume(1999);
  assertEquals(window.size, 8000);
  time.skip(49);
  consume(1000);
  assertEquals([window.size, window.available], [16_000, 16_000]);
  time.skip(3_000);
  consume(2000, 2000, 2000, 2000); // the clock starts again
  time.skip(50);
  consume(2000, 2000, 2000);
  assertEquals(window.size, 16_000);
  consume(2000);
  assertEquals(window.size, 32_000);
});

Deno.test("ReceiveWindow shrinks only after 32 round trips, and not below its start", () => {
  for (const [elapsed, shrinks] of [[3199, false], [3200, true]] as const) {
    using time = new FakeTime();
    const { budget, window } = tuned(100, 8000);
    time.skip(100_000);
    flow(window, 4000);
    flow(window, 4000);
    assertEquals([window.size, budget.left], [16_000, 0]);
    time.skip(elapsed);
    flow(window, 8000);
    assertEquals(window.size < 16_000, shrinks);
    assertEquals(window.size + budget.left, 16_000);
    for (let i = 0; i < 400; i++) {
      time.skip(100_000);
      flow(window, 500);
    }
    assertEquals([window.size, budget.left], [8000, 8000]);
  }
});

Deno.test("ReceiveWindow shrinks again when half of it takes many round trips", () => {
  const { budget, window } = tuned(1e9, 24_000);
  flow(window, 100_000);
  assertEquals(window.size, 32_000);
  budget.roundTrip = 0;
  flow(window, 1_000_000);
  assertEquals([window.size, budget.left], [8000, 24_000]);
});

Deno.test("ReceiveWindow that had to start small returns its growth on a slow path", () => {
  const { budget, window } = tuned(1e9, 24_000, 1000);
  flow(window, 100_000);
  assertEquals([window.size, budget.left], [25_000, 0]);
  budget.roundTrip = 0;
  flow(window, 1_000_000);
  assertEquals([window.size, budget.left], [1000, 24_000]);
  flow(window, 10_000); // it stays at its start
  assertEquals([window.size, budget.left], [1000, 24_000]);
});

Deno.test("windowsOf accepts 1024 to 2^31 - 1 bytes, and lets a window grow up to its limit", () => {
  for (const bytes of [1024, 0x7fff_ffff]) {
    assertEquals(windowsOf(bytes, null, "server"), { initial: bytes, budget: null });
    assertEquals(windowsOf({ initial: 1024, max: bytes }, null, "server").initial, 1024);
  }
  for (const bytes of [1023, 0x8000_0000, 1024.5, NaN]) {
    assertThrows(() => windowsOf(bytes, null, "server"), RangeError, "1024 to 2^31 - 1");
  }
  assertThrows(() => windowsOf({ initial: 1024, max: 0x8000_0000 }, null, "server"), RangeError);
  const { budget } = windowsOf({ initial: 1024, max: 1030 }, 7, "server");
  assertEquals([budget!.roundTrip, budget!.open()], [7, 1024]);
  assertEquals([budget!.take(100), budget!.take(100)], [6, 0]);
  assertEquals(windowsOf({ initial: 2000, max: 2000 }, 7, "server").budget, null);
});

Deno.test("A window is no larger than asked for, even if that is less than the least", () => {
  const { budget } = windowsOf({ initial: 2048, max: 4096 }, null, "client");
  assertEquals([budget!.open(), budget!.open(), budget!.open()], [2048, 2048, 2048]);
});

Deno.test("ConnectionBudget keeps the shortest round trip", () => {
  const budget = new ConnectionBudget({ least: 1, initial: 1024, max: 2048 }, null);
  const seen = [30, 40, 20].map((milliseconds) => {
    budget.sawRoundTrip(milliseconds);
    return budget.roundTrip;
  });
  assertEquals(seen, [30, 30, 20]);
});

const KIB = 1024;
const MIB = 1024 * KIB;

for (const [role, least] of [["server", 32 * KIB], ["client", 128 * KIB]] as const) {
  Deno.test(`A dozen channels of a ${role} start with 2 MiB; later ones share the rest`, () => {
    const { budget } = windowsOf({}, null, role);
    const windows = Array.from({ length: MAX_CHANNELS }, () => budget!.open());
    assertEquals(windows.slice(0, 13), Array(13).fill(2 * MIB));
    assert(windows.every((window, i) => window <= (windows[i - 1] ?? Infinity)), "none grows");
    assert(windows.slice(50).every((window) => window === least), `${windows[50]}`);
    // 40 MiB, and what each channel has at least: it was 8 GiB.
    const sum = windows.reduce((sum, window) => sum + window, 0);
    assert(sum <= 40 * MIB + MAX_CHANNELS * least, `${sum}`);
    for (const window of windows) budget!.give(window);
    assertEquals(budget!.take(Infinity), 32 * MIB);
  });
}

Deno.test("A window that has grown to everything leaves the next channels a start", () => {
  const { budget } = windowsOf({}, null, "server");
  assertEquals(budget!.open() + budget!.take(Infinity), 32 * MIB);
  assertEquals([budget!.open(), budget!.take(1)], [MIB, 0]);
  assertEquals(budget!.open(), 7 / 8 * MIB);
});

Deno.test("A single channel has the whole requested window at any maximum", () => {
  for (const [initial, max] of [[4 * MIB, 5 * MIB], [1024, 1025], [2 * MIB, 32 * MIB]] as const) {
    assertEquals(windowsOf({ initial, max }, null, "server").budget!.open(), initial);
  }
});
