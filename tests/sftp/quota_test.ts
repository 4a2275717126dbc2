/** Folders with a quota. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import {
  localFiles,
  type SftpBackend,
  type SftpBackendFile,
  type SftpBackendOpen,
  SftpError,
  type SftpQuota,
} from "../../lib/sftp/mod.ts";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { type Usage, usageOf } from "../../lib/sftp/server/usage.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";
import { FakeTime } from "../support/fake_time.ts";
import { fuzzTest, LONG } from "../support/random.ts";
import { replaced } from "../support/replaced.ts";
import { folder, noise, ourWorld } from "./world.ts";

const ignore = Deno.build.os === "windows";
const FOR_WRITING: SftpBackendOpen = {
  read: true,
  write: true,
  append: false,
  create: true,
  createNew: false,
  truncate: false,
  mode: null,
};

interface World extends AsyncDisposable {
  readonly backend: Required<SftpBackend>;
  readonly root: string;
  /** The counted usage. */
  readonly usage: Usage;
  open(path: string, options?: Partial<SftpBackendOpen>): Promise<SftpBackendFile>;
  /** Makes a file of that length. */
  put(path: string, length: number): Promise<void>;
}

async function world(quota: SftpQuota, prepare?: (root: string) => Promise<void>): Promise<World> {
  const { path: root, [Symbol.asyncDispose]: remove } = await folder();
  await prepare?.(root);
  const backend = localFiles({ root, quota }) as Required<SftpBackend>;
  const open: World["open"] = (path, options) => backend.open(path, { ...FOR_WRITING, ...options });
  return {
    backend,
    root,
    usage: usageOf(root, { list: backend.readDir, now: () => 0 }),
    open,
    async put(path, length) {
      const file = await open(path);
      try {
        await file.write(noise(length), 0);
      } finally {
        await file.close();
      }
    },
    [Symbol.asyncDispose]: () => remove(),
  };
}

/** The usage of a folder on the disk. */
async function held(
  root: string,
  seen: Set<number> = new Set(),
): Promise<[bytes: number, files: number]> {
  let [bytes, files] = [0, 0];
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    const { ino, isFile, size } = await Deno.lstat(`${root}/${name}`);
    const [moreBytes, moreFiles] = isDirectory ? await held(`${root}/${name}`, seen) : [0, 0];
    if (isFile && !seen.has(ino!)) bytes += size;
    seen.add(ino!);
    bytes += moreBytes;
    files += 1 + moreFiles;
  }
  return [bytes, files];
}

async function exceeded(attempt: () => Promise<unknown> | unknown, reason = "Disk quota exceeded") {
  await assertRejects(async () => await attempt(), SftpError, reason);
}

/** Each way in which a file grows, of a file `a` of 600 bytes in a folder that may hold 1000. */
const GROWTHS: Record<string, (w: World, a: SftpBackendFile) => Promise<void> | void> = {
  "a write": (_, a) => a.write(noise(401), 600),
  "a write far after the end": (_, a) => a.write(noise(1), 1000),
  "a truncation to more": (_, a) => a.setStat({ size: 1001 }),
  "a truncation by path": ({ backend }) => backend.setStat("/a", { size: 1001 }),
  "a truncation by a path that may be a link": ({ backend }) =>
    backend.lsetStat("/a", { size: 1001 }),
  "a new file": ({ put }) => put("/b", 401),
  "a file by a second name": async ({ backend, put }) => {
    await backend.link("/a", "/c");
    await put("/c", 1001);
  },
  "appending": async ({ open }) => {
    const file = await open("/a", { append: true });
    try {
      await file.write(noise(401), 0);
    } finally {
      await file.close();
    }
  },
};

for (const [name, grow] of Object.entries(GROWTHS)) {
  Deno.test(
    { name: `${name} beyond a quota is refused, and changes nothing`, ignore },
    async () => {
      await using w = await world({ bytes: 1000 });
      await w.put("/a", 600);
      const a = await w.open("/a");
      await exceeded(() => grow(w, a));
      assertEquals(w.usage.bytes, 600);
      assertEquals((await held(w.root))[0], 600);
      await a.write(noise(400), 600); // exactly the limit
      await exceeded(() => a.write(noise(1), 1000));
      await a.close();
      assertEquals([w.usage.bytes, w.usage.files], await held(w.root));
    },
  );
}

Deno.test(
  { name: "each kind of new name counts, and one too many is refused", ignore },
  async () => {
    const makes: ((w: World) => Promise<unknown>)[] = [
      async ({ open }) => await (await open("/new")).close(),
      ({ backend }) => backend.mkdir("/new", null),
      ({ backend }) => backend.symlink("a", "/new"),
      ({ backend }) => backend.link("/a", "/new"),
    ];
    for (const make of makes) {
      await using w = await world({ files: 2 });
      await w.put("/a", 1);
      await w.backend.mkdir("/folder", null);
      await exceeded(() => make(w), "Disk quota exceeded: too many files");
      assertEquals(w.usage.files, 2);
      await w.backend.rename("/a", "/b", { overwrite: false }); // a file by another name
      await w.backend.rename("/b", "/a", { overwrite: true });
      await w.backend.rmdir("/folder");
      await make(w);
      assertEquals(w.usage.files, 2);
    }
  },
);

fuzzTest("a quota is right after any operations of clients", async (random) => {
  if (ignore) return;
  const some = <T>(list: readonly T[]): T => list[random(list.length)]!;
  await using w = await world({ bytes: 20_000, files: 14 }, async (root) => {
    await Deno.mkdir(`${root}/f/g`, { recursive: true });
    await Deno.writeFile(`${root}/f/a`, noise(3000));
    await Deno.link(`${root}/f/a`, `${root}/b`);
  });
  const { backend } = w;
  const names = ["a", "b", "c", "f", "g", "h"];
  const path = () => random(2) === 0 ? `/${some(names)}` : `/${some(names)}/${some(names)}`;
  const files: SftpBackendFile[] = [];
  const size = () => random(6000);
  const open = async (options: Partial<SftpBackendOpen>) => {
    if (files.length < 4) files.push(await w.open(path(), options));
  };
  const steps: (() => Promise<unknown> | unknown)[] = [
    () => open({ truncate: random(3) === 0 }),
    () => open({ append: true }),
    () => open({ write: false, create: false }),
    () => files.length && some(files).write(noise(size()), size()),
    () => files.length && some(files).setStat({ size: size() }),
    () => backend.setStat(path(), { size: size(), mode: 0o600 }),
    () => backend.mkdir(path(), null),
    () => backend.rmdir(path()),
    () => backend.remove(path()),
    () => backend.rename(path(), path(), { overwrite: random(3) > 0 }),
    () => backend.link(path(), path()),
    () => backend.symlink(some(names), path()),
    async () => await files.splice(random(files.length), 1)[0]?.close(),
  ];
  await backend.mkdir("/h", null);
  let [done, refused] = [0, 0];
  for (let step = 1; step <= 500 * LONG; step++) {
    try {
      await some(steps)();
      done++;
    } catch {
      refused++;
    }
    const [bytes, count] = await held(w.root);
    assertEquals(w.usage.files, count, `after step ${step}`);
    assert(w.usage.bytes <= 20_000 && count <= 14);
    if (step % 20 > 0) continue;
    assertEquals(w.usage.bytes, bytes + await nameless(files, w.root), `after step ${step}`);
  }
  for (const file of files) await file.close();
  assertEquals([w.usage.bytes, w.usage.files], await held(w.root));
  assert(done > 100 && refused > 100);
});

/** The bytes of open files without a name. */
async function nameless(files: readonly SftpBackendFile[], root: string): Promise<number> {
  let bytes = 0;
  for (const [at, file] of files.entries()) {
    if (files.slice(0, at).some((other) => file.isSame!(other))) continue;
    if (!await isNamed(file, localFiles({ root }), "")) bytes += (await file.stat()).size;
  }
  return bytes;
}

/** Whether an open file has a name in the folder. */
async function isNamed(
  file: SftpBackendFile,
  backend: SftpBackend,
  folder: string,
): Promise<boolean> {
  for await (const { name, info } of backend.readDir!(`${folder}/`)) {
    const path = `${folder}/${name}`;
    if (name === "." || name === "..") continue;
    if (info.isDirectory && await isNamed(file, backend, path)) return true;
    if (!info.isFile) continue;
    const other = await backend.open!(path, { ...FOR_WRITING, write: false, create: false });
    const isSame = file.isSame!(other);
    await other.close();
    if (isSame) return true;
  }
  return false;
}

Deno.test(
  { name: "a removed file counts until the last client has closed it", ignore },
  async () => {
    await using w = await world({ bytes: 1000 });
    await w.put("/a", 600);
    const [one, two] = [await w.open("/a", { write: false, create: false }), await w.open("/a")];
    await w.backend.remove("/a");
    await two.write(noise(300), 600);
    await two.close();
    assertEquals([w.usage.bytes, w.usage.files], [900, 0]);
    await exceeded(() => w.put("/b", 101));
    await one.close();
    await w.backend.remove("/b");
    await w.put("/b", 1000);
    assertEquals([w.usage.bytes, w.usage.files], [1000, 1]);
  },
);

Deno.test("a large file that is freed in another thread is counted once", async () => {
  if (ignore) return;
  const large = 100 * 1024 ** 2;
  await using w = await world({ bytes: 3 * large, files: 3 });
  const { backend } = w;
  const grow = async (path: string) => {
    await (await w.open(path)).close();
    await backend.setStat(path, { size: large });
  };
  await grow("/a");
  await grow("/b");
  // One client removes it, another one renames it and makes a small file with its name.
  await Promise.allSettled([
    backend.remove("/a"),
    backend.rename("/a", "/c", { overwrite: true }),
    w.put("/a", 10),
    backend.setStat("/b", { size: 5 }),
  ]);
  assertEquals([w.usage.bytes, w.usage.files], await held(w.root));
  await grow("/c");
  await Promise.allSettled([
    backend.rename("/b", "/c", { overwrite: true }),
    w.put("/b", 10),
    backend.remove("/c"),
  ]);
  assertEquals([w.usage.bytes, w.usage.files], await held(w.root));
  await grow("/d");
  const [one, two] = [await w.open("/d"), await w.open("/d")];
  const cut = one.setStat({ size: 100 });
  await two.write(noise(50), 0);
  await cut;
  await two.write(noise(50), 100);
  await backend.remove("/d");
  await one.close();
  assertEquals(w.usage.bytes - 150, (await held(w.root))[0]);
  await two.close();
  assertEquals([w.usage.bytes, w.usage.files], await held(w.root));
});

Deno.test(
  { name: "a write in another thread counts, and one that fails does not", ignore },
  async () => {
    const { posix } = runtime;
    let fails = false;
    // Makes every synchronous call slow, so that later ones run in other threads.
    const changes = {
      write: (
        fd: number,
        data: Uint8Array,
        at: number,
        length: number,
        position: number,
        done: never,
      ) =>
        fails
          ? queueMicrotask(() => (done as (error: Error) => void)(new Error("The disk is full")))
          : posix.write(fd, data, at, length, position, done),
    };
    using time = new FakeTime();
    using _ = replaced(
      runtime,
      "posix",
      Object.assign(Object.create(posix), {
        ...changes,
        writeSync: (...args: Parameters<PosixFiles["writeSync"]>) => {
          time.skip(100);
          return (posix.writeSync as (...args: unknown[]) => number)(...args);
        },
      }),
    );
    await using w = await world({ bytes: 1000 });
    const a = await w.open("/a");
    await a.write(noise(100), 0);
    await Promise.all([a.write(noise(300), 100), a.write(noise(300), 400)]);
    assertEquals(w.usage.bytes, 700);
    await exceeded(() => a.write(noise(301), 700));
    fails = true;
    await assertRejects(async () => await a.write(noise(100), 700), Error, "The disk is full");
    assertEquals(w.usage.bytes, 700);
    await a.close();
  },
);

Deno.test(
  { name: "backends with the same root share a count, each with its own limits", ignore },
  async () => {
    await using w = await world({ bytes: 1000 });
    const other = localFiles({ root: `${w.root}/.`, quota: { bytes: 2000 } });
    await w.put("/a", 900);
    const file = await other.open!("/b", FOR_WRITING);
    await file.write(noise(1100), 0);
    await assertRejects(async () => await file.write(noise(1), 1100), SftpError, "Disk quota");
    await file.close();
    await exceeded(() => w.put("/c", 1));
  },
);

Deno.test(
  { name: "a counter of the program replaces counting the disk", ignore },
  async () => {
    let asked = 0;
    await using w = await world({
      bytes: 1000,
      count: () => Promise.resolve({ bytes: 990 + asked++, files: 7 }),
    });
    await w.put("/a", 10);
    assertEquals([asked, w.usage.bytes, w.usage.files], [1, 1000, 8]);
  },
);

Deno.test(
  { name: "a full folder is counted again once a minute if nothing is open", ignore },
  async () => {
    using time = new FakeTime();
    await using w = await world({ bytes: 1000 });
    await w.put("/a", 1000);
    await Deno.remove(`${w.root}/a`); // another program
    await exceeded(() => w.put("/b", 1));
    time.skip(60_001);
    const b = await w.open("/b");
    await exceeded(() => b.write(noise(1), 0));
    await exceeded(() => w.put("/c", 1)); // b is open
    await b.close();
    await w.put("/c", 1);
    assertEquals([w.usage.bytes, w.usage.files], [1, 2]);
  },
);

Deno.test(
  { name: "an uncountable folder counts as full, until it can be counted", ignore },
  async () => {
    using time = new FakeTime();
    let known = false;
    await using w = await world({
      bytes: 1000,
      count: () =>
        known ? Promise.resolve({ bytes: 0, files: 0 }) : Promise.reject(new Error("No")),
    }, (root) => Deno.mkdir(`${root}/folder`));
    const reason = "Cannot count what the folder holds for its quota";
    await exceeded(() => w.put("/a", 1), reason);
    await w.backend.setStat("/folder", { mode: 0o700 });
    await w.backend.rmdir("/folder");
    const { blocks, freeBlocks } = await w.backend.statVfs("/");
    assertEquals([blocks, freeBlocks], [1, 0]);
    known = true;
    await exceeded(() => w.put("/a", 1), reason);
    time.skip(60_001);
    await exceeded(() => w.put("/a", 1), reason);
    await w.put("/a", 1);
  },
);

Deno.test(
  { name: "df reports the quota's free space, by path and by handle", ignore },
  async () => {
    await using w = await world({ bytes: 1024 * 100, files: 10 });
    await w.put("/a", 1024 * 30 + 1);
    const a = await w.open("/a");
    const byPath = await w.backend.statVfs("/a");
    for (const told of [byPath, WITHOUT_DESCRIPTORS ? byPath : await a.statVfs!()]) {
      const { fragmentSize, blocks, freeBlocks, availableBlocks, files, freeFiles } = told;
      assertEquals([fragmentSize, blocks, freeBlocks, availableBlocks], [1024, 100, 69, 69]);
      assertEquals([files, freeFiles], [10, 9]);
    }
    await a.close();
  },
);

Deno.test(
  { name: "df reports the disk's free space if that is less", ignore },
  async () => {
    const disk = { type: 1, bsize: 4096, blocks: 50, bfree: 20, bavail: 10, files: 0, ffree: 0 };
    const { posix } = runtime;
    using _ = replaced(
      runtime,
      "posix",
      Object.assign(Object.create(posix), { statfsSync: () => disk }),
    );
    await using w = await world({ bytes: 1024 * 1024 });
    await w.put("/a", 2048);
    const { blocks, availableBlocks, files } = await w.backend.statVfs("/");
    assertEquals([blocks, availableBlocks, files], [42, 40, 0]);
  },
);

Deno.test(
  { name: "a put beyond the quota fails, and its counted bytes are free again", ignore },
  async () => {
    await using w = await ourWorld({
      backend: (root) => localFiles({ root, quota: { bytes: 1_000_000 } }),
    });
    const { sftp } = w;
    await sftp.put(noise(400_000), "/old");
    await assertRejects(() => sftp.put(noise(700_000), "/new"), SftpError, "Disk quota exceeded");
    assertEquals(await held(w.root), [400_000, 1]);
    await sftp.put(noise(600_000), "/new");
    await assertRejects(() => sftp.copyFile("/old", "/copy"), SftpError, "Disk quota exceeded");
    assertEquals((await held(w.root))[0], 1_000_000);
  },
);

Deno.test({ name: "an invalid quota is refused", ignore }, async () => {
  await using here = await folder();
  const root = here.path;
  assertThrows(() => localFiles({ root, quota: { bytes: -1 } }), TypeError, "bytes must be");
  const wrong = { byte: 1 } as SftpQuota;
  assertThrows(() => localFiles({ root, quota: wrong }), TypeError, 'may be "bytes"');
  assertThrows(() => localFiles({ root: "/", quota: {} }), TypeError, "takes no quota");
});
