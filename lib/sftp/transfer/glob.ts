import { expandGlob } from "../../patterns.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import { baseName } from "../protocol/paths.ts";
import { dirEntry, type SftpDirEntry, type SftpWalkEntry } from "../remote/dir_entry.ts";
import { allListed } from "../remote/listed.ts";
import { checkDepth } from "../remote/tree.ts";
import type { FileStore } from "./file_store.ts";

/** The operations that patterns need. */
type GlobStore = Pick<FileStore, "stat" | "lstat" | "list">;

/** Expands a glob pattern in the files of a store, `**` included. */
export async function* glob(
  store: GlobStore,
  pattern: string,
): AsyncGenerator<SftpWalkEntry, void> {
  const infos = new Map<string, SftpFileInfo>();
  const matches = expandGlob(pattern, {
    list: (folder, depth) => entriesOf(store, folder, depth),
    async exists(path) {
      const info = path === "" ? null : await store.lstat(path);
      if (info !== null) infos.set(path, info);
      return info !== null;
    },
  }, { globstar: true });
  for await (const { path, entry } of matches) {
    yield { path, ...entry ?? dirEntry(baseName(path), infos.get(path)!) };
  }
}

/** The entries of a folder; none if it does not exist. */
async function entriesOf(
  store: GlobStore,
  folder: string,
  depth: number,
): Promise<SftpDirEntry[]> {
  checkDepth(folder, depth);
  if (!(await store.stat(folder))?.isDirectory) return [];
  return (await allListed(folder, store.list(folder)))
    .map(({ name, info }) => dirEntry(name, info));
}
