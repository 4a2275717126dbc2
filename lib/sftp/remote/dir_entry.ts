import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";

/** One entry of a remote directory. */
export interface SftpDirEntry {
  /** The name: one step, never `.` or `..`, but any other characters that the server likes. */
  readonly name: string;
  /** Whether it is a regular file. */
  readonly isFile: boolean;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
  /** Whether it is a symbolic link. */
  readonly isSymlink: boolean;
  /** What `lstat` would say. */
  readonly info: SftpFileInfo;
}

/** A file, directory or link that `walk` or `glob` came upon. */
export interface SftpWalkEntry extends SftpDirEntry {
  /** The path, which begins as the one that was asked for. */
  readonly path: string;
}

/** What `walk` goes through, in the shape of `@std/fs`'s. */
export interface SftpWalkOptions extends SftpOptions {
  /** How many folders down: 1 stays in the one given, which itself is at 0. */
  readonly maxDepth?: number;
  /** Yield files and whatever else is no directory and no link; true unless said otherwise. */
  readonly includeFiles?: boolean;
  /** Yield directories; true unless said otherwise. */
  readonly includeDirs?: boolean;
  /** Yield symbolic links that are not followed; true unless said otherwise. */
  readonly includeSymlinks?: boolean;
  /** Take links for what they lead to, and walk into folders behind them, but never in a circle. */
  readonly followSymlinks?: boolean;
}

/** An entry as the public faces have it. */
export function dirEntry(name: string, info: SftpFileInfo): SftpDirEntry {
  const { isFile, isDirectory, isSymlink } = info;
  return { name, isFile, isDirectory, isSymlink, info };
}
