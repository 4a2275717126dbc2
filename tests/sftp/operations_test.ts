/** The operations of a server, each called with files in memory: memory, turns, and what is opened. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SFTP_MAX_CHUNK } from "../../lib/defaults.ts";
import { SftpError, type SftpFileInfo, SftpStatus } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { FXF, FXP, S_IF } from "../../lib/sftp/protocol/numbers.ts";
import type {
  SftpBackend,
  SftpBackendEntry,
  SftpBackendFile,
} from "../../lib/sftp/server/backend.ts";
import { AnswerBuffers } from "../../lib/sftp/server/buffers.ts";
import { Handles } from "../../lib/sftp/server/handles.ts";
import { type Frame, type OperationContext, OPERATIONS } from "../../lib/sftp/server/operations.ts";
import type { ConnectionShare } from "../../lib/sftp/server/share.ts";
import { noise, same, turn } from "./world.ts";

const { EOF, FAILURE, NO_SUCH_FILE, OK, OP_UNSUPPORTED, PERMISSION_DENIED } = SftpStatus;

/** Answers longer than this are not copied. */
const SHORT = 16 * 1024;

const INFO: SftpFileInfo = infoOf({ size: 7 }, S_IF.FILE);
const FOLDER = { ...INFO, isFile: false, isDirectory: true };

interface Session {
  readonly context: OperationContext;
  readonly handles: Handles;
  readonly answers: AnswerBuffers;
  open(file: Partial<SftpBackendFile>): Promise<Uint8Array>;
  /** Runs a request, which is given as a frame. */
  run(request: Uint8Array): Promise<Frame> | Frame;
}

function session(backend: SftpBackend = {}, changes: Partial<OperationContext> = {}): Session {
  const share = { takeHandle() {}, returnHandle() {} } as unknown as ConnectionShare;
  const handles = new Handles(share);
  const answers = new AnswerBuffers();
  const context = {
    backend,
    handles,
    answers,
    readOnly: false,
    umask: 0,
    linkFirst: false,
    turn: { begin: () => null, end() {} },
    isOpen: () => true,
    ...changes,
  } as unknown as OperationContext;
  return {
    context,
    handles,
    answers,
    open: (file) =>
      handles.open(() => Promise.resolve({ path: "/f", file: file as SftpBackendFile })),
    run: (request) =>
      OPERATIONS.get(request[4]!)!.run(context, 9, request.subarray(msg.FRAME_HEADER)),
  };
}

function statusOf(frame: Frame): number {
  assertEquals(frame[4], FXP.STATUS);
  return msg.Status.decode(frame.subarray(msg.FRAME_HEADER)).status;
}

function dataOf(frame: Frame): Uint8Array {
  assertEquals(frame[4], FXP.DATA);
  return msg.Data.decode(frame.subarray(msg.FRAME_HEADER)).data;
}

async function refusal(run: () => unknown): Promise<number> {
  return (await assertRejects(async () => await run(), SftpError)).status;
}

for (
  const [how, of] of [
    ["at once", (count: number) => count],
    ["later", (count: number) => Promise.resolve(count)],
  ] as const
) {
  Deno.test(`a short answer to a READ gives its memory back, and a long one is sent from it, ${how}`, async () => {
    const bytes = noise(SFTP_MAX_CHUNK);
    let has = 0;
    const { open, run, answers } = session();
    const handle = await open({
      read(into) {
        into.set(bytes.subarray(0, Math.min(has, into.length)));
        return of(Math.min(has, into.length));
      },
    });
    const read = (length: number) => run(msg.Read.encode(9, { handle, offset: 0, length }));
    for (const count of [SHORT + 1, SHORT + 2, SFTP_MAX_CHUNK]) {
      has = count;
      const frame = await read(2 ** 32 - 1);
      assert(same(dataOf(frame), bytes.subarray(0, count)), `${count}`);
      assertEquals(frame.length, msg.DATA_HEADER + count);
      // Its memory is in use until it has been sent.
      assert(answers.lent(frame.buffer) && answers.take(1).buffer !== frame.buffer);
      answers.give(frame.buffer);
      assert(answers.take(1).buffer === frame.buffer);
      answers.give(frame.buffer);
    }
    const { buffer } = answers.take(1);
    answers.give(buffer);
    for (const count of [0, 1, SHORT]) {
      has = count;
      const frame = await read(2 ** 32 - 1);
      if (count === 0) assertEquals(statusOf(frame), EOF);
      else assert(same(dataOf(frame), bytes.subarray(0, count)), `${count}`);
      assert(frame.buffer !== buffer && !answers.lent(frame.buffer));
      assert(answers.take(1).buffer === buffer, "it was given back");
      assert(answers.take(1).buffer !== buffer, "and once");
      answers.give(buffer);
    }
  });
}

Deno.test("a READ of little takes none of the memory for long answers", async () => {
  const { open, run, answers } = session();
  const { buffer } = answers.take(SFTP_MAX_CHUNK);
  answers.give(buffer);
  const rooms: [length: number, offset: number][] = [];
  const handle = await open({
    read(into, offset) {
      rooms.push([into.length, offset]);
      assertEquals(into.buffer === buffer, into.length > SHORT);
      return into.length;
    },
  });
  for (const length of [0, 1, SHORT, SHORT + 1]) {
    const frame = await run(msg.Read.encode(9, { handle, offset: 2 ** 40 + length, length }));
    if (length === 0) assertEquals(statusOf(frame), EOF);
    else assertEquals(dataOf(frame).length, length);
  }
  assertEquals(rooms, [0, 1, SHORT, SHORT + 1].map((length) => [length, 2 ** 40 + length]));
});

Deno.test("a READ of little is answered from its own memory, without a copy", async () => {
  for (const length of [1, SHORT]) {
    const { open, run, answers } = session();
    answers.take(msg.DATA_HEADER + length); // from now on these are as long
    const memories: ArrayBufferLike[] = [];
    const handle = await open({
      read(into) {
        memories.push(into.buffer);
        return into.length;
      },
    });
    const frame = await run(msg.Read.encode(9, { handle, offset: 0, length }));
    assert(memories[0] === frame.buffer);
    assert(answers.take(1).buffer !== frame.buffer, "it is still to be sent");
  }
});

Deno.test("a READ or a WRITE that fails, at once or later, is no answer", async () => {
  const now = () => {
    throw new Error("disk");
  };
  for (const failing of [now, () => Promise.reject(new Error("disk"))]) {
    const { open, run } = session();
    const handle = await open({ read: failing, write: failing });
    const requests = [
      msg.Read.encode(9, { handle, offset: 0, length: SHORT + 1 }),
      msg.Write.encode(9, { handle, offset: 0, data: new Uint8Array(1) }),
    ];
    for (const request of requests) {
      await assertRejects(async () => await run(request), Error, "disk");
    }
  }
});

Deno.test("a WRITE is answered at once if it is done, and otherwise when it is", async () => {
  const gate = Promise.withResolvers<void>();
  const { open, run } = session();
  const write = (handle: Uint8Array) =>
    run(msg.Write.encode(9, { handle, offset: 1, data: new Uint8Array(1) }));
  const now = write(await open({ write() {} }));
  assert(!(now instanceof Promise));
  assertEquals([statusOf(now), now[8]], [OK, 9]);
  let isOver = false;
  const later = Promise.resolve(write(await open({ write: () => gate.promise })));
  later.then(() => isOver = true);
  for (let turns = 0; turns < 3; turns++) await turn();
  assertEquals(isOver, false);
  gate.resolve();
  assertEquals(statusOf(await later), OK);
});

/** A folder of so many entries whose names have this length. */
function listed(count: number, length = 4): SftpBackend {
  return {
    stat: () => Promise.resolve(FOLDER),
    async *readDir(): AsyncGenerator<SftpBackendEntry> {
      for (let at = 0; at < count; at++) {
        yield { name: `${at}`.padEnd(length, "x"), info: INFO };
      }
    },
  };
}

async function listing({ run }: Session): Promise<() => Promise<Frame>> {
  const opened = await run(msg.Opendir.encode(9, { path: "/d" }));
  const { handle } = msg.Handle.decode(opened.subarray(msg.FRAME_HEADER));
  return async () => await run(msg.Readdir.encode(9, { handle }));
}

Deno.test("a READDIR has a turn for each 32 entries, and none of the time between", async () => {
  for (const [entries, pieces] of [[1, 1], [31, 1], [32, 2], [33, 2], [64, 3], [100, 4]] as const) {
    const turns: string[] = [];
    const s = session(listed(entries), {
      turn: {
        begin: () => void turns.push("begin"),
        end: () => void turns.push("end"),
      } as never,
    });
    const next = await listing(s);
    const names = msg.Name.decode((await next()).subarray(msg.FRAME_HEADER)).entries;
    assertEquals(names.length, entries);
    assertEquals(turns, Array.from({ length: pieces }, () => ["end", "begin"]).flat());
  }
});

Deno.test("a READDIR waits for its turn before it reads the folder", async () => {
  const gates = [1, 2].map(() => Promise.withResolvers<void>());
  let [begun, read] = [0, 0];
  const { stat, readDir } = listed(40);
  const backend: SftpBackend = {
    stat: stat!,
    async *readDir(path) {
      for await (const entry of readDir!(path)) {
        read++;
        yield entry;
      }
    },
  };
  const begin = () => gates[begun++]!.promise;
  const s = session(backend, { turn: { begin, end() {} } as never });
  const next = await listing(s);
  const answer = next();
  for (const [gate, expected] of [[0, 0], [1, 32]] as const) {
    for (let turns = 0; turns < 3; turns++) await turn();
    assertEquals(read, expected);
    gates[gate]!.resolve();
  }
  await answer;
  assertEquals([read, begun], [40, 2]);
});

Deno.test("a READDIR ends with the entry that reaches 32 KiB, and the next one continues after it", async () => {
  const next = await listing(session(listed(1000, 200)));
  const names: string[] = [];
  const lengths: number[] = [];
  while (names.length < 1000) {
    const frame = await next();
    const { entries } = msg.Name.decode(frame.subarray(msg.FRAME_HEADER));
    assert(entries.length > 0);
    lengths.push(frame.length);
    names.push(...entries.map(({ name }) => name));
  }
  assertEquals(names, Array.from({ length: 1000 }, (_, at) => `${at}`.padEnd(200, "x")));
  for (const length of lengths.slice(0, -1)) {
    assert(length >= 32 * 1024 && length < 32 * 1024 + 600, `${length}`);
  }
  for (let times = 0; times < 2; times++) assertEquals(await refusal(next), EOF);
});

Deno.test("a READDIR of exactly 32 KiB takes no further entry", async () => {
  const next = await listing(session(listed(6, 6213)));
  for (const [length, count] of [[32 * 1024, 5], [6564, 1]]) {
    const frame = await next();
    const { entries } = msg.Name.decode(frame.subarray(msg.FRAME_HEADER));
    assertEquals([frame.length, entries.length], [length, count]);
  }
});

Deno.test("a READDIR fails with the error of its folder", async () => {
  const backend: SftpBackend = {
    stat: () => Promise.resolve(FOLDER),
    // deno-lint-ignore require-yield
    async *readDir() {
      throw new Error("disk");
    },
  };
  await assertRejects(await listing(session(backend)), Error, "disk");
});

Deno.test("only a file that a put makes for itself is removed with its session", async () => {
  const PART = ".01234567-89ab-cdef-0123-456789abcdef.part";
  const { WRITE, CREAT, EXCL } = FXF;
  const cases: [path: string, flags: number, removed: boolean][] = [
    [`/d/${PART}`, WRITE | CREAT | EXCL, true],
    [PART, WRITE | CREAT | EXCL, true],
    [`/d/${PART}`, WRITE | CREAT, false],
    [`/d/${PART}`, WRITE | EXCL, false],
    [`/d/${PART}x`, WRITE | CREAT | EXCL, false],
    [`/${PART}/x`, WRITE | CREAT | EXCL, false],
  ];
  for (const [path, flags, removed] of cases) {
    const paths: string[] = [];
    const file = { close: () => Promise.resolve() } as SftpBackendFile;
    const { run, handles } = session({
      open: () => Promise.resolve(file),
      remove(path) {
        paths.push(path);
        return Promise.resolve();
      },
    });
    await run(msg.Open.encode(9, { path, flags, attributes: {} }));
    assertEquals([...handles.files()].map(({ path }) => path), [path]);
    await handles.closeAll();
    assertEquals([path, paths], [path, removed ? [path] : []]);
  }
});

Deno.test("a read-only session opens what OPEN does not change, and nothing else", async () => {
  const opened: unknown[] = [];
  const open: SftpBackend["open"] = (_, options) => {
    opened.push(options);
    return Promise.resolve({} as SftpBackendFile);
  };
  const { READ, WRITE, APPEND, CREAT, TRUNC, EXCL } = FXF;
  const run = (flags: number) =>
    session({ open }, { readOnly: true }).run(
      msg.Open.encode(9, { path: "/", flags, attributes: {} }),
    );
  for (const flags of [WRITE, READ | WRITE, APPEND, WRITE | CREAT, WRITE | TRUNC]) {
    assertEquals(await refusal(() => run(flags)), PERMISSION_DENIED);
  }
  assertEquals(opened.length, 0);
  // Without WRITE or APPEND the others mean nothing.
  for (const flags of [READ, 0, CREAT, TRUNC, READ | CREAT | TRUNC | EXCL]) await run(flags);
  const looks = { read: true, write: false, append: false, create: false, createNew: false };
  assertEquals(opened, Array(5).fill({ ...looks, truncate: false, mode: null }));
});

Deno.test("a listing of a file, or with no way to list, opens no handle", async () => {
  const opendir = (backend: SftpBackend) => {
    const { run, handles } = session(backend);
    handles.open = async (open) => {
      await open();
      throw new Error("opened");
    };
    return run(msg.Opendir.encode(9, { path: "/d" }));
  };
  let listings = 0;
  const readDir = () => {
    listings++;
    return [] as never;
  };
  const isFile = { stat: () => Promise.resolve(INFO), readDir };
  assertEquals(await refusal(() => opendir(isFile)), NO_SUCH_FILE);
  assertEquals(await refusal(() => opendir({ readDir })), OP_UNSUPPORTED);
  assertEquals(
    await refusal(() => opendir({ stat: () => Promise.resolve(FOLDER) })),
    OP_UNSUPPORTED,
  );
  assertEquals(listings, 0);
});

Deno.test("every request that a backend cannot do is unsupported", async () => {
  const { run, open, handles } = session();
  const path = { path: "/p" };
  const requests = [
    msg.Open.encode(9, { ...path, flags: FXF.READ, attributes: {} }),
    msg.Lstat.encode(9, path),
    msg.Stat.encode(9, path),
    msg.Setstat.encode(9, { ...path, attributes: {} }),
    msg.Remove.encode(9, path),
    msg.Mkdir.encode(9, { ...path, attributes: {} }),
    msg.Rmdir.encode(9, path),
    msg.Realpath.encode(9, path),
    msg.Readlink.encode(9, path),
    msg.Rename.encode(9, { from: "/a", to: "/b" }),
    msg.Symlink.encode(9, { target: "/a", link: "/b" }),
  ];
  for (const request of requests) {
    assertEquals([request[4], await refusal(() => run(request))], [request[4], OP_UNSUPPORTED]);
  }
  assertEquals([...handles.files()], []);
  const handle = await open({});
  assertThrows(() => handles.listing(handle), SftpError, "No such directory handle");
  assertEquals(await refusal(() => run(msg.Readdir.encode(9, { handle }))), FAILURE);
});

Deno.test("the requests that a read-only session refuses are those that change something", () => {
  const names = (writes: boolean) =>
    [...OPERATIONS.values()].filter((each) => each.writes === writes).map(({ name }) => name);
  assertEquals(names(true).sort(), [
    "fsetstat",
    "mkdir",
    "remove",
    "rename",
    "rmdir",
    "setstat",
    "symlink",
    "write",
  ]);
  // OPEN looks at its flags.
  assertEquals(names(false).sort(), [
    "close",
    "fstat",
    "lstat",
    "open",
    "opendir",
    "read",
    "readdir",
    "readlink",
    "realpath",
    "stat",
  ]);
});
