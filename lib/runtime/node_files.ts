import type { Stats } from "node:fs";
import type { ReadStream } from "node:tty";
import { builtin } from "./builtin.ts";
import type { FileOpenOptions, Files, OpenFile } from "./files.ts";
import { NodeReader } from "./node_streams.ts";

/** Bytes of one block of a file's stream. */
const READ_BYTES = 64 * 1024;

type Fs = typeof import("node:fs");
type Path = string | URL;

/** Converts attributes of a file to the shape of Deno's. */
function infoOf(stats: Stats): Deno.FileInfo {
  const { size, dev, ino, mode, nlink, uid, gid, rdev, blksize, blocks } = stats;
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
    isBlockDevice: stats.isBlockDevice(),
    isCharDevice: stats.isCharacterDevice(),
    isFifo: stats.isFIFO(),
    isSocket: stats.isSocket(),
    mtime: stats.mtime,
    atime: stats.atime,
    birthtime: stats.birthtime,
    ctime: stats.ctime,
    size,
    dev,
    ino,
    mode,
    nlink,
    uid,
    gid,
    rdev,
    blksize,
    blocks,
  };
}

/** Files of Node, in the shape of Deno's functions. */
export function nodeFiles(): Files {
  const fs = builtin("node:fs");
  const { promises } = fs;
  return {
    open: async (path, options) => {
      const { flags, mode } = flagsOf(fs, options);
      return new NodeFile(fs, await opened(fs, path, flags, mode));
    },
    openSync: (path, options) => {
      const { flags, mode } = flagsOf(fs, options);
      return new NodeFile(fs, fs.openSync(path, flags, mode));
    },
    readFile: async (path) => bytesOf(await promises.readFile(path)),
    readTextFile: (path) => promises.readFile(path, "utf8"),
    readTextFileSync: (path) => fs.readFileSync(path, "utf8"),
    writeFile: async (path, data, options) => {
      const { append = false, create = true, createNew = false, mode } = options ?? {};
      const write = { write: true, append, create, createNew, truncate: !append };
      const { flags } = flagsOf(fs, write);
      await promises.writeFile(path, data, { flag: flags, ...(mode !== undefined && { mode }) });
      if (mode !== undefined) await promises.chmod(path, mode); // also for an existing file
    },
    stat: async (path) => infoOf(await promises.stat(path)),
    statSync: (path) => infoOf(fs.statSync(path)),
    lstat: async (path) => infoOf(await promises.lstat(path)),
    lstatSync: (path) => infoOf(fs.lstatSync(path)),
    readDir: (path) => entriesOf(fs, path),
    realPath: (path) => promises.realpath(path),
    // Without `.native`, `link/..` would be the folder of the link, not that above its target.
    realPathSync: (path) => fs.realpathSync.native(path),
    readLink: (path) => promises.readlink(path),
    readLinkSync: (path) => fs.readlinkSync(path),
    symlink: (target, path) => promises.symlink(target, path),
    link: (target, path) => promises.link(target, path),
    mkdir: async (path, options) => void await promises.mkdir(path, options),
    makeTempDir: ({ prefix }) =>
      promises.mkdtemp(builtin("node:path").join(builtin("node:os").tmpdir(), prefix)),
    rename: (from, to) => promises.rename(from, to),
    remove: async (path, { recursive = false } = {}) => {
      const isFolder = (await promises.lstat(path)).isDirectory();
      if (!isFolder) await promises.unlink(path);
      else if (recursive) await promises.rm(path, { recursive });
      else await promises.rmdir(path);
    },
    chmod: (path, mode) => promises.chmod(path, mode),
    chmodSync: (path, mode) => fs.chmodSync(path, mode),
    chown: (path, uid, gid) => promises.chown(path, uid, gid),
    utime: (path, atime, mtime) => promises.utimes(path, atime, mtime),
  };
}

async function* entriesOf(fs: Fs, path: string): AsyncGenerator<Deno.DirEntry, void> {
  for await (const entry of await fs.promises.opendir(path)) {
    yield {
      name: entry.name,
      isFile: entry.isFile(),
      isDirectory: entry.isDirectory(),
      isSymlink: entry.isSymbolicLink(),
    };
  }
}

/** Converts a Buffer to plain bytes, because `slice` of a Buffer does not copy. */
function bytesOf(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}

/** The arguments for open(2). */
function flagsOf(
  fs: Fs,
  options: FileOpenOptions = { read: true },
): { flags: number; mode: number } {
  const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
  const { read = false, append = false, create, createNew, truncate, mode = 0o666 } = options;
  const write = options.write || append;
  const flags = (write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY) |
    (append ? O_APPEND : 0) | (truncate ? O_TRUNC : 0) |
    (createNew ? O_CREAT | O_EXCL : create ? O_CREAT : 0);
  return { flags, mode };
}

function opened(fs: Fs, path: Path, flags: number, mode: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, mode, (error, fd) => error ? reject(error) : resolve(fd));
  });
}

/** A file by its descriptor, in the shape of `Deno.FsFile`. */
class NodeFile implements OpenFile {
  readonly #fs: Fs;
  readonly #fd: number;
  /** The position of the next read or write. */
  #at = 0;
  /** Whether `seek` was called: until then no offset is passed, because pipes and devices have none. */
  #seeked = false;
  #closed = false;
  #terminal: { stream: ReadStream; reader: NodeReader } | null = null;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;

  constructor(fs: Fs, fd: number) {
    this.#fs = fs;
    this.#fd = fd;
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const block = new Uint8Array(READ_BYTES);
        const count = await this.read(block);
        if (count === null) {
          controller.close();
          this.close(); // as in Deno
        } else controller.enqueue(block.subarray(0, count));
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
  }

  async read(into: Uint8Array): Promise<number | null> {
    // A read in another thread could not be cancelled.
    if (this.isTerminal()) return await this.#asTerminal().reader.read(into);
    const count = await new Promise<number>((resolve, reject) => {
      this.#fs.read(this.#fd, into, 0, into.length, this.#offset, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
    });
    return this.#advance(count, into);
  }

  readSync(into: Uint8Array): number | null {
    return this.#advance(
      this.#fs.readSync(this.#fd, into, 0, into.length, this.#offset),
      into,
    );
  }

  async write(bytes: Uint8Array): Promise<number> {
    const count = await new Promise<number>((resolve, reject) => {
      this.#fs.write(this.#fd, bytes, 0, bytes.length, this.#offset, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
    });
    this.#at += count;
    return count;
  }

  writeSync(bytes: Uint8Array): number {
    const count = this.#fs.writeSync(this.#fd, bytes, 0, bytes.length, this.#offset);
    this.#at += count;
    return count;
  }

  /** Node has no function for lseek(2), so reads and writes pass the offset from then on. */
  // deno-lint-ignore require-await -- a throw becomes a rejection
  async seek(offset: number, whence: Deno.SeekMode): Promise<number> {
    const from = [0, this.#at, whence === 2 ? this.#fs.fstatSync(this.#fd).size : 0][whence]!;
    this.#seeked = true;
    return this.#at = from + offset;
  }

  truncate(size: number): Promise<void> {
    return this.#call((done) => this.#fs.ftruncate(this.#fd, size, done));
  }

  stat(): Promise<Deno.FileInfo> {
    return new Promise((resolve, reject) => {
      this.#fs.fstat(this.#fd, (error, stats) => error ? reject(error) : resolve(infoOf(stats)));
    });
  }

  statSync(): Deno.FileInfo {
    return infoOf(this.#fs.fstatSync(this.#fd));
  }

  utime(atime: Date | number, mtime: Date | number): Promise<void> {
    return this.#call((done) => this.#fs.futimes(this.#fd, atime, mtime, done));
  }

  sync(): Promise<void> {
    return this.#call((done) => this.#fs.fsync(this.#fd, done));
  }

  isTerminal(): boolean {
    return this.#terminal !== null || builtin("node:tty").isatty(this.#fd);
  }

  setRaw(raw: boolean): void {
    this.#asTerminal().stream.setRawMode(raw);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The stream of a terminal owns the descriptor.
    if (this.#terminal !== null) this.#terminal.stream.destroy();
    else this.#fs.closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #offset(): number | null {
    return this.#seeked ? this.#at : null;
  }

  #advance(count: number, { length }: Uint8Array): number | null {
    this.#at += count;
    return count === 0 && length > 0 ? null : count;
  }

  #asTerminal(): { stream: ReadStream; reader: NodeReader } {
    if (this.#terminal !== null) return this.#terminal;
    const { ReadStream } = builtin("node:tty");
    const stream = new ReadStream(this.#fd);
    return this.#terminal = { stream, reader: new NodeReader(stream, 1) };
  }

  #call(run: (done: (error: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      run((error) => error ? reject(error) : resolve());
    });
  }
}
