/** Measures the rate of a stream over a period. */
import process from "node:process";
import type { Channel } from "../mod.ts";

/** The measurements. */
export interface Flow {
  readonly bytes: number;
  /** MB/s from the first byte on, including the growth of windows. */
  readonly whole: number;
  /** MB/s in the second half of the time. */
  readonly steady: number;
  /** CPU time of this process in ns for each byte. */
  readonly cpu: number;
}

/**
 * Moves bytes until a time is up.
 *
 * A window causes one burst per round trip, so the clock is read only after whole windows: each
 * interval is a whole number of round trips.
 *
 * @param move Moves some bytes and returns how many; 0 at the end
 * @param ms For how long, from the first byte on
 * @param step Bytes between two clock readings: the window
 */
export async function watch(move: () => Promise<number>, ms: number, step: number): Promise<Flow> {
  let bytes = await move();
  const began = performance.now();
  const cpu = process.cpuUsage();
  const looks = [{ at: began, bytes }];
  let next = bytes + step;
  // Takes at least two readings in the second half, but does not wait for a peer that has stopped.
  while (
    performance.now() - began < ms || (looks.length < 4 && performance.now() - began < 4 * ms)
  ) {
    const n = await move();
    if (n === 0) break;
    bytes += n;
    if (bytes < next) continue;
    looks.push({ at: performance.now(), bytes });
    next = bytes + step;
  }
  const { user, system } = process.cpuUsage(cpu);
  const last = looks.at(-1)!;
  const first = looks[0]!;
  const halfway = looks.find(({ at }) => at >= began + (last.at - began) / 2 && at < last.at) ??
    looks.at(-2) ?? first;
  return {
    bytes,
    whole: (last.bytes - first.bytes) / (last.at - first.at) / 1000,
    steady: (last.bytes - halfway.bytes) / (last.at - halfway.at) / 1000,
    cpu: (user + system) * 1000 / (bytes - first.bytes),
  };
}

/** Reads from a channel. */
export function reading(channel: Channel): () => Promise<number> {
  return async () => (await channel.readChunk())?.length ?? 0;
}

/** Writes zeros to a channel. */
export function writing(channel: Channel): () => Promise<number> {
  const zeros = new Uint8Array(256 * 1024);
  return () => channel.write(zeros);
}
