/** Patterns expanded in the files of a store. */
import { assertEquals, assertRejects } from "@std/assert";
import { SftpError } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import type { FileStore } from "../../lib/sftp/transfer/file_store.ts";
import { glob } from "../../lib/sftp/transfer/glob.ts";

const FOLDER = infoOf({ mode: 0o040755 });
const FILE = infoOf({ mode: 0o100644, size: 3 });
const LINK = infoOf({ mode: 0o120777, size: 3 });

/** Files in memory: `/link` leads to the folder `/a`, and `/dead` to nothing. */
function store() {
  const log: string[] = [];
  const files = new Map([
    ["/", FOLDER],
    ["/a", FOLDER],
    ["/a/x.ts", FILE],
    ["/a/.hidden.ts", FILE],
    ["/a/b", FOLDER],
    ["/a/b/y.ts", FILE],
    ["/c.ts", FILE],
    ["/link", LINK],
    ["/dead", LINK],
  ]);
  const real = (path: string) => path.replace(/^\/link/, "/a");
  const some: Pick<FileStore, "stat" | "lstat" | "list"> = {
    stat(path) {
      log.push(`stat ${path}`);
      return Promise.resolve(path === "/dead" ? null : files.get(real(path)) ?? null);
    },
    lstat(path) {
      log.push(`lstat ${path}`);
      return Promise.resolve(files.get(path) ?? files.get(real(path)) ?? null);
    },
    async *list(folder) {
      log.push(`list ${folder}`);
      const prefix = real(folder).replace(/\/$/, "") + "/";
      for (const [path, info] of files) {
        const name = path.slice(prefix.length);
        if (path.startsWith(prefix) && name !== "" && !name.includes("/")) yield { name, info };
      }
    },
  };
  return { log, some };
}

const found = async (pattern: string) =>
  (await Array.fromAsync(glob(store().some, pattern), ({ path }) => path)).sort();

const cases: [pattern: string, paths: string[]][] = [
  ["/c.ts", ["/c.ts"]],
  ["/none", []],
  ["", []],
  ["/*.ts", ["/c.ts"]],
  ["/a/*", ["/a/b", "/a/x.ts"]],
  ["/*/x.ts", ["/a/x.ts", "/link/x.ts"]],
  ["/link/*.ts", ["/link/x.ts"]],
  ["/**/*.ts", ["/a/b/y.ts", "/a/x.ts", "/c.ts"]],
  // A link itself can match, also one that leads nowhere.
  ["/dead", ["/dead"]],
  ["/d*", ["/dead"]],
  // Not folders.
  ["/c.ts/*", []],
  ["/dead/*", []],
  ["/none/*", []],
];
for (const [pattern, paths] of cases) {
  Deno.test(`the pattern "${pattern}" finds ${paths.join(", ") || "nothing"}`, async () => {
    assertEquals(await found(pattern), paths);
  });
}

Deno.test("a match has its name and the attributes of the file or of the link itself", async () => {
  for (const pattern of ["/dead", "/d*", "/de[a]d"]) {
    assertEquals(await Array.fromAsync(glob(store().some, pattern)), [{
      path: "/dead",
      name: "dead",
      isFile: false,
      isDirectory: false,
      isSymlink: true,
      info: LINK,
    }]);
  }
});

Deno.test("only folders are listed, and an empty pattern is not looked up", async () => {
  const { log, some } = store();
  await Array.fromAsync(glob(some, "/c.ts/*"));
  await Array.fromAsync(glob(some, ""));
  assertEquals(log, ["stat /c.ts"]);
});

Deno.test("a pattern in a folder whose listing takes too much memory is an error", async () => {
  const huge: Pick<FileStore, "stat" | "lstat" | "list"> = {
    ...store().some,
    async *list() {
      yield { name: "x".repeat(1 << 27), info: FILE };
    },
  };
  await assertRejects(() => Array.fromAsync(glob(huge, "/*")), SftpError, "too many entries");
});
