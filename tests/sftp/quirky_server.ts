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
  /** What attributes lack, or have too much of. */
  readonly attributes?: "no type" | "more bits" | "none" | "size -1" | "size 0" | "trailing";
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
  /** A byte after data says whether it is the end. */
  readonly endByte?: boolean;
  /** The end of a file is empty data, not a status. */
  readonly emptyEnd?: boolean;
  /** Writes beyond are refused. */
  readonly quota?: number;
  /** The status of a MKDIR of what exists. */
  readonly mkdirExists?: number;
  /** The status of a RENAME to what exists. */
  readonly renameExists?: number;
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
  readonly #handles: Map<number, { path: string; listed: boolean }> = new Map();
  #next = 0;

  constructor(quirks: Quirks = {}) {
    this.#quirks = quirks;
  }

  /** Handles that are open. */
  get open(): number {
    return this.#handles.size;
  }

  readonly answer = async ({ type, id, body }: RawMessage, peer: RawPeer): Promise<void> => {
    const refused = this.#quirks.refused?.[type];
    await peer.send(
      refused === undefined ? this.#answer(type, id, body) : this.#status(id, refused),
    );
  };

  #answer(type: number, id: number, body: Uint8Array): Uint8Array {
    const { quota = Infinity, mkdirExists = 4, renameExists = 4, modes } = this.#quirks;
    const status = (code: number) => this.#status(id, code);
    const at = (handle: Uint8Array) => this.#handles.get(handle[0]!);
    switch (type) {
      case FXP.REALPATH: {
        const { path } = msg.Realpath.decode(body);
        const name = path === "." ? "/" : path;
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
        return this.folders.has(path) ? this.#handle(id, path) : status(2);
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
      case FXP.CLOSE:
        return status(this.#handles.delete(msg.Close.decode(body).handle[0]!) ? 0 : 4);
      case FXP.SETSTAT:
        return status(msg.Setstat.decode(body).attributes.mode === undefined ? 0 : modes ?? 0);
      case FXP.FSETSTAT:
        return status(msg.Fsetstat.decode(body).attributes.mode === undefined ? 0 : modes ?? 0);
      case FXP.MKDIR: {
        const { path, attributes } = msg.Mkdir.decode(body);
        if (this.#exists(path)) return status(mkdirExists);
        if (attributes.mode !== undefined && modes !== undefined) return status(modes);
        this.folders.add(path);
        return status(0);
      }
      case FXP.REMOVE:
        return status(this.files.delete(msg.Remove.decode(body).path) ? 0 : 2);
      case FXP.RMDIR:
        return status(this.folders.delete(msg.Rmdir.decode(body).path) ? 0 : 2);
      case FXP.RENAME: {
        const { from, to } = msg.Rename.decode(body);
        const file = this.files.get(from);
        if (this.#exists(to)) return status(renameExists);
        if (!file) return status(2);
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

  #handle(id: number, path: string): Uint8Array {
    this.#handles.set(++this.#next, { path, listed: false });
    return msg.Handle.encode(id, { handle: new Uint8Array([this.#next]) });
  }

  #stat(id: number, path: string): Uint8Array {
    if (!this.#exists(path)) return this.#status(id, 2);
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
    writer.u32(0xf);
    writer.u64(attributes === "size -1" ? 2n ** 64n - 1n : attributes === "size 0" ? 0n : size);
    writer.u32(0).u32(0);
    writer.u32(mode + (folder ? 0o755 : 0o644) + (attributes === "more bits" ? 0x10000 : 0));
    writer.u32(1e9).u32(1e9);
  }

  #list(id: number, entry: { path: string; listed: boolean }): Uint8Array {
    if (entry.listed) return this.#status(id, 1);
    entry.listed = true;
    const { slashes = false, names = [] } = this.#quirks;
    const paths = [...this.folders, ...this.files.keys()]
      .filter((path) => path !== "/" && plain(path.slice(0, path.lastIndexOf("/"))) === entry.path);
    const list: [name: Uint8Array, path: string][] = [".", "..", ...paths].map((path) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      return [utf8.encode(name + (slashes && this.folders.has(path) ? "/" : "")), path];
    });
    if (entry.path === "/d") { for (const name of names) list.push([name, "/f.txt"]); }
    const writer = new Writer().u32(list.length);
    for (const [name, path] of list) {
      const type = this.folders.has(path) || path.startsWith(".") ? "d" : "-";
      writer.string(name).text(`${type}rw-r--r-- 1 u g 1 Jan  1  2001 x`);
      this.#attributes(writer, path.startsWith(".") ? "/" : path);
    }
    return frame(FXP.NAME, id, writer.take());
  }

  #open(id: number, { path, flags, attributes }: msg.RowValue<typeof msg.Open>): Uint8Array {
    const { exclusive, dots, modes } = this.#quirks;
    if (exclusive !== undefined && flags & FXF.EXCL) return this.#status(id, exclusive);
    if (dots !== undefined && /\/\.[^/]*$/.test(path)) return this.#status(id, dots);
    if (this.folders.has(path)) return this.#status(id, 4);
    if (this.files.has(path) && flags & FXF.EXCL) return this.#status(id, 4);
    if (!this.files.has(path) && !(flags & FXF.CREAT)) return this.#status(id, 2);
    if (!this.files.has(path) || flags & FXF.TRUNC) this.files.set(path, new Uint8Array(0));
    // As ProFTPD does, after the file was created.
    if (modes !== undefined && attributes.mode !== undefined) return this.#status(id, modes);
    return this.#handle(id, path);
  }

  #read(id: number, { handle, offset, length }: msg.RowValue<typeof msg.Read>): Uint8Array {
    const { shortReads = Infinity, endByte = false, emptyEnd = false } = this.#quirks;
    const file = this.files.get(this.#handles.get(handle[0]!)!.path)!;
    const data = file.subarray(offset, offset + Math.min(length, shortReads));
    if (data.length === 0 && !emptyEnd) return this.#status(id, 1);
    const body = new Writer().string(data);
    if (endByte) body.u8(offset + data.length >= file.length ? 1 : 0);
    return frame(FXP.DATA, id, body.take());
  }
}

/** A path without slashes at its end. */
function plain(path: string): string {
  return path.replace(/\/+$/, "") || "/";
}
