/** Entries of a target folder that the source does not have: what is found, and what is removed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SFTP_FILES_AT_ONCE, SFTP_MAX_DEPTH } from "../../lib/defaults.ts";
import { SftpError, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { nameProblem } from "../../lib/sftp/protocol/paths.ts";
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
  /** Removing these paths fails. */
  readonly failing?: readonly string[];
  /** Called while an entry is removed. */
  readonly removing?: () => Promise<void>;
}

/** The folder `/to` of a store in memory whose LSTAT follows links, like that of some servers. */
function leftovers(tree: Tree) {
  const { entries, trusted = false, options = {}, failing = [], removing } = tree;
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
  const asked: string[] = [];
  const store: Partial<FileStore> = {
    trusted,
    stat: (path) => Promise.resolve(folders.has(path) ? FOLDER : null),
    realPath: (path) => Promise.resolve(real(path)),
    join: (folder, name) => `${folder}/${name}`,
    nameProblem(name) {
      asked.push(name);
      return nameProblem(name, "server");
    },
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
    found,
    progress,
    removed,
    told,
    asked,
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
  await w.found.find("/to", "", new Set(["kept", "readme", "caf\u00e9", "new"]));
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
  ];
  for (const options of [{}, { exclude: ["x"] }]) {
    const w = leftovers({
      entries: [...parts, "other.part", "deep/", `deep/${parts[0]}`],
      options,
    });
    await w.found.find("/to", "", new Set());
    await w.remove();
    assertEquals(w.removed.sort(), ["/to/deep", "/to/other.part"]);
  }
});

Deno.test("a server's name that is not a single step is never removed", async () => {
  const w = leftovers({ entries: ["..", ".", "", "old"] });
  await w.found.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed, ["/to/old"]);
  // This machine's names are single steps.
  const here = leftovers({ entries: ["old"], trusted: true });
  await here.found.find("/to", "", new Set());
  assertEquals(here.asked, []);
});

Deno.test("nothing is looked for in a folder that a dry run did not make", async () => {
  const w = leftovers({ entries: ["a"] });
  await w.found.find("/to/new", "new/", new Set());
  await w.remove();
  assertEquals([w.removed, w.progress.warnings], [[], []]);
});

Deno.test("nothing is removed through a link in the target, and a warning names it", async () => {
  const w = leftovers({ entries: ["link -> /elsewhere", "link/old", "link/in/", "link/in/old"] });
  await w.found.find("/to/link", "link/", new Set());
  await w.found.find("/to/link/in", "link/in/", new Set());
  await w.remove();
  assertEquals(w.removed, []);
  const message = "nothing was deleted in it, because it is a symbolic link, or in one";
  assertEquals(w.progress.warnings, [
    { path: "/to/link", message },
    { path: "/to/link/in", message },
  ]);
});

Deno.test("the target itself may be a link, and its folders are inside it", async () => {
  const w = leftovers({ entries: ["old", "a/", "a/old"], realRoot: "/real" });
  await w.found.find("/to", "", new Set(["a"]));
  await w.found.find("/to/a", "a/", new Set());
  await w.remove();
  assertEquals(w.removed.sort(), ["/to/a/old", "/to/old"]);
  assertEquals(w.progress.warnings, []);
});

Deno.test("what a selection omits is kept, and so are the folders that it is in", async () => {
  const w = leftovers({
    entries: ["a/", "a/keep.log", "a/old", "a/b/", "a/b/old", "c/", "c/d/", "c/d/old", "e.log"],
    options: { exclude: ["*.log"] },
  });
  await w.found.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed.sort(), ["/to/a/b", "/to/a/old", "/to/c"]);
});

Deno.test("a selection sees paths below the transferred folder", async () => {
  const w = leftovers({
    entries: ["a/", "a/b/", "a/b/c/", "a/b/c/old", "a/old"],
    options: { exclude: ["a/b/c/old"] },
  });
  await w.found.find("/to/a", "a/", new Set());
  await w.remove();
  assertEquals(w.removed, ["/to/a/old"]);
});

Deno.test("names of the source protect only entries of the same folder", async () => {
  const w = leftovers({
    entries: ["same", "old/", "old/same", "old/keep.log"],
    options: { exclude: ["*.log"] },
  });
  await w.found.find("/to", "", new Set(["same"]));
  await w.remove();
  assertEquals(w.removed, ["/to/old/same"]);
});

Deno.test("with a selection a link is removed itself, and what it leads to is not looked at", async () => {
  const w = leftovers({
    entries: ["old/", "old/link -> /elsewhere", "old/link/precious", "old/x"],
    options: { exclude: ["*.log"] },
  });
  await w.found.find("/to", "", new Set());
  await w.remove();
  assertEquals(w.removed, ["/to/old"]);
  const kept = leftovers({
    entries: [
      ...["old/", "old/link -> /elsewhere", "old/link/precious", "old/link/x.log"],
      ...["old/other@", "old/x.log"],
    ],
    options: { exclude: ["*.log"] },
  });
  await kept.found.find("/to", "", new Set());
  await kept.remove();
  assertEquals(kept.removed.sort(), ["/to/old/link", "/to/old/other@"]);
});

Deno.test("folders of the target that are nested too deeply are an error", async () => {
  const nested = (depth: number) =>
    leftovers({
      entries: Array.from({ length: depth }, (_, at) => "a/".repeat(at + 1)),
      options: { exclude: ["*.log"] },
    });
  await nested(SFTP_MAX_DEPTH).found.find("/to", "", new Set());
  const deeper = nested(SFTP_MAX_DEPTH + 1).found.find("/to", "", new Set());
  const error = await assertRejects(() => deeper, SftpError, "folders are nested too deeply");
  assertEquals(error.operation, "transfer");
  assert(error.path!.startsWith("/to/a/a"));
});

Deno.test("a listing of the target that takes too much memory is an error", async () => {
  const w = leftovers({ entries: [] });
  const store = {
    trusted: true,
    stat: () => Promise.resolve(FOLDER),
    join: (folder: string, name: string) => `${folder}/${name}`,
    async *list() {
      yield { name: "x", info: FILE };
      yield { name: "x".repeat(1 << 27), info: FILE };
    },
  } as unknown as FileStore;
  const endless = new Leftovers(store, "/to", null, w.progress);
  await assertRejects(() => endless.find("/to", "", new Set()), SftpError, "too many entries");
});

Deno.test("after a failure nothing is removed, and a warning names the target", async () => {
  const w = leftovers({ entries: ["old"] });
  await w.found.find("/to", "", new Set());
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
  await w.found.find("/to", "", new Set());
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
  await w.found.find("/to", "", new Set());
  await w.remove();
  assertEquals([w.removed.length, most], [count, SFTP_FILES_AT_ONCE]);
});
