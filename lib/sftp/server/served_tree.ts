/** Where a client's path leads; disposing of it lets go of what holds it in place. */
export interface Place extends Disposable {
  /** The path for this process: its last step is no symbolic link that may be followed by mistake. */
  readonly real: string;
  /** The path as the client should see it, absolute. */
  readonly virtual: string;
  /** What is there, links not followed; null if nothing is. */
  readonly info: Deno.FileInfo | null;
}

/** Finds what clients' paths lead to. Everything here is synchronous: nothing comes in between. */
export interface Tree {
  /** Whether clients may have all that this process may, special files and setuid bits included. */
  readonly open: boolean;
  /** Flags that every open(2) in it gets. */
  readonly openFlags: number;
  /** Finds a place; `last` says whether a symbolic link at the end of the path is followed. */
  place(path: string, last: "follow" | "keep"): Place;
  /** Makes a path absolute, as the client should see it; its last step may be missing. */
  realPath(path: string): string;
  /** A path to what a place leads to now, and to nothing else even if the place changes. */
  pin(place: Place): { readonly path: string } & Disposable;
  /** Whether an open file is what a place leads to: asked before a byte is read or written. */
  holds(fd: number, place: Place): boolean;
}

/** How a walk holds on to the folders that it is in. */
export interface Folders<F> {
  /** The folder that clients see as `/`. */
  root(): F;
  /** The folder of that name inside another; never through a symbolic link. */
  enter(folder: F, name: string): F;
  /** Lets go of a folder. */
  leave(folder: F): void;
  /** A path to what is in a folder. */
  path(folder: F, name: string): string;
  /** As of `Tree`. */
  pin(place: Place): { readonly path: string } & Disposable;
  /** As of `Tree`. */
  holds(fd: number, place: Place): boolean;
}
