/** What a server does for each request; the table is the dispatch. */
import { SFTP_MAX_CHUNK, SFTP_MAX_HANDLES, SFTP_MAX_MESSAGE } from "../defaults.ts";
import { attributesOf, changesOf, type SftpFileInfo } from "./attributes.ts";
import type { SftpBackend, SftpBackendOpen } from "./backend.ts";
import type { Handles } from "./handles.ts";
import { longname } from "./longname.ts";
import * as msg from "./messages.ts";
import { EXTENSION, FXF, FXP } from "./numbers.ts";
import { refuse, SftpStatus, statusText } from "./status.ts";

/** What an operation works on. */
export interface Context {
  readonly backend: SftpBackend;
  readonly handles: Handles;
  readonly readOnly: boolean;
  /** Bits that new files and directories do not get. */
  readonly umask: number;
  /** Memory for the answer to a READ. */
  buffer(length: number): Uint8Array<ArrayBuffer>;
}

/** Runs a request; resolves to the frame that answers it. */
export type Operation = (
  context: Context,
  id: number,
  body: Uint8Array,
) => Promise<Uint8Array<ArrayBuffer>>;

/** A status as a frame. */
export function statusFrame(
  id: number,
  status: number,
  message: string = statusText(status),
): Uint8Array<ArrayBuffer> {
  return msg.Status.encode(id, { status, message, language: "" });
}

/** Operations by packet type. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  answers(msg.Open, msg.Handle, async (context, { path, flags, attributes }) => {
    const { backend, handles, readOnly, umask } = context;
    const options = openOptions(flags, attributes.mode, umask);
    if (options.write || options.create || options.truncate) mayWrite(readOnly);
    handles.reserve();
    return { handle: handles.add({ file: await has(backend.open).call(backend, path, options) }) };
  }),
  does(msg.Close, ({ handles }, { handle }) => handles.close(handle)),
  [FXP.READ, read],
  does(
    msg.Write,
    ({ handles }, { handle, data, offset }) => handles.file(handle).write(data, offset),
  ),
  answers(msg.Lstat, msg.Attrs, async ({ backend }, { path }) => {
    return attrs(await has(backend.lstat ?? backend.stat).call(backend, path));
  }),
  answers(msg.Stat, msg.Attrs, async ({ backend }, { path }) => {
    return attrs(await has(backend.stat).call(backend, path));
  }),
  answers(msg.Fstat, msg.Attrs, async ({ handles }, { handle }) => {
    return attrs(await handles.file(handle).stat());
  }),
  changes(
    msg.Setstat,
    ({ backend }, { path, attributes }) =>
      has(backend.setStat).call(backend, path, changesOf(attributes)),
  ),
  changes(
    msg.Fsetstat,
    ({ handles }, { handle, attributes }) => handles.file(handle).setStat(changesOf(attributes)),
  ),
  answers(msg.Opendir, msg.Handle, async ({ backend, handles }, { path }) => {
    handles.reserve();
    const { isDirectory } = await has(backend.stat).call(backend, path);
    if (!isDirectory) refuse("It is not a directory");
    const listing = has(backend.readDir).call(backend, path)[Symbol.asyncIterator]();
    return { handle: handles.add({ listing }) };
  }),
  answers(msg.Readdir, msg.Name, async ({ handles }, { handle }) => {
    return { entries: await list(handles, handle) };
  }),
  changes(msg.Remove, ({ backend }, { path }) => has(backend.remove).call(backend, path)),
  changes(
    msg.Mkdir,
    ({ backend, umask }, { path, attributes: { mode } }) =>
      has(backend.mkdir).call(backend, path, mode === undefined ? null : mode & 0o7777 & ~umask),
  ),
  changes(msg.Rmdir, ({ backend }, { path }) => has(backend.rmdir).call(backend, path)),
  answers(msg.Realpath, msg.Name, async ({ backend }, { path }) => {
    return single(await has(backend.realPath).call(backend, path));
  }),
  changes(
    msg.Rename,
    ({ backend }, { from, to }) =>
      has(backend.rename).call(backend, from, to, { overwrite: false }),
  ),
  answers(msg.Readlink, msg.Name, async ({ backend }, { path }) => {
    return single(await has(backend.readLink).call(backend, path));
  }),
  changes(
    msg.Symlink,
    ({ backend }, { target, link }) => has(backend.symlink).call(backend, target, link),
  ),
  [FXP.EXTENDED, extended],
]);

/** The extensions that can be announced for a backend (OpenSSH PROTOCOL §4). */
export function extensionsOf(backend: SftpBackend): [string, string][] {
  const list: [string, string][] = [[EXTENSION.LIMITS, "1"]];
  if (backend.rename) list.push([EXTENSION.POSIX_RENAME, "1"]);
  if (backend.link) list.push([EXTENSION.HARDLINK, "1"]);
  if (backend.open) list.push([EXTENSION.FSYNC, "1"]);
  return list;
}

/** An operation that is answered by a value. */
function answers<Q, A>(
  request: msg.Row<Q>,
  reply: msg.Row<A>,
  run: (context: Context, request: Q) => Promise<A>,
): [number, Operation] {
  return [
    request.type,
    async (context, id, body) => reply.encode(id, await run(context, request.decode(body))),
  ];
}

/** An operation that is answered by a status. */
function does<Q>(
  request: msg.Row<Q>,
  run: (context: Context, request: Q) => Promise<void>,
): [number, Operation] {
  return [request.type, async (context, id, body) => {
    await run(context, request.decode(body));
    return statusFrame(id, SftpStatus.OK);
  }];
}

/** The same, if clients may change anything. */
function changes<Q>(
  request: msg.Row<Q>,
  run: (context: Context, request: Q) => Promise<void>,
): [number, Operation] {
  return does(request, async (context, value) => {
    mayWrite(context.readOnly);
    await run(context, value);
  });
}

/** READ: the data is read to where it is sent from. */
async function read(
  context: Context,
  id: number,
  body: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const { handle, offset, length } = msg.Read.decode(body);
  const file = context.handles.file(handle);
  const frame = context.buffer(msg.DATA_HEADER + Math.min(length, SFTP_MAX_CHUNK));
  const count = await file.read(frame.subarray(msg.DATA_HEADER), offset);
  if (count === 0) return statusFrame(id, SftpStatus.EOF);
  return msg.dataFrame(frame, id, count);
}

const EXTENSIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  [EXTENSION.LIMITS, (_context, id) =>
    Promise.resolve(msg.ExtendedReply.encode(id, {
      data: msg.Limits.encode({
        packetLength: SFTP_MAX_MESSAGE,
        readLength: SFTP_MAX_CHUNK,
        writeLength: SFTP_MAX_CHUNK,
        openHandles: SFTP_MAX_HANDLES,
      }),
    }))],
  [EXTENSION.POSIX_RENAME, async ({ backend, readOnly }, id, data) => {
    const { from, to } = msg.TwoPaths.decode(data);
    mayWrite(readOnly);
    await has(backend.rename).call(backend, from, to, { overwrite: true });
    return statusFrame(id, SftpStatus.OK);
  }],
  [EXTENSION.HARDLINK, async ({ backend, readOnly }, id, data) => {
    const { from, to } = msg.TwoPaths.decode(data);
    mayWrite(readOnly);
    await has(backend.link).call(backend, from, to);
    return statusFrame(id, SftpStatus.OK);
  }],
  [EXTENSION.FSYNC, async ({ handles }, id, data) => {
    const file = handles.file(msg.OneHandle.decode(data).handle);
    await has(file.sync).call(file);
    return statusFrame(id, SftpStatus.OK);
  }],
]);

function extended(
  context: Context,
  id: number,
  body: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const { request, data } = msg.Extended.decode(body);
  const operation = EXTENSIONS.get(request);
  if (!operation) refuse(statusText(SftpStatus.OP_UNSUPPORTED), SftpStatus.OP_UNSUPPORTED);
  return operation(context, id, data);
}

/** The method of a backend, or the answer that there is none. */
function has<M>(method: M | undefined): M {
  if (method !== undefined) return method;
  refuse(statusText(SftpStatus.OP_UNSUPPORTED), SftpStatus.OP_UNSUPPORTED);
}

function mayWrite(readOnly: boolean): void {
  if (readOnly) refuse("The server is read-only", SftpStatus.PERMISSION_DENIED);
}

function openOptions(flags: number, mode: number | undefined, umask: number): SftpBackendOpen {
  const append = (flags & FXF.APPEND) !== 0;
  const write = append || (flags & FXF.WRITE) !== 0;
  const create = write && (flags & FXF.CREAT) !== 0;
  return {
    read: (flags & FXF.READ) !== 0 || !write,
    write,
    append,
    create,
    createNew: create && (flags & FXF.EXCL) !== 0,
    truncate: write && (flags & FXF.TRUNC) !== 0,
    mode: mode === undefined ? null : mode & 0o7777 & ~umask,
  };
}

function attrs(info: SftpFileInfo): msg.RowValue<typeof msg.Attrs> {
  return { attributes: attributesOf(info) };
}

function single(name: string): msg.RowValue<typeof msg.Name> {
  return { entries: [{ name, longname: name, attributes: {} }] };
}

/** Entries of one answer: enough to make round trips rare, far below what a message may have. */
const LIST_BYTES = 64 * 1024;

async function list(handles: Handles, handle: Uint8Array): Promise<msg.NameEntry[]> {
  const listing = handles.listing(handle);
  const entries: msg.NameEntry[] = [];
  for (let bytes = 0; bytes < LIST_BYTES;) {
    const { done, value } = await listing.next();
    if (done) break;
    const { name, info } = value;
    const entry = { name, longname: longname(name, info), attributes: attributesOf(info) };
    entries.push(entry);
    bytes += 48 + 3 * (name.length + entry.longname.length); // UTF-8 has three bytes a unit at most
  }
  if (entries.length === 0) refuse(statusText(SftpStatus.EOF), SftpStatus.EOF);
  return entries;
}
