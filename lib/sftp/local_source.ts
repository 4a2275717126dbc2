/** Where an upload comes from. */
export interface Source {
  /** Bytes to expect, or null if nobody knows. */
  readonly size: number | null;
  /** What is known of the file, if it is one. */
  readonly info: Deno.FileInfo | null;
  /** Fills the block; resolves to fewer bytes than fit only at the end. */
  fill(block: Uint8Array): Promise<number>;
  /** Ends it, early perhaps. */
  close(): void;
}

/** A local file as a source. */
export async function fileSource(local: string): Promise<Source> {
  const file = await Deno.open(local);
  try {
    const info = await file.stat();
    if (info.isDirectory) throw new Deno.errors.IsADirectory(`"${local}" is a directory`);
    return {
      size: info.isFile ? info.size : null,
      info,
      async fill(block) {
        let count = 0;
        while (count < block.length) {
          const more = await file.read(block.subarray(count));
          if (more === null) break;
          count += more;
        }
        return count;
      },
      close: () => file.close(),
    };
  } catch (cause) {
    file.close();
    throw cause;
  }
}

/** Bytes in memory as a source. */
export function bytesSource(bytes: Uint8Array): Source {
  let offset = 0;
  return {
    size: bytes.length,
    info: null,
    fill(block) {
      const piece = bytes.subarray(offset, offset + block.length);
      offset += piece.length;
      block.set(piece);
      return Promise.resolve(piece.length);
    },
    close: () => {},
  };
}

/** A stream as a source; it is cancelled if it is not read to its end. */
export function streamSource(stream: ReadableStream<Uint8Array>): Source {
  const reader = stream.getReader();
  let rest: Uint8Array = new Uint8Array(0);
  let ended = false;
  return {
    size: null,
    info: null,
    async fill(block) {
      let count = 0;
      while (count < block.length && !ended) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          ended = done;
          rest = value ?? rest;
          continue;
        }
        const piece = rest.subarray(0, block.length - count);
        block.set(piece, count);
        rest = rest.subarray(piece.length);
        count += piece.length;
      }
      return count;
    },
    close() {
      if (!ended) reader.cancel().catch(() => {}); // nobody is left to tell
    },
  };
}
