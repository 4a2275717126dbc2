import { refuse } from "../protocol/status.ts";

/** A resolved client path; disposing of it closes the folders opened on the way. */
export interface ResolvedPath extends Disposable {
  /** The path for this process; its last step is a symbolic link only if links were kept. */
  readonly real: string;
  /** The path as the client should see it, absolute. */
  readonly virtual: string;
  /** The attributes, links not followed; null if nothing is there. */
  readonly info: Deno.FileInfo | null;
}

/**
 * Refuses a path that is not UTF-8, because the runtime would replace its bytes and mix up two files.
 *
 * @throws {SftpError} If it is not UTF-8
 */
export function checkText(path: string): void {
  if (!path.isWellFormed()) refuse("Names on this server must be UTF-8");
}

/** A folder that stays open until it is disposed of. */
export interface PinnedFolder extends Disposable {
  /** A path to it for this process. */
  readonly path: string;
  /** Whether the path still leads to it, and not to a folder that was put in its place. */
  isThere(): boolean;
}

/** Resolves clients' paths. Every method is synchronous, so that no other request runs in between. */
export interface ServedTree {
  /** Whether clients may do everything that this process may, including special files and setuid bits. */
  readonly open: boolean;
  /** Flags to add to every open(2). */
  readonly openFlags: number;
  /** Resolves a path; `last` says whether a symbolic link at its end is followed. */
  resolve(path: string, last: "follow" | "keep"): ResolvedPath;
  /** Makes a path absolute, as the client should see it; its last step may be missing. */
  realPath(path: string): string;
  /** Keeps a resolved folder open after those on the way to it are closed. */
  pin(found: ResolvedPath): PinnedFolder;
  /** Whether an open file is the resolved one; checked before a byte is read or written. */
  holds(fd: number, found: ResolvedPath): boolean;
}

/** Opens the folders of a path while it is resolved. */
export interface Folders<F> {
  /** The folder that clients see as `/`. */
  root(): F;
  /** The folder of that name inside another; never through a symbolic link. */
  enter(folder: F, name: string): F;
  /** Releases a folder. */
  leave(folder: F): void;
  /** The path of an entry of a folder. */
  path(folder: F, name: string): string;
  /** See `ServedTree`. */
  pin(found: ResolvedPath): PinnedFolder;
  /** See `ServedTree`. */
  holds(fd: number, found: ResolvedPath): boolean;
}
