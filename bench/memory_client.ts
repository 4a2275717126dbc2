/**
 * Measures memory and CPU time of our client in a separate process; prints one line of JSON.
 *
 *     deno run -A bench/memory_client.ts '<target as JSON>' <bytes> chunks|stream|buffer
 */
import process from "node:process";
import type { Channel } from "../mod.ts";
import { login, type Target } from "./lab.ts";

/** The output; memory in bytes of RSS. */
export interface MemoryFigures {
  /** After login. */
  readonly idle: number;
  /** Bytes that the server could send while the reader was paused. */
  readonly held: number;
  /** With the paused reader. */
  readonly paused: number;
  /** The peak until then. */
  readonly pausedPeak: number;
  /** After a quarter of the bytes. */
  readonly quarter: number;
  /** After all of the bytes. */
  readonly end: number;
  /** The peak of the whole run. */
  readonly peak: number;
  /** CPU seconds for the bytes. */
  readonly cpuSeconds: number;
}

/** How a reader gets its data: as chunks, or in its own buffer from a stream or from `read()`. */
type Way = "chunks" | "stream" | "buffer";

const READS: Record<Way, (channel: Channel) => () => Promise<number | null>> = {
  chunks: (channel) => async () => (await channel.readChunk())?.length ?? null,
  stream(channel) {
    const reader = channel.readable.getReader({ mode: "byob" });
    let memory = new ArrayBuffer(BUFFER_BYTES);
    return async () => {
      const { value, done } = await reader.read(new Uint8Array(memory));
      if (value) memory = value.buffer;
      return done ? null : value.length;
    };
  },
  buffer(channel) {
    const buffer = new Uint8Array(BUFFER_BYTES);
    return () => channel.read(buffer);
  },
};

const BUFFER_BYTES = 256 * 1024;
const POLL_MS = 100;
const STILL_POLLS = 5;

if (import.meta.main) {
  const [target, bytes, way] = Deno.args;
  const figures = await measure(JSON.parse(target!) as Target, Number(bytes), way as Way);
  console.log(JSON.stringify(figures));
}

async function measure(target: Target, bytes: number, way: Way): Promise<MemoryFigures> {
  await using host = await login(target);
  const sent = async () => Number(await host.run("sent"));
  const idle = rss();
  const before = await sent();
  let held = 0;
  let paused = 0;
  {
    await using _unread = await host.command("source").spawn();
    // The window is full once the server sends nothing more.
    for (let still = 0; still < STILL_POLLS; still++) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const now = await sent() - before;
      if (now !== held) still = 0;
      held = now;
    }
    paused = rss();
  }
  const pausedPeak = peakRss();
  const cpu = process.cpuUsage();
  await using bulk = await host.command(`source ${bytes}`).spawn();
  let received = 0;
  let quarter = 0;
  const next = READS[way](bulk.channel);
  for (let n; (n = await next()) !== null;) {
    received += n;
    if (quarter === 0 && received >= bytes / 4) quarter = rss();
  }
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  return { idle, held, paused, pausedPeak, quarter, end: rss(), peak: peakRss(), cpuSeconds };
}

function rss(): number {
  return Deno.memoryUsage().rss;
}

/** Linux counts VmHWM from the start of this program; `getrusage` also includes its parent's. */
export function peakRss(): number {
  if (Deno.build.os !== "linux") return process.resourceUsage().maxRSS * 1024;
  const kib = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return Number(kib) * 1024;
}
