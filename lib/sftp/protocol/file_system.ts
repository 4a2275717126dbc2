import type { FileSystem } from "./messages.ts";
import { STATVFS_FLAG } from "./numbers.ts";

/** The size and the free space of a file system, as in statvfs(3). */
export interface SftpFileSystem {
  /** The preferred length of reads and writes, in bytes. */
  readonly blockSize: number;
  /** The bytes of one block, as the following count them. */
  readonly fragmentSize: number;
  /** All blocks. */
  readonly blocks: number;
  /** Blocks that are free. */
  readonly freeBlocks: number;
  /** Blocks that are free to users without privileges. */
  readonly availableBlocks: number;
  /** All files that there can be. */
  readonly files: number;
  /** Files that can still be made. */
  readonly freeFiles: number;
  /** Files that users without privileges can still make. */
  readonly availableFiles: number;
  /** A number for the file system. */
  readonly id: bigint;
  /** Whether it is mounted read-only. */
  readonly readOnly: boolean;
  /** Whether setuid bits are without effect on it. */
  readonly noSetuid: boolean;
  /** The bytes of the longest file name. */
  readonly maxNameLength: number;
}

type Wire = ReturnType<typeof FileSystem.decode>;

/** Converts the flags of the wire to booleans. */
export function fileSystemOf({ flags, ...rest }: Wire): SftpFileSystem {
  const has = (bit: number) => (Number(flags & 0xffn) & bit) !== 0;
  return {
    ...rest,
    readOnly: has(STATVFS_FLAG.READ_ONLY),
    noSetuid: has(STATVFS_FLAG.NO_SETUID),
  };
}

/** Converts back to the flags of the wire. */
export function wireFileSystem({ readOnly, noSetuid, ...rest }: SftpFileSystem): Wire {
  const flags = (readOnly ? STATVFS_FLAG.READ_ONLY : 0) | (noSetuid ? STATVFS_FLAG.NO_SETUID : 0);
  return { ...rest, flags: BigInt(flags) };
}
