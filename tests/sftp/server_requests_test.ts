/** The backend call and the answer of each request. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SFTP_MAX_CHUNK, SFTP_MAX_MESSAGE } from "../../lib/defaults.ts";
import {
  type ServeSftpOptions,
  type SftpBackend,
  type SftpBackendFile,
  SftpError,
  type SftpFileInfo,
  type SftpRequestReport,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { AnswerBuffers, RequestBuffers } from "../../lib/sftp/server/buffers.ts";
import { serveSession, serviceOf } from "../../lib/sftp/server/server.ts";
import { ConnectionShare } from "../../lib/sftp/server/share.ts";
import { startingIn } from "../../lib/sftp/server/start_folder.ts";
import type { Turn } from "../../lib/turns.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { atOurServer, frame, RawPeer } from "./raw.ts";
import { channelPair, noise, same, turn } from "./world.ts";

const { OK, EOF, FAILURE, NO_SUCH_FILE, PERMISSION_DENIED, BAD_MESSAGE, OP_UNSUPPORTED } =
  SftpStatus;
const { READ, WRITE, APPEND, CREAT, TRUNC, EXCL } = FXF;

const INFO: SftpFileInfo = {
  isFile: true,
  isDirectory: false,
  isSymlink: false,
  size: 7,
  mtime: new Date(9000),
  atime: new Date(8000),
  mode: 0o640,
  uid: 1,
  gid: 2,
};
const WIRE = { size: 7, mode: 0o100640, uid: 1, gid: 2, atime: 8, mtime: 9 };
const FOLDER = { ...INFO, isFile: false, isDirectory: true };

const SPACE = {
  blockSize: 1,
  fragmentSize: 2,
  blocks: 3,
  freeBlocks: 4,
  availableBlocks: 5,
  files: 6,
  freeFiles: 7,
  availableFiles: 8,
  id: 9n,
  readOnly: false,
  noSetuid: true,
  maxNameLength: 10,
};

/** A backend that records its calls. */
function noting(changes: Partial<SftpBackend> = {}): { backend: SftpBackend; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const note = <T>(name: string, result: T) => (...args: unknown[]): Promise<T> => {
    calls.push([name, ...args]);
    return Promise.resolve(result);
  };
  const file: Partial<SftpBackendFile> = {
    read: (into, offset) => {
      calls.push(["file.read", into.length, offset]);
      into.fill(5);
      return into.length;
    },
    write: (data, offset) => {
      calls.push(["file.write", data.slice(), offset]);
    },
    stat: note("file.stat", INFO),
    setStat: note("file.setStat", undefined),
    sync: note("file.sync", undefined),
    statVfs: note("file.statVfs", SPACE),
    close: note("file.close", undefined),
  };
  const backend: SftpBackend = {
    open: note("open", file as SftpBackendFile),
    async *readDir(path) {
      calls.push(["readDir", path]);
      for (let index = 0; index < 3; index++) yield { name: `${index}`, info: INFO };
    },
    stat: note("stat", FOLDER),
    lstat: note("lstat", INFO),
    setStat: note("setStat", undefined),
    mkdir: note("mkdir", undefined),
    rmdir: note("rmdir", undefined),
    remove: note("remove", undefined),
    rename: note("rename", undefined),
    realPath: note("realPath", "/real"),
    readLink: note("readLink", "target"),
    symlink: note("symlink", undefined),
    link: note("link", undefined),
    lsetStat: note("lsetStat", undefined),
    statVfs: note("statVfs", SPACE),
    home: note("home", "/home"),
    userNames: note("userNames", ["ann"]),
    groupNames: note("groupNames", ["staff"]),
    ...changes,
  };
  return { backend, calls };
}

interface World extends AsyncDisposable {
  readonly peer: RawPeer;
  readonly calls: unknown[][];
  /** Sends a request; the answer. */
  ask(request: Uint8Array): Promise<{ type: number; id: number; body: Uint8Array }>;
  status(request: Uint8Array): Promise<number>;
  open(flags?: number): Promise<Uint8Array>;
  /** The calls since the last time. */
  called(): unknown[][];
}

async function world(
  serve: ServeSftpOptions = {},
  changes: Partial<SftpBackend> = {},
): Promise<World> {
  const { backend, calls } = noting(changes);
  const { peer, served } = await atOurServer(backend, {}, serve);
  const ask = async (request: Uint8Array) => {
    await peer.send(request);
    return (await peer.next())!;
  };
  const status = async (request: Uint8Array) => {
    const { type, body } = await ask(request);
    assertEquals(type, FXP.STATUS);
    return msg.Status.decode(body).status;
  };
  return {
    peer,
    calls,
    ask,
    status,
    async open(flags = READ) {
      const { body } = await ask(msg.Open.encode(1, { path: "/f", flags, attributes: {} }));
      return msg.Handle.decode(body).handle;
    },
    called: () => calls.splice(0),
    async [Symbol.asyncDispose]() {
      await peer.channel.closeWrite();
      assertEquals(await served, null);
    },
  };
}

const extended = (request: string, data: Uint8Array) => msg.Extended.encode(1, { request, data });

Deno.test("the flags of an OPEN are options of a backend's open", async () => {
  await using w = await world();
  const none = {
    read: false,
    write: false,
    append: false,
    create: false,
    createNew: false,
    truncate: false,
  };
  const cases: [flags: number, Partial<typeof none>][] = [
    [0, { read: true }],
    [READ, { read: true }],
    [WRITE, { write: true }],
    [READ | WRITE, { read: true, write: true }],
    [APPEND, { write: true, append: true }],
    [READ | APPEND, { read: true, write: true, append: true }],
    [WRITE | CREAT, { write: true, create: true }],
    [WRITE | CREAT | EXCL, { write: true, create: true, createNew: true }],
    [WRITE | EXCL, { write: true }],
    [WRITE | TRUNC, { write: true, truncate: true }],
    [READ | CREAT | TRUNC | EXCL, { read: true }], // nothing is changed without WRITE
  ];
  for (const [flags, options] of cases) {
    await w.open(flags);
    assertEquals(w.called(), [["open", "/f", { ...none, ...options, mode: null }]]);
  }
});

Deno.test("new files and folders get the requested mode without the umask bits", async () => {
  const mode = async (w: World, asked: number | undefined) => {
    const attributes = asked === undefined ? {} : { mode: asked };
    await w.ask(msg.Open.encode(1, { path: "/f", flags: WRITE | CREAT, attributes }));
    await w.ask(msg.Mkdir.encode(1, { path: "/d", attributes }));
    return w.called().map(([name, , options]) =>
      name === "open" ? (options as { mode: number | null }).mode : options
    );
  };
  await using plain = await world();
  assertEquals(await mode(plain, 0o107755), [0o7755, 0o7755]);
  assertEquals(await mode(plain, undefined), [null, null]);
  await using masked = await world({ umask: 0o027 });
  assertEquals(await mode(masked, 0o777), [0o750, 0o750]);
  assertEquals(await mode(masked, undefined), [0o640, 0o750]);
});

Deno.test("every request has a method and an answer", async () => {
  await using w = await world();
  const handle = await w.open(READ | WRITE);
  w.called();
  const path = { path: "/p" };
  const changed = { size: 3, mode: 0o104755, uid: 1, gid: 2, atime: 8, mtime: 9 };
  const changes = {
    size: 3,
    mode: 0o4755,
    uid: 1,
    gid: 2,
    atime: new Date(8000),
    mtime: new Date(9000),
  };
  const two = { from: "/a", to: "/b" };
  const cases: [request: Uint8Array, call: unknown[], type: number][] = [
    [msg.Stat.encode(1, path), ["stat", "/p"], FXP.ATTRS],
    [msg.Lstat.encode(1, path), ["lstat", "/p"], FXP.ATTRS],
    [msg.Fstat.encode(1, { handle }), ["file.stat"], FXP.ATTRS],
    [
      msg.Setstat.encode(1, { ...path, attributes: changed }),
      ["setStat", "/p", changes],
      FXP.STATUS,
    ],
    [
      msg.Fsetstat.encode(1, { handle, attributes: changed }),
      ["file.setStat", changes],
      FXP.STATUS,
    ],
    [msg.Remove.encode(1, path), ["remove", "/p"], FXP.STATUS],
    [msg.Mkdir.encode(1, { ...path, attributes: {} }), ["mkdir", "/p", null], FXP.STATUS],
    [msg.Rmdir.encode(1, path), ["rmdir", "/p"], FXP.STATUS],
    [msg.Realpath.encode(1, path), ["realPath", "/p"], FXP.NAME],
    [msg.Readlink.encode(1, path), ["readLink", "/p"], FXP.NAME],
    [msg.Rename.encode(1, two), ["rename", "/a", "/b", { overwrite: false }], FXP.STATUS],
    [msg.Symlink.encode(1, { target: "t", link: "/l" }), ["symlink", "t", "/l"], FXP.STATUS],
    [
      msg.Write.encode(1, { handle, offset: 9, data: new Uint8Array([1, 2]) }),
      ["file.write", new Uint8Array([1, 2]), 9],
      FXP.STATUS,
    ],
    [msg.Read.encode(1, { handle, offset: 9, length: 4 }), ["file.read", 4, 9], FXP.DATA],
    [
      extended(EXTENSION.POSIX_RENAME, msg.TwoPaths.encode(two)),
      ["rename", "/a", "/b", { overwrite: true }],
      FXP.STATUS,
    ],
    [extended(EXTENSION.HARDLINK, msg.TwoPaths.encode(two)), ["link", "/a", "/b"], FXP.STATUS],
    [extended(EXTENSION.FSYNC, msg.OneHandle.encode({ handle })), ["file.sync"], FXP.STATUS],
    [
      extended(EXTENSION.LSETSTAT, msg.PathChanges.encode({ ...path, attributes: changed })),
      ["lsetStat", "/p", changes],
      FXP.STATUS,
    ],
    [extended(EXTENSION.STATVFS, msg.OnePath.encode(path)), ["statVfs", "/p"], FXP.EXTENDED_REPLY],
    [
      extended(EXTENSION.FSTATVFS, msg.OneHandle.encode({ handle })),
      ["file.statVfs"],
      FXP.EXTENDED_REPLY,
    ],
    [
      extended(EXTENSION.HOME_DIRECTORY, msg.OnePath.encode({ path: "ann" })),
      ["home", "ann"],
      FXP.NAME,
    ],
    [msg.Close.encode(1, { handle }), ["file.close"], FXP.STATUS],
  ];
  for (const [request, call, type] of cases) {
    const answer = await w.ask(request);
    assertEquals([w.called(), answer.type, answer.id], [[call], type, 1]);
    if (type === FXP.STATUS) assertEquals(msg.Status.decode(answer.body).status, OK);
  }
});

Deno.test("answers contain the backend's results", async () => {
  await using w = await world();
  const lstat = await w.ask(msg.Lstat.encode(1, { path: "/p" }));
  assertEquals(msg.Attrs.decode(lstat.body).attributes, WIRE);
  const name = async (request: Uint8Array) => msg.Name.decode((await w.ask(request)).body).entries;
  const one = (name: string) => [{ name, longname: name, attributes: {} }];
  assertEquals(await name(msg.Realpath.encode(1, { path: "." })), one("/real"));
  assertEquals(await name(msg.Readlink.encode(1, { path: "." })), one("target"));
  const expand = (path: string) =>
    name(extended(EXTENSION.EXPAND_PATH, msg.OnePath.encode({ path })));
  w.called();
  assertEquals(await expand("~ann/x"), one("/real"));
  assertEquals(w.called(), [["home", "ann"], ["realPath", "/home/x"]]);
  await expand("/a/~");
  await expand("~");
  assertEquals(w.called(), [["realPath", "/a/~"], ["home", ""], ["realPath", "/home"]]);
  const reply = async (request: string, data: Uint8Array) =>
    msg.ExtendedReply.decode((await w.ask(extended(request, data))).body).data;
  const limits = msg.Limits.decode(await reply(EXTENSION.LIMITS, new Uint8Array(0)));
  assertEquals(limits, {
    packetLength: SFTP_MAX_MESSAGE,
    readLength: SFTP_MAX_CHUNK,
    writeLength: SFTP_MAX_CHUNK,
    openHandles: 256,
  });
  const ids = msg.Ids.encode({ users: [1], groups: [2, 3] });
  assertEquals(msg.IdNames.decode(await reply(EXTENSION.USERS_GROUPS, ids)), {
    users: ["ann"],
    groups: ["staff"],
  });
  assertEquals(w.called(), [["userNames", [1]], ["groupNames", [2, 3]]]);
  const space = await reply(EXTENSION.STATVFS, msg.OnePath.encode({ path: "/" }));
  assertEquals(msg.FileSystem.decode(space).flags, 2n);
});

Deno.test("a listing is one iteration, closed with its handle, and ends with EOF", async () => {
  let returned = 0;
  const readDir = (path: string) => ({
    [Symbol.asyncIterator]() {
      let index = 0;
      return {
        next: () =>
          Promise.resolve(
            index < 3000
              ? {
                value: { name: `${path}${index++}`.padEnd(60, "x"), info: INFO },
                done: false as const,
              }
              : { value: undefined, done: true as const },
          ),
        return: () => {
          returned++;
          return Promise.resolve({ value: undefined, done: true as const });
        },
      };
    },
  });
  await using w = await world({}, { readDir });
  const open = async () =>
    msg.Handle.decode((await w.ask(msg.Opendir.encode(1, { path: "/d" }))).body).handle;
  const handle = await open();
  let entries = 0;
  const lengths: number[] = [];
  for (;;) {
    const { type, body } = await w.ask(msg.Readdir.encode(1, { handle }));
    if (type === FXP.STATUS) {
      assertEquals(msg.Status.decode(body).status, EOF);
      break;
    }
    lengths.push(body.length);
    entries += msg.Name.decode(body).entries.length;
  }
  assertEquals(entries, 3000);
  // Few round trips, and messages far below the limit.
  assert(lengths.length > 4 && lengths.every((length) => length < 100_000), lengths.join());
  assertEquals(await w.status(msg.Close.encode(1, { handle })), OK);
  assertEquals(returned, 1);
  await w.ask(msg.Readdir.encode(1, { handle: await open() }));
});

Deno.test("only a folder can be listed", async () => {
  await using w = await world({}, { stat: () => Promise.resolve(INFO) });
  assertEquals(await w.status(msg.Opendir.encode(1, { path: "/f" })), NO_SUCH_FILE);
});

Deno.test("stat is used for a backend without lstat", async () => {
  const { backend, calls } = noting();
  delete backend.lstat;
  const { peer, served } = await atOurServer(backend);
  await peer.send(msg.Lstat.encode(1, { path: "/p" }));
  assertEquals([(await peer.next())!.type, calls], [FXP.ATTRS, [["stat", "/p"]]]);
  await peer.channel.closeWrite();
  await served;
});

Deno.test("the paths of a SYMLINK are in the client's known order", async () => {
  await using w = await world({ linkFirst: true });
  await w.ask(msg.Symlink.encode(1, { target: "first", link: "second" }));
  assertEquals(w.called(), [["symlink", "second", "first"]]);
});

Deno.test("a read-only server refuses each change without calling the backend", async () => {
  await using w = await world({ readOnly: true });
  const handle = await w.open();
  w.called();
  const path = { path: "/p" };
  const two = { from: "/a", to: "/b" };
  const requests = [
    msg.Open.encode(1, { ...path, flags: WRITE, attributes: {} }),
    msg.Open.encode(1, { ...path, flags: READ | WRITE | CREAT, attributes: {} }),
    msg.Open.encode(1, { ...path, flags: APPEND, attributes: {} }),
    msg.Open.encode(1, { ...path, flags: WRITE | TRUNC, attributes: {} }),
    msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(1) }),
    msg.Setstat.encode(1, { ...path, attributes: {} }),
    msg.Fsetstat.encode(1, { handle, attributes: {} }),
    msg.Remove.encode(1, path),
    msg.Mkdir.encode(1, { ...path, attributes: {} }),
    msg.Rmdir.encode(1, path),
    msg.Rename.encode(1, two),
    msg.Symlink.encode(1, { target: "t", link: "/l" }),
    extended(EXTENSION.POSIX_RENAME, msg.TwoPaths.encode(two)),
    extended(EXTENSION.HARDLINK, msg.TwoPaths.encode(two)),
    extended(EXTENSION.FSYNC, msg.OneHandle.encode({ handle })),
    extended(EXTENSION.LSETSTAT, msg.PathChanges.encode({ ...path, attributes: {} })),
    extended(
      EXTENSION.COPY_DATA,
      msg.CopyData.encode({ from: handle, fromOffset: 0, length: 1, to: handle, toOffset: 9 }),
    ),
  ];
  for (const request of requests) {
    const { body } = await w.ask(request);
    const { status, message } = msg.Status.decode(body);
    assertEquals([status, message], [PERMISSION_DENIED, "The server is read-only"]);
  }
  assertEquals(w.called(), []);
  for (const request of [EXTENSION.STATVFS, EXTENSION.FSTATVFS]) {
    const data = request === EXTENSION.STATVFS
      ? msg.OnePath.encode(path)
      : msg.OneHandle.encode({ handle });
    const { body } = await w.ask(extended(request, data));
    assertEquals(msg.FileSystem.decode(msg.ExtendedReply.decode(body).data).flags, 3n);
  }
});

Deno.test("extensions are announced if the backend supports them", async () => {
  const announced = async (backend: SftpBackend, permits?: (name: string) => boolean) => {
    const { peer, served } = await atOurServer(
      backend,
      { greet: false },
      permits ? { permits } : {},
    );
    await peer.send(msg.encodeVersion(FXP.INIT, 3));
    const names = [...msg.decodeExtensions((await peer.next())!.body)];
    await peer.channel.closeWrite();
    await served;
    return names.map(([name, version]) => `${name} ${version}`);
  };
  const { backend } = noting();
  const { open, rename, statVfs, link, lsetStat, realPath, home, userNames, groupNames } = backend;
  const only = (part: SftpBackend) => announced(part);
  const limits = `${EXTENSION.LIMITS} 1`;
  assertEquals(await only({}), [limits]);
  const cases: [SftpBackend, string[]][] = [
    [{ open: open! }, [`${EXTENSION.FSYNC} 1`, limits, `${EXTENSION.COPY_DATA} 1`]],
    [{ rename: rename! }, [`${EXTENSION.POSIX_RENAME} 1`, limits]],
    [{ statVfs: statVfs! }, [`${EXTENSION.STATVFS} 2`, `${EXTENSION.FSTATVFS} 2`, limits]],
    [{ link: link! }, [`${EXTENSION.HARDLINK} 1`, limits]],
    [{ lsetStat: lsetStat! }, [`${EXTENSION.LSETSTAT} 1`, limits]],
    [{ realPath: realPath! }, [limits, `${EXTENSION.EXPAND_PATH} 1`]],
    [{ home: home! }, [limits, `${EXTENSION.HOME_DIRECTORY} 1`]],
    [{ userNames: userNames! }, [limits]],
    [{ groupNames: groupNames! }, [limits]],
    [{ userNames: userNames!, groupNames: groupNames! }, [limits, `${EXTENSION.USERS_GROUPS} 1`]],
  ];
  for (const [part, names] of cases) assertEquals(await only(part), names);
  assertEquals((await announced(backend)).length, 11);
  const permits = (name: string) => (name === "fsync" ? true : 1) as boolean; // truthy is not true
  assertEquals(await announced(backend, permits), [`${EXTENSION.FSYNC} 1`]);
});

Deno.test("onRequest has the path of requests by path and by handle, if any", async () => {
  const reports: SftpRequestReport[] = [];
  await using w = await world({ onRequest: (report) => reports.push(report) });
  const handle = await w.open(READ | WRITE);
  const dir = msg.Handle.decode((await w.ask(msg.Opendir.encode(1, { path: "/d" }))).body).handle;
  const one = { handle };
  const cases: [request: Uint8Array, name: string, path: string | null][] = [
    [msg.Read.encode(1, { handle, offset: 0, length: 1 }), "read", "/f"],
    [msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(1) }), "write", "/f"],
    [msg.Fstat.encode(1, one), "fstat", "/f"],
    [msg.Fsetstat.encode(1, { handle, attributes: {} }), "fsetstat", "/f"],
    [msg.Readdir.encode(1, { handle: dir }), "readdir", "/d"],
    [extended(EXTENSION.FSYNC, msg.OneHandle.encode(one)), "fsync", "/f"],
    [extended(EXTENSION.FSTATVFS, msg.OneHandle.encode(one)), "fstatvfs", "/f"],
    [
      extended(
        EXTENSION.COPY_DATA,
        msg.CopyData.encode({ from: handle, fromOffset: 0, length: 1, to: handle, toOffset: 1 }),
      ),
      "copy-data",
      "/f",
    ],
    [extended(EXTENSION.STATVFS, msg.OnePath.encode({ path: "/p" })), "statvfs", "/p"],
    [extended(EXTENSION.LIMITS, new Uint8Array(0)), "limits", null],
    [
      extended(EXTENSION.USERS_GROUPS, msg.Ids.encode({ users: [], groups: [] })),
      "users-groups-by-id",
      null,
    ],
    [msg.Stat.encode(1, { path: "/p" }), "stat", "/p"],
    [frame(FXP.STAT, 1), "stat", null],
    [msg.Close.encode(1, one), "close", "/f"],
    [msg.Close.encode(1, one), "close", null],
    [frame(99, 1), "unknown", null],
  ];
  reports.length = 0;
  const statuses: number[] = [];
  for (const [request, name, path] of cases) {
    await w.ask(request);
    const [report] = reports.splice(0);
    assertEquals([report!.request, report!.path], [name, path]);
    statuses.push(report!.status);
  }
  assertEquals(statuses.slice(-5), [SftpStatus.OK, BAD_MESSAGE, OK, FAILURE, OP_UNSUPPORTED]);
});

Deno.test("a read-only server lets clients read", async () => {
  await using w = await world({ readOnly: true });
  const handle = await w.open();
  const answers = [
    msg.Read.encode(1, { handle, offset: 0, length: 1 }),
    msg.Stat.encode(1, { path: "/" }),
    msg.Fstat.encode(1, { handle }),
    msg.Readlink.encode(1, { path: "/" }),
    msg.Realpath.encode(1, { path: "/" }),
    msg.Opendir.encode(1, { path: "/" }),
  ];
  for (const request of answers) assert((await w.ask(request)).type !== FXP.STATUS);
  assertEquals(await w.status(msg.Close.encode(1, { handle })), OK);
});

Deno.test("the data of a READ has the file's length, and short answers are copies", async () => {
  let given = 0;
  const bytes = noise(SFTP_MAX_CHUNK);
  const file = {
    read: (into: Uint8Array) => {
      into.set(bytes.subarray(0, Math.min(given, into.length)));
      return Math.min(given, into.length);
    },
    close: () => Promise.resolve(),
  } as unknown as SftpBackendFile;
  await using w = await world({}, { open: () => Promise.resolve(file) });
  const handle = await w.open();
  const read = (length: number) => w.ask(msg.Read.encode(3, { handle, offset: 0, length }));
  for (const length of [1, 16 * 1024, 16 * 1024 + 1, SFTP_MAX_CHUNK]) {
    given = length;
    const { type, id, body } = await read(2 ** 32 - 1);
    assertEquals([type, id], [FXP.DATA, 3]);
    assert(same(msg.Data.decode(body).data, bytes.subarray(0, length)), `${length}`);
  }
  given = 0;
  assertEquals((await read(10)).type, FXP.STATUS);
});

Deno.test("the buffer of answers is reused, and grows to the longest", () => {
  const buffers = new AnswerBuffers();
  const first = buffers.take(100);
  const second = buffers.take(100);
  assert(first.buffer !== second.buffer && first.length === 100);
  buffers.give(first.buffer);
  const third = buffers.take(60);
  assert(third.buffer === first.buffer && third.length === 60);
  const longer = buffers.take(200);
  buffers.give(second.buffer); // too short by now
  buffers.give(longer.buffer);
  assert(buffers.take(100).buffer === longer.buffer);
  assertEquals(buffers.take(100).buffer.byteLength, 200);
});

Deno.test("the buffer of answers is kept up to 4 MiB, and that of requests up to four times the longest", async () => {
  const answers = new AnswerBuffers();
  const [taken, again] = [0, 0].map(() => Array.from({ length: 20 }, () => answers.take(2 ** 18)));
  for (const { buffer } of taken!) answers.give(buffer);
  const kept = new Set(taken!.map(({ buffer }) => buffer));
  for (const { buffer } of again!) answers.give(buffer);
  const third = Array.from({ length: 20 }, () => answers.take(2 ** 18).buffer);
  assertEquals(third.filter((buffer) => kept.has(buffer)).length, 16);
  const requests = new RequestBuffers();
  const lent = Array.from({ length: 10 }, () => {
    const { current } = requests;
    requests.lend(current, Promise.resolve());
    return current;
  });
  await turn();
  const used = Array.from({ length: 10 }, () => {
    requests.lend(requests.current, new Promise(() => {}));
    return requests.current;
  });
  assertEquals(used.filter((buffer) => lent.includes(buffer)).length, 4);
});

Deno.test("a request holds the buffer that it is collected in", () => {
  const requests = new RequestBuffers();
  assertEquals(requests.heldBy(new Uint8Array(9)), 9);
  assertEquals(requests.heldBy(requests.current.subarray(0, 9)), 256 * 1024);
});

Deno.test("the buffer of a request is in use until it has ended, if its body is inside", async () => {
  const buffers = new RequestBuffers();
  const own = buffers.current;
  buffers.lend(new Uint8Array(9), Promise.resolve());
  assert(buffers.current === own);
  const gate = Promise.withResolvers<void>();
  buffers.lend(own.subarray(0, 5), gate.promise);
  const other = buffers.current;
  assert(other !== own);
  gate.resolve();
  await gate.promise;
  const more = Promise.withResolvers<void>();
  buffers.lend(other.subarray(0, 5), more.promise);
  assert(buffers.current === own);
});

Deno.test("a backend becomes a service with default options, and a service is unchanged", () => {
  const { backend } = noting();
  assertEquals(serviceOf(backend), { backend });
  const service = { backend, readOnly: true };
  assert(serviceOf(service) === service);
});

/** Files of these bytes, with short reads and recorded writes. */
function copying(bytes: Uint8Array, more: Partial<SftpBackendFile> = {}) {
  const written = new Map<number, Uint8Array>();
  const file = {
    read(into: Uint8Array, offset: number) {
      const piece = bytes.subarray(offset, offset + Math.min(into.length, 100_000));
      into.set(piece);
      return Promise.resolve(piece.length);
    },
    write: (data: Uint8Array, offset: number) => void written.set(offset, data.slice()),
    stat: () => Promise.resolve({ ...INFO, size: bytes.length }),
    close: () => Promise.resolve(),
    ...more,
  } as SftpBackendFile;
  return { file, written };
}

Deno.test("copy-data copies the range, in pieces, to its target offset", async () => {
  const bytes = noise(600_000);
  const [source, target] = [copying(bytes), copying(new Uint8Array(0))];
  const open = (path: string) => Promise.resolve(path === "/s" ? source.file : target.file);
  await using w = await world({}, { open });
  const opened = async (path: string) =>
    msg.Handle.decode(
      (await w.ask(msg.Open.encode(1, { path, flags: READ | WRITE, attributes: {} }))).body,
    )
      .handle;
  const [from, to] = [await opened("/s"), await opened("/t")];
  const copy = async (fromOffset: number, length: number, toOffset: number, into = to) => {
    target.written.clear();
    const data = msg.CopyData.encode({ from, fromOffset, length, to: into, toOffset });
    return await w.status(extended(EXTENSION.COPY_DATA, data));
  };
  for (
    const [fromOffset, length, toOffset, code, copied] of [
      [0, 0, 0, OK, 600_000],
      [100, 300_000, 7, OK, 300_000],
      [599_999, 1, 0, OK, 1],
      [599_999, 2, 0, EOF, 1],
      [600_000, 0, 5, OK, 0],
      [600_001, 0, 5, OK, 0],
      [600_000, 1, 5, EOF, 0],
    ] as const
  ) {
    assertEquals(await copy(fromOffset, length, toOffset), code);
    let at = toOffset as number;
    for (const [offset, piece] of target.written) {
      assertEquals(offset, at);
      assert(
        same(
          piece,
          bytes.subarray(fromOffset + at - toOffset, fromOffset + at - toOffset + piece.length),
        ),
      );
      assert(piece.length <= SFTP_MAX_CHUNK);
      at += piece.length;
    }
    assertEquals(at - toOffset, copied);
  }
  // Within one file, ranges may touch.
  for (
    const [fromOffset, length, toOffset, code] of [
      [0, 100, 100, OK],
      [100, 100, 0, OK],
      [0, 100, 99, FAILURE],
      [99, 100, 0, FAILURE],
      [0, 0, 700_000, FAILURE], // to the end of the file
      [5, 5, 5, FAILURE],
    ] as const
  ) assertEquals(await copy(fromOffset, length, toOffset, from), code, `${fromOffset} ${toOffset}`);
});

Deno.test("copy-data detects two handles of one file", async () => {
  const bytes = noise(1000);
  for (const isSame of [undefined, () => true, () => false]) {
    const open = () => Promise.resolve(copying(bytes, isSame ? { isSame } : {}).file);
    await using w = await world({}, { open });
    const [from, to] = [await w.open(), await w.open()]; // both are "/f"
    const data = msg.CopyData.encode({ from, fromOffset: 0, length: 10, to, toOffset: 5 });
    const code = await w.status(extended(EXTENSION.COPY_DATA, data));
    assertEquals(code, isSame?.() === false ? OK : FAILURE);
  }
});

Deno.test("copy-data copies only regular files", async () => {
  const special = { stat: () => Promise.resolve({ ...INFO, isFile: false }) };
  for (const odd of ["/s", "/t"]) {
    const open = (path: string) =>
      Promise.resolve(copying(noise(10), path === odd ? special : {}).file);
    await using w = await world({}, { open });
    const opened = async (path: string) =>
      msg.Handle.decode(
        (await w.ask(msg.Open.encode(1, { path, flags: READ | WRITE, attributes: {} }))).body,
      )
        .handle;
    const [from, to] = [await opened("/s"), await opened("/t")];
    const data = msg.CopyData.encode({ from, fromOffset: 0, length: 0, to, toOffset: 0 });
    assertEquals(await w.status(extended(EXTENSION.COPY_DATA, data)), FAILURE);
  }
});

Deno.test("a method that throws or rejects gives a status, and the session continues", async () => {
  const thrown = new SftpError(NO_SUCH_FILE, "x", null, "not here");
  await using w = await world({}, {
    stat: () => {
      throw thrown;
    },
    lstat: () => Promise.reject(new TypeError("a mistake")),
  });
  const { body } = await w.ask(msg.Stat.encode(1, { path: "/" }));
  assertEquals(msg.Status.decode(body), {
    status: NO_SUCH_FILE,
    message: "not here",
    language: "",
  });
  assertEquals(await w.status(msg.Lstat.encode(1, { path: "/" })), FAILURE);
  assertEquals(await w.status(frame(FXP.WRITE, 1, new Writer().u32(4).take())), BAD_MESSAGE);
  assertEquals(await w.status(extended("none@example.com", new Uint8Array(0))), OP_UNSUPPORTED);
});

Deno.test("a handle that is unknown, or of another kind, is reported as such", async () => {
  await using w = await world();
  const file = await w.open();
  const folder =
    msg.Handle.decode((await w.ask(msg.Opendir.encode(1, { path: "/d" }))).body).handle;
  const none = new Uint8Array([0, 0, 0, 99]);
  const cases: [request: Uint8Array, message: string][] = [
    [msg.Close.encode(1, { handle: none }), "No such handle"],
    [msg.Fstat.encode(1, { handle: none }), "No such file handle"],
    [msg.Fstat.encode(1, { handle: folder }), "No such file handle"],
    [msg.Readdir.encode(1, { handle: none }), "No such directory handle"],
    [msg.Readdir.encode(1, { handle: file }), "No such directory handle"],
    [msg.Fstat.encode(1, { handle: file.subarray(1) }), "No such file handle"],
    [msg.Fstat.encode(1, { handle: new Uint8Array([...file, 0]) }), "No such file handle"],
  ];
  for (const [request, message] of cases) {
    const answer = msg.Status.decode((await w.ask(request)).body);
    assertEquals([answer.status, answer.message], [FAILURE, message]);
  }
});

Deno.test("a session ends when its files and listings are closed, even if a close fails", async () => {
  const gate = Promise.withResolvers<void>();
  const closed: string[] = [];
  const { backend } = noting({
    open: (path) =>
      Promise.resolve({
        async close() {
          await gate.promise;
          closed.push(path);
          throw new Error("disk");
        },
      } as unknown as SftpBackendFile),
  });
  const { peer, served } = await atOurServer(backend);
  for (const path of ["/a", "/b"]) {
    await peer.send(msg.Open.encode(1, { path, flags: READ, attributes: {} }));
    await peer.next();
  }
  let over = false;
  served.then(() => over = true);
  await peer.channel.closeWrite();
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(over, false);
  gate.resolve();
  assertEquals(await served, null);
  assertEquals(closed.sort(), ["/a", "/b"]);
});

Deno.test("a copy on the server yields between its pieces", async () => {
  const gate = Promise.withResolvers<void>();
  const { file, written } = copying(noise(600_000));
  const turns = {
    begin: () => written.size === 1 ? gate.promise : null,
    end() {},
    heard() {},
    read: () => null,
  } as unknown as Turn;
  const [near, far] = channelPair();
  const backend = { open: () => Promise.resolve({ ...file, isSame: () => false }) };
  const served = serveSession(far, backend, {}, new ConnectionShare(turns));
  const peer = new RawPeer(near);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  await peer.next();
  const opened = async () => {
    await peer.send(msg.Open.encode(1, { path: "/f", flags: READ | WRITE, attributes: {} }));
    return msg.Handle.decode((await peer.next())!.body).handle;
  };
  const [from, to] = [await opened(), await opened()];
  const data = msg.CopyData.encode({ from, fromOffset: 0, length: 0, to, toOffset: 0 });
  await peer.send(extended(EXTENSION.COPY_DATA, data));
  for (let at = 0; at < 5; at++) await turn();
  assertEquals(written.size, 1);
  gate.resolve();
  assertEquals(msg.Status.decode((await peer.next())!.body).status, OK);
  assertEquals(written.size, 3);
  await near.closeWrite();
  await served;
});

Deno.test("a backend with a start folder has the same methods, with relative paths there", async () => {
  const { backend, calls } = noting();
  const inside = startingIn(backend, "/srv") as Required<SftpBackend>;
  for (
    const name of ["stat", "lstat", "rmdir", "remove", "realPath", "readLink", "statVfs"] as const
  ) {
    await inside[name]("x");
    await inside[name]("/x");
    assertEquals(calls.splice(0), [[name, "/srv/x"], [name, "/x"]]);
  }
  await inside.mkdir("x", 7);
  await inside.setStat("x", {});
  await inside.lsetStat("x", {});
  await inside.rename("x", "/y", { overwrite: true });
  await inside.link("x", "y");
  await inside.symlink("x", "y");
  await inside.home("x");
  await inside.userNames([1]);
  await inside.groupNames([2]);
  await inside.open("x", {} as never);
  await Array.fromAsync(inside.readDir("x"));
  assertEquals(calls, [
    ["mkdir", "/srv/x", 7],
    ["setStat", "/srv/x", {}],
    ["lsetStat", "/srv/x", {}],
    ["rename", "/srv/x", "/y", { overwrite: true }],
    ["link", "/srv/x", "/srv/y"],
    ["symlink", "x", "/srv/y"],
    ["home", "x"],
    ["userNames", [1]],
    ["groupNames", [2]],
    ["open", "/srv/x", {}],
    ["readDir", "/srv/x"],
  ]);
  assertEquals(Object.keys(startingIn({}, "/srv")), []);
});

Deno.test("the methods of a backend with a start folder are called on the backend", async () => {
  class Own implements SftpBackend {
    readonly #name = "own";
    realPath(path: string) {
      return Promise.resolve(`${this.#name} ${path}`);
    }
    rename(from: string, to: string) {
      return Promise.reject(new Error(`${this.#name} ${from} ${to}`));
    }
    symlink(target: string, path: string) {
      return Promise.reject(new Error(`${this.#name} ${target} ${path}`));
    }
    home(user: string) {
      return Promise.resolve(`${this.#name} ${user}`);
    }
  }
  const inside = startingIn(new Own(), "srv") as Required<SftpBackend>;
  assertEquals(await inside.realPath(""), "own srv/");
  assertEquals(await inside.home("ann"), "own ann");
  await assertRejects(
    () => inside.rename("a", "b", { overwrite: false }),
    Error,
    "own srv/a srv/b",
  );
  await assertRejects(() => inside.symlink("a", "b"), Error, "own a srv/b");
  assertEquals(Object.keys(inside).sort(), ["home", "realPath", "rename", "symlink"]);
});
