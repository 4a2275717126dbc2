const BLOCK = 4096;

/** A stream that can be read. */
export interface Readable {
  read(into: Uint8Array): Promise<number | null>;
}

/** The lines of a stream as they come, without their ends. */
export async function* lines(from: Readable): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  const block = new Uint8Array(BLOCK);
  let rest = "";
  for (let n; (n = await from.read(block)) !== null;) {
    const parts = (rest + decoder.decode(block.subarray(0, n), { stream: true })).split("\n");
    rest = parts.pop()!;
    for (const part of parts) yield part.replace(/\r$/, "");
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
