/** An open local file, by the system calls that it makes. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AdaptiveIo } from "../../lib/runtime/adaptive_io.ts";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { type SftpBackendFile, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { rename, truncate, unlink } from "../../lib/sftp/server/freeing.ts";
import { LocalFile, type LocalFileOptions } from "../../lib/sftp/server/local_file.ts";
import { replaced } from "../support/replaced.ts";
import { turn } from "./world.ts";

const FD = 77;
const LARGE = 64 * 1024 * 1024 + 1;

type Done = (error: Error | null, value?: number) => void;

/** A file whose system calls are these; `calls` has their names and arguments. */
function fileWith(
  fs: Record<string, (...args: never[]) => unknown>,
  options: Partial<LocalFileOptions> = {},
): { file: LocalFile; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const recorded = Object.fromEntries(
    Object.entries(fs).map(([name, call]) => [name, (...args: never[]) => {
      calls.push([name, ...args]);
      return call(...args);
    }]),
  );
  const file = new LocalFile(FD, {
    append: false,
    mode: "any",
    fs: recorded as unknown as PosixFiles,
    io: new AdaptiveIo(Infinity),
    held: { [Symbol.dispose]: () => void calls.push(["released"]) },
    ...options,
  });
  return { file, calls };
}

/** I/O that is always in another thread. */
async function threaded(): Promise<AdaptiveIo> {
  const io = new AdaptiveIo(-1);
  await io.run(() => {}, () => Promise.resolve()); // the first is never slow
  return io;
}

Deno.test("a close closes the descriptor, and gives it back even if that fails", async () => {
  const { file, calls } = fileWith({ closeSync() {} });
  await file.close();
  assertEquals(calls, [["released"], ["closeSync", FD]]);
  const failing = fileWith({
    closeSync() {
      throw new Error("disk");
    },
  });
  await assertRejects(() => failing.file.close(), Error, "disk");
  assertEquals(failing.calls, [["released"], ["closeSync", FD]]);
});

for (const append of [false, true]) {
  const name = append ? "an appending write" : "a write";
  Deno.test(`${name} continues after short ones until all is written, and makes no empty call`, async () => {
    const data = new Uint8Array(10);
    const count = (length: number) => {
      assert(length > 0 && calls().length <= 4, "an empty or needless call");
      return Math.min(length, 3);
    };
    const { file: now, calls: nowCalls } = fileWith({
      writeSync: (_fd: number, _data: Uint8Array, _at: number, length: number) => count(length),
    }, { append });
    const { file: later, calls: laterCalls } = fileWith({
      write: (
        _fd: number,
        _data: Uint8Array,
        _at: number,
        length: number,
        _: unknown,
        done: Done,
      ) => done(null, count(length)),
    }, { append, io: await threaded() });
    let calls = () => nowCalls;
    assertEquals(now.write(data, 100), undefined);
    calls = () => laterCalls;
    const writing = later.write(data, 100);
    assert(writing instanceof Promise);
    await writing;
    for (const made of [nowCalls, laterCalls]) {
      assertEquals(made.map(([, fd, , at, length, position]) => [fd, at, length, position]), [
        [FD, 0, 10, append ? null : 100],
        [FD, 3, 7, append ? null : 103],
        [FD, 6, 4, append ? null : 106],
        [FD, 9, 1, append ? null : 109],
      ]);
    }
    calls = () => [];
    now.write(new Uint8Array(0), 5);
    await later.write(new Uint8Array(0), 5);
    assertEquals([nowCalls.length, laterCalls.length], [4, 4]);
  });
}

Deno.test("a read is one call for the whole buffer, at its offset", async () => {
  const { file, calls } = fileWith({ readSync: () => 2 });
  const into = new Uint8Array(5);
  assertEquals(file.read(into, 2 ** 40), 2);
  assertEquals(calls, [["readSync", FD, into, 0, 5, 2 ** 40]]);
  const threadedFile = fileWith({
    read: (_fd: number, _into: Uint8Array, _at: number, _length: number, _: number, done: Done) =>
      done(null, 3),
  }, { io: await threaded() });
  assertEquals(await threadedFile.file.read(into, 7), 3);
  assertEquals(threadedFile.calls[0]!.slice(0, -1), ["read", FD, into, 0, 5, 7]);
});

Deno.test("a write that fails in its middle is not continued", async () => {
  const fail = (at: number) => {
    if (at > 0) throw new Error("disk full");
    return 1;
  };
  const { file, calls } = fileWith({
    writeSync: (_fd: number, _data: Uint8Array, at: number) => fail(at),
  });
  assertThrows(() => file.write(new Uint8Array(9), 0), Error, "disk full");
  assertEquals(calls.length, 2);
  const later = fileWith({
    write(_fd: number, _data: Uint8Array, at: number, _length: number, _: number, done: Done) {
      if (at > 0) done(new Error("disk full"));
      else done(null, 1);
    },
  }, { io: await threaded() });
  await assertRejects(async () => await later.file.write(new Uint8Array(9), 0), Error, "disk full");
  assertEquals(later.calls.length, 2);
});

Deno.test("attributes are set in the order of OpenSSH, after the length has changed", async () => {
  let truncated: Done = () => {};
  const { file, calls } = fileWith({
    fstatSync: () => ({ size: 2 * LARGE }),
    ftruncate: (_fd: number, _size: number, done: Done) => void (truncated = done),
    fchmodSync() {},
    futimesSync() {},
    fchownSync() {},
  });
  const [atime, mtime] = [new Date(1000), new Date(2000)];
  const setting = file.setStat({ size: 5, mode: 0o104755, uid: 1, gid: 2, atime, mtime });
  await turn();
  assertEquals(calls.map(([name]) => name), ["fstatSync", "ftruncate"]);
  truncated(null);
  await setting;
  assertEquals(calls.slice(2), [
    ["fchmodSync", FD, 0o4755],
    ["futimesSync", FD, atime, mtime],
    ["fchownSync", FD, 1, 2],
  ]);
});

Deno.test("a refused or failed change changes nothing more", async () => {
  const refused = fileWith({}, { mode: "no setuid" });
  const error = await assertRejects(
    () => refused.file.setStat({ size: 0, mode: 0o2755, uid: 1, gid: 2 }),
    SftpError,
  );
  assertEquals([error.status, refused.calls], [SftpStatus.PERMISSION_DENIED, []]);
  const failed = fileWith({
    fstatSync: () => ({ size: 0 }),
    ftruncateSync() {
      throw new Error("too large");
    },
  });
  await assertRejects(() => failed.file.setStat({ size: 9, mode: 0o600 }), Error, "too large");
  assertEquals(failed.calls.map(([name]) => name), ["fstatSync", "ftruncateSync"]);
});

Deno.test("half a pair of owners or of times changes nothing", async () => {
  const { file, calls } = fileWith({});
  for (const half of [{ uid: 1 }, { gid: 1 }, { atime: new Date(1) }, { mtime: new Date(1) }]) {
    await file.setStat(half);
  }
  assertEquals(calls, []);
});

Deno.test("the file system of a descriptor without a path is not supported", async () => {
  using _ = replaced(runtime, "descriptorPath", () => null);
  const { file, calls } = fileWith({ statfsSync: () => ({}) });
  await assertRejects(() => file.statVfs(), Deno.errors.NotSupported);
  assertEquals(calls, []);
});

Deno.test("files are the same only if both the device and the inode are", () => {
  const identities: Record<number, { dev: bigint; ino: bigint }> = {
    1: { dev: 1n, ino: 2n ** 60n },
    2: { dev: 1n, ino: 2n ** 60n + 1n },
    3: { dev: 2n, ino: 2n ** 60n },
    4: { dev: 1n, ino: 2n ** 60n },
  };
  const fs = {
    fstatSync: (fd: number, options?: { bigint: boolean }) => {
      const { dev, ino } = identities[fd]!;
      return options?.bigint ? { dev, ino } : { dev: Number(dev), ino: Number(ino) };
    },
  } as unknown as PosixFiles;
  const io = new AdaptiveIo();
  const held = { [Symbol.dispose]() {} };
  const [file, ...others] = [1, 2, 3, 4].map((fd) =>
    new LocalFile(fd, { append: false, mode: "any", fs, io, held })
  );
  assertEquals(others.map((other) => file!.isSame(other)), [false, false, true]);
  assertEquals(file!.isSame({ close: () => Promise.resolve() } as SftpBackendFile), false);
});

Deno.test("a change that frees much is in another thread, awaited, and fails the request", async () => {
  const info = (size: number) => ({ size }) as Deno.FileInfo;
  const cases: Record<string, (fs: PosixFiles) => Promise<void>> = {
    ftruncate: (fs) => truncate(fs, FD, 0),
    unlink: (fs) => unlink(fs, "/a", info(LARGE)),
    rename: (fs) => rename(fs, "/a", "/b", info(LARGE)),
  };
  for (const [name, run] of Object.entries(cases)) {
    let done: Done = () => {};
    const fs = {
      fstatSync: () => ({ size: LARGE }),
      [name]: (...args: unknown[]) => void (done = args.at(-1) as Done),
    } as unknown as PosixFiles;
    let over = false;
    const running = run(fs).then(() => over = true);
    await turn();
    assertEquals(over, false, name);
    done(null);
    await running;
    const failing = run(fs);
    done(new Error("disk"));
    await assertRejects(() => failing, Error, "disk", name);
  }
});

Deno.test("only the bytes that are freed count, not those that stay or are added", async () => {
  const calls: string[] = [];
  const fs = (size: number) =>
    ({
      fstatSync: () => ({ size }),
      ftruncateSync: () => void calls.push("now"),
      ftruncate: (_fd: number, _size: number, done: Done) => (calls.push("later"), done(null)),
      renameSync: () => void calls.push("now"),
    }) as unknown as PosixFiles;
  await truncate(fs(2 * LARGE), FD, 2 * LARGE - 5); // five bytes of a large file
  await truncate(fs(0), FD, 2 * LARGE);
  await truncate(fs(2 * LARGE), FD, LARGE + 1);
  await truncate(fs(2 * LARGE), FD, LARGE);
  await rename(fs(0), "/a", "/b", null);
  assertEquals(calls, ["now", "now", "now", "later", "now"]);
});
