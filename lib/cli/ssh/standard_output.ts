import { runtime } from "../../runtime/runtime.ts";
import type { ByteWriter } from "../../runtime/drain.ts";
import { standardKind } from "./standard_kind.ts";

const PATH = "/dev/stdout";

/**
 * Opens standard output for bulk data. Deno's stream searches the data for line ends, writes the part after
 * the last one separately, and does so in another thread. A pipe or device is opened a second time, which
 * avoids the search. Files and devices are written synchronously, because they do not block.
 */
export async function openStandardOutput(): Promise<ByteWriter & Disposable> {
  const { isFifo, isFile, isCharDevice } = await standardKind(PATH);
  if (isFifo) return await runtime.files.open(PATH, { write: true });
  // A file opened again would have another position.
  if (isFile) return atOnce(runtime.terminal.stdout, () => {});
  if (isCharDevice && !runtime.terminal.stdout.isTerminal()) {
    const device = await runtime.files.open(PATH, { write: true });
    return atOnce(device, () => device.close());
  }
  return { write: (bytes) => runtime.terminal.stdout.write(bytes), [Symbol.dispose]: () => {} };
}

function atOnce(
  to: { writeSync(bytes: Uint8Array): number },
  close: () => void,
): ByteWriter & Disposable {
  return { write: (bytes) => Promise.try(() => to.writeSync(bytes)), [Symbol.dispose]: close };
}
