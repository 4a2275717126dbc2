import { builtin } from "./builtin.ts";
import { isBefore } from "./deno_version.ts";
import type { PosixFiles } from "./files.ts";

let posix: PosixFiles | null = null;

/** `node:fs`, with workarounds for older versions of Deno. */
export function denoPosix(): PosixFiles {
  return posix ??= hasDescriptors() ? builtin("node:fs") : repaired(builtin("node:fs"));
}

/** See `Runtime.descriptorPath`. */
export function descriptorPath(fd: number): string | null {
  return Deno.build.os === "linux" && hasDescriptors() ? `/proc/self/fd/${fd}` : null;
}

/** Before 2.7.12 the descriptors of Deno's `node:fs` were not those of the system. */
function hasDescriptors(): boolean {
  return !isBefore(2, 7, 12);
}

function repaired(fs: PosixFiles): PosixFiles {
  return {
    ...fs,
    write: atomicWrite(fs) as unknown as PosixFiles["write"],
    lchownSync: fs.lchownSync ?? lchown(fs),
  };
}

/**
 * Before Deno 2.7.12, `write` at a position is a seek followed by a write, so parallel calls mix up their
 * positions. `writeSync` does both in one step, so a slow disk blocks the program on these versions.
 */
function atomicWrite(fs: PosixFiles) {
  return (
    fd: number,
    data: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
    done: (error: unknown, written?: number) => void,
  ): void => {
    let written: number;
    try {
      written = fs.writeSync(fd, data, offset, length, position);
    } catch (error) {
      return done(error);
    }
    done(null, written);
  };
}

/** `lchownSync` for files and directories, missing in Deno 2.5 and older. It does not follow links. */
function lchown(fs: PosixFiles) {
  return (path: string | URL | Uint8Array, uid: number, gid: number): void => {
    const named = Deno.lstatSync(path as string);
    if (!named.isFile && !named.isDirectory) throw new Deno.errors.NotSupported();
    const fd = fs.openSync(path as string, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      const { dev, ino } = fs.fstatSync(fd);
      // Deno before 2.5 ignores O_NOFOLLOW.
      if (dev !== named.dev || ino !== named.ino) throw new Deno.errors.NotSupported();
      fs.fchownSync(fd, uid, gid);
    } finally {
      fs.closeSync(fd);
    }
  };
}
