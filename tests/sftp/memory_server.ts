/** A server of files in memory that logs every request, and refuses or delays those selected by a test. */
import type { Attributes } from "../../lib/sftp/protocol/attributes.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { channelTo, type RawMessage, type RawPeer, status } from "./raw.ts";

export interface MemoryFile {
  data: Uint8Array;
  mode: number;
  /** Null if it is not reported. */
  mtime?: number | null;
  atime?: number;
  uid?: number;
  gid?: number;
}

const FILE = 0o100000;

/** Names of one answer to READDIR. */
export const LISTED = 100;

/** Names of requests in {@linkcode MemoryServer.log}. */
const NAMES = new Map(Object.entries(FXP).map(([name, type]) => [type as number, name]));

export class MemoryServer {
  readonly files: Map<string, MemoryFile> = new Map();
  readonly folders: Map<string, number> = new Map([["/", 0o755]]);
  readonly links: Map<string, string> = new Map();
  /** Every request as `NAME path`, and further relevant fields. */
  readonly log: string[] = [];
  /** The status to refuse a line of the log with; `undefined` lets the request through. */
  refuse: (line: string) => number | undefined | Promise<number | undefined> = () => undefined;
  /** The announced limit of open handles, if it announces limits. */
  openHandles = 0;
  /** The announced extensions. */
  readonly extensions: string[] = [];
  readonly #handles: Map<number, { path: string; file: MemoryFile | null; listed: number }> =
    new Map();
  /** Delayed writes, by handle. */
  readonly #writes: Map<number, Promise<void>[]> = new Map();
  #next = 0;

  /** Handles that are open. */
  get open(): number {
    return this.#handles.size;
  }

  /** Adds a file. */
  add(path: string, data: Uint8Array, mode = 0o644): MemoryFile {
    const file = { data, mode: FILE | mode };
    this.files.set(path, file);
    return file;
  }

  /** The content of a name. */
  data(path: string): Uint8Array | undefined {
    return this.files.get(path)?.data;
  }

  /** A client connected to this server. */
  async connect(timeout = 60_000): Promise<RemoteFileSystem> {
    const { channel } = channelTo((request, peer) => this.answer(request, peer), {
      extensions: this.extensions.map((name) => [name, "1"]),
      limit: 1 << 22,
    });
    return await RemoteFileSystem.open(channel, { timeout });
  }

  readonly answer = async (request: RawMessage, peer: RawPeer): Promise<void> => {
    const line = this.#line(request);
    this.log.push(line);
    const answer = (code: number | undefined): Promise<void> =>
      peer.send(code === undefined ? this.#answer(request) : status(request.id, code, "no"));
    const refused = this.refuse(line);
    const writes = this.#writes.get(handleOf(request)) ?? [];
    if (request.type === FXP.CLOSE && writes.length > 0) {
      // A file is not closed before it is written (filexfer-02 §6.1).
      Promise.all(writes).then(() => refused).then(answer);
    } else if (refused instanceof Promise) {
      // Others are answered while one is delayed.
      const held = refused.then(answer);
      if (request.type === FXP.WRITE) this.#writes.set(handleOf(request), [...writes, held]);
    } else await answer(refused);
  };

  #line({ type, body }: RawMessage): string {
    const name = NAMES.get(type)!;
    const of = (handle: Uint8Array) => this.#handles.get(numberOf(handle))?.path;
    switch (type) {
      case FXP.OPEN: {
        const { path, flags, attributes: { mode } } = msg.Open.decode(body);
        const letters = Object.entries(FXF).filter(([, bit]) => flags & bit)
          .map(([name]) => name.toLowerCase()).join("+");
        return `${name} ${path} ${letters}${mode === undefined ? "" : ` ${mode.toString(8)}`}`;
      }
      case FXP.READ: {
        const { handle, offset, length } = msg.Read.decode(body);
        return `${name} ${of(handle)} ${offset} ${length}`;
      }
      case FXP.WRITE: {
        const { handle, offset, data } = msg.Write.decode(body);
        return `${name} ${of(handle)} ${offset} ${data.length}`;
      }
      case FXP.CLOSE:
      case FXP.FSTAT:
      case FXP.READDIR:
        return `${name} ${of(msg.Close.decode(body).handle)}`;
      case FXP.FSETSTAT: {
        const { handle, attributes } = msg.Fsetstat.decode(body);
        return `${name} ${of(handle)} ${describe(attributes)}`;
      }
      case FXP.SETSTAT: {
        const { path, attributes } = msg.Setstat.decode(body);
        return `${name} ${path} ${describe(attributes)}`;
      }
      case FXP.MKDIR: {
        const { path, attributes } = msg.Mkdir.decode(body);
        return `${name} ${path} ${describe(attributes)}`.trimEnd();
      }
      case FXP.RENAME: {
        const { from, to } = msg.Rename.decode(body);
        return `${name} ${from} ${to}`;
      }
      case FXP.SYMLINK: {
        const { target, link } = msg.Symlink.decode(body);
        return `${name} ${link} ${target}`;
      }
      case FXP.EXTENDED: {
        const { request, data } = msg.Extended.decode(body);
        if (request === EXTENSION.POSIX_RENAME) {
          const { from, to } = msg.TwoPaths.decode(data);
          return `POSIX_RENAME ${from} ${to}`;
        }
        if (request === EXTENSION.LIMITS) return "LIMITS";
        if (request === EXTENSION.FSYNC) return `FSYNC ${of(msg.OneHandle.decode(data).handle)}`;
        const { from, to, fromOffset, length } = msg.CopyData.decode(data);
        return `COPY_DATA ${of(from)} ${of(to)} ${fromOffset} ${length}`;
      }
      default:
        return `${name} ${msg.Stat.decode(body).path}`;
    }
  }

  #answer({ type, id, body }: RawMessage): Uint8Array {
    const reply = (code: number) => status(id, code);
    const at = (handle: Uint8Array) => this.#handles.get(numberOf(handle))!;
    switch (type) {
      case FXP.OPEN:
        return this.#open(id, msg.Open.decode(body));
      case FXP.CLOSE:
        return reply(this.#handles.delete(numberOf(msg.Close.decode(body).handle)) ? 0 : 4);
      case FXP.READ: {
        const { handle, offset, length } = msg.Read.decode(body);
        const data = at(handle).file!.data.subarray(offset, offset + length);
        return data.length === 0 ? reply(1) : msg.Data.encode(id, { data });
      }
      case FXP.WRITE: {
        const { handle, offset, data } = msg.Write.decode(body);
        put(at(handle).file!, offset, data);
        return reply(0);
      }
      case FXP.STAT:
      case FXP.LSTAT: {
        const { path } = msg.Stat.decode(body);
        return this.#stat(id, type === FXP.STAT ? this.#real(path) : this.#itself(path));
      }
      case FXP.FSTAT: {
        const { file } = at(msg.Fstat.decode(body).handle);
        return msg.Attrs.encode(id, { attributes: attributesOf(file!) });
      }
      case FXP.SETSTAT: {
        const { path, attributes } = msg.Setstat.decode(body);
        const file = this.files.get(this.#real(path));
        if (file) change(file, attributes);
        return reply(file || this.folders.has(path) ? 0 : 2);
      }
      case FXP.FSETSTAT: {
        const { handle, attributes } = msg.Fsetstat.decode(body);
        change(at(handle).file!, attributes);
        return reply(0);
      }
      case FXP.MKDIR: {
        const { path, attributes } = msg.Mkdir.decode(body);
        if (this.#exists(path)) return reply(4);
        if (!this.folders.has(path.slice(0, path.lastIndexOf("/")) || "/")) return reply(2);
        this.folders.set(path, attributes.mode ?? 0o777);
        return reply(0);
      }
      case FXP.REMOVE: {
        const { path } = msg.Remove.decode(body);
        if (this.folders.has(path)) return reply(4);
        return reply(this.files.delete(path) || this.links.delete(path) ? 0 : 2);
      }
      case FXP.RENAME: {
        const { from, to } = msg.Rename.decode(body);
        return reply(this.#exists(to) ? 4 : this.#rename(from, to));
      }
      case FXP.REALPATH: {
        const name = this.#real(msg.Realpath.decode(body).path);
        return msg.Name.encode(id, { entries: [{ name, longname: name, attributes: {} }] });
      }
      case FXP.READLINK: {
        const name = this.links.get(msg.Readlink.decode(body).path);
        if (name === undefined) return reply(2);
        return msg.Name.encode(id, { entries: [{ name, longname: name, attributes: {} }] });
      }
      case FXP.SYMLINK: {
        const { target, link } = msg.Symlink.decode(body);
        if (this.#exists(link)) return reply(4);
        this.links.set(link, target);
        return reply(0);
      }
      case FXP.OPENDIR: {
        const path = this.#real(msg.Opendir.decode(body).path);
        return this.folders.has(path) ? this.#handle(id, path, null) : reply(2);
      }
      case FXP.READDIR:
        return this.#list(id, at(msg.Readdir.decode(body).handle));
      case FXP.EXTENDED:
        return this.#extended(id, msg.Extended.decode(body));
    }
    return reply(8);
  }

  #extended(id: number, { request, data }: msg.RowValue<typeof msg.Extended>): Uint8Array {
    if (request === EXTENSION.POSIX_RENAME) {
      const { from, to } = msg.TwoPaths.decode(data);
      return status(id, this.folders.has(to) ? 4 : this.#rename(from, to));
    }
    if (request === EXTENSION.LIMITS) {
      const limits = { packetLength: 34_000, readLength: 32_768, writeLength: 32_768 };
      const data = msg.Limits.encode({ ...limits, openHandles: this.openHandles });
      return msg.ExtendedReply.encode(id, { data });
    }
    if (request !== EXTENSION.COPY_DATA) return status(id, 0);
    const { from, fromOffset, length, to, toOffset } = msg.CopyData.decode(data);
    const piece = this.#handles.get(numberOf(from))!.file!.data.slice(
      fromOffset,
      fromOffset + length,
    );
    put(this.#handles.get(numberOf(to))!.file!, toOffset, piece);
    return status(id, piece.length < length ? 1 : 0);
  }

  #open(id: number, { path, flags, attributes }: msg.RowValue<typeof msg.Open>): Uint8Array {
    const real = flags & FXF.EXCL ? path : this.#real(path);
    const folder = real.slice(0, real.lastIndexOf("/")) || "/";
    if (this.folders.has(real)) return status(id, 4);
    if (!this.folders.has(folder)) return status(id, 2);
    let file = this.files.get(real);
    if (flags & FXF.EXCL && this.#exists(real)) return status(id, 4);
    if (file === undefined && !(flags & FXF.CREAT)) return status(id, 2);
    file ??= this.add(real, new Uint8Array(0), attributes.mode ?? 0o666);
    if (flags & FXF.TRUNC) file.data = new Uint8Array(0);
    return this.#handle(id, real, file);
  }

  #handle(id: number, path: string, file: MemoryFile | null): Uint8Array {
    const number = this.#next++;
    this.#handles.set(number, { path, file, listed: 0 });
    return msg.Handle.encode(id, { handle: new Uint8Array([0, 0, number >> 8, number]) });
  }

  #stat(id: number, path: string): Uint8Array {
    const attributes = this.#attributes(path);
    return attributes === null ? status(id, 2) : msg.Attrs.encode(id, { attributes });
  }

  #attributes(path: string): Attributes | null {
    const file = this.files.get(path);
    const folder = this.folders.get(path);
    if (this.links.has(path)) return { size: 0, mode: 0o120777 };
    if (folder !== undefined) {
      return { size: 0, mode: 0o040000 | folder, uid: 5, gid: 6, atime: 1000, mtime: 1000 };
    }
    return file ? attributesOf(file) : null;
  }

  #list(id: number, entry: { path: string; listed: number }): Uint8Array {
    const entries = [...this.folders.keys(), ...this.files.keys(), ...this.links.keys()]
      .filter((path) =>
        path !== "/" && (path.slice(0, path.lastIndexOf("/")) || "/") === entry.path
      )
      .slice(entry.listed, entry.listed + LISTED)
      .map((path) => ({
        name: path.slice(path.lastIndexOf("/") + 1),
        longname: "",
        attributes: this.#attributes(path)!,
      }));
    entry.listed += entries.length;
    return entries.length === 0 ? status(id, 1) : msg.Name.encode(id, { entries });
  }

  #rename(from: string, to: string): number {
    const [file, link] = [this.files.get(from), this.links.get(from)];
    if (file === undefined && link === undefined) return 2;
    this.files.delete(to);
    this.links.delete(to);
    if (file) this.files.set(to, file);
    else this.links.set(to, link!);
    this.files.delete(from);
    this.links.delete(from);
    return 0;
  }

  #exists(path: string): boolean {
    return this.files.has(path) || this.folders.has(path) || this.links.has(path);
  }

  /** The path of a file that may be a link. */
  #itself(path: string): string {
    const slash = path.lastIndexOf("/");
    return path === "/"
      ? path
      : this.#real(path.slice(0, slash)).replace(/\/$/, "") + path.slice(slash);
  }

  /** The path that links lead to. */
  #real(path: string): string {
    const steps = path.split("/").filter((step) => step !== "").reverse();
    let real = "";
    for (let step, links = 0; (step = steps.pop()) !== undefined;) {
      const link = this.links.get(`${real}/${step}`);
      if (link === undefined || ++links > 20) real += `/${step}`;
      else {
        steps.push(...link.split("/").filter((step) => step !== "").reverse());
        if (link.startsWith("/")) real = "";
      }
    }
    return real || "/";
  }
}

function attributesOf(file: MemoryFile): Attributes {
  const { data, mode, mtime = 1000, atime = 1000, uid = 1, gid = 1 } = file;
  const rest = { size: data.length, mode, uid, gid };
  return mtime === null ? rest : { ...rest, mtime, atime };
}

/** The handle of a WRITE or CLOSE; -1 for other requests. */
function handleOf({ type, body }: RawMessage): number {
  if (type === FXP.WRITE) return numberOf(msg.Write.decode(body).handle);
  return type === FXP.CLOSE ? numberOf(msg.Close.decode(body).handle) : -1;
}

function numberOf(handle: Uint8Array): number {
  return handle[2]! << 8 | handle[3]!;
}

function describe({ size, mode, uid, gid, atime, mtime }: Attributes): string {
  return [
    size === undefined ? "" : `size=${size}`,
    mode === undefined ? "" : `mode=${mode.toString(8)}`,
    uid === undefined ? "" : `owner=${uid}:${gid}`,
    mtime === undefined ? "" : `times=${atime}:${mtime}`,
  ].filter((text) => text !== "").join(" ");
}

function change(file: MemoryFile, { size, mode, uid, gid, atime, mtime }: Attributes): void {
  if (size !== undefined) {
    const data = new Uint8Array(size);
    data.set(file.data.subarray(0, size));
    file.data = data;
  }
  if (mode !== undefined) file.mode = FILE | mode;
  if (uid !== undefined && gid !== undefined) [file.uid, file.gid] = [uid, gid];
  if (atime !== undefined && mtime !== undefined) [file.atime, file.mtime] = [atime, mtime];
}

/** A buffer with room after the data of its file. */
const ROOMY = new WeakSet<ArrayBufferLike>();

function put(file: MemoryFile, offset: number, data: Uint8Array): void {
  const size = offset + data.length;
  if (size > file.data.length) {
    const { buffer } = file.data;
    const fits = ROOMY.has(buffer) && buffer.byteLength >= size;
    const grown = fits ? new Uint8Array(buffer) : new Uint8Array(2 * size);
    if (!fits) grown.set(file.data);
    ROOMY.add(grown.buffer);
    file.data = grown.subarray(0, size);
  }
  file.data.set(data, offset);
}
