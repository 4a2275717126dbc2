/** Every SFTP message as a row; the row is the layout after `uint32 length, byte type, uint32 id`. */
import { SFTP_MAX_PATH } from "../../defaults.ts";
import { ProtocolError } from "../../errors.ts";
import {
  type Fields,
  type FieldValues,
  type Kind,
  layout,
  remainder,
  string,
  text,
  uint32,
  uint64,
} from "../../wire/message.ts";
import { poke32 } from "../../wire/hot.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { type Attributes, attributes, reportedAttributes, safe64 } from "./attributes.ts";
import { FXP, MAX_HANDLE_LENGTH } from "./numbers.ts";
import { decodePath, encodePath } from "./path_bytes.ts";
import { refuse, SftpStatus } from "./status.ts";

/** Length, type and id: the header of every message except INIT and VERSION. */
export const FRAME_HEADER = 9;
/** A DATA message up to its data: the frame header and the data's length. */
export const DATA_HEADER = FRAME_HEADER + 4;

/** One row: encodes whole frames, decodes the fields after the id. */
export interface Row<V> {
  readonly type: number;
  encode(id: number, value: V): Uint8Array<ArrayBuffer>;
  /** @throws {ProtocolError} If the body is too short or too long */
  decode(body: Uint8Array): V;
}

/** The value that a row stands for. */
export type RowValue<R> = R extends Row<infer V> ? V : never;

/** One file of a NAME message. */
export interface NameEntry {
  name: string;
  longname: string;
  attributes: Attributes;
}

const utf8 = new TextDecoder();

function row<F extends Fields>(type: number, fields: F): Row<FieldValues<F>> {
  const body = layout(fields);
  return {
    type,
    encode(id, value) {
      const writer = body.write(new Writer(128).u32(0).u8(type).u32(id), value);
      return writer.patch(0, writer.length - 4).take();
    },
    decode: body.decode,
  };
}

/** A handle: up to 256 bytes (filexfer-02 §6.3). */
const handle: Kind<Uint8Array> = {
  read(reader) {
    const value = string.read(reader);
    if (value.length > MAX_HANDLE_LENGTH) throw new ProtocolError("Handle is over 256 bytes");
    return value;
  },
  write: string.write,
};

/**
 * A path in an answer. A NUL at its end (a C string) is removed, as OpenSSH does; any other NUL is refused,
 * because no system allows it in names.
 */
const name: Kind<string> = {
  read(reader) {
    const bytes = reader.string();
    return pathOf(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes);
  },
  write: (writer, value) =>
    typeof value === "string" && value.isWellFormed()
      ? writer.text(value)
      : writer.string(encodePath(value)),
};

/** A path in a request. Its length is limited, because resolving it takes time. */
export const path: Kind<string> = {
  read(reader) {
    const bytes = reader.string();
    if (bytes.length > SFTP_MAX_PATH) refuse("File name too long", SftpStatus.BAD_MESSAGE);
    return pathOf(bytes);
  },
  write: name.write,
};

function pathOf(bytes: Uint8Array): string {
  const value = decodePath(bytes);
  if (value.includes("\0")) throw new ProtocolError("Path has a NUL in it");
  return value;
}

/** Data of a file, borrowed from the message and valid until the next one. */
const borrowed: Kind<Uint8Array> = { read: (r) => r.string(), write: (w, v) => w.string(v) };

/**
 * Data of a WRITE. Bytes after it are ignored: older versions of pkg/sftp, as in rclone 1.60, send their
 * whole buffer with the last of a file.
 */
const written: Kind<Uint8Array> = {
  read(reader) {
    const data = reader.string();
    reader.remainder();
    return data;
  },
  write: borrowed.write,
};

/**
 * The last field of an answer. Bytes after it are ignored, as other clients do: ProFTPD sends two statuses
 * in one message, other servers add attributes of later versions.
 */
function last<T>({ read, write }: Kind<T>): Kind<T> {
  return {
    read(reader) {
      const value = read(reader);
      reader.remainder();
      return value;
    },
    write,
  };
}

/** Text at the end of a STATUS, which some servers leave out or cut short: only the code matters. */
const optionalText: Kind<string> = {
  read(reader) {
    if (reader.remaining < 4) return "";
    const length = reader.u32();
    return utf8.decode(reader.bytes(Math.min(length, reader.remaining)));
  },
  write: text.write,
};

const entries: Kind<NameEntry[]> = {
  read(reader) {
    const count = reader.u32();
    const list: NameEntry[] = [];
    // An entry takes twelve bytes or more, so an absurd count ends with the message.
    while (list.length < count) {
      list.push({
        name: name.read(reader),
        longname: reader.text(),
        attributes: reportedAttributes.read(reader),
      });
    }
    return list;
  },
  write(writer, list) {
    writer.u32(list.length);
    for (const entry of list) writeEntry(writer, entry);
  },
};

function writeEntry(writer: Writer, entry: NameEntry): void {
  name.write(writer, entry.name);
  writer.text(entry.longname);
  attributes.write(writer, entry.attributes);
}

/** A NAME message whose entries are encoded as they come: as objects they take several times as much memory. */
export class NameWriter {
  readonly #writer: Writer;
  /** Entries so far. */
  count = 0;

  constructor(id: number) {
    this.#writer = new Writer(1024).u32(0).u8(FXP.NAME).u32(id).u32(0);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#writer.length;
  }

  add(entry: NameEntry): void {
    writeEntry(this.#writer, entry);
    this.count++;
  }

  /** The message; the writer must not be used afterwards. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#writer.patch(0, this.length - 4).patch(FRAME_HEADER, this.count).take();
  }
}

// filexfer-02 §6.3
export const Open = row(FXP.OPEN, { path, flags: uint32, attributes });
export const Close = row(FXP.CLOSE, { handle });
// §6.4
export const Read = row(FXP.READ, { handle, offset: safe64, length: uint32 });
export const Write = row(FXP.WRITE, { handle, offset: safe64, data: written });
// §6.5
export const Remove = row(FXP.REMOVE, { path });
export const Rename = row(FXP.RENAME, { from: path, to: path });
// §6.6
export const Mkdir = row(FXP.MKDIR, { path, attributes });
export const Rmdir = row(FXP.RMDIR, { path });
// §6.7
export const Opendir = row(FXP.OPENDIR, { path });
export const Readdir = row(FXP.READDIR, { handle });
// §6.8
export const Stat = row(FXP.STAT, { path });
export const Lstat = row(FXP.LSTAT, { path });
export const Fstat = row(FXP.FSTAT, { handle });
// §6.9
export const Setstat = row(FXP.SETSTAT, { path, attributes });
export const Fsetstat = row(FXP.FSETSTAT, { handle, attributes });
// §6.10
export const Readlink = row(FXP.READLINK, { path });
// OpenSSH's order of the paths (OpenSSH PROTOCOL §4.1), and the draft's: see server_quirks.ts.
export const Symlink = row(FXP.SYMLINK, { target: path, link: path });
export const LinkFirst = row(FXP.SYMLINK, { link: path, target: path });
// §6.11
export const Realpath = row(FXP.REALPATH, { path });
// §8
export const Extended = row(FXP.EXTENDED, { request: text, data: remainder });

// §7
export const Status = row(FXP.STATUS, {
  status: uint32,
  message: optionalText,
  language: last(optionalText),
});
export const Handle = row(FXP.HANDLE, { handle: last(handle) });
export const Data = row(FXP.DATA, { data: last(borrowed) });
export const Name = row(FXP.NAME, { entries: last(entries) });
export const Attrs = row(FXP.ATTRS, { attributes: last(reportedAttributes) });
export const ExtendedReply = row(FXP.EXTENDED_REPLY, { data: remainder });

/** uint32 numbers, concatenated in a string. */
const packedIds: Kind<number[]> = {
  read(reader) {
    const ids = new Reader(reader.string());
    const list: number[] = [];
    while (ids.remaining > 0) list.push(ids.u32());
    return list;
  },
  write(writer, list) {
    writer.u32(4 * list.length);
    for (const id of list) writer.u32(id);
  },
};

/** Strings, concatenated in a string. */
const packedTexts: Kind<string[]> = {
  read(reader) {
    const texts = new Reader(reader.string());
    const list: string[] = [];
    while (texts.remaining > 0) list.push(texts.text());
    return list;
  },
  write(writer, list) {
    const inside = new Writer(64);
    for (const item of list) inside.text(item);
    writer.string(inside.take());
  },
};

// OpenSSH PROTOCOL §4.4 (path), §4.9 (expand-path), §4.11 (home-directory)
export const OnePath = layout({ path });
// OpenSSH PROTOCOL §4.7
export const PathChanges = layout({ path, attributes });
// OpenSSH PROTOCOL §4.10; a length of 0 reads to the end.
export const CopyData = layout({
  from: handle,
  fromOffset: safe64,
  length: safe64,
  to: handle,
  toOffset: safe64,
});
// draft-ietf-secsh-filexfer-extensions-00 §3, as servers implement it: a length of 0 reads to the end, a
// block size of 0 gives one hash.
export const CheckFile = layout({
  path,
  algorithms: text,
  offset: safe64,
  length: safe64,
  blockSize: uint32,
});
export const CheckedFile = layout({ algorithm: text, hash: remainder });
// OpenSSH PROTOCOL §4.12
export const Ids = layout({ users: packedIds, groups: packedIds });
export const IdNames = layout({ users: packedTexts, groups: packedTexts });
// OpenSSH PROTOCOL §4.4
export const FileSystem = layout({
  blockSize: limit(),
  fragmentSize: limit(),
  blocks: limit(),
  freeBlocks: limit(),
  availableBlocks: limit(),
  files: limit(),
  freeFiles: limit(),
  availableFiles: limit(),
  id: uint64,
  flags: uint64,
  maxNameLength: last(limit()),
});
// OpenSSH PROTOCOL §4.3, §4.5
export const TwoPaths = layout({ from: path, to: path });
// OpenSSH PROTOCOL §4.6
export const OneHandle = layout({ handle });
// OpenSSH PROTOCOL §4.8; 0 means unlimited.
export const Limits = layout({
  packetLength: limit(),
  readLength: limit(),
  writeLength: limit(),
  openHandles: last(limit()),
});

/** A limit; more than 2^53 means unlimited. */
function limit(): Kind<number> {
  return { read: (reader) => Math.min(Number(reader.u64()), 2 ** 53 - 1), write: safe64.write };
}

/** INIT and VERSION have a version in place of the id, then pairs of names and data (§4). */
export function encodeVersion(
  type: typeof FXP.INIT | typeof FXP.VERSION,
  version: number,
  extensions: Iterable<readonly [string, string]> = [],
): Uint8Array<ArrayBuffer> {
  const writer = new Writer(64).u32(0).u8(type).u32(version);
  for (const [name, data] of extensions) writer.text(name).text(data);
  return writer.patch(0, writer.length - 4).take();
}

/** The pairs of a VERSION. Parsing stops at the first malformed pair: every extension is optional. */
export function decodeExtensions(body: Uint8Array): Map<string, string> {
  const reader = new Reader(body);
  const extensions = new Map<string, string>();
  try {
    while (reader.remaining > 0) extensions.set(reader.text(), reader.text());
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
  }
  return extensions;
}

/** A WRITE up to its data, which is sent without a copy. */
export function writeHeader(
  id: number,
  handle: Uint8Array,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer(32 + handle.length).u32(0).u8(FXP.WRITE).u32(id).string(handle);
  safe64.write(writer, offset);
  writer.u32(length);
  return writer.patch(0, writer.length - 4 + length).take();
}

/** Completes a DATA message whose `count` bytes of data are already in `frame`. */
export function dataFrame(
  frame: Uint8Array<ArrayBuffer>,
  id: number,
  count: number,
): Uint8Array<ArrayBuffer> {
  poke32(frame, 0, DATA_HEADER - 4 + count);
  frame[4] = FXP.DATA;
  poke32(frame, 5, id);
  poke32(frame, FRAME_HEADER, count);
  return frame.subarray(0, DATA_HEADER + count);
}
