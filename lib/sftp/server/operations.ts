/** The operations of a server, by packet type. */
import { SFTP_MAX_CHUNK } from "../../defaults.ts";
import { attributesOf, changesOf, type SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpBackend, SftpBackendOpen } from "./backend.ts";
import type { AnswerBuffers } from "./buffers.ts";
import type { Handles } from "./handles.ts";
import { longnames } from "../protocol/longname.ts";
import * as msg from "../protocol/messages.ts";
import { FXF, FXP } from "../protocol/numbers.ts";
import { baseName, isHiddenPart } from "../protocol/paths.ts";
import { refuse, SftpStatus, statusText } from "../protocol/status.ts";
import type { Turn } from "../../turns.ts";

/** The state of a session that operations use. */
export interface OperationContext {
  readonly backend: SftpBackend;
  readonly handles: Handles;
  readonly readOnly: boolean;
  /** Permission bits to clear on new files and directories. */
  readonly umask: number;
  /** Whether SYMLINK has its paths in the draft's order. */
  readonly linkFirst: boolean;
  readonly answers: AnswerBuffers;
  /** Limits how long a request may work without a pause. */
  readonly turn: Turn;
  /** Whether the client is still connected. */
  readonly isOpen: () => boolean;
}

/** A frame with the answer to a request. */
export type Frame = Uint8Array<ArrayBuffer>;

/** Runs a request; returns the frame with its answer. */
export type RunOperation = (
  context: OperationContext,
  id: number,
  body: Uint8Array,
) => Promise<Frame> | Frame;

/** One kind of request. */
export interface Operation {
  /** Its name in OpenSSH's `sftp-server -Q requests`. */
  readonly name: string;
  /** Whether it changes anything; OPEN checks this by its flags. */
  readonly writes: boolean;
  readonly run: RunOperation;
}

/** A status as a frame. */
export function statusFrame(
  id: number,
  status: number,
  message: string = statusText(status),
): Frame {
  return msg.Status.encode(id, { status, message, language: "" });
}

/** Operations by packet type. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  answers("open", msg.Open, msg.Handle, async (context, { path, flags, attributes }) => {
    const { backend, handles, readOnly, umask } = context;
    const options = openOptions(flags, attributes.mode, umask);
    if (options.write) mayWrite(readOnly);
    const open = has(backend.open);
    const handle = await handles.open(async () => {
      const file = await open.call(backend, path, options);
      // Our client renames a file when it is complete; a file with this name is incomplete.
      const isPart = options.createNew && isHiddenPart(baseName(path));
      return { path, file, remove: isPart ? () => has(backend.remove).call(backend, path) : null };
    });
    return { handle };
  }),
  does("close", msg.Close, ({ handles }, { handle }) => handles.close(handle)),
  [FXP.READ, { name: "read", writes: false, run: read }],
  [FXP.WRITE, { name: "write", writes: true, run: write }],
  answers("lstat", msg.Lstat, msg.Attrs, async ({ backend }, { path }) => {
    return attrs(await has(backend.lstat ?? backend.stat).call(backend, path));
  }),
  answers("fstat", msg.Fstat, msg.Attrs, async ({ handles }, { handle }) => {
    return attrs(await handles.file(handle).stat());
  }),
  changes(
    "setstat",
    msg.Setstat,
    ({ backend }, { path, attributes }) =>
      has(backend.setStat).call(backend, path, changesOf(attributes)),
  ),
  changes(
    "fsetstat",
    msg.Fsetstat,
    ({ handles }, { handle, attributes }) => handles.file(handle).setStat(changesOf(attributes)),
  ),
  answers("opendir", msg.Opendir, msg.Handle, async ({ backend, handles }, { path }) => {
    const handle = await handles.open(async () => {
      const { isDirectory } = await has(backend.stat).call(backend, path);
      if (!isDirectory) refuse("Not a directory", SftpStatus.NO_SUCH_FILE);
      const listing = has(backend.readDir).call(backend, path)[Symbol.asyncIterator]();
      return { path, listing };
    });
    return { handle };
  }),
  [FXP.READDIR, { name: "readdir", writes: false, run: list }],
  changes("remove", msg.Remove, ({ backend }, { path }) => has(backend.remove).call(backend, path)),
  changes(
    "mkdir",
    msg.Mkdir,
    ({ backend, umask }, { path, attributes: { mode } }) =>
      has(backend.mkdir).call(backend, path, modeOf(mode, 0o777, umask)),
  ),
  changes("rmdir", msg.Rmdir, ({ backend }, { path }) => has(backend.rmdir).call(backend, path)),
  answers("realpath", msg.Realpath, msg.Name, async ({ backend }, { path }) => {
    return single(await has(backend.realPath).call(backend, path));
  }),
  answers("stat", msg.Stat, msg.Attrs, async ({ backend }, { path }) => {
    return attrs(await has(backend.stat).call(backend, path));
  }),
  changes(
    "rename",
    msg.Rename,
    ({ backend }, { from, to }) =>
      has(backend.rename).call(backend, from, to, { overwrite: false }),
  ),
  answers("readlink", msg.Readlink, msg.Name, async ({ backend }, { path }) => {
    return single(await has(backend.readLink).call(backend, path));
  }),
  changes(
    "symlink",
    msg.Symlink,
    ({ backend, linkFirst }, { target, link }) => {
      const make = has(backend.symlink);
      return linkFirst ? make.call(backend, link, target) : make.call(backend, target, link);
    },
  ),
]);

/** An operation that is answered by a value. */
function answers<Q, A>(
  name: string,
  request: msg.Row<Q>,
  reply: msg.Row<A>,
  run: (context: OperationContext, request: Q) => Promise<A>,
): [number, Operation] {
  return [request.type, {
    name,
    writes: false,
    run: async (context, id, body) => reply.encode(id, await run(context, request.decode(body))),
  }];
}

/** An operation that is answered by a status. */
function does<Q>(
  name: string,
  request: msg.Row<Q>,
  run: (context: OperationContext, request: Q) => Promise<void>,
): [number, Operation] {
  return [request.type, {
    name,
    writes: false,
    run: async (context, id, body) => {
      await run(context, request.decode(body));
      return statusFrame(id, SftpStatus.OK);
    },
  }];
}

/** An operation that changes something and is answered by a status. */
function changes<Q>(
  name: string,
  request: msg.Row<Q>,
  run: (context: OperationContext, request: Q) => Promise<void>,
): [number, Operation] {
  const [type, operation] = does(name, request, run);
  return [type, { ...operation, writes: true }];
}

/** Answers up to this length are copied, so that they do not keep a much longer buffer. */
const SHORT_BYTES = 16 * 1024;

/** READ: reads the data directly into the frame. */
function read(
  { handles, answers }: OperationContext,
  id: number,
  body: Uint8Array,
): Promise<Frame> | Frame {
  const { handle, offset, length } = msg.Read.decode(body);
  const file = handles.file(handle);
  const room = msg.DATA_HEADER + Math.min(length, SFTP_MAX_CHUNK);
  const frame = length > SHORT_BYTES ? answers.take(room) : new Uint8Array(room);
  const count = file.read(frame.subarray(msg.DATA_HEADER), offset);
  const answer = (count: number): Frame => {
    if (count > SHORT_BYTES) return msg.dataFrame(frame, id, count);
    const short = length > SHORT_BYTES ? frame.slice(0, msg.DATA_HEADER + count) : frame;
    if (short !== frame) answers.give(frame.buffer);
    return count === 0 ? statusFrame(id, SftpStatus.EOF) : msg.dataFrame(short, id, count);
  };
  return typeof count === "number" ? answer(count) : count.then(answer);
}

function write(context: OperationContext, id: number, body: Uint8Array): Promise<Frame> | Frame {
  const { handle, offset, data } = msg.Write.decode(body);
  const written = context.handles.file(handle).write(data, offset);
  if (written === undefined) return statusFrame(id, SftpStatus.OK);
  return written.then(() => statusFrame(id, SftpStatus.OK));
}

/**
 * Returns a method of the backend.
 *
 * @throws {SftpError} If the backend does not have it
 */
export function has<M>(method: M | undefined): M {
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
    mode: modeOf(mode, 0o666, umask),
  };
}

/** Permission bits for something new; null leaves them to the backend. */
function modeOf(mode: number | undefined, usual: number, umask: number): number | null {
  if (mode === undefined && umask === 0) return null;
  return (mode ?? usual) & 0o7777 & ~umask;
}

function attrs(info: SftpFileInfo): msg.RowValue<typeof msg.Attrs> {
  return { attributes: attributesOf(info) };
}

/** A NAME message with one path. */
export function single(name: string): msg.RowValue<typeof msg.Name> {
  return { entries: [{ name, longname: name, attributes: {} }] };
}

/** Bytes of an answer with entries: enough to make round trips rare, and far below the limit of a message. */
const LIST_BYTES = 32 * 1024;

/** Entries of a listing between two pauses. */
const LIST_PIECE = 32;

/** READDIR: encodes each entry at once, since a client may have hundreds of listings that pause. */
async function list(
  { handles, turn }: OperationContext,
  id: number,
  body: Uint8Array,
): Promise<Frame> {
  const listing = handles.listing(msg.Readdir.decode(body).handle);
  const names = new msg.NameWriter(id);
  const line = longnames(new Date());
  while (names.length < LIST_BYTES) {
    if (names.count % LIST_PIECE === 0) {
      turn.end();
      const pause = turn.begin();
      if (pause) await pause;
    }
    const { done, value } = await listing.next();
    if (done) break;
    const { name, info } = value;
    names.add({ name, longname: line(name, info, value), attributes: attributesOf(info) });
  }
  if (names.count === 0) refuse(statusText(SftpStatus.EOF), SftpStatus.EOF);
  return names.take();
}
