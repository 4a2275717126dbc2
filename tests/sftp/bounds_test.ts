/** The cost of one client for a server: work without a pause, memory, descriptors, all counted. */
import { assert, assertEquals } from "@std/assert";
import { SFTP_CONNECTION_HANDLES, SFTP_MAX_HANDLES, SFTP_MAX_PATH } from "../../lib/defaults.ts";
import { baseName, parent } from "../../lib/sftp/protocol/paths.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { treeOf } from "../../lib/sftp/server/choose_tree.ts";
import { Descriptors } from "../../lib/sftp/server/descriptors.ts";
import { filesOf } from "../../lib/sftp/server/local_files.ts";
import { serveSession } from "../../lib/sftp/server/server.ts";
import { ConnectionShare } from "../../lib/sftp/server/share.ts";
import {
  localFiles,
  type SftpBackend,
  type SftpBackendFile,
  type SftpChannel,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { LONG_TURN_MS, Turn, Turns } from "../../lib/turns.ts";
import { RawPeer } from "./raw.ts";
import { channelPair, folder, turn } from "./world.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";

/** Fake time advanced by backends, and the longest work between two rests. */
class WorkClock {
  readonly #turn: () => Promise<void>;
  ms = 0;
  rests = 0;
  longest = 0;
  #rested = 0;

  constructor(turn: () => Promise<void> = () => Promise.resolve()) {
    this.#turn = turn;
  }

  now(): number {
    return this.ms;
  }

  tick(): Promise<void> {
    return this.rest();
  }

  async rest(): Promise<void> {
    this.rests++;
    await this.#turn();
    this.#rested = this.ms;
  }

  work(): void {
    this.ms++;
    this.longest = Math.max(this.longest, this.ms - this.#rested);
  }
}

function atMost(count: number, limit: number): void {
  assert(count <= limit, `${count} is more than ${limit}`);
}

/** A raw client with our server session, after VERSION. */
async function session(
  backend: SftpBackend,
  share: ConnectionShare = new ConnectionShare(),
  change: (channel: SftpChannel) => SftpChannel = (channel) => channel,
): Promise<AsyncDisposable & { peer: RawPeer; served: Promise<unknown> }> {
  const [near, far] = channelPair({ limit: 1024 * 1024 });
  const served = serveSession(change(far), backend, {}, share).catch((cause) => cause);
  const peer = new RawPeer(near);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  await peer.next();
  return {
    peer,
    served,
    async [Symbol.asyncDispose]() {
      await near.close();
      await served;
    },
  };
}

const open = (path: string, flags: number = FXF.READ, id = 1) =>
  msg.Open.encode(id, { path, flags, attributes: {} });

async function handleOf(peer: RawPeer, request: Uint8Array): Promise<Uint8Array> {
  await peer.send(request);
  const { type, body } = (await peer.next())!;
  assertEquals(type, FXP.HANDLE, type === FXP.STATUS ? msg.Status.decode(body).message : "");
  return msg.Handle.decode(body).handle;
}

async function statusOf(peer: RawPeer, request: Uint8Array): Promise<number> {
  await peer.send(request);
  const { type, body } = (await peer.next())!;
  return type === FXP.STATUS ? msg.Status.decode(body).status : SftpStatus.OK;
}

function copyData(from: Uint8Array, to: Uint8Array, length = 0, toOffset = 0): Uint8Array {
  const data = msg.CopyData.encode({ from, fromOffset: 0, length, to, toOffset });
  return msg.Extended.encode(1, { request: EXTENSION.COPY_DATA, data });
}

const info = { isFile: true, isDirectory: false, isSymlink: false, size: 2 ** 31 };
const unknown = { mtime: null, atime: null, mode: null, uid: null, gid: null };

/** A backend of one file, whose operations take a millisecond each. */
function slow(clock: WorkClock, file: Partial<SftpBackendFile> = {}): SftpBackend {
  const stat = () => {
    clock.work();
    return Promise.resolve({ ...info, ...unknown });
  };
  return {
    stat,
    open: () =>
      Promise.resolve({
        parallel: true,
        stat,
        read(into: Uint8Array) {
          clock.work();
          return into.length;
        },
        write() {},
        close: () => Promise.resolve(),
        ...file,
      } as SftpBackendFile),
  };
}

for (
  const [what, request] of Object.entries({
    "STATs": () => msg.Stat.encode(1, { path: "/file" }),
    "one-byte READs": (handle: Uint8Array) => msg.Read.encode(1, { handle, offset: 0, length: 1 }),
  })
) {
  Deno.test(`a window of pipelined ${what} lets the event loop turn`, async () => {
    const clock = new WorkClock();
    await using w = await session(slow(clock), new ConnectionShare(new Turn(new Turns(clock))));
    const one = request(await handleOf(w.peer, open("/file")));
    const count = 2000;
    await w.peer.send(new Uint8Array(Array.from({ length: count }, () => [...one]).flat()));
    for (let i = 0; i < count; i++) await w.peer.next();
    assert(clock.rests >= count / (LONG_TURN_MS + 1) - 1);
    atMost(clock.longest, LONG_TURN_MS + 1);
  });
}

Deno.test("a copy of 2 GiB lets the event loop turn", async () => {
  const clock = new WorkClock();
  await using w = await session(slow(clock), new ConnectionShare(new Turn(new Turns(clock))));
  const from = await handleOf(w.peer, open("/a"));
  const to = await handleOf(w.peer, open("/b", FXF.WRITE));
  assertEquals(await statusOf(w.peer, copyData(from, to)), SftpStatus.OK);
  assert(clock.ms > 2 ** 31 / (256 * 1024));
  assert(clock.rests >= 2 ** 31 / (256 * 1024) / (LONG_TURN_MS + 1) - 1);
  atMost(clock.longest, LONG_TURN_MS + 3);
});

Deno.test("a listing whose entries take time lets the event loop turn between them", async () => {
  const clock = new WorkClock();
  const backend: SftpBackend = {
    stat: () => Promise.resolve({ ...info, ...unknown, isFile: false, isDirectory: true }),
    async *readDir() {
      for (let i = 0; i < 1000; i++) {
        if (i % 8 === 0) clock.work();
        yield { name: `${i}`, info: { ...info, ...unknown } };
      }
    },
  };
  await using w = await session(backend, new ConnectionShare(new Turn(new Turns(clock))));
  const handle = await handleOf(w.peer, msg.Opendir.encode(1, { path: "/" }));
  const readdir = msg.Readdir.encode(1, { handle });
  for (let status = 0; status === 0;) status = await statusOf(w.peer, readdir);
  assert(clock.rests >= 1000 / 8 / (LONG_TURN_MS + 4) - 1, `${clock.rests}`);
  atMost(clock.longest, LONG_TURN_MS + 4);
});

Deno.test("ten sessions of one connection get the same share as one session of another connection", async () => {
  const clock = new WorkClock(turn);
  const turns = new Turns(clock);
  const done = { greedy: 0, modest: 0 };
  const counting = (who: keyof typeof done): SftpBackend => ({
    stat() {
      clock.work();
      done[who]++;
      return Promise.resolve({ ...info, ...unknown });
    },
  });
  const count = 60;
  const requests = new Uint8Array(
    Array.from({ length: count }, () => [...msg.Stat.encode(1, { path: "/" })]).flat(),
  );
  await using stack = new AsyncDisposableStack();
  const start = async (who: keyof typeof done, share: ConnectionShare) =>
    stack.use(await session(counting(who), share)).peer;
  const share = new ConnectionShare(new Turn(turns));
  const greedy = await Promise.all(Array.from({ length: 10 }, () => start("greedy", share)));
  const modest = await start("modest", new ConnectionShare(new Turn(turns)));
  for (const peer of [...greedy, modest]) peer.send(requests);
  const all = greedy.map(async (peer) => {
    for (let i = 0; i < count; i++) await peer.next();
  });
  for (let i = 0; i < count; i++) await modest.next();
  const meanwhile = done.greedy;
  await Promise.all(all);
  assertEquals(done, { greedy: 10 * count, modest: count });
  atMost(meanwhile, 1.5 * count);
});

Deno.test("a copy ends with its channel, and later requests are not started", async () => {
  const clock = new WorkClock();
  let closed = false;
  const backend = slow(clock, {
    read(into) {
      closed = ++clock.ms === 10;
      return into.length;
    },
  });
  const change = (channel: SftpChannel): SftpChannel =>
    Object.defineProperty({ ...channel }, "isOpen", { get: () => !closed });
  await using w = await session(backend, new ConnectionShare(new Turn(new Turns(clock))), change);
  const from = await handleOf(w.peer, open("/a"));
  const to = await handleOf(w.peer, open("/b", FXF.WRITE));
  clock.ms = 0;
  await w.peer.send(new Uint8Array([...copyData(from, to), ...copyData(from, to)]));
  await w.served;
  assertEquals(clock.ms, 10);
});

Deno.test("a copy uses the length of the file at the start", async () => {
  let written = 0;
  const backend = slow(new WorkClock(), {
    stat: () => Promise.resolve({ ...info, ...unknown, size: 600_000 }),
    write: (data) => void (written += data.length),
  });
  await using w = await session(backend);
  const from = await handleOf(w.peer, open("/a"));
  const to = await handleOf(w.peer, open("/b", FXF.WRITE));
  assertEquals(await statusOf(w.peer, copyData(from, to)), SftpStatus.OK);
  assertEquals(written, 600_000);
  assertEquals(await statusOf(w.peer, copyData(from, to, 700_000)), SftpStatus.EOF);
  assertEquals(written, 1_200_000);
});

Deno.test("a copy works only between regular files", async () => {
  const notFile = () => Promise.resolve({ ...info, ...unknown, isFile: false });
  await using w = await session(slow(new WorkClock(), { stat: notFile }));
  const from = await handleOf(w.peer, open("/a"));
  const to = await handleOf(w.peer, open("/b", FXF.WRITE));
  assertEquals(await statusOf(w.peer, copyData(from, to)), SftpStatus.FAILURE);
});

Deno.test("a copy onto the same file by another name or handle is refused if it overlaps", async () => {
  await using root = await folder();
  await Deno.writeFile(`${root.path}/file`, new Uint8Array(1000));
  await Deno.link(`${root.path}/file`, `${root.path}/name`);
  await using w = await session(localFiles({ root: root.path }));
  const from = await handleOf(w.peer, open("/file"));
  for (const path of ["/file", "/name"]) {
    const to = await handleOf(w.peer, open(path, FXF.WRITE));
    assertEquals(await statusOf(w.peer, copyData(from, to)), SftpStatus.FAILURE, path);
    assertEquals(await statusOf(w.peer, copyData(from, to, 0, 500)), SftpStatus.FAILURE, path);
    assertEquals(await statusOf(w.peer, copyData(from, to, 100, 900)), SftpStatus.OK, path);
  }
  assertEquals((await Deno.stat(`${root.path}/file`)).size, 1000);
});

/** Counts the calls of a function of the runtime while `run` runs. */
async function calls(
  name: "lstatSync" | "realPathSync",
  run: () => Promise<unknown>,
): Promise<number> {
  const real = Deno[name];
  let count = 0;
  Object.assign(Deno, {
    [name]: (path: string) => {
      count++;
      return real(path);
    },
  });
  try {
    await run();
  } finally {
    Object.assign(Deno, { [name]: real });
  }
  return count;
}

Deno.test("a path that is too long costs no look-up in any request", async () => {
  await using root = await folder();
  await using w = await session(localFiles({ root: root.path }));
  const path = "a/../".repeat(SFTP_MAX_PATH / 5 + 1);
  const requests = [
    msg.Stat.encode(1, { path }),
    msg.Realpath.encode(1, { path }),
    msg.Opendir.encode(1, { path: "/".repeat(250_000) }),
    open(path),
    msg.Rename.encode(1, { from: "/", to: path }),
    msg.Symlink.encode(1, { target: path, link: "/x" }),
    msg.Extended.encode(1, {
      request: EXTENSION.EXPAND_PATH,
      data: msg.OnePath.encode({ path }),
    }),
  ];
  const looks = await calls("lstatSync", async () => {
    for (const request of requests) {
      assertEquals(await statusOf(w.peer, request), SftpStatus.BAD_MESSAGE);
    }
  });
  assertEquals(looks, 0);
});

Deno.test("a path takes a look-up for each step, and none if it has more than 512", async () => {
  await using root = await folder();
  await Deno.mkdir(`${root.path}/a`);
  await Deno.symlink("a/../".repeat(250), `${root.path}/up`);
  await using w = await session(localFiles({ root: root.path }));
  const looks = (path: string, status: number) =>
    calls("lstatSync", async () => {
      assertEquals(await statusOf(w.peer, msg.Stat.encode(1, { path })), status);
    });
  assertEquals(await looks("a/../".repeat(256), SftpStatus.OK), 257); // the root at last
  assertEquals(await looks("a/../".repeat(256) + "a", SftpStatus.BAD_MESSAGE), 0);
  // A link to 500 steps, and a second one.
  assertEquals(await looks("up/", SftpStatus.OK), 252);
  assertEquals(await looks("up/up/", SftpStatus.BAD_MESSAGE), 252);
});

Deno.test("a path is made absolute with two look-ups, however many slashes it has", async () => {
  await using w = await session(localFiles({ root: "/" }));
  const path = "/".repeat(SFTP_MAX_PATH - 1) + "\n";
  const looks = await calls("realPathSync", async () => {
    await w.peer.send(msg.Realpath.encode(1, { path }));
    const { body } = (await w.peer.next())!;
    assertEquals(msg.Name.decode(body).entries[0]!.name, "/\n");
  });
  assertEquals(looks, 2);
});

Deno.test("the last step of a path with many slashes is found", () => {
  const slashes = "/".repeat(250_000);
  assertEquals(baseName(`${slashes}x${slashes}`), "x");
  assertEquals(parent(`/a${slashes}x`), `/a${slashes.slice(1)}`);
  assertEquals(parent(slashes), null);
});

Deno.test("sessions of one connection share its handles", async () => {
  const share = new ConnectionShare();
  const backend = slow(new WorkClock());
  const fill = async (peer: RawPeer): Promise<number> => {
    for (let count = 0;; count++) {
      if (await statusOf(peer, open("/x")) !== SftpStatus.OK) return count;
    }
  };
  const first = await session(backend, share);
  await using second = await session(backend, share);
  await using third = await session(backend, share);
  assertEquals(await fill(first.peer), SFTP_MAX_HANDLES);
  assertEquals(await fill(second.peer), SFTP_CONNECTION_HANDLES - SFTP_MAX_HANDLES);
  assertEquals(await fill(third.peer), 0);
  await first[Symbol.asyncDispose]();
  assertEquals(await fill(third.peer), SFTP_MAX_HANDLES);
});

for (
  const [how, does] of Object.entries({
    "at once": (into: Uint8Array) => into.length,
    "after a while": (into: Uint8Array) => turn().then(() => into.length),
  })
) {
  Deno.test(`ten sessions that read ${how} without receiving use one connection's memory`, async () => {
    let read = 0;
    const buffers = new Set<ArrayBufferLike>();
    const clock = new WorkClock();
    const backend = slow(clock, {
      read(into) {
        read += into.length;
        buffers.add(into.buffer);
        return does(into);
      },
    });
    const share = new ConnectionShare(new Turn(new Turns(clock)));
    await using sessions = new AsyncDisposableStack();
    const sending: Promise<void>[] = [];
    for (let i = 0; i < 10; i++) {
      const { peer } = sessions.use(await session(backend, share));
      const handle = await handleOf(peer, open("/file"));
      const request = msg.Read.encode(1, { handle, offset: 0, length: 0xffff_ffff });
      sending.push(peer.send(...Array.from({ length: 1000 }, () => request)).catch(() => {}));
    }
    for (let seen = -1; seen !== read;) {
      seen = read;
      for (let turns = 0; turns < 100; turns++) await turn();
    }
    const channels = 10 * 1024 * 1024;
    atMost(read - channels, 12 * 1024 * 1024);
    let held = 0;
    for (const { byteLength } of buffers) held += byteLength;
    atMost(held - channels, 12 * 1024 * 1024);
    await sessions.disposeAsync();
    await Promise.all(sending);
  });
}

Deno.test("a handle that could not be opened is not counted", async () => {
  const share = new ConnectionShare();
  const refusing: SftpBackend = { open: () => Promise.reject(new Deno.errors.NotFound()) };
  await using w = await session(refusing, share);
  for (let i = 0; i <= SFTP_CONNECTION_HANDLES; i++) await statusOf(w.peer, open("/x"));
  const handle = msg.Close.encode(1, { handle: new Uint8Array([0, 0, 0, 1]) });
  assertEquals(await statusOf(w.peer, handle), SftpStatus.FAILURE);
  await using other = await session(slow(new WorkClock()), share);
  await handleOf(other.peer, open("/x"));
});

Deno.test("a quarter of the process's descriptors stays free", async () => {
  await using root = await folder();
  await Deno.writeTextFile(`${root.path}/file`, "x");
  for (let i = 0; i < 400; i++) await Deno.mkdir(`${root.path}/${i}`);
  const files = filesOf(treeOf(root.path, "/"), "/", false, new Descriptors(12));
  await using w = await session(files);
  const handles: Uint8Array[] = [];
  for (let i = 0; i < 7; i++) handles.push(await handleOf(w.peer, open("/file")));
  const list = await handleOf(w.peer, msg.Opendir.encode(1, { path: "/" }));
  const names = msg.Readdir.encode(1, { handle: list });
  assertEquals(await statusOf(w.peer, names), SftpStatus.OK);
  for (const another of [open("/file"), open("/file")]) {
    assertEquals(await statusOf(w.peer, another), SftpStatus.FAILURE);
  }
  await statusOf(w.peer, msg.Close.encode(1, { handle: list }));
  for (let i = 0; i < 2; i++) await handleOf(w.peer, open("/file"));
  assertEquals(await statusOf(w.peer, open("/missing")), SftpStatus.FAILURE);
  await statusOf(w.peer, msg.Close.encode(1, { handle: handles[0]! }));
  assertEquals(await statusOf(w.peer, open("/missing")), SftpStatus.NO_SUCH_FILE);
  await handleOf(w.peer, open("/file"));
});

Deno.test("a listing holds only its own folder open at any depth", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using root = await folder();
  const deep = "d/".repeat(100);
  await Deno.mkdir(`${root.path}/${deep}`, { recursive: true });
  await using w = await session(localFiles({ root: root.path }));
  const open = () => Array.from(Deno.readDirSync("/proc/self/fd")).length;
  const before = open();
  for (let i = 0; i < 20; i++) {
    const handle = await handleOf(w.peer, msg.Opendir.encode(1, { path: `/${deep}` }));
    assertEquals(await statusOf(w.peer, msg.Readdir.encode(1, { handle })), SftpStatus.OK);
  }
  atMost(open() - before, 40);
});

Deno.test("a path in a jail has at most 256 folders", async () => {
  await using root = await folder();
  const deep = (count: number) => "d/".repeat(count);
  await Deno.mkdir(`${root.path}/${deep(258)}`, { recursive: true });
  await using w = await session(localFiles({ root: root.path }));
  const stat = (path: string) => statusOf(w.peer, msg.Stat.encode(1, { path }));
  assertEquals(await stat(deep(257)), SftpStatus.OK);
  assertEquals(await stat(deep(258)), SftpStatus.FAILURE);
});

Deno.test("a folder is read as its listing is requested", async () => {
  await using root = await folder();
  for (let i = 0; i < 1000; i++) Deno.writeTextFileSync(`${root.path}/${i}`, "");
  const real = Deno.readDir;
  let read = 0;
  Deno.readDir = async function* (path) {
    for await (const entry of real(path)) {
      read++;
      yield entry;
    }
  };
  try {
    await using w = await session(localFiles({ root: root.path }));
    const handle = await handleOf(w.peer, msg.Opendir.encode(1, { path: "/" }));
    const names: string[] = [];
    for (;;) {
      await w.peer.send(msg.Readdir.encode(1, { handle }));
      const { type, body } = (await w.peer.next())!;
      if (type === FXP.STATUS) break;
      names.push(...msg.Name.decode(body).entries.map(({ name }) => name));
      atMost(read, names.length + 32);
    }
    assertEquals(new Set(names).size, 1002);
    assertEquals(read, 1000);
  } finally {
    Deno.readDir = real;
  }
});

Deno.test("pipes and devices are also refused without a jail", {
  ignore: Deno.build.os === "windows" || WITHOUT_DESCRIPTORS,
}, async () => {
  await using root = await folder();
  const socket = `${root.path}/socket`;
  using _listener = Deno.listen({ transport: "unix", path: socket });
  await using w = await session(localFiles({ root: "/" }));
  for (const path of [socket, "/dev/zero", "/dev/null"]) {
    assertEquals(await statusOf(w.peer, open(path)), SftpStatus.FAILURE, path);
    assertEquals(await statusOf(w.peer, open(path, FXF.WRITE)), SftpStatus.FAILURE, path);
  }
  // A file replaced by a pipe after its look-up does not block.
  const flags: number[] = [];
  const { O_NONBLOCK } = (await import("node:fs")).constants;
  const fs = (await import("node:fs")).default;
  const real = fs.openSync;
  fs.openSync = ((path: string, how: number, mode: number) => {
    flags.push(how);
    return real(path, how, mode);
  }) as typeof real;
  try {
    await Deno.writeTextFile(`${root.path}/file`, "x");
    await handleOf(w.peer, open(`${root.path}/file`));
  } finally {
    fs.openSync = real;
  }
  assert(flags.length > 0 && flags.every((how) => how & O_NONBLOCK));
});
