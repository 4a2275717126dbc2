/** Parts of interrupted transfers: removed with their session, or after a week. */
import { assertEquals } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { localFiles } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import type { SftpFileInfo } from "../../lib/sftp/mod.ts";
import type { FileStore } from "../../lib/sftp/transfer/file_store.ts";
import { isResumablePart, removeOldParts } from "../../lib/sftp/transfer/old_parts.ts";
import { atOurServer } from "./raw.ts";
import { folder, ourWorld, turn } from "./world.ts";

const RANDOM = ".01234567-89ab-cdef-0123-456789abcdef.part";
const RESUMABLE = ".0123456789abcdef0123456789abcdef.part";
const DAY_MS = 24 * 60 * 60 * 1000;

async function names(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).sort();
}

Deno.test("only the unfinished files of a put are removed when its session ends", async () => {
  await using root = await folder();
  await Deno.writeTextFile(`${root.path}/old`, "x");
  const { peer, served } = await atOurServer(localFiles({ root: root.path }));
  const make = (path: string, flags: number) =>
    peer.send(msg.Open.encode(1, { path, flags: FXF.WRITE | FXF.CREAT | flags, attributes: {} }));
  const closed = RANDOM.replace("0123", "aaaa");
  const found = RANDOM.replace("0123", "bbbb");
  await Deno.writeTextFile(`${root.path}/${found}`, "x");
  const opens: [string, number][] = [
    [`/${RANDOM}`, FXF.EXCL],
    [`/${closed}`, FXF.EXCL],
    [`/${found}`, 0],
    [`/${RESUMABLE}`, FXF.EXCL],
    ["/new", FXF.EXCL],
    ["/old", 0],
  ];
  for (const [path, flags] of opens) {
    await make(path, flags);
    const { type, body } = (await peer.next())!;
    assertEquals(type, FXP.HANDLE);
    if (path !== `/${closed}`) continue;
    await peer.send(msg.Close.encode(2, { handle: msg.Handle.decode(body).handle }));
    await peer.next();
  }
  await peer.channel.close();
  await served;
  const left = [RESUMABLE, closed, found, "new", "old"];
  assertEquals(await names(root.path), left.sort());
});

for (const direction of ["get", "put"] as const) {
  Deno.test(`a resumed ${direction} removes parts that are older than a week`, async () => {
    await using w = await ourWorld();
    const [from, to] = direction === "get" ? [w.root, w.here] : [w.here, w.root];
    await Deno.writeTextFile(`${from}/file`, "x");
    const litter: [name: string, days: number][] = [
      [RANDOM, 8],
      [RESUMABLE, 8],
      [RESUMABLE.replace("01", "02"), 6],
      [".0123.part", 8],
      [`${RESUMABLE}.txt`, 8],
      ["old", 8],
    ];
    for (const [name, days] of litter) {
      await Deno.writeTextFile(`${to}/${name}`, "x");
      const time = new Date(Date.now() - days * DAY_MS);
      await Deno.utime(`${to}/${name}`, time, time);
    }
    const all = litter.map(([name]) => name);
    const run = (options: { resume?: boolean }) =>
      direction === "get"
        ? w.sftp.get("/file", `${w.here}/file`, options)
        : w.sftp.put(`${w.here}/file`, "/file", options);
    await run({});
    assertEquals(await names(to), [...all, "file"].sort());
    await run({ resume: true });
    assertEquals(await names(to), [...all.slice(2), "file"].sort());
  });
}

/** A folder of files in memory, by seconds since their last change, and the removed ones. */
function aged(ages: Iterable<[name: string, seconds: number]>, failing = false) {
  const removed: string[] = [];
  const NOW = 10_000_000;
  const files = new Map(ages);
  const store: Pick<FileStore, "list" | "lstat" | "join" | "remove"> = {
    async *list() {
      for (const name of files.keys()) yield { name, info: infoOf({}) };
    },
    lstat: (name) =>
      Promise.resolve(infoOf({ mode: 0o100600, atime: 0, mtime: NOW - files.get(name)! })),
    join: (_, name) => name,
    async remove(name) {
      await turn();
      if (failing) throw new Error("It belongs to others");
      removed.push(name);
    },
  };
  return { removed, sweep: () => removeOldParts(store as FileStore, "/", NOW * 1000) };
}

Deno.test("a part of exactly a week is kept, and one a second older is not", async () => {
  const week = 604_800;
  const other = RESUMABLE.replace("01", "02");
  const { removed, sweep } = aged([[RESUMABLE, week], [other, week + 1]]);
  await sweep();
  assertEquals(removed, [other]);
});

Deno.test("only the first thousand names of a folder are checked", async () => {
  const name = (at: number) => `.${at.toString(16).padStart(32, "0")}.part`;
  const { removed, sweep } = aged(
    Array.from({ length: 1002 }, (_, at) => [name(at), at < 999 ? 0 : 1_000_000]),
  );
  await sweep();
  assertEquals(removed, [name(999)]);
});

Deno.test("an old part that cannot be removed stays without an error", async () => {
  const { removed, sweep } = aged([[RESUMABLE, 1_000_000]], true);
  await sweep();
  await turn();
  assertEquals(removed, []);
});

Deno.test("a name is that of a resumable part only as a whole", () => {
  assertEquals(isResumablePart(RESUMABLE), true);
  const others = [
    `x${RESUMABLE}`,
    `${RESUMABLE}x`,
    `${RESUMABLE}\n`,
    RESUMABLE.slice(1),
    RESUMABLE.replace("0", ""),
    RESUMABLE.replace("0", "00"),
    RESUMABLE.replace("a", "A"),
    RESUMABLE.replace("a", "g"),
    RESUMABLE.replace(".part", "_part"),
    RANDOM,
  ];
  for (const name of others) assertEquals(isResumablePart(name), false, name);
});

Deno.test("a part that vanishes, has no time or is not a file is passed over, and the next removed", async () => {
  const time = new Date(0);
  const found: (SftpFileInfo | null)[] = [
    null,
    { ...infoOf({ mode: 0o100600 }), mtime: null },
    { ...infoOf({ mode: 0o120777 }), mtime: time },
    { ...infoOf({ mode: 0o040755 }), mtime: time },
    { ...infoOf({ mode: 0o100600 }), mtime: time },
  ];
  const removed: string[] = [];
  const store: Partial<FileStore> = {
    async *list() {
      for (const at of found.keys()) {
        yield { name: RESUMABLE.replace("0", `${at}`), info: infoOf({}) };
      }
    },
    lstat: (path) => Promise.resolve(found[Number(path[5])]!),
    join: (folder, name) => `${folder}/${name}`,
    remove: (path) => Promise.resolve(void removed.push(path)),
  };
  await removeOldParts(store as FileStore, "/to", 8 * DAY_MS);
  assertEquals(removed, [`/to/${RESUMABLE.replace("0", "4")}`]);
  // The time of this machine counts, unless another is given.
  removed.length = 0;
  await removeOldParts(store as FileStore, "/to");
  assertEquals(removed.length, 1);
});
