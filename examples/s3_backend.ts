/**
 * A bucket of an S3-compatible object store as files for SFTP, which examples/s3_server.ts serves.
 * Names are keys, and folders are prefixes that end in "/". Operations that an object store lacks are
 * refused: writes that are not from start to end, changes of a part, permissions, times and links.
 */
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from "npm:@aws-sdk/client-s3@3";
import { Upload } from "npm:@aws-sdk/lib-storage@3";
import { resolve } from "node:path/posix";
import {
  type SftpBackend,
  type SftpBackendFile,
  SftpError,
  type SftpFileInfo,
  SftpStatus,
} from "@denossh/ssh/sftp";

const { NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, OP_UNSUPPORTED } = SftpStatus;
/** An object has at most 10,000 parts, so up to 80 GB; two are in memory during an upload. */
const PART_BYTES = 8 * 1024 * 1024;

/** Serves the objects of a bucket. */
export function s3Backend(client: S3Client, bucket: string): SftpBackend {
  const at = (key: string) => ({ Bucket: bucket, Key: key });

  /** An object or a folder; null if there is neither. */
  async function find(key: string): Promise<Found | null> {
    if (key === "") return folder;
    try {
      const head = await client.send(new HeadObjectCommand(at(key)));
      return { ...object(head.ContentLength, head.LastModified), version: head.ETag };
    } catch (cause) {
      if (refusalOf(cause).status !== NO_SUCH_FILE) throw refusalOf(cause);
    }
    return (await some(`${key}/`, 1)).length > 0 ? folder : null;
  }

  async function mustFind(key: string): Promise<Found> {
    return await find(key) ?? refuse(NO_SUCH_FILE, "No such file");
  }

  /** Lists the first keys that begin with a prefix. */
  async function some(prefix: string, count: number): Promise<(string | undefined)[]> {
    const query = { Bucket: bucket, Prefix: prefix, MaxKeys: count };
    const { Contents = [] } = await asked(client.send(new ListObjectsV2Command(query)));
    return Contents.map(({ Key }) => Key);
  }

  return {
    realPath: (path) => Promise.resolve(`/${keyOf(path)}`),
    stat: async (path) => await mustFind(keyOf(path)),
    async *readDir(path) {
      const Prefix = prefixOf(path);
      const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix, Delimiter: "/" });
      const listed = (key = "", info: SftpFileInfo) => ({ name: key.slice(Prefix.length), info });
      for (let page; !(page = await asked(pages.next())).done;) {
        const { CommonPrefixes = [], Contents = [] } = page.value;
        const folders = CommonPrefixes.map(({ Prefix }) => listed(Prefix?.slice(0, -1), folder));
        const objects = Contents.map((it) => listed(it.Key, object(it.Size, it.LastModified)));
        // Skips the folder's own marker, which has no name, and keys that no path can name.
        yield* [...folders, ...objects].filter(({ name }) => !["", ".", ".."].includes(name));
      }
    },
    async open(path, { read, write, append, create, createNew, truncate }) {
      const key = keyOf(path);
      const found = create ? await find(key) : await mustFind(key);
      if (found?.isDirectory) refuse(FAILURE, "Is a folder");
      if (!write && found) return new ObjectReader(client, at(key), found);
      if (createNew && found) refuse(FAILURE, "File exists");
      if (read || append || (found && !truncate)) {
        refuse(OP_UNSUPPORTED, "An object can only be replaced, not changed");
      }
      return new ObjectUpload(client, { ...at(key), ...(createNew && { IfNoneMatch: "*" }) });
    },
    async mkdir(path) {
      if (await find(keyOf(path))) refuse(FAILURE, "File exists");
      await asked(client.send(new PutObjectCommand({ ...at(prefixOf(path)), ContentLength: 0 })));
    },
    async rmdir(path) {
      const mark = prefixOf(path);
      if (mark === "") refuse(FAILURE, "The bucket itself cannot be changed");
      if (!(await mustFind(keyOf(path))).isDirectory) refuse(FAILURE, "Not a folder");
      if ((await some(mark, 2)).some((key) => key !== mark)) refuse(FAILURE, "Folder not empty");
      await asked(client.send(new DeleteObjectCommand(at(mark))));
    },
    async remove(path) {
      if ((await mustFind(keyOf(path))).isDirectory) refuse(FAILURE, "Is a folder");
      await asked(client.send(new DeleteObjectCommand(at(keyOf(path)))));
    },
    async rename(oldPath, newPath, { overwrite }) {
      const [from, to] = [keyOf(oldPath), keyOf(newPath)];
      if ((await mustFind(from)).isDirectory) refuse(OP_UNSUPPORTED, "A folder cannot be renamed");
      const there = await find(to);
      if (there?.isDirectory || (there && !overwrite)) refuse(FAILURE, "File exists");
      if (from === to) return;
      const source = [bucket, ...from.split("/")].map(encodeURIComponent).join("/");
      await asked(client.send(new CopyObjectCommand({ ...at(to), CopySource: source })));
      await asked(client.send(new DeleteObjectCommand(at(from))));
    },
  };
}

/** Sequential reads share one request to the store; a read elsewhere starts a new one. */
class ObjectReader implements SftpBackendFile {
  readonly #open: (offset: number) => Promise<ReadableStreamDefaultReader<Uint8Array>>;
  readonly #found: Found;
  #body: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #rest: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(client: S3Client, at: { Bucket: string; Key: string }, found: Found) {
    this.#found = found;
    this.#open = async (offset) => {
      const range = { Range: `bytes=${offset}-`, IfMatch: found.version };
      const { Body } = await asked(client.send(new GetObjectCommand({ ...at, ...range })));
      return Body!.transformToWebStream().getReader();
    };
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    const length = Math.min(into.length, this.#found.size - offset);
    if (length <= 0) return 0;
    if (this.#body === null || offset !== this.#offset) {
      await this.close();
      this.#body = await this.#open(offset);
      this.#offset = offset;
    }
    for (let count = 0; count < length;) {
      if (this.#rest.length === 0) {
        const { value } = await this.#body.read().catch(() => ({ value: undefined }));
        if (!value) await this.close();
        this.#rest = value ?? refuse(FAILURE, "The object store closed the connection");
      }
      const piece = this.#rest.subarray(0, length - count);
      into.set(piece, count);
      count += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    this.#offset += length;
    return length;
  }

  async close(): Promise<void> {
    const body = this.#body;
    this.#body = null;
    this.#rest = new Uint8Array(0);
    await body?.cancel().catch(() => {});
  }

  stat = () => Promise.resolve(this.#found);
  write = () => Promise.reject(new Deno.errors.PermissionDenied());
  setStat = () => Promise.reject(new Deno.errors.NotSupported());
}

/** Uploads the written data in parts. The object exists only after the client has closed it. */
class ObjectUpload implements SftpBackendFile {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #done: Promise<unknown>;
  #fail: (cause: SftpError) => void = () => {};
  #size = 0;

  constructor(client: S3Client, params: { Bucket: string; Key: string; IfNoneMatch?: string }) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => void (this.#fail = (cause) => controller.error(cause)),
    });
    this.#writer = writable.getWriter();
    const options = { queueSize: 2, partSize: PART_BYTES };
    this.#done = asked(
      new Upload({ client, params: { ...params, Body: readable }, ...options }).done(),
    );
    this.#done.catch(this.#fail); // ends the pending write
  }

  async write(data: Uint8Array, offset: number): Promise<void> {
    if (offset !== this.#size) {
      this.#fail(new SftpError(FAILURE, "close", null, "The upload was aborted"));
      refuse(OP_UNSUPPORTED, "An object can only be written from start to end");
    }
    this.#size += data.length;
    await this.#writer.write(data.slice());
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#done;
  }

  /** The client has disconnected: the parts in the store are removed. */
  async abort(): Promise<void> {
    this.#fail(new SftpError(FAILURE, "close", null, "The client has disconnected"));
    await this.#done.catch(() => {});
  }

  read = () => Promise.reject(new Deno.errors.PermissionDenied());
  stat = () => Promise.resolve(object(this.#size));
  setStat = () => Promise.reject(new Deno.errors.NotSupported());
}

/** An object's attributes and ETag. */
interface Found extends SftpFileInfo {
  readonly version?: string | undefined;
}

const folder: Found = {
  ...{ isFile: false, isDirectory: true, isSymlink: false, size: 0 },
  ...{ mtime: null, atime: null, mode: null, uid: null, gid: null },
};

function object(size = 0, mtime: Date | null = null): SftpFileInfo {
  return { ...folder, isFile: true, isDirectory: false, size, mtime };
}

/** The key that a path names; "" is the whole bucket. */
function keyOf(path: string): string {
  if (!path.isWellFormed()) refuse(FAILURE, "Names must be UTF-8");
  return resolve("/", path).slice(1);
}

/** The common prefix of the keys in a folder. */
function prefixOf(path: string): string {
  const key = keyOf(path);
  return key && `${key}/`;
}

/** Awaits the store's answer; maps its errors to SFTP's. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw refusalOf(cause);
  }
}

function refusalOf(cause: unknown): SftpError {
  if (cause instanceof SftpError) return cause;
  if (!(cause instanceof S3ServiceException)) {
    return new SftpError(FAILURE, "s3", null, "The object store cannot be reached", { cause });
  }
  const { httpStatusCode: code } = cause.$metadata;
  const status = code === 404 ? NO_SUCH_FILE : code === 403 ? PERMISSION_DENIED : FAILURE;
  return new SftpError(status, "s3", null, `The object store answered ${cause.name}`, { cause });
}

function refuse(status: number, message: string): never {
  throw new SftpError(status, "s3", null, message);
}
