import { assertEquals, assertInstanceOf } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";

const BLOCK = 4096;
const BLOCKS = 64;

Deno.test("posix.write puts blocks at their positions, also many in parallel", async () => {
  const path = await Deno.makeTempFile();
  const { closeSync, constants, openSync, write } = runtime.posix;
  const fd = openSync(path, constants.O_WRONLY);
  try {
    await Promise.all(
      Array.from({ length: BLOCKS }, (_, block) =>
        new Promise<void>((resolve, reject) => {
          const data = new Uint8Array(BLOCK).fill(block);
          write(fd, data, 0, BLOCK, block * BLOCK, (error) => error ? reject(error) : resolve());
        })),
    );
    const expected = Uint8Array.from({ length: BLOCK * BLOCKS }, (_, i) => Math.floor(i / BLOCK));
    assertEquals(await Deno.readFile(path), expected);
  } finally {
    closeSync(fd);
    await Deno.remove(path);
  }
});

Deno.test("posix.write passes an error to its callback", async () => {
  const path = await Deno.makeTempFile();
  const { closeSync, constants, openSync, write } = runtime.posix;
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const error = await new Promise((resolve) => write(fd, new Uint8Array(1), 0, 1, 0, resolve));
    assertEquals(error instanceof Error, true);
  } finally {
    closeSync(fd);
    await Deno.remove(path);
  }
});

Deno.test("posix.lchownSync changes files and directories, and never a link's target", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { uid, gid } = await Deno.stat(folder);
    runtime.posix.lchownSync(folder, uid!, gid!);
    await Deno.writeTextFile(`${folder}/file`, "x");
    runtime.posix.lchownSync(`${folder}/file`, uid!, gid!);
    await Deno.symlink("none", `${folder}/link`); // to follow it would fail with ENOENT
    try {
      runtime.posix.lchownSync(`${folder}/link`, uid!, gid!);
    } catch (error) {
      assertInstanceOf(error, Deno.errors.NotSupported);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
