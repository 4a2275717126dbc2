/** A local file written by a transfer: its part, its lock, its mode and its name. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AdaptiveIo } from "../../lib/runtime/adaptive_io.ts";
import type { OpenFile } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import type { SftpFileInfo, SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { S_IF } from "../../lib/sftp/protocol/numbers.ts";
import type { TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { deviceTarget, fileTarget } from "../../lib/sftp/transfer/local_target.ts";
import { replacedFiles, replacedOpenFiles } from "./local_files.ts";
import { replaced } from "../support/replaced.ts";
import { folder, noise, same, turn } from "./world.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";

const PART = ".0123.part";
const data = noise(300_000);
const ignore = Deno.build.os === "windows";

interface How {
  readonly options?: SftpTransferOptions;
  readonly info?: Partial<SftpFileInfo>;
  readonly part?: string;
  readonly check?: () => void;
  readonly io?: AdaptiveIo;
}

function target(path: string, how: How = {}): Promise<TransferTarget> {
  const info = how.info === undefined ? null : { ...INFO, ...how.info };
  return fileTarget(path, {
    options: how.options ?? {},
    info,
    part: how.part ?? null,
    io: how.io ?? new AdaptiveIo(),
    check: how.check ?? null,
  });
}

const INFO: SftpFileInfo = infoOf({ size: 0 }, S_IF.FILE);

async function names(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.lstat(path)).mode! & 0o7777;
}

async function write(target: TransferTarget, ...blocks: Uint8Array[]): Promise<number> {
  let released = 0;
  for (const block of blocks) await target.write(block, () => released++);
  return released;
}

Deno.test("a file is written under a hidden name, and gets its own when it is complete", async () => {
  for (const io of [new AdaptiveIo(Infinity), new AdaptiveIo(-1)]) {
    await using here = await folder();
    const path = `${here.path}/file`;
    await Deno.writeTextFile(path, "old");
    const file = await target(path, { io });
    assertEquals(file.held, 0);
    assertEquals(await write(file, data.subarray(0, 7), data.subarray(7)), 2);
    await file.flush();
    const [hidden, other] = await names(here.path);
    assert(/^\.[-0-9a-f]{36}\.part$/.test(hidden!), hidden);
    assertEquals([other, await Deno.readTextFile(path)], ["file", "old"]);
    await file.commit(null);
    assertEquals(await names(here.path), ["file"]);
    assert(same(await Deno.readFile(path), data));
  }
});

Deno.test("an aborted file leaves nothing, or its part if it can be resumed", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  for (const part of [undefined, PART]) {
    const file = await target(path, part === undefined ? {} : { part });
    await write(file, data);
    await file.discard(new Error("enough"));
    assertEquals(await names(here.path), part === undefined ? [] : [PART]);
  }
  assert(same(await Deno.readFile(`${here.path}/${PART}`), data));
});

Deno.test({
  name: "a read-only mode is set at the end, so that the file can be written until then",
  ignore,
  fn: async () => {
    await using here = await folder();
    const path = `${here.path}/file`;
    const cases: [how: How, during: number, mode: number][] = [
      [{ info: { mode: 0o100400 } }, 0o600, 0o400],
      [{ options: { mode: 0o444 }, info: { mode: 0o100644 } }, 0o644, 0o444],
      [{ options: { mode: 0 }, part: PART }, 0o600, 0],
      [{ info: { mode: 0o100040 }, part: PART }, 0o640, 0o040],
      [{ info: { mode: 0o100666 } }, 0o644, 0o644], // the umask applies
      [{ info: { mode: 0o100666 }, options: { preserve: true } }, 0o644, 0o666],
      [{}, 0o644, 0o644],
    ];
    const umask = Deno.umask(0o022);
    try {
      for (const [how, during, mode] of cases) {
        const file = await target(path, how);
        await write(file, data);
        const hidden = (await names(here.path)).find((name) => name.startsWith("."));
        assertEquals(await modeOf(`${here.path}/${hidden}`), during);
        await file.commit(null);
        assertEquals([await modeOf(path), await names(here.path)], [mode, ["file"]]);
      }
    } finally {
      Deno.umask(umask);
    }
  },
});

Deno.test("times are preserved if requested; a missing access time is taken from the modification time", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const mtime = new Date(1_000_000_000_000);
  const atime = new Date(1_100_000_000_000);
  const infos: [info: Partial<SftpFileInfo>, preserve: boolean][] = [
    [{ mtime, atime }, true],
    [{ mtime }, true],
    [{ mtime }, false],
    [{ atime }, true],
  ];
  const found: [Date | null, Date | null][] = [];
  for (const [info, preserve] of infos) {
    const file = await target(path, { info, options: { preserve } });
    await file.commit({ ...INFO, ...info });
    const there = await Deno.stat(path);
    found.push([there.mtime, there.atime]);
  }
  assertEquals(found.slice(0, 2), [[mtime, atime], [mtime, mtime]]);
  for (const [time] of found.slice(2)) assert(time!.getTime() > 1_200_000_000_000);
});

Deno.test("sync and owner are applied if requested, before the rename", async () => {
  await using here = await folder();
  const log: string[] = [];
  const options = { sync: true, owners: true };
  {
    using _ = replacedOpenFiles(() => ({ sync: () => Promise.resolve(void log.push("sync")) }));
    Object.assign(runtime.files, {
      chown: (path: string, uid: number, gid: number) =>
        Promise.resolve(void log.push(`chown ${path.endsWith(".part")} ${uid} ${gid}`)),
      rename: (from: string, to: string) => {
        log.push("rename");
        return Deno.rename(from, to);
      },
    });
    const commit = async (options: SftpTransferOptions, uid: number | null, gid: number | null) => {
      const file = await target(`${here.path}/file`, { options });
      await file.commit({ ...INFO, uid, gid });
    };
    await commit(options, 1, 2);
    await commit(options, 1, null);
    await commit(options, null, 2);
    await commit({}, 1, 2);
  }
  assertEquals(log, [
    "sync",
    "chown true 1 2",
    "rename",
    "sync",
    "rename",
    "sync",
    "rename",
    "rename",
  ]);
});

Deno.test("a part is held by one transfer at a time, until the file has its name", {
  ignore: WITHOUT_DESCRIPTORS,
}, async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const first = await target(path, { part: PART });
  await write(first, data.subarray(0, 1000));
  const again = () => target(path, { part: PART });
  const { message } = await assertRejects(again, Deno.errors.Busy);
  assertEquals(message, "Another transfer is fetching it");
  assert(same(await Deno.readFile(`${here.path}/${PART}`), data.subarray(0, 1000)));
  await first.discard(new Error("enough"));
  const second = await again();
  assertEquals(second.held, 1000);
  let busy = false;
  {
    using _ = replacedFiles({
      async rename(from, to) {
        busy = await again().then(() => false, (cause) => cause instanceof Deno.errors.Busy);
        await Deno.rename(from, to);
      },
    });
    await second.commit(null);
  }
  assertEquals([busy, await names(here.path)], [true, ["file"]]);
});

Deno.test("a part is used on systems without locks", {
  ignore: WITHOUT_DESCRIPTORS,
}, async () => {
  await using here = await folder();
  for (const tryLock of [undefined, () => Promise.reject(new Error("not supported"))]) {
    using _ = replacedOpenFiles(() => ({ tryLock }) as Partial<OpenFile>);
    const file = await target(`${here.path}/file`, { part: PART });
    await file.discard(new Error("enough"));
  }
  assertEquals(await names(here.path), [PART]);
});

Deno.test("data after the resume offset is removed", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  await Deno.writeFile(`${here.path}/${PART}`, data);
  const file = await target(path, { part: PART });
  assertEquals(file.held, data.length);
  const middle = new Uint8Array(1000);
  assertEquals(await file.readAt!(middle, 150_000), 1000);
  assert(same(middle, data.subarray(150_000, 151_000)));
  assertEquals(await file.readAt!(middle, data.length - 10), 10);
  await file.start!(100_000);
  await write(file, new Uint8Array([1, 2, 3]));
  await file.flush();
  await file.commit(null);
  const expected = new Uint8Array([...data.subarray(0, 100_000), 1, 2, 3]);
  assert(same(await Deno.readFile(path), expected));
});

Deno.test({
  name: "a part that is a link or a folder is not written to",
  ignore: ignore || WITHOUT_DESCRIPTORS,
  fn: async () => {
    await using here = await folder();
    await using elsewhere = await folder();
    const path = `${here.path}/file`;
    const victim = `${elsewhere.path}/victim`;
    await Deno.writeTextFile(victim, "precious");
    await Deno.symlink(victim, `${here.path}/${PART}`);
    const attempt = async (what: string) => {
      const file = await target(path, { part: PART });
      await write(file, data);
      await file.commit(null);
      assertEquals(await Deno.readTextFile(victim), "precious", what);
      assertEquals(await names(here.path), [PART, "file"], what);
      assert(same(await Deno.readFile(path), data), what);
      await Deno.remove(`${here.path}/${PART}`);
    };
    await attempt("a link");
    await Deno.symlink(`${here.path}/nowhere`, `${here.path}/${PART}`);
    await attempt("a link to nowhere");
    await Deno.mkdir(`${here.path}/${PART}`);
    await attempt("a folder");
    await Deno.link(victim, `${here.path}/${PART}`);
    await attempt("another name of a file");
    await Deno.writeTextFile(`${here.path}/${PART}`, "x");
    const { uid } = await Deno.stat(path);
    using _ = replacedOpenFiles((file) => ({
      statSync() {
        const info = file.statSync();
        return { ...info, uid: info.size === 1 ? uid! + 1 : info.uid };
      },
    }));
    await attempt("another user's file");
  },
});

Deno.test("an open part that was replaced under its name is not used", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  for (const change of [{ ino: -1 }, { dev: -1 }, { isFile: false }]) {
    using _ = replacedFiles({ lstatSync: (path) => ({ ...Deno.lstatSync(path), ...change }) });
    await assertRejects(() => target(path, { part: PART }), Deno.errors.InvalidData);
    // Without a changeable folder and a part nothing is compared.
    await (await target(path)).discard(new Error("enough"));
    await assertRejects(() => target(path, { check() {} }), Deno.errors.InvalidData);
  }
  assertEquals(await names(here.path), [PART]);
});

Deno.test("no file is put into a folder that was replaced", async () => {
  await using here = await folder();
  const check = () => {
    throw new Deno.errors.InvalidData("elsewhere");
  };
  const path = `${here.path}/file`;
  let removed = false;
  using _ = replacedFiles({
    async remove(path) {
      await turn();
      await Deno.remove(path);
      removed = true;
    },
  });
  await assertRejects(() => target(path, { check }), Deno.errors.InvalidData, "elsewhere");
  assertEquals([removed, await names(here.path)], [true, []]);
});

Deno.test("the prefix of an older file is copied to the part, and the file stays until the end", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const old = noise(2_500_000);
  await Deno.writeFile(path, old);
  const file = await target(path, { part: PART });
  let asked = -1;
  await file.adopt!(3_000_000, async (older, length) => {
    asked = length;
    const tail = new Uint8Array(100);
    assertEquals(await older.readAt(tail, length - 100), 100);
    assert(same(tail, old.subarray(length - 100)));
    assertEquals(await older.readAt(tail, length - 50), 50);
    return true;
  });
  assertEquals([asked, file.held], [2_500_000, 2_500_000]);
  assert(same(await Deno.readFile(`${here.path}/${PART}`), old));
  await file.start!(file.held);
  await write(file, data);
  assert(same(await Deno.readFile(path), old), "the old file is there");
  await file.commit(null);
  assertEquals((await Deno.stat(path)).size, 2_800_000);
});

Deno.test("an older file is copied in order, also with writes in another thread", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const old = noise(3_500_000);
  await Deno.writeFile(path, old);
  using _ = replacedOpenFiles((file) => ({
    async write(bytes) {
      await turn();
      return await file.write(bytes);
    },
  }));
  const file = await target(path, { part: PART, io: new AdaptiveIo(-1) });
  await file.adopt!(4_000_000, () => Promise.resolve(true));
  assertEquals(file.held, 3_500_000);
  await file.commit(null);
  assert(same(await Deno.readFile(path), old));
});

Deno.test("a file that cannot be a prefix of the source is not copied", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const attempt = async (size: number, same = true) => {
    const file = await target(path, { part: PART });
    let asked = false;
    await file.adopt!(size, () => {
      asked = true;
      return Promise.resolve(same);
    });
    const { held } = file;
    await file.discard(new Error("enough"));
    await Deno.remove(`${here.path}/${PART}`);
    return [asked, held];
  };
  assertEquals(await attempt(10), [false, 0]); // there is none
  await Deno.writeTextFile(path, "");
  assertEquals(await attempt(10), [false, 0]);
  await Deno.writeTextFile(path, "12345");
  assertEquals(await attempt(5), [false, 0]);
  assertEquals(await attempt(6, false), [true, 0]);
  assertEquals(await attempt(6), [true, 5]);
  {
    using _ = replacedFiles({
      open: (name, options) =>
        name === path
          ? Promise.reject(new Deno.errors.PermissionDenied())
          : Deno.open(name, options),
    });
    assertEquals(await attempt(6), [false, 0]); // it can still be replaced
  }
  if (ignore) return;
  await Deno.rename(path, `${here.path}/other`);
  await Deno.symlink("other", path);
  assertEquals(await attempt(6), [false, 0]);
});

Deno.test("a file that shrinks while it is copied is used up to its new end", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  await Deno.writeFile(path, data);
  const file = await target(path, { part: PART });
  await file.adopt!(1_000_000, () => {
    Deno.truncateSync(path, 1000);
    return Promise.resolve(true);
  });
  assertEquals([file.held, (await Deno.stat(`${here.path}/${PART}`)).size], [1000, 1000]);
  await file.discard(new Error("enough"));
});

Deno.test("holes are skipped, also at the end", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const file = await target(path);
  await file.skip!(1);
  await write(file, new Uint8Array([1]));
  await file.skip!(8);
  await write(file, new Uint8Array([2]), new Uint8Array([3]));
  await file.skip!(8);
  await file.flush();
  await file.commit(null);
  const expected = new Uint8Array(20);
  expected.set([1], 1);
  expected.set([2, 3], 10);
  assertEquals(await Deno.readFile(path), expected);
});

/** Open files whose calls in other threads take some time. */
function slowFiles(): Disposable {
  return replacedOpenFiles((file) => {
    const slowly =
      <A extends unknown[], R>(run: (...args: A) => Promise<R>) => async (...args: A) => {
        for (let turns = 0; turns < 3; turns++) await turn();
        return await run.apply(file, args);
      };
    const { seek, truncate, write } = file;
    return { seek: slowly(seek), truncate: slowly(truncate), write: slowly(write) };
  });
}

Deno.test("a position is set before the next write, and after a resumed start, however long it takes", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  using _ = slowFiles();
  const file = await target(path, { part: PART });
  await write(file, data.subarray(0, 100));
  await file.start!(50);
  await write(file, new Uint8Array([1]));
  await file.skip!(10);
  await write(file, new Uint8Array([2]));
  const last = new Uint8Array(1);
  assertEquals([await file.readAt!(last, 61), last[0]], [1, 2]);
  await file.skip!(3);
  await file.flush();
  assertEquals((await Deno.stat(`${here.path}/${PART}`)).size, 65);
  await file.commit(null);
  const expected = new Uint8Array(65);
  expected.set(data.subarray(0, 50));
  expected[50] = 1;
  expected[61] = 2;
  assertEquals(await Deno.readFile(path), expected);
});

Deno.test("without a hole no position and no size is set", async () => {
  await using here = await folder();
  const never = () => Promise.reject(new Error("It is not needed"));
  using _ = replacedOpenFiles(() => ({ seek: never, truncate: never }));
  const file = await target(`${here.path}/file`);
  await write(file, data.subarray(0, 10), data.subarray(10));
  await file.flush();
  await file.commit(null);
});

Deno.test("a file opened in another thread is written like others", async () => {
  await using here = await folder();
  const io = new AdaptiveIo(-1);
  for (const name of ["a", "b"]) {
    const file = await target(`${here.path}/${name}`, { io });
    await write(file, data);
    await file.commit(null);
    assert(same(await Deno.readFile(`${here.path}/${name}`), data));
  }
});

Deno.test("a part that cannot be made is an error, unless it exists", async () => {
  await using here = await folder();
  const denied = () => Promise.reject(new Deno.errors.PermissionDenied("no"));
  using _ = replacedFiles({ open: denied });
  await assertRejects(
    () => target(`${here.path}/file`, { part: PART }),
    Deno.errors.PermissionDenied,
  );
});

Deno.test("a part is used on file systems that count no links", async () => {
  await using here = await folder();
  await Deno.writeFile(`${here.path}/${PART}`, data);
  using _ = replacedOpenFiles((file) => ({
    statSync: () => ({ ...file.statSync(), nlink: null }),
  }));
  const file = await target(`${here.path}/file`, { part: PART });
  assertEquals(file.held, data.length);
  await file.discard(new Error("enough"));
});

Deno.test("a part whose owner cannot be compared is closed", async () => {
  await using here = await folder();
  await Deno.writeFile(`${here.path}/${PART}`, data);
  let opened: OpenFile | null = null;
  using _ = replacedFiles({
    async open(path, options) {
      if (options?.createNew) {
        if (String(path).endsWith(PART)) throw new Deno.errors.AlreadyExists();
        throw new Deno.errors.PermissionDenied("no"); // of a file to see its owner
      }
      return opened = await Deno.open(path, options);
    },
  });
  await assertRejects(
    () => target(`${here.path}/file`, { part: PART }),
    Deno.errors.PermissionDenied,
  );
  assert(opened !== null);
  assertEquals((await Deno.stat(`${here.path}/${PART}`)).size, data.length);
});

Deno.test("nothing is left of the file that shows who owns new files", async () => {
  await using here = await folder();
  await Deno.writeFile(`${here.path}/${PART}`, data);
  using _ = replacedFiles({
    async remove(path) {
      for (let turns = 0; turns < 3; turns++) await turn();
      await Deno.remove(path);
    },
  });
  const file = await target(`${here.path}/file`, { part: PART });
  assertEquals(await names(here.path), [PART]);
  await file.discard(new Error("enough"));
  const other = await target(`${here.path}/other`);
  await other.discard(new Error("enough"));
  assertEquals(await names(here.path), [PART]);
});

Deno.test({
  name: "owner and mode are set before the file gets its name, however long it takes",
  ignore,
  fn: async () => {
    await using here = await folder();
    const log: string[] = [];
    const slowly = (name: string) => async (path: string) => {
      for (let turns = 0; turns < 3; turns++) await turn();
      log.push(`${name} ${path === `${here.path}/file` ? "file" : "hidden"}`);
    };
    using _ = replacedFiles({
      chown: slowly("chown"),
      chmod: slowly("chmod"),
      async rename(from, to) {
        log.push("rename");
        await Deno.rename(from, to);
      },
    });
    const commit = async (options: SftpTransferOptions) => {
      const file = await target(`${here.path}/file`, { options, info: { mode: 0o100640 } });
      await file.commit({ ...INFO, uid: 1, gid: 2 });
      return log.splice(0);
    };
    assertEquals(await commit({ owners: true }), ["chown hidden", "rename"]);
    assertEquals(await commit({ preserve: true }), ["chmod hidden", "rename"]);
  },
});

Deno.test("on Windows a file is closed before its rename, once, and has no mode", async () => {
  await using here = await folder();
  let closes = 0;
  const log: string[] = [];
  using _os = replaced(runtime, "os", "windows");
  using _ = replacedOpenFiles((file) => ({
    close() {
      closes++;
      log.push("close");
      file.close();
    },
  }));
  Object.assign(runtime.files, {
    chmod: () => Promise.resolve(void log.push("chmod")),
    rename(from: string, to: string) {
      log.push("rename");
      return Deno.rename(from, to);
    },
  });
  const options = { preserve: true };
  const file = await target(`${here.path}/file`, { options, info: { mode: 0o100400 } });
  await write(file, data);
  await file.commit(null);
  assertEquals([log, closes], [["close", "rename"], 1]);
});

Deno.test("errors of an open file name the file, not its part", async () => {
  await using here = await folder();
  const path = `${here.path}/file`;
  const fail = (): never => {
    throw new Error("Input/output error");
  };
  const cases: [operation: string, run: (file: TransferTarget) => Promise<unknown>][] = [
    ["write", (file) => write(file, data)],
    ["truncate", (file) => file.start!(0)],
    ["read", (file) => file.readAt!(new Uint8Array(1), 0)],
    ["set the time of", (file) => file.commit({ ...INFO, mtime: new Date() })],
    ["sync", (file) => file.commit(null)],
  ];
  using _ = replacedOpenFiles(() => ({
    writeSync: fail,
    write: fail,
    truncate: fail,
    read: fail,
    utime: fail,
    sync: fail,
  }));
  for (const [operation, run] of cases) {
    const options = { preserve: operation !== "sync", sync: operation === "sync" };
    const file = await target(path, { options });
    const { message } = await assertRejects(() => run(file), Error);
    assertEquals(message, `Cannot ${operation} "${path}" on this machine: Input/output error`);
    await file.discard(new Error("enough"));
  }
  assertEquals(await names(here.path), []);
});

Deno.test({
  name: "a device is written to directly",
  ignore,
  fn: async () => {
    for (const end of ["commit", "discard"] as const) {
      const device = await deviceTarget("/dev/null");
      assertEquals(device.held, 0);
      assertEquals(await write(device, data), 1);
      await device.flush();
      await device[end](null);
      let released = 0;
      const late = device.write(data, () => released++);
      await assertRejects(() => late, Deno.errors.BadResource);
      assertEquals(released, 0);
    }
  },
});
