/** A folder's counted usage, with a fake file system. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { SftpError, type SftpQuota } from "../../lib/sftp/mod.ts";
import type { SftpBackendEntry } from "../../lib/sftp/server/backend.ts";
import { limited } from "../../lib/sftp/server/quota.ts";
import { Usage } from "../../lib/sftp/server/usage.ts";
import { replaced } from "../support/replaced.ts";

const O_CREAT = 64;
const FULL = "Disk quota exceeded";
const DISK = { type: 7, bsize: 4096, blocks: 50, bfree: 20, bavail: 10, files: 90, ffree: 80 };

interface FakeFile {
  /** As large as only big numbers are exact. */
  readonly ino: bigint;
  readonly nlink: bigint;
  readonly size: number;
}

type Done = (error: Error | null, written?: number) => void;

/** Files by path; descriptors are opened in the order 3, 4, 5. */
class FakeFs {
  readonly constants = { O_CREAT };
  readonly files = new Map<string, FakeFile>();
  readonly open = new Map<number, string>();
  /** Calls in other threads that are under way. */
  readonly running: Done[] = [];
  /** How often the size of an open file was looked up, with exact numbers or not. */
  looked = 0;
  statfs: typeof DISK | Error = DISK;
  #fd = 3;

  add(path: string, size: number, more: Partial<FakeFile> = {}): void {
    this.files.set(path, { ino: 2n ** 60n + BigInt(this.files.size), nlink: 1n, ...more, size });
  }

  lstatSync(path: string, options?: { bigint: boolean }) {
    const file = this.files.get(path);
    if (file === undefined) throw new Deno.errors.NotFound(path);
    const number = options?.bigint ? BigInt : Number;
    return {
      dev: number(1),
      ino: number(file.ino),
      nlink: number(file.nlink),
      size: number(file.size),
      isFile: () => true,
    };
  }

  fstatSync(fd: number, options?: { bigint: boolean }) {
    const path = this.open.get(fd);
    if (path === undefined) throw new Error("EBADF");
    if (!options) this.looked++;
    return this.lstatSync(path, options);
  }

  openSync = (path: string, flags: number): number => {
    if (!this.files.has(path) && !(flags & O_CREAT)) throw new Deno.errors.NotFound(path);
    if (!this.files.has(path)) this.add(path, 0);
    this.open.set(this.#fd, path);
    return this.#fd++;
  };
  closeSync = (fd: number): void => void this.open.delete(fd);
  unlinkSync = (): void => {};
  renameSync = (): void => {};
  writeSync = (_fd: number, _data: Uint8Array, _at: number, length: number): number => length;
  ftruncateSync = (): void => {};
  unlink = (_path: string, done: Done): void => void this.running.push(done);
  ftruncate = (_fd: number, _size: number, done: Done): void => void this.running.push(done);
  write = (
    _fd: number,
    _data: Uint8Array,
    _at: number,
    _length: number,
    _position: number,
    done: Done,
  ): void => void this.running.push(done);
  statfsSync = (): typeof DISK => {
    if (this.statfs instanceof Error) throw this.statfs;
    return this.statfs;
  };
}

/** A folder that is counted to hold this already. */
async function world(quota: SftpQuota, held = { bytes: 0, files: 0 }) {
  const disk = new FakeFs();
  const usage = new Usage({ list: listing([]), count: () => Promise.resolve(held), now: () => 0 });
  await usage.pending();
  return { disk, usage, fs: limited(disk as unknown as PosixFiles, usage, quota) };
}

const exceeded = (attempt: () => unknown) => assertThrows(attempt, SftpError, FULL);
const ignored = () => {};
const DATA = new Uint8Array(1000);

Deno.test("a file that is replaced, or opened twice, is told by all digits of its number", async () => {
  const { disk, usage, fs } = await world({ bytes: 1000 }, { bytes: 300, files: 2 });
  disk.add("/a", 100);
  disk.add("/b", 200);
  const [a, b] = [fs.openSync("/a", 0), fs.openSync("/b", 0)];
  assertEquals([usage.sizeOf(a), usage.sizeOf(b)], [100, 200]);
  fs.closeSync(a);
  fs.closeSync(b);
  assertEquals([disk.open.size, usage.bytes], [0, 300]);
  fs.renameSync("/a", "/b");
  assertEquals([usage.bytes, usage.files], [100, 1]);
});

Deno.test("renaming a file to another of its names removes none", async () => {
  const { disk, usage, fs } = await world({}, { bytes: 100, files: 2 });
  for (const path of ["/a", "/b"]) disk.add(path, 100, { ino: 5n, nlink: 2n });
  fs.renameSync("/a", "/b");
  assertEquals(usage.files, 2);
});

Deno.test("a name that comes only after the look, or is not removed, does not count", async () => {
  const { disk, usage, fs } = await world({}, { bytes: 100, files: 1 });
  fs.unlinkSync("/late");
  fs.unlink("/late", ignored);
  disk.running.shift()!(null);
  disk.add("/a", 100);
  let reason: Error | null = null;
  fs.unlink("/a", (error) => void (reason = error));
  assert(usage.pending() !== null);
  const refused = new Error("EPERM");
  disk.running.shift()!(refused);
  assertEquals([usage.bytes, usage.files, usage.pending(), reason], [100, 1, null, refused]);
});

Deno.test("only a new file needs a place among the files", async () => {
  const { disk, usage, fs } = await world({ files: 1 }, { bytes: 100, files: 1 });
  disk.add("/a", 100);
  assertThrows(() => fs.openSync("/missing", 0), Deno.errors.NotFound);
  fs.openSync("/a", O_CREAT);
  assertEquals(usage.files, 1);
  exceeded(() => fs.openSync("/new", O_CREAT));
});

Deno.test("a folder that holds too much may be changed, but not grow", async () => {
  const { disk, fs } = await world({ bytes: 100 }, { bytes: 500, files: 1 });
  disk.add("/a", 500);
  const fd = fs.openSync("/a", 0);
  fs.writeSync(fd, DATA, 0, 500, 0);
  exceeded(() => fs.writeSync(fd, DATA, 0, 501, 0));
  exceeded(() => fs.ftruncate(fd, 501, ignored));
  fs.ftruncateSync(fd, 499);
  exceeded(() => fs.ftruncateSync(fd, 500));
});

Deno.test("writes in other threads hold their place, and are looked up if one is not whole", async () => {
  const { disk, usage, fs } = await world({ bytes: 1000 }, { bytes: 0, files: 1 });
  disk.add("/a", 0);
  const fd = fs.openSync("/a", 0);
  const write = (length: number, position: number) =>
    fs.write(fd, DATA, 0, length, position, ignored);
  write(300, 0);
  write(300, 300);
  disk.running.shift()!(null, 300);
  assertEquals([usage.bytes, disk.looked], [600, 0]); // the second one may have written nothing
  disk.running.shift()!(null, 300);
  assertEquals([usage.bytes, disk.looked], [600, 0]);
  write(100, 600);
  write(100, 700);
  disk.running.shift()!(null, 50);
  assertEquals([usage.bytes, disk.looked], [800, 0]);
  disk.files.set("/a", { ...disk.files.get("/a")!, size: 750 });
  disk.running.shift()!(null, 100);
  assertEquals([usage.bytes, disk.looked], [750, 1]);
  write(10, 0);
  disk.running.shift()!(null, 10);
  assertEquals(disk.looked, 1);
  write(10, 800);
  disk.running.shift()!(new Error("EIO"), 10);
  assertEquals([usage.bytes, disk.looked], [750, 2]);
});

Deno.test("a write that ends after its file was closed changes nothing", async () => {
  const { disk, usage, fs } = await world({}, { bytes: 0, files: 1 });
  disk.add("/a", 0);
  const fd = fs.openSync("/a", 0);
  fs.write(fd, DATA, 0, 300, 0, ignored);
  fs.closeSync(fd);
  disk.running.shift()!(new Error("EBADF"), 0);
  assertEquals(usage.bytes, 0);
});

Deno.test("df has the figures of the quota where the disk has none to tell", async () => {
  const { disk, fs } = await world({ bytes: 10 * 1024 }, { bytes: 4 * 1024, files: 3 });
  disk.statfs = new Error("no permission");
  assertEquals(fs.statfsSync("/") as typeof DISK, {
    type: 0,
    bsize: 1024,
    blocks: 10,
    bfree: 6,
    bavail: 6,
    files: 0,
    ffree: 0,
  });
  const named = await world({ files: 2 }, { bytes: 1024, files: 3 });
  const { type, blocks, files, ffree } = named.fs.statfsSync("/");
  assertEquals([type, blocks, files, ffree], [7, 41, 3, 0]);
  named.disk.statfs = new Error("no permission");
  assertThrows(() => named.fs.statfsSync("/"), Error, "no permission");
});

Deno.test("df of a folder that could not be counted has figures where there is no limit", async () => {
  const cases: [SftpQuota, figures: number[]][] = [
    [{ files: 2 }, [40, 40, 2, 0]],
    [{ bytes: 2048 }, [2, 0, 80, 80]],
  ];
  for (const [quota, expected] of cases) {
    const { fs, usage } = await world(quota);
    usage.bytes = usage.files = Infinity;
    const { blocks, bfree, files, ffree } = fs.statfsSync("/");
    assertEquals([blocks, bfree, files, ffree], expected);
  }
});

function listing(entries: readonly SftpBackendEntry[], listed: () => void = ignored) {
  return async function* (path: string): AsyncGenerator<SftpBackendEntry> {
    for (const entry of path === "/" ? entries : []) {
      listed();
      await null;
      yield entry;
    }
  };
}

/** A file of ten bytes with a number, if it has one. */
function entry(ino?: number, links?: number): SftpBackendEntry {
  const info = { isFile: true, isDirectory: false, isSymlink: false, size: 10, dev: 1, ino };
  return { name: "x", info, links } as unknown as SftpBackendEntry;
}

Deno.test("a file with several names is counted once, if its number tells", async () => {
  const cases: [Parameters<typeof entry>, bytes: number][] = [
    [[5, 2], 10],
    [[5, 1], 20], // as where every file has one number
    [[5], 20],
    [[], 20],
    [[2 ** 60, 2], 20], // a number that is not exact
  ];
  for (const [args, bytes] of cases) {
    const list = listing([entry(...args), entry(...args)]);
    const usage = new Usage({ list, now: () => 0 });
    assertEquals([usage.bytes, usage.files], [Infinity, Infinity]);
    await usage.pending();
    assertEquals([usage.bytes, usage.files, usage.pending()], [bytes, 2, null]);
  }
});

Deno.test("a refusal has the folder counted anew after more than a minute", async () => {
  let [now, counts] = [0, 0];
  const count = () => Promise.resolve({ bytes: 0, files: ++counts });
  const usage = new Usage({ list: listing([]), count, now: () => now });
  await usage.pending();
  for (const [at, isCounted] of [[60_000, false], [60_001, true]] as const) {
    now = at;
    usage.refused();
    assertEquals(usage.pending() !== null, isCounted);
  }
  await usage.pending();
  assertEquals(counts, 2);
});

Deno.test("counting many files has pauses, in which other connections are served", async () => {
  let [now, listed] = [performance.now(), 0];
  const pauses: number[] = [];
  const { setTimeout } = globalThis;
  using _slow = replaced(performance, "now", () => now);
  using _pausing = replaced(
    globalThis,
    "setTimeout",
    ((run: () => void, ms?: number) =>
      setTimeout(() => {
        pauses.push(listed);
        run();
      }, ms)) as typeof setTimeout,
  );
  const many = Array.from({ length: 400 }, () => entry());
  const list = listing(many, () => {
    listed++;
    now++;
  });
  const usage = new Usage({ list, now: () => 0 });
  await usage.pending();
  assertEquals(usage.files, 400);
  assert(pauses.length > 4, `${pauses}`);
  pauses.reduce((before, at) => (assert(at - before <= 64, `${pauses}`), at), 0);
});

Deno.test("a count that fails leaves the folder full", async () => {
  const list = () => {
    throw new Deno.errors.PermissionDenied("/");
  };
  const usage = new Usage({ list, now: () => 0 });
  await usage.pending();
  assertEquals([usage.bytes, usage.files], [Infinity, Infinity]);
  const fs = limited(new FakeFs() as unknown as PosixFiles, usage, { files: 5 });
  await assertRejects(async () => await fs.openSync("/a", O_CREAT), SftpError, "Cannot count");
});
