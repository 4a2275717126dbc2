import { ProtocolError } from "../../errors.ts";
import { shown } from "../../option_checks.ts";
import type { Kind } from "../../wire/message.ts";
import type { Reader } from "../../wire/reader.ts";
import type { Writer } from "../../wire/writer.ts";
import { ATTR, S_IF } from "./numbers.ts";

/** Attributes of a remote file, in the shape of `Deno.FileInfo`. */
export interface SftpFileInfo {
  /** Whether it is a regular file. */
  readonly isFile: boolean;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
  /** Whether it is a symbolic link; only `lstat` and listings report it. */
  readonly isSymlink: boolean;
  /** The size in bytes; 0 if the server does not report it. */
  readonly size: number;
  /** The last modification, to the second; null if the server does not report it. */
  readonly mtime: Date | null;
  /** The last access, to the second; null if the server does not report it. */
  readonly atime: Date | null;
  /** The POSIX mode, type bits included; null if the server does not report it. */
  readonly mode: number | null;
  /** The owner's number; null if the server does not report it. */
  readonly uid: number | null;
  /** The group's number; null if the server does not report it. */
  readonly gid: number | null;
}

/** The attributes to change; others stay as they are. */
export interface SftpChanges {
  /** The new size in bytes; the file is truncated or filled with zeros. */
  readonly size?: number;
  /** The new permission bits. */
  readonly mode?: number;
  /** The new owner; goes together with `gid`. */
  readonly uid?: number;
  /** The new group; goes together with `uid`. */
  readonly gid?: number;
  /** The new access time; goes together with `mtime`. */
  readonly atime?: Date;
  /** The new modification time; goes together with `atime`. */
  readonly mtime?: Date;
}

/** Attributes in wire format: times in seconds, everything optional (filexfer-02 §5). */
export interface Attributes {
  size?: number;
  uid?: number;
  gid?: number;
  mode?: number;
  atime?: number;
  mtime?: number;
}

/** A uint64 that a double holds exactly; real values are never larger. */
export const safe64: Kind<number> = {
  read(reader) {
    const value = reader.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError("Number is beyond 2^53");
    return Number(value);
  },
  write(writer, value) {
    // BigInt() rejects what is not an integer.
    if (value < 0 || !Number.isSafeInteger(value)) return void writer.u64(BigInt(value));
    writer.u32(Math.floor(value / 2 ** 32)).u32(value >>> 0);
  },
};

/** uint32 flags, then the fields that the flags announce. */
export const attributes: Kind<Attributes> = {
  read: (reader) => read(reader, safe64.read),
  write,
};

/** Attributes from servers: a size of -1, or above 2^53, means unknown. */
export const reportedAttributes: Kind<Attributes> = {
  read: (reader) =>
    read(reader, (reader) => {
      const size = reader.u64();
      return size > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(size);
    }),
  write,
};

function read(reader: Reader, readSize: (reader: Reader) => number | null): Attributes {
  const flags = reader.u32();
  const result: Attributes = {};
  if (flags & ATTR.SIZE) {
    const size = readSize(reader);
    if (size !== null) result.size = size;
  }
  if (flags & ATTR.UIDGID) {
    result.uid = reader.u32();
    result.gid = reader.u32();
  }
  if (flags & ATTR.PERMISSIONS) result.mode = reader.u32();
  if (flags & ATTR.ACMODTIME) {
    result.atime = reader.u32();
    result.mtime = reader.u32();
  }
  if (flags & ATTR.EXTENDED) {
    // Each pair takes eight bytes or more, so an absurd count ends with the message.
    for (let count = reader.u32(); count > 0; count--) {
      reader.string();
      reader.string();
    }
  }
  return result;
}

function write(writer: Writer, value: Attributes): void {
  const { size, uid, gid, mode, atime, mtime } = value;
  const owner = uid !== undefined && gid !== undefined;
  const times = atime !== undefined && mtime !== undefined;
  writer.u32(
    (size !== undefined ? ATTR.SIZE : 0) | (owner ? ATTR.UIDGID : 0) |
      (mode !== undefined ? ATTR.PERMISSIONS : 0) | (times ? ATTR.ACMODTIME : 0),
  );
  if (size !== undefined) safe64.write(writer, size);
  if (owner) writer.u32(uid).u32(gid);
  if (mode !== undefined) writer.u32(mode);
  if (times) writer.u32(atime).u32(mtime);
}

/** Wire attributes in the shape of `Deno.FileInfo`; the type comes from the mode, if it is there. */
export function infoOf(attributes: Attributes, otherType = 0): SftpFileInfo {
  const { size, uid, gid, mode, atime, mtime } = attributes;
  const type = typeOf(attributes) || otherType;
  return {
    isFile: type === S_IF.FILE,
    isDirectory: type === S_IF.DIRECTORY,
    isSymlink: type === S_IF.LINK,
    size: size ?? 0,
    mtime: mtime === undefined ? null : new Date(mtime * 1000),
    atime: atime === undefined ? null : new Date(atime * 1000),
    // AIX sets bits above the POSIX ones.
    mode: mode === undefined ? null : mode & 0xffff,
    uid: uid ?? null,
    gid: gid ?? null,
  };
}

/** The file type in wire attributes, as the bits of `S_IF`; 0 if it is unknown. */
export function typeOf({ mode = 0 }: Attributes): number {
  return mode & S_IF.MASK;
}

/** Converts a backend's answer to wire attributes, with the file type in the mode. */
export function attributesOf(info: SftpFileInfo): Attributes {
  const { size, uid, gid, atime, mtime } = info;
  const result: Attributes = { size, mode: modeOf(info) };
  if (uid !== null && gid !== null) [result.uid, result.gid] = [uid, gid];
  if (mtime !== null) {
    result.mtime = seconds(mtime);
    result.atime = seconds(atime ?? mtime);
  }
  return result;
}

/**
 * Converts changes to wire attributes.
 *
 * @throws {TypeError} If one value of a pair is missing
 */
export function attributesOfChanges(changes: SftpChanges): Attributes {
  const { size, mode, uid, gid, atime, mtime } = changes;
  if ((uid === undefined) !== (gid === undefined)) {
    throw new TypeError("uid and gid must be given together");
  }
  if ((atime === undefined) !== (mtime === undefined)) {
    throw new TypeError("atime and mtime must be given together");
  }
  for (const number of [size, mode, uid, gid]) {
    if (number !== undefined && typeof number !== "number") {
      throw new TypeError(
        `Sizes, modes and owners must be numbers, such as 0o644, not ${shown(number)}`,
      );
    }
  }
  const result: Attributes = {};
  if (size !== undefined) result.size = size;
  if (mode !== undefined) result.mode = mode;
  if (uid !== undefined) Object.assign(result, { uid, gid });
  if (atime !== undefined && mtime !== undefined) {
    result.atime = seconds(atime);
    result.mtime = seconds(mtime);
  }
  return result;
}

/** Converts the wire attributes of a SETSTAT to changes. */
export function changesOf({ size, uid, gid, mode, atime, mtime }: Attributes): SftpChanges {
  return {
    ...(size === undefined ? {} : { size }),
    ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
    ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
    ...(atime === undefined || mtime === undefined
      ? {}
      : { atime: new Date(atime * 1000), mtime: new Date(mtime * 1000) }),
  };
}

/** The full POSIX mode; on platforms without modes, that of `umask 022`. */
export function modeOf(info: SftpFileInfo): number {
  const type = info.isDirectory
    ? S_IF.DIRECTORY
    : info.isSymlink
    ? S_IF.LINK
    : info.isFile
    ? S_IF.FILE
    : (info.mode ?? 0) & S_IF.MASK;
  return type | (info.mode === null ? (info.isDirectory ? 0o755 : 0o644) : info.mode & 0o7777);
}

/** A time as `Deno.utime` takes it: a `Date`, or seconds. */
export function dateOf(time: Date | number): Date {
  return typeof time === "number" ? new Date(time * 1000) : time;
}

/** Seconds in a uint32: dates before 1970 or after 2106 are clamped. */
export function seconds(date: Date): number {
  return Math.min(Math.max(Math.floor(date.getTime() / 1000), 0), 0xffff_ffff) || 0;
}
