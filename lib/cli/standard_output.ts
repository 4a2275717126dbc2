import type { Sink } from "./pipes.ts";

/** Standard output, as long as it is open here. */
export type StandardOutput = Sink & Disposable;

/**
 * Opens standard output for bulk data. Deno's own stream searches all of it for line ends and writes what
 * follows the last one apart; a pipe or device can be opened a second time, without that.
 *
 * @returns The second way in; Deno's own stream for a terminal, and for a file, where two ways would be
 * two positions
 */
export async function openStandardOutput(): Promise<StandardOutput> {
  try {
    const { isFifo, isCharDevice } = await Deno.stat(PATH);
    if (!Deno.stdout.isTerminal() && (isFifo || isCharDevice)) {
      return await Deno.open(PATH, { write: true });
    }
  } catch {
    // There is no such path everywhere, nor the permission to open it.
  }
  return { write: (bytes) => Deno.stdout.write(bytes), [Symbol.dispose]: () => {} };
}

const PATH = "/dev/stdout";
