/** When a read waits for more data, on a clock that stands still between the test's steps. */
import { assert, assertEquals } from "@std/assert";
import { SOCKET_READ_BYTES } from "../../lib/defaults.ts";
import { Gathering } from "../../lib/transport/gathering.ts";

const MIB = 1024 ** 2;
const SMALL = 32 * 1024;
/** Milliseconds of a MiB at 500 MB/s. */
const FAST = 2;

/** A peer that sends, and a clock. */
class Lab {
  readonly path: { asked: number; roundTrip: number | null } = { asked: 0, roundTrip: 0.5 };
  readonly gathering: Gathering;
  /** Timers under way. */
  readonly timers = new Set<() => void>();
  #now = 1000;

  constructor() {
    this.gathering = new Gathering(this.path, {
      now: () => this.#now,
      wakeAfter: (_ms, wake) => {
        this.timers.add(wake);
        return () => void this.timers.delete(wake);
      },
    });
  }

  /**
   * Reads pieces of `piece` bytes until a read waits, or `most` bytes were read.
   *
   * @returns The bytes read before the wait, or null if no read waited
   */
  flow(most: number, { piece = SMALL, msPerMiB = FAST } = {}): number | null {
    for (let bytes = piece; bytes <= most; bytes += piece) {
      this.#now += piece / MIB * msPerMiB;
      if (this.gathering.after(piece) !== null) return bytes;
    }
    return null;
  }

  /** What a pause brings: large reads, then a small one. */
  gathered(bytes: number): Promise<void> | null {
    for (let left = bytes; left >= SOCKET_READ_BYTES; left -= SOCKET_READ_BYTES) {
      assertEquals(this.gathering.after(SOCKET_READ_BYTES), null);
    }
    return this.gathering.after(SMALL);
  }
}

Deno.test("After 8 MiB of fast data in small reads, a read waits", async () => {
  const lab = new Lab();
  assertEquals(lab.flow(8 * MIB - SMALL), null);
  const pause = lab.gathering.after(SMALL);
  assert(pause !== null);
  let isOver = false;
  pause.then(() => isOver = true);
  await Promise.resolve();
  assertEquals([isOver, lab.timers.size], [false, 1]);
  for (const wake of lab.timers) wake();
  await pause;
});

Deno.test("While large reads follow each other, none waits", () => {
  assertEquals(new Lab().flow(256 * MIB, { piece: SOCKET_READ_BYTES }), null);
});

Deno.test("Reads wait again for each further MiB, while pauses gather enough", () => {
  const lab = new Lab();
  assertEquals(lab.flow(64 * MIB), 8 * MIB);
  for (let round = 0; round < 5; round++) {
    assertEquals(lab.gathered(512 * 1024), null);
    assertEquals(lab.flow(64 * MIB), 512 * 1024 - SMALL);
  }
});

Deno.test("No read waits for slow data, on a long path, or on one of unknown length", () => {
  const slow = new Lab();
  assertEquals(slow.flow(256 * MIB, { msPerMiB: 6 }), null);
  // As soon as it is fast.
  assertEquals(slow.flow(64 * MIB), 8 * MIB);
  const long = new Lab();
  long.path.roundTrip = 2.1;
  assertEquals(long.flow(256 * MIB), null);
  const unknown = new Lab();
  unknown.path.roundTrip = null;
  assertEquals(unknown.flow(256 * MIB), null);
});

Deno.test("After a message that the peer may answer, no read waits for 8 MiB", () => {
  const lab = new Lab();
  for (let round = 0; round < 100; round++) {
    lab.path.asked++;
    assertEquals(lab.flow(8 * MIB), null);
  }
  assertEquals(lab.flow(8 * MIB), 8 * MIB);
  lab.gathered(512 * 1024);
  lab.path.asked++;
  // Noticed at the next MiB.
  assertEquals(lab.flow(64 * MIB), 512 * 1024 - SMALL + 8 * MIB);
});

Deno.test("A pause that gathered little doubles the bytes up to the next one, up to 64 MiB", () => {
  const lab = new Lab();
  assertEquals(lab.flow(64 * MIB), 8 * MIB);
  for (const lead of [16, 32, 64, 64, 64]) {
    assertEquals(lab.gathered(256 * 1024), null);
    assertEquals(lab.flow(128 * MIB), lead * MIB);
  }
  assertEquals(lab.gathered(512 * 1024), null);
  lab.path.asked++;
  assertEquals(lab.flow(64 * MIB), 512 * 1024 - SMALL + 8 * MIB);
});

Deno.test("The end of the connection ends the pause and its timer, and no read waits any more", async () => {
  const lab = new Lab();
  lab.flow(8 * MIB - SMALL);
  const pause = lab.gathering.after(SMALL);
  assert(pause !== null);
  lab.gathering.stop();
  await pause;
  assertEquals(lab.timers.size, 0);
  assertEquals(lab.flow(256 * MIB), null);
});
