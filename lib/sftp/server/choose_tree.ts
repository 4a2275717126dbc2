import { isError, platformError, systemReason } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { AnchoredFolders } from "./anchored_folders.ts";
import { UnrestrictedTree } from "./unrestricted_tree.ts";
import { Jail, PathFolders } from "./jail.ts";

import type { ServedTree } from "./served_tree.ts";

/**
 * Chooses how to serve the tree below a folder: unrestricted for `/`, otherwise the strictest jail that the
 * system allows.
 *
 * @throws {Deno.errors.NotFound} If there is no such folder
 * @throws {Deno.errors.NotADirectory} If it is not a directory
 */
export function treeOf(root: string, home: string): ServedTree {
  const real = realPathOf(root);
  if (!runtime.files.statSync(real).isDirectory) {
    throw platformError("NotADirectory", `Cannot serve "${root}": it is not a directory`);
  }
  if (real === "/") return new UnrestrictedTree(home);
  const folders = new AnchoredFolders(real);
  return canAnchor(folders)
    ? new Jail(folders, home)
    : new Jail(new PathFolders(real.replace(/[/\\]$/, "")), home);
}

function realPathOf(root: string): string {
  try {
    return runtime.files.realPathSync(root);
  } catch (error) {
    if (isError(error, "NotFound", "PermissionDenied")) {
      error.message = `Cannot serve "${root}": ${systemReason(error)}`;
    }
    throw error;
  }
}

/** Whether paths can start at an open folder: on Linux, with all permissions (`-A`), from Deno 2.7.12 on. */
function canAnchor(folders: AnchoredFolders): boolean {
  if (runtime.descriptorPath(0) === null) return false;
  const root = folders.root();
  try {
    return runtime.files.lstatSync(folders.path(root, ".")).isDirectory;
  } catch {
    return false; // /proc is missing or may not be read
  } finally {
    folders.leave(root);
  }
}
