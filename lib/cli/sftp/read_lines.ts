import type { OpenFile } from "../../runtime/files.ts";

const BLOCK_BYTES = 4096;

/** The lines of a stream as they arrive, without their ends. */
export async function* readLines(from: Pick<OpenFile, "read">): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  const block = new Uint8Array(BLOCK_BYTES);
  let rest = "";
  for (let n; (n = await from.read(block)) !== null;) {
    const parts = (rest + decoder.decode(block.subarray(0, n), { stream: true })).split("\n");
    rest = parts.pop()!;
    for (const part of parts) yield part.replace(/\r$/, "");
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
