/** A small or read-only disk, for machines where file systems can be mounted. */
import { must, run } from "../../support/run.ts";

/** A mounted file system in memory. */
export interface SmallDisk extends AsyncDisposable {
  /** Its path. */
  readonly path: string;
  /** Makes it read-only. */
  protect(): Promise<void>;
}

/** Mounts one with this many bytes at a new path. */
export async function smallDisk(path: string, bytes: number): Promise<SmallDisk> {
  await Deno.mkdir(path);
  await must("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "none", path]);
  return {
    path,
    protect: async () => void await must("mount", ["-o", "remount,ro", path]),
    async [Symbol.asyncDispose]() {
      await must("umount", ["-l", path]);
    },
  };
}

/** Whether file systems can be mounted: containers may forbid it even to root. */
export async function canMountDisks(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const folder = await Deno.makeTempDir();
  try {
    const { code } = await run("mount", ["-t", "tmpfs", "none", folder]);
    if (code === 0) await must("umount", [folder]);
    return code === 0;
  } finally {
    await Deno.remove(folder);
  }
}
