import type { Socket } from "../transport/socket.ts";
import { onAbort } from "../waiting.ts";

/** Requests and answers are short: a list of keys, something to sign. */
const READ_BYTES = 16 * 1024;

/**
 * Connects two ends of an agent's connection until either ends or the signal is aborted; then both are
 * closed. Takes over both.
 */
export async function relay(one: Socket, other: Socket, signal: AbortSignal): Promise<void> {
  const close = () => {
    one.close();
    other.close();
  };
  using _closing = onAbort(signal, close);
  if (signal.aborted) return;
  const directions = [pump(one, other), pump(other, one)];
  try {
    await Promise.race(directions);
  } catch {
    // An end with an error has ended, too.
  } finally {
    close();
    await Promise.allSettled(directions);
  }
}

async function pump(from: Socket, to: Socket): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let n; (n = await from.read(buffer)) !== null;) await to.write(buffer.subarray(0, n));
}
