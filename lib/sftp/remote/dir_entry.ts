import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";

/** One entry of a remote directory. */
export interface SftpDirEntry {
  /**
   * The name: one step, never `.` or `..`, with any characters that the server sends. Bytes that are not UTF-8
   * are lone surrogates, U+DC80 for 0x80 to U+DCFF for 0xff; as part of a path they become the same bytes again.
   */
  readonly name: string;
  /** Whether it is a regular file. */
  readonly isFile: boolean;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
  /** Whether it is a symbolic link. */
  readonly isSymlink: boolean;
  /** The attributes, as of `lstat`. */
  readonly info: SftpFileInfo;
}

/** A file, directory or link that `walk` or `glob` found. */
export interface SftpWalkEntry extends SftpDirEntry {
  /** The path, which starts with the one that was given. */
  readonly path: string;
}

/** Options of `walk`, in the shape of `@std/fs`'s. */
export interface SftpWalkOptions extends SftpOptions {
  /** How many folders down: 1 stays in the one given, which itself is at 0. */
  readonly maxDepth?: number;
  /** Yield everything but directories and links; true unless given. */
  readonly includeFiles?: boolean;
  /** Yield directories; true unless given. */
  readonly includeDirs?: boolean;
  /** Yield symbolic links that are not followed; true unless given. */
  readonly includeSymlinks?: boolean;
  /** Follow links, into folders too, but never in a circle. */
  readonly followSymlinks?: boolean;
}

/** An entry of the public interface. */
export function dirEntry(name: string, info: SftpFileInfo): SftpDirEntry {
  const { isFile, isDirectory, isSymlink } = info;
  return { name, isFile, isDirectory, isSymlink, info };
}
