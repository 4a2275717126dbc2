import { dirname, join } from "node:path";
import type { SftpFileInfo } from "./attributes.ts";

/** Where a download goes. */
export interface Target {
  /** Takes the next block; it is the caller's again when the promise resolves. */
  write(block: Uint8Array): Promise<void>;
  /** All blocks are there. */
  commit(info: SftpFileInfo): Promise<void>;
  /** They will not be. */
  discard(cause: unknown): Promise<void>;
}

/** A stream as a target. */
export function streamTarget(stream: WritableStream<Uint8Array>): Target {
  const writer = stream.getWriter();
  return {
    write: (block) => writer.write(block.slice()),
    commit: () => writer.close(),
    discard: (cause) => writer.abort(cause),
  };
}

/**
 * A local file as a target. The content goes to a hidden file beside it, which takes its name when
 * it is whole. A symbolic link of that name is replaced, never followed.
 */
export async function fileTarget(
  local: string,
  mode: number,
  { preserve }: { preserve: boolean },
): Promise<Target> {
  const hidden = join(dirname(local), `.${crypto.randomUUID()}.part`);
  const file = await Deno.open(hidden, { write: true, createNew: true, mode: mode | 0o200 });
  let open = true;
  const close = () => {
    if (open) file.close();
    open = false;
  };
  return {
    write: (block) => writeWhole(file, block),
    async commit(info) {
      if (preserve && info.mtime) await file.utime(info.atime ?? info.mtime, info.mtime);
      close();
      const exact = preserve || (mode & 0o200) === 0; // otherwise as the umask left it
      if (exact && Deno.build.os !== "windows") await Deno.chmod(hidden, mode);
      await Deno.rename(hidden, local);
    },
    async discard() {
      close();
      await Deno.remove(hidden);
    },
  };
}

/** A device or a pipe as a target: written to directly. */
export async function deviceTarget(local: string): Promise<Target> {
  const file = await Deno.open(local, { write: true });
  return {
    write: (block) => writeWhole(file, block),
    commit: () => Promise.resolve(file.close()),
    discard: () => Promise.resolve(file.close()),
  };
}

async function writeWhole(file: Deno.FsFile, block: Uint8Array): Promise<void> {
  for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
}
