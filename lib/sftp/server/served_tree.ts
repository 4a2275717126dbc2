import { refuse } from "../protocol/status.ts";

/** What a client's path leads to; disposing of it closes the folders opened on the way. */
export interface ResolvedPath extends Disposable {
  /** The path for this process; its last step is a symbolic link only if links were kept. */
  readonly real: string;
  /** The path as the client should see it, absolute. */
  readonly virtual: string;
  /** The attributes of what is there, links not followed; null if nothing is there. */
  readonly info: Deno.FileInfo | null;
}

/**
 * Refuses a path whose bytes are not UTF-8: the runtime would replace them, and two files would become one.
 *
 * @throws {SftpError} If it is one
 */
export function checkText(path: string): void {
  if (!path.isWellFormed()) refuse("This server has no names that are not UTF-8");
}

/** A folder that is kept; disposing of it lets it go. */
export interface PinnedFolder extends Disposable {
  /** A path to it for this process. */
  readonly path: string;
  /** Whether the path leads to it now, and not to a folder that was put in its place. */
  isThere(): boolean;
}

/** Resolves clients' paths. Every method is synchronous, so that no other request runs in between. */
export interface ServedTree {
  /** Whether clients may do everything that this process may, special files and setuid bits included. */
  readonly open: boolean;
  /** Flags that every open(2) in it gets. */
  readonly openFlags: number;
  /** Resolves a path; `last` says whether a symbolic link at its end is followed. */
  resolve(path: string, last: "follow" | "keep"): ResolvedPath;
  /** Makes a path absolute, as the client should see it; its last step may be missing. */
  realPath(path: string): string;
  /** Keeps what was found after the folders on the way to it have been released. */
  pin(found: ResolvedPath): PinnedFolder;
  /** Whether an open file is the one that was found: asked before a byte is read or written. */
  holds(fd: number, found: ResolvedPath): boolean;
}

/** How the folders of a path are held open while it is resolved. */
export interface Folders<F> {
  /** The folder that clients see as `/`. */
  root(): F;
  /** The folder of that name inside another; never through a symbolic link. */
  enter(folder: F, name: string): F;
  /** Releases a folder. */
  leave(folder: F): void;
  /** The path of an entry of a folder. */
  path(folder: F, name: string): string;
  /** As of `ServedTree`. */
  pin(found: ResolvedPath): PinnedFolder;
  /** As of `ServedTree`. */
  holds(fd: number, found: ResolvedPath): boolean;
}
