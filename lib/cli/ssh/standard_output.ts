import { runtime } from "../../runtime/runtime.ts";
import type { ByteWriter } from "./pipes.ts";

const PATH = "/dev/stdout";

/**
 * Opens standard output for bulk data. Deno's own stream searches all that it gets for line ends, writes
 * what follows the last one apart, and does so in another thread: a pipe or device can be opened a second
 * time without the one, and files and devices keep no writer waiting.
 */
export async function openStandardOutput(): Promise<ByteWriter & Disposable> {
  const { isFifo, isFile, isCharDevice } = await kind();
  if (isFifo) return await runtime.files.open(PATH, { write: true });
  // A second way into a file would have a position of its own.
  if (isFile) return atOnce(runtime.terminal.stdout, () => {});
  if (isCharDevice && !runtime.terminal.stdout.isTerminal()) {
    const device = await runtime.files.open(PATH, { write: true });
    return atOnce(device, () => device.close());
  }
  return { write: (bytes) => runtime.terminal.stdout.write(bytes), [Symbol.dispose]: () => {} };
}

/** Nothing is known where there is no such path, or no permission to look at it. */
async function kind(): Promise<Partial<Deno.FileInfo>> {
  try {
    return await runtime.files.stat(PATH);
  } catch {
    return {};
  }
}

function atOnce(
  to: { writeSync(bytes: Uint8Array): number },
  close: () => void,
): ByteWriter & Disposable {
  return { write: (bytes) => Promise.try(() => to.writeSync(bytes)), [Symbol.dispose]: close };
}
