import type { OpenFile } from "../../runtime/files.ts";
import { runtime } from "../../runtime/runtime.ts";
import { openStdinPipe, type StdinPipe } from "../../runtime/stdin.ts";
import { standardKind } from "./standard_kind.ts";

/** Bytes after which a pipe is opened for bulk data: loading Node's functions costs as much as it saves. */
const BULK_BYTES = 32 * 1024 * 1024;

/** Reads standard input. */
type StandardInput = Pick<OpenFile, "read"> & Disposable;

/**
 * Opens standard input for bulk data. Deno reads it in another thread, and waking that for each 64 KiB of a
 * pipe costs a tenth of what sending them does. On Linux a pipe is opened a second time without blocking,
 * so that the thread is needed only while the pipe is empty. Files are read synchronously, because they do
 * not block.
 */
export async function openStandardInput(): Promise<StandardInput> {
  const { isFifo = false, isFile = false } = await standardKind("/dev/stdin");
  if (isFifo && runtime.os === "linux") return pipeInput();
  const { stdin } = runtime.terminal;
  const read = isFile
    ? (into: Uint8Array) => Promise.try(() => stdin.readSync(into))
    : (into: Uint8Array) => stdin.read(into);
  return { read, [Symbol.dispose]: () => {} };
}

function pipeInput(): StandardInput {
  const { stdin } = runtime.terminal;
  let total = 0;
  let pipe: StdinPipe | null = null;
  return {
    async read(into) {
      const count = pipe?.read(into) ?? await stdin.read(into);
      const before = total;
      total += count ?? 0;
      if (before < BULK_BYTES && total >= BULK_BYTES) pipe = openStdinPipe();
      return count;
    },
    [Symbol.dispose]() {
      total = Infinity;
      pipe?.[Symbol.dispose]();
      pipe = null; // its descriptor may soon be another file's
    },
  };
}
