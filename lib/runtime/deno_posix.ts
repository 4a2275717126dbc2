import { builtin } from "./builtin.ts";
import type { PosixFiles } from "./files.ts";

let posix: PosixFiles | null = null;

/** `node:fs`, with a repair for older versions of Deno. */
export function denoPosix(): PosixFiles {
  return posix ??= isBefore(2, 7, 12) ? withAtomicWrites(builtin("node:fs")) : builtin("node:fs");
}

/**
 * Before Deno 2.7.12, `write` at a position is a seek and then a write, so parallel calls write to each
 * other's positions. `writeSync` does both in one step; a slow disk blocks the program on these versions.
 */
function withAtomicWrites(fs: PosixFiles): PosixFiles {
  const write = (
    fd: number,
    data: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
    done: (error: unknown, written?: number) => void,
  ) => {
    let written: number;
    try {
      written = fs.writeSync(fd, data, offset, length, position);
    } catch (error) {
      return done(error);
    }
    done(null, written);
  };
  return { ...fs, write: write as unknown as PosixFiles["write"] };
}

function isBefore(...version: readonly [major: number, minor: number, patch: number]): boolean {
  const own = Deno.version.deno.split(".").map((part) => parseInt(part));
  const at = version.findIndex((part, i) => part !== own[i]);
  return at !== -1 && own[at]! < version[at]!;
}
