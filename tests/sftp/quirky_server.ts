/** A server of a tree in memory that has the quirks of real servers, as options. */
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { SftpStatus } from "../../lib/sftp/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { frame, type RawMessage, type RawPeer } from "./raw.ts";

export interface Quirks {
  /** Requests that are always refused, by type, and the status. */
  readonly refused?: Readonly<Record<number, number>>;
  /** Statuses without texts, or with bytes after them. */
  readonly status?: "bare" | "trailing";
  /** Missing or extra attributes. */
  readonly attributes?:
    | "no type"
    | "more bits"
    | "none"
    | "size -1"
    | "size 0"
    | "trailing"
    | "mode only"
    | "size only"
    | "extended"
    | "zeros";
  /** The status for a missing file. */
  readonly missing?: number;
  /** Names end with a NUL, as in C. */
  readonly nuls?: boolean;
  /** How a listing ends, if not by the status EOF; or sends names one at a time. */
  readonly listing?: "ends with OK" | "ends with no names" | "one by one";
  /** The status of a READ at the end. */
  readonly readEnd?: number;
  /** Bytes of a handle; with 0, one file can be open. */
  readonly handleLength?: number;
  /** Each answer is sent twice, or after those of the requests that arrived with it. */
  readonly replies?: "twice" | "late";
  /** The most open files and folders; more are refused with FAILURE. */
  readonly handles?: number;
  /** The status of a CLOSE of a file that was only read. */
  readonly close?: number;
  /** The status of an OPEN with EXCL. */
  readonly exclusive?: number;
  /** The status of an OPEN of a name that begins with a dot. */
  readonly dots?: number;
  /** The status of requests that set a mode, at OPEN and MKDIR too. */
  readonly modes?: number;
  /** Names of folders end with a slash. */
  readonly slashes?: boolean;
  /** Names in `/d` besides the files, as bytes. */
  readonly names?: readonly Uint8Array[];
  /** The most bytes of a READ's answer. */
  readonly shortReads?: number;
  /** A byte after data tells whether it is the end. */
  readonly endByte?: boolean;
  /** The end of a file is empty data, not a status. */
  readonly emptyEnd?: boolean;
  /** Writes beyond this offset are refused. */
  readonly quota?: number;
  /** The status of a MKDIR of an existing name. */
  readonly mkdirExists?: number;
  /** The status of a RENAME to an existing name. */
  readonly renameExists?: number;
}

/** An open file or folder, and the number of names listed so far. */
interface Opened {
  readonly path: string;
  readonly written: boolean;
  listed: number;
}

const utf8 = new TextEncoder();

export class QuirkyServer {
  readonly files: Map<string, Uint8Array> = new Map([
    ["/f.txt", utf8.encode("hello world\n".repeat(1000))],
    ["/d/a.txt", new Uint8Array(10).fill(65)],
    ["/d/b.txt", new Uint8Array(70_000).fill(66)],
  ]);
  readonly folders: Set<string> = new Set(["/", "/d"]);
  readonly #quirks: Quirks;
  readonly #handles: Map<number, Opened> = new Map();
  readonly #late: Uint8Array[] = [];
  #next = 0;

  constructor(quirks: Quirks = {}) {
    this.#quirks = quirks;
  }

  /** Handles that are open. */
  get open(): number {
    return this.#handles.size;
  }

  readonly answer = async ({ type, id, body }: RawMessage, peer: RawPeer): Promise<void> => {
    const { refused, replies } = this.#quirks;
    const { handles = Infinity } = this.#quirks;
    const full = this.open >= handles && (type === FXP.OPEN || type === FXP.OPENDIR);
    const status = full ? 4 : refused?.[type];
    const answer = status === undefined ? this.#answer(type, id, body) : this.#status(id, status);
    if (replies === "twice") return await peer.send(answer, answer);
    if (replies !== "late") return await peer.send(answer);
    this.#late.unshift(answer);
    // Requests of one task have arrived together.
    if (this.#late.length === 1) setTimeout(() => peer.send(...this.#late.splice(0)));
  };

  #answer(type: number, id: number, body: Uint8Array): Uint8Array {
    const { quota = Infinity, mkdirExists = 4, renameExists = 4, modes, missing = 2, close = 0 } =
      this.#quirks;
    const status = (code: number) => this.#status(id, code);
    const at = (handle: Uint8Array) => this.#handles.get(numberOf(handle));
    switch (type) {
      case FXP.REALPATH: {
        const { path } = msg.Realpath.decode(body);
        const name = (path === "." ? "/" : path) + (this.#quirks.nuls ? "\0" : "");
        const entry = { name, longname: name, attributes: {} };
        return msg.Name.encode(id, { entries: [entry] });
      }
      case FXP.STAT:
      case FXP.LSTAT:
        return this.#stat(id, plain(msg.Stat.decode(body).path));
      case FXP.FSTAT:
        return this.#stat(id, at(msg.Fstat.decode(body).handle)!.path);
      case FXP.OPENDIR: {
        const path = plain(msg.Opendir.decode(body).path);
        return this.folders.has(path) ? this.#handle(id, path, false) : status(missing);
      }
      case FXP.READDIR:
        return this.#list(id, at(msg.Readdir.decode(body).handle)!);
      case FXP.OPEN:
        return this.#open(id, msg.Open.decode(body));
      case FXP.READ:
        return this.#read(id, msg.Read.decode(body));
      case FXP.WRITE: {
        const { handle, offset, data } = msg.Write.decode(body);
        const end = offset + data.length;
        if (end > quota) return status(15);
        const { path } = at(handle)!;
        const old = this.files.get(path)!;
        const grown = new Uint8Array(Math.max(old.length, end));
        grown.set(old);
        grown.set(data, offset);
        this.files.set(path, grown);
        return status(0);
      }
      case FXP.CLOSE: {
        const number = numberOf(msg.Close.decode(body).handle);
        const written = this.#handles.get(number)?.written ?? true;
        return status(this.#handles.delete(number) ? written ? 0 : close : 4);
      }
      case FXP.SETSTAT:
        return status(msg.Setstat.decode(body).attributes.mode === undefined ? 0 : modes ?? 0);
      case FXP.FSETSTAT:
        return status(msg.Fsetstat.decode(body).attributes.mode === undefined ? 0 : modes ?? 0);
      case FXP.MKDIR: {
        const { path, attributes } = msg.Mkdir.decode(body);
        if (this.#exists(path)) return status(mkdirExists);
        if (attributes.mode !== undefined && modes !== undefined) return status(modes);
        if (!this.folders.has(plain(path.slice(0, path.lastIndexOf("/"))))) return status(missing);
        this.folders.add(path);
        return status(0);
      }
      case FXP.REMOVE:
        return status(this.files.delete(msg.Remove.decode(body).path) ? 0 : missing);
      case FXP.RMDIR:
        return status(this.folders.delete(msg.Rmdir.decode(body).path) ? 0 : missing);
      case FXP.RENAME: {
        const { from, to } = msg.Rename.decode(body);
        const file = this.files.get(from);
        if (this.#exists(to)) return status(renameExists);
        if (!file) return status(missing);
        this.files.set(to, file);
        this.files.delete(from);
        return status(0);
      }
      default:
        return status(SftpStatus.OP_UNSUPPORTED);
    }
  }

  #exists(path: string): boolean {
    return this.files.has(path) || this.folders.has(path);
  }

  #status(id: number, code: number): Uint8Array {
    const body = new Writer().u32(code);
    if (this.#quirks.status !== "bare") body.text("no").text("");
    if (this.#quirks.status === "trailing") body.u8(FXP.STATUS).u32(id).u32(4).text("no").u8(0);
    return frame(FXP.STATUS, id, body.take());
  }

  #handle(id: number, path: string, written: boolean): Uint8Array {
    const { handleLength = 4 } = this.#quirks;
    const number = handleLength === 0 ? 0 : ++this.#next;
    this.#handles.set(number, { path, written, listed: 0 });
    const handle = new Uint8Array(Math.max(handleLength, 4));
    new DataView(handle.buffer).setUint32(0, number);
    return msg.Handle.encode(id, { handle: handle.subarray(0, handleLength) });
  }

  #stat(id: number, path: string): Uint8Array {
    if (!this.#exists(path)) return this.#status(id, this.#quirks.missing ?? 2);
    const writer = new Writer();
    this.#attributes(writer, path);
    if (this.#quirks.attributes === "trailing") writer.u32(1);
    return frame(FXP.ATTRS, id, writer.take());
  }

  #attributes(writer: Writer, path: string): void {
    const { attributes } = this.#quirks;
    if (attributes === "none") return void writer.u32(0);
    const folder = this.folders.has(path);
    const size = BigInt(folder ? 4096 : this.files.get(path)?.length ?? 0);
    const mode = attributes === "no type" ? 0 : folder ? 0o040000 : 0o100000;
    const bits = mode + (folder ? 0o755 : 0o644) + (attributes === "more bits" ? 0x10000 : 0);
    if (attributes === "mode only") return void writer.u32(4).u32(bits);
    if (attributes === "size only") return void writer.u32(1).u64(size);
    if (attributes === "zeros") return void writer.u32(0xf).bytes(new Uint8Array(28));
    writer.u32(attributes === "extended" ? 0x8000_000f : 0xf);
    writer.u64(attributes === "size -1" ? 2n ** 64n - 1n : attributes === "size 0" ? 0n : size);
    writer.u32(0).u32(0).u32(bits).u32(1e9).u32(1e9);
    if (attributes === "extended") writer.u32(1).text("acl@example.com").text("\0\xff");
  }

  #list(id: number, entry: Opened): Uint8Array {
    const { slashes = false, names = [], listing, nuls } = this.#quirks;
    const all = this.#entries(entry.path, slashes, names);
    const list = all.slice(entry.listed, listing === "one by one" ? entry.listed + 1 : undefined);
    entry.listed += list.length;
    if (list.length === 0 && listing !== "ends with no names") {
      return this.#status(id, listing === "ends with OK" ? 0 : 1);
    }
    const writer = new Writer().u32(list.length);
    for (const [name, path] of list) {
      const type = this.folders.has(path) || path.startsWith(".") ? "d" : "-";
      writer.string(nuls ? new Uint8Array([...name, 0]) : name);
      writer.text(`${type}rw-r--r-- 1 u g 1 Jan  1  2001 x`);
      this.#attributes(writer, path.startsWith(".") ? "/" : path);
    }
    return frame(FXP.NAME, id, writer.take());
  }

  #entries(
    folder: string,
    slashes: boolean,
    names: readonly Uint8Array[],
  ): (readonly [name: Uint8Array, path: string])[] {
    const paths = [...this.folders, ...this.files.keys()]
      .filter((path) => path !== "/" && plain(path.slice(0, path.lastIndexOf("/"))) === folder);
    const list = [".", "..", ...paths].map((path) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      return [utf8.encode(name + (slashes && this.folders.has(path) ? "/" : "")), path] as const;
    });
    return folder === "/d" ? [...list, ...names.map((name) => [name, "/f.txt"] as const)] : list;
  }

  #open(id: number, { path, flags, attributes }: msg.RowValue<typeof msg.Open>): Uint8Array {
    const { exclusive, dots, modes, missing = 2 } = this.#quirks;
    if (exclusive !== undefined && flags & FXF.EXCL) return this.#status(id, exclusive);
    if (dots !== undefined && /\/\.[^/]*$/.test(path)) return this.#status(id, dots);
    if (this.folders.has(path)) return this.#status(id, 4);
    if (this.files.has(path) && flags & FXF.EXCL) return this.#status(id, 4);
    if (!this.files.has(path) && !(flags & FXF.CREAT)) return this.#status(id, missing);
    if (!this.files.has(path) || flags & FXF.TRUNC) this.files.set(path, new Uint8Array(0));
    // Like ProFTPD, after the file was created.
    if (modes !== undefined && attributes.mode !== undefined) return this.#status(id, modes);
    return this.#handle(id, path, (flags & FXF.WRITE) !== 0);
  }

  #read(id: number, { handle, offset, length }: msg.RowValue<typeof msg.Read>): Uint8Array {
    const { shortReads = Infinity, endByte = false, emptyEnd = false, readEnd = 1 } = this.#quirks;
    const file = this.files.get(this.#handles.get(numberOf(handle))!.path)!;
    const data = file.subarray(offset, offset + Math.min(length, shortReads));
    if (data.length === 0 && !emptyEnd) return this.#status(id, readEnd);
    const body = new Writer().string(data);
    if (endByte) body.u8(offset + data.length >= file.length ? 1 : 0);
    return frame(FXP.DATA, id, body.take());
  }
}

function numberOf(handle: Uint8Array): number {
  return handle.length === 0 ? 0 : new DataView(handle.slice().buffer).getUint32(0);
}

/** A path without slashes at its end. */
function plain(path: string): string {
  return path.replace(/\/+$/, "") || "/";
}
