/** The operations of EXTENDED requests (OpenSSH PROTOCOL §4). */
import { SFTP_MAX_CHUNK, SFTP_MAX_HANDLES, SFTP_MAX_MESSAGE } from "../../defaults.ts";
import type { Layout } from "../../wire/message.ts";
import { changesOf } from "../protocol/attributes.ts";
import type { SftpBackend, SftpBackendFile } from "./backend.ts";
import { wireFileSystem } from "../protocol/file_system.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION } from "../protocol/numbers.ts";
import {
  type Frame,
  has,
  type Operation,
  type OperationContext,
  single,
  statusFrame,
} from "./operations.ts";
import { refuse, SftpStatus } from "../protocol/status.ts";

/** An operation that is announced by name, if the backend supports it. */
export interface Extension extends Operation {
  /** The name in the protocol. */
  readonly request: string;
  /** The version in the announcement. */
  readonly version: string;
  /** Whether a backend can do it. */
  readonly offered: (backend: SftpBackend) => boolean;
}

/** Extensions by their names in the protocol, in the order in which they are announced. */
export const EXTENSIONS: ReadonlyMap<string, Extension> = new Map(
  [
    does("posix-rename", EXTENSION.POSIX_RENAME, msg.TwoPaths, {
      writes: true,
      offered: (backend) => backend.rename !== undefined,
      run: ({ backend }, { from, to }) =>
        has(backend.rename).call(backend, from, to, { overwrite: true }),
    }),
    answers("statvfs", EXTENSION.STATVFS, "2", msg.OnePath, {
      offered: (backend) => backend.statVfs !== undefined,
      run: async ({ backend, readOnly }, { path }) => {
        const found = await has(backend.statVfs).call(backend, path);
        const data = wireFileSystem({ ...found, readOnly: readOnly || found.readOnly });
        return (id) => msg.ExtendedReply.encode(id, { data: msg.FileSystem.encode(data) });
      },
    }),
    answers("fstatvfs", EXTENSION.FSTATVFS, "2", msg.OneHandle, {
      offered: (backend) => backend.statVfs !== undefined,
      run: async ({ handles, readOnly }, { handle }) => {
        const file = handles.file(handle);
        const found = await has(file.statVfs).call(file);
        const data = wireFileSystem({ ...found, readOnly: readOnly || found.readOnly });
        return (id) => msg.ExtendedReply.encode(id, { data: msg.FileSystem.encode(data) });
      },
    }),
    does("hardlink", EXTENSION.HARDLINK, msg.TwoPaths, {
      writes: true,
      offered: (backend) => backend.link !== undefined,
      run: ({ backend }, { from, to }) => has(backend.link).call(backend, from, to),
    }),
    does("fsync", EXTENSION.FSYNC, msg.OneHandle, {
      writes: true,
      offered: (backend) => backend.open !== undefined,
      run: ({ handles }, { handle }) => {
        const file = handles.file(handle);
        return has(file.sync).call(file);
      },
    }),
    does("lsetstat", EXTENSION.LSETSTAT, msg.PathChanges, {
      writes: true,
      offered: (backend) => backend.lsetStat !== undefined,
      run: ({ backend }, { path, attributes }) =>
        has(backend.lsetStat).call(backend, path, changesOf(attributes)),
    }),
    answers("limits", EXTENSION.LIMITS, "1", null, {
      offered: () => true,
      run: () => {
        const data = msg.Limits.encode({
          packetLength: SFTP_MAX_MESSAGE,
          readLength: SFTP_MAX_CHUNK,
          writeLength: SFTP_MAX_CHUNK,
          openHandles: SFTP_MAX_HANDLES,
        });
        return (id) => msg.ExtendedReply.encode(id, { data });
      },
    }),
    answers("expand-path", EXTENSION.EXPAND_PATH, "1", msg.OnePath, {
      offered: (backend) => backend.realPath !== undefined,
      run: async ({ backend }, { path }) => {
        const name = await has(backend.realPath).call(backend, await expanded(backend, path));
        return (id) => msg.Name.encode(id, single(name));
      },
    }),
    does("copy-data", EXTENSION.COPY_DATA, msg.CopyData, {
      writes: true,
      offered: (backend) => backend.open !== undefined,
      run: copyData,
    }),
    answers("home-directory", EXTENSION.HOME_DIRECTORY, "1", msg.OnePath, {
      offered: (backend) => backend.home !== undefined,
      run: async ({ backend }, { path: user }) => {
        const name = await has(backend.home).call(backend, user);
        return (id) => msg.Name.encode(id, single(name));
      },
    }),
    answers("users-groups-by-id", EXTENSION.USERS_GROUPS, "1", msg.Ids, {
      offered: ({ userNames, groupNames }) => userNames !== undefined && groupNames !== undefined,
      run: async ({ backend }, { users, groups }) => {
        const data = msg.IdNames.encode({
          users: [...await has(backend.userNames).call(backend, users)],
          groups: [...await has(backend.groupNames).call(backend, groups)],
        });
        return (id) => msg.ExtendedReply.encode(id, { data });
      },
    }),
  ].map((extension) => [extension.request, extension]),
);

interface StatusExtension<Q> {
  readonly writes: boolean;
  readonly offered: (backend: SftpBackend) => boolean;
  readonly run: (context: OperationContext, request: Q) => Promise<void>;
}

/** An extension that is answered by a status. */
function does<Q>(
  name: string,
  request: string,
  layout: Layout<Q>,
  { writes, offered, run }: StatusExtension<Q>,
): Extension {
  return {
    name,
    request,
    version: "1",
    writes,
    offered,
    async run(context, id, data) {
      await run(context, layout.decode(data));
      return statusFrame(id, SftpStatus.OK);
    },
  };
}

interface ValueExtension<Q> {
  readonly offered: (backend: SftpBackend) => boolean;
  readonly run: (
    context: OperationContext,
    request: Q,
  ) => Promise<(id: number) => Frame> | ((id: number) => Frame);
}

/** An extension that is answered by a value; a request without a layout is empty. */
function answers<Q>(
  name: string,
  request: string,
  version: string,
  layout: Layout<Q> | null,
  { offered, run }: ValueExtension<Q>,
): Extension {
  return {
    name,
    request,
    version,
    writes: false,
    offered,
    async run(context, id, data) {
      // Without a layout `run` does not read the request.
      return (await run(context, layout === null ? undefined as Q : layout.decode(data)))(id);
    },
  };
}

/** `~` and `~user` at the beginning of a path are home directories. */
async function expanded(backend: SftpBackend, path: string): Promise<string> {
  const [, user, rest] = /^~([^/]*)(.*)$/s.exec(path) ?? [];
  if (user === undefined) return path;
  return await has(backend.home).call(backend, user) + rest;
}

/**
 * Copies between two open files without the client; a length of 0 means up to the end. The end is taken at
 * the start, so that the copy of a growing file ends.
 */
async function copyData(
  { handles, turn, isOpen }: OperationContext,
  { from, fromOffset, length, to, toOffset }: ReturnType<typeof msg.CopyData.decode>,
): Promise<void> {
  const source = handles.file(from);
  const target = handles.file(to);
  const { isFile, size } = await source.stat();
  if (!isFile || !(await target.stat()).isFile) refuse("Not a regular file");
  const same = source === target ||
    (source.isSame?.(target) ?? handles.path(from) === handles.path(to));
  if (same) refuseOverlap(fromOffset, length || Infinity, toOffset);
  const all = Math.max(size - fromOffset, 0);
  const end = length === 0 ? all : Math.min(length, all);
  const buffer = new Uint8Array(Math.min(end, SFTP_MAX_CHUNK));
  let done = 0;
  while (done < end) {
    const pause = turn.begin();
    if (pause) await pause;
    if (!isOpen()) refuse("The client has gone", SftpStatus.CONNECTION_LOST);
    const piece = buffer.subarray(0, end - done);
    const count = await filled(source, piece, fromOffset + done);
    const written = target.write(piece.subarray(0, count), toOffset + done);
    turn.end();
    await written;
    done += count;
    if (count < piece.length) break; // it was truncated in the meantime
  }
  if (done < length) refuse("The file ends before that", SftpStatus.EOF);
}

function refuseOverlap(from: number, length: number, to: number): void {
  if (from < to + length && to < from + length) refuse("Source and target overlap");
}

/** Reads until the piece is full or the file ends. */
async function filled(file: SftpBackendFile, piece: Uint8Array, offset: number): Promise<number> {
  let at = 0;
  while (at < piece.length) {
    const count = await file.read(piece.subarray(at), offset + at);
    if (count === 0) break;
    at += count;
  }
  return at;
}
