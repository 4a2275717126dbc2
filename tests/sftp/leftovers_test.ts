/** Entries of a target folder that the source does not have: what is found, and what is removed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SFTP_FILES_AT_ONCE, SFTP_MAX_DEPTH } from "../../lib/defaults.ts";
import { SftpError, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf, type SftpFileInfo } from "../../lib/sftp/protocol/attributes.ts";
import type { FileStore } from "../../lib/sftp/transfer/file_store.ts";
import { Leftovers } from "../../lib/sftp/transfer/leftovers.ts";
import { Progress } from "../../lib/sftp/transfer/progress.ts";
import { Selection } from "../../lib/sftp/transfer/selection.ts";
import { turn } from "./world.ts";

const FOLDER = infoOf({ mode: 0o040755 });
const FILE = infoOf({ mode: 0o100644 });
const LINK = infoOf({ mode: 0o120777 });

interface Tree {
  /**
   * Paths below `/to`: a final slash makes a folder, a final `@` a link, `name -> path` a link that looks like
   * a folder.
   */
  readonly entries: readonly string[];
  readonly trusted?: boolean;
  readonly options?: SftpTransferOptions;
  /** The real path of the target. */
  readonly realRoot?: string;
  /** By which requests a link is noticed: all unless given. */
  readonly shown?: "READLINK" | "REALPATH";
  /** Removing these paths fails. */
  readonly failing?: readonly string[];
  /** Called while an entry is removed. */
  readonly removing?: () => Promise<void>;
}

/** The folder `/to` of a store in memory whose LSTAT follows links, like that of some servers. */
function leftovers(tree: Tree) {
  const { entries, trusted = false, options = {}, failing = [], removing, shown } = tree;
  const links = new Map([["/to", tree.realRoot ?? "/to"]]);
  const folders = new Map<string, Map<string, boolean>>([["/to", new Map()]]);
  for (const entry of entries) {
    const [path = "", target] = entry.replace(/\/$/, "").split(" -> ");
    const slash = path.lastIndexOf("/");
    const isFolder = target !== undefined || entry.endsWith("/");
    folders.get(slash === -1 ? "/to" : `/to/${path.slice(0, slash)}`)!
      .set(path.slice(slash + 1), isFolder);
    if (isFolder) folders.set(`/to/${path}`, new Map());
    if (target !== undefined) links.set(`/to/${path}`, target);
  }
  const real = (path: string): string => {
    const link = [...links.keys()].reverse()
      .find((link) => path === link || path.startsWith(`${link}/`))!;
    return links.get(link)! + path.slice(link.length);
  };
  const removed: string[] = [];
  const store: Partial<FileStore> = {
    trusted,
    stat: (path) => Promise.resolve(folders.has(path) ? FOLDER : null),
    realPath: (path) => Promise.resolve(shown === "READLINK" ? path : real(path)),
    isLink: (path) => Promise.resolve(shown !== "REALPATH" && links.has(path) && path !== "/to"),
    lstat(path) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const kind = folders.get(path.slice(0, path.lastIndexOf("/")))?.get(name);
      if (path === "/to") return Promise.resolve(FOLDER);
      const isGone = kind === undefined || removed.includes(path);
      return Promise.resolve(isGone ? null : kind ? FOLDER : FILE);
    },
    folderOf: (path) => path.slice(0, path.lastIndexOf("/")),
    join: (folder, name) => `${folder}/${name}`,
    async *list(folder) {
      for (const [name, isFolder] of folders.get(folder)!) {
        const info = isFolder ? FOLDER : name.endsWith("@") ? LINK : FILE;
        yield { name, info };
      }
    },
    async remove(path) {
      await removing?.();
      if (failing.includes(path)) throw new SftpError(3, "remove", path, "Permission denied");
      removed.push(path);
    },
  };
  const told: string[] = [];
  const progress = new Progress(undefined, ({ path, action }) => told.push(`${action} ${path}`));
  const found = new Leftovers(store as FileStore, "/to", Selection.of(options), progress);
  return {
    /** Finds what to remove, like a transfer. */
    async find(folder: string, below: string, names: ReadonlySet<string>) {
      const entries = await found.read(folder, below);
      if (entries !== null) await found.find(folder, below, names, entries);
      return entries;
    },
    progress,
    removed,
    told,
    clear: (path: string, info: SftpFileInfo) => found.clear(`/to/${path}`, path, info),
    /** Removes what was found, like a transfer. */
    remove: () =>
      found.remove(async (path, run) => {
        try {
          await run();
        } catch (error) {
          progress.failures.push({ path, error: error as Error });
        }
      }),
  };
}

Deno.test("entries that the source lacks are removed, compared without case and composition", async () => {
  const w = leftovers({ entries: ["kept", "README", "caf\u0065\u0301", "old", "gone/", "gone/x"] });
  await w.find("/to", "", new Set(["kept", "readme", "caf\u00e9", "new"]));
  assertEquals(w.removed, []);
  await w.remove();
  // A folder is removed as a whole.
  assertEquals(w.removed.sort(), ["/to/gone", "/to/old"]);
  assertEquals(w.told.sort(), ["deleted /to/gone", "deleted /to/old"]);
  assertEquals([...w.progress.deleted].sort(), ["/to/gone", "/to/old"]);
  await w.remove();
  assertEquals(w.removed.length, 2);
});

Deno.test("parts of unfinished transfers are not removed", async () => {
  const parts = [
    ".0123456789abcdef0123456789abcdef.part",
    ".01234567-89ab-cdef-0123-456789abcdef.part",
    ".01234567-89ab-cdef-0123-456789abcdef.old", // while a file is replaced
  ];
  for (const options of [{}, { exclude: ["x"] }]) {
    const w = leftovers({
      entries: [...parts, "other.part", "deep/", `deep/${parts[0]}`],
      options,
    });
    await w.find("/to", "", new Set());
    await w.remove();
    assertEquals(w.removed.sort(), ["/to/deep", "/to/other.part"]);
  }
});

Deno.test("a server's name that is not a single step is never removed", async () => {
  const w = leftovers({ entries: ["..", ".", "", "old", "a\nb"] });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed.sort(), ["/to/a\nb", "/to/old"]);
});

Deno.test("nothing is looked for in a folder that a dry run did not make", async () => {
  const w = leftovers({ entries: ["a"] });
  await w.find("/to/new", "new/", new Set());
  await w.remove();
  assertEquals([w.removed, w.progress.warnings], [[], []]);
});

Deno.test("nothing in a link of the target is removed", async () => {
  for (const shown of [undefined, "READLINK", "REALPATH"] as const) {
    const entries = ["link -> /elsewhere", "link/old", "link/in/", "link/in/old"];
    const w = leftovers({ entries, ...(shown && { shown }) });
    assertEquals(await w.find("/to/link/in", "link/in/", new Set()), null);
    assertEquals(await w.find("/to/link", "link/", new Set()), null);
    await w.remove();
    assertEquals(w.removed, []);
  }
});

Deno.test("what is in the way of an entry of another kind is removed, links themselves", async () => {
  const w = leftovers({
    entries: ["file", "folder/", "folder/x", "link -> /elsewhere", "link/y"],
  });
  await w.clear("missing", FILE);
  await w.clear("file", FOLDER);
  await w.clear("folder", FILE);
  await w.clear("link", FOLDER);
  assertEquals(w.removed, ["/to/file", "/to/folder", "/to/link"]);
  assertEquals(w.progress.deleted, w.removed);
  await w.clear("file", FILE); // it is gone meanwhile
  assertEquals([w.removed.length, w.progress.warnings], [3, []]);
});

Deno.test("an entry that is not in the way any more stays", async () => {
  const w = leftovers({ entries: ["file", "folder/"] });
  await w.clear("file", FILE);
  assertEquals([w.removed, w.progress.warnings], [[], []]);
  // A real folder was taken for a link, because the server gives another real path for it.
  await w.clear("folder", FOLDER);
  assertEquals([w.removed, w.progress.warnings], [[], [{
    path: "/to/folder",
    message: "nothing was deleted in it, because the server gives another real path for it",
  }]]);
});

Deno.test("an entry in the way stays if a selection omits it, or something in it", async () => {
  const entries = ["a/", "a/x.log", "b/", "b/c/", "b/c/x", "d.log/", "e/", "e/x"];
  const w = leftovers({ entries, options: { exclude: ["*.log", "b/c"] } });
  for (const path of ["a", "b", "d.log"]) {
    const error = await assertRejects(() => w.clear(path, FILE), SftpError, "is left out of the");
    assertEquals(error.path, `/to/${path}`);
  }
  await w.clear("e", FILE);
  assertEquals([w.removed, w.progress.deleted], [["/to/e"], ["/to/e"]]);
});

Deno.test("the target itself may be a link, and its folders are inside it", async () => {
  const w = leftovers({ entries: ["old", "a/", "a/old"], realRoot: "/real" });
  await w.find("/to", "", new Set(["a"]));
  await w.find("/to/a", "a/", new Set());
  await w.remove();
  assertEquals(w.removed.sort(), ["/to/a/old", "/to/old"]);
  assertEquals(w.progress.warnings, []);
});

Deno.test("what a selection omits is kept, and so are the folders that it is in", async () => {
  const w = leftovers({
    entries: ["a/", "a/keep.log", "a/old", "a/b/", "a/b/old", "c/", "c/d/", "c/d/old", "e.log"],
    options: { exclude: ["*.log"] },
  });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed.sort(), ["/to/a/b", "/to/a/old", "/to/c"]);
});

Deno.test("a selection sees paths below the transferred folder", async () => {
  const w = leftovers({
    entries: ["a/", "a/b/", "a/b/c/", "a/b/c/old", "a/old"],
    options: { exclude: ["a/b/c/old"] },
  });
  await w.find("/to/a", "a/", new Set());
  await w.remove();
  assertEquals(w.removed, ["/to/a/old"]);
});

Deno.test("names of the source protect only entries of the same folder", async () => {
  const w = leftovers({
    entries: ["same", "old/", "old/same", "old/keep.log"],
    options: { exclude: ["*.log"] },
  });
  await w.find("/to", "", new Set(["same"]));
  await w.remove();
  assertEquals(w.removed, ["/to/old/same"]);
});

Deno.test("with a selection a link is removed itself, and what it leads to is not looked at", async () => {
  const w = leftovers({
    entries: ["old/", "old/link -> /elsewhere", "old/link/precious", "old/x"],
    options: { exclude: ["*.log"] },
  });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed, ["/to/old"]);
  const kept = leftovers({
    entries: [
      ...["old/", "old/link -> /elsewhere", "old/link/precious", "old/link/x.log"],
      ...["old/other@", "old/x.log"],
    ],
    options: { exclude: ["*.log"] },
  });
  await kept.find("/to", "", new Set());
  await kept.remove();
  assertEquals(kept.removed.sort(), ["/to/old/link", "/to/old/other@"]);
});

Deno.test("with a selection a folder stays if only its real path tells that it may be a link", async () => {
  const w = leftovers({
    entries: ["old/", "old/link -> /elsewhere", "old/link/precious", "old/x"],
    options: { exclude: ["*.log"] },
    shown: "REALPATH",
  });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed, ["/to/old/x"]);
  assertEquals(w.progress.warnings.map(({ path }) => path), ["/to/old/link"]);
});

Deno.test("an entry that another program removes meanwhile is no failure", async () => {
  const w = leftovers({
    entries: ["a", "b"],
    failing: ["/to/a"],
    removing: () => Promise.resolve(void w.removed.push("/to/a")),
  });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals([w.progress.failures, w.progress.deleted], [[], ["/to/b"]]);
});

Deno.test("folders of the target that are nested too deeply are an error", async () => {
  const nested = (depth: number) =>
    leftovers({
      entries: Array.from({ length: depth }, (_, at) => "a/".repeat(at + 1)),
      options: { exclude: ["*.log"] },
    });
  await nested(SFTP_MAX_DEPTH).find("/to", "", new Set());
  const deeper = nested(SFTP_MAX_DEPTH + 1).find("/to", "", new Set());
  const error = await assertRejects(() => deeper, SftpError, "folders are nested too deeply");
  assertEquals(error.operation, "transfer");
  assert(error.path!.startsWith("/to/a/a"));
});

Deno.test("a listing of the target that takes too much memory is an error", async () => {
  const w = leftovers({ entries: [] });
  const store = {
    trusted: true,
    lstat: () => Promise.resolve(FOLDER),
    stat: () => Promise.resolve(FOLDER),
    join: (folder: string, name: string) => `${folder}/${name}`,
    async *list() {
      yield { name: "x", info: FILE };
      yield { name: "x".repeat(1 << 27), info: FILE };
    },
  } as unknown as FileStore;
  const endless = new Leftovers(store, "/to", null, w.progress);
  await assertRejects(() => endless.read("/to", ""), SftpError, "too many entries");
});

Deno.test("after a failure nothing is removed, and a warning names the target", async () => {
  const w = leftovers({ entries: ["old"] });
  await w.find("/to", "", new Set());
  w.progress.failures.push({ path: "/from/x", error: new Error("it is gone") });
  await w.remove();
  assertEquals([w.removed, w.told], [[], []]);
  assertEquals(w.progress.warnings, [{
    path: "/to",
    message: "nothing was deleted in it, because not everything was transferred",
  }]);
});

Deno.test("an entry that cannot be removed is a failure, and the others are removed", async () => {
  const w = leftovers({ entries: ["a", "b", "c"], failing: ["/to/b"] });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals([...w.progress.deleted].sort(), ["/to/a", "/to/c"]);
  assertEquals(w.progress.failures.map(({ path }) => path), ["/to/b"]);
  assertEquals(w.told.length, 2);
});

Deno.test("a limited number of entries is removed in parallel, and all in the end", async () => {
  const count = 2 * SFTP_FILES_AT_ONCE + 1;
  let [running, most] = [0, 0];
  const w = leftovers({
    entries: Array.from({ length: count }, (_, at) => `old ${at}`),
    async removing() {
      most = Math.max(most, ++running);
      await turn();
      running--;
    },
  });
  await w.find("/to", "", new Set());
  await w.remove();
  assertEquals([w.removed.length, most], [count, SFTP_FILES_AT_ONCE]);
});
