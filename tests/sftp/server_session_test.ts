/** One session of our server: its channel, its limits, its log, its share of the connection. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { SFTP_MAX_CHUNK, SFTP_MAX_MESSAGE } from "../../lib/defaults.ts";
import {
  serveSftp,
  type ServeSftpOptions,
  type SftpBackend,
  type SftpBackendFile,
  type SftpChannel,
  SftpError,
  type SftpRequestReport,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { serveSession } from "../../lib/sftp/server/server.ts";
import { ConnectionShare } from "../../lib/sftp/server/share.ts";
import type { Turn } from "../../lib/turns.ts";
import { FakeTime } from "../support/fake_time.ts";
import { frame, RawPeer } from "./raw.ts";
import { channelPair, type PairOptions, turn } from "./world.ts";

const { OK, EOF, FAILURE, PERMISSION_DENIED, BAD_MESSAGE, OP_UNSUPPORTED, CONNECTION_LOST } =
  SftpStatus;
const INIT = msg.encodeVersion(FXP.INIT, 3);
const MiB = 1024 * 1024;

async function turns(count = 20): Promise<void> {
  for (let at = 0; at < count; at++) await turn();
}

interface World extends AsyncDisposable {
  readonly peer: RawPeer;
  readonly served: Promise<Error | null>;
  ask(request: Uint8Array): Promise<{ type: number; id: number; body: Uint8Array }>;
  /** The status and the text of the answer. */
  status(request: Uint8Array): Promise<[status: number, message: string]>;
  open(path?: string): Promise<Uint8Array>;
}

/** A session after VERSION; at its end it must have ended well. */
async function session(
  backend: SftpBackend,
  options: ServeSftpOptions = {},
  { share = new ConnectionShare(), change = (channel: SftpChannel) => channel, pair = {} }: {
    share?: ConnectionShare;
    change?: (channel: SftpChannel) => SftpChannel;
    pair?: PairOptions;
  } = {},
): Promise<World> {
  const [near, far] = channelPair({ limit: 16 * MiB, ...pair });
  const served = serveSession(change(far), backend, options, share)
    .then(() => null, (cause) => cause as Error);
  const peer = new RawPeer(near);
  await peer.send(INIT);
  await peer.next();
  const ask = async (request: Uint8Array) => {
    await peer.send(request);
    return (await peer.next())!;
  };
  return {
    peer,
    served,
    ask,
    async status(request) {
      const { type, body } = await ask(request);
      assertEquals(type, FXP.STATUS);
      const { status, message } = msg.Status.decode(body);
      return [status, message];
    },
    async open(path = "/f") {
      const flags = FXF.READ | FXF.WRITE;
      const { body } = await ask(msg.Open.encode(1, { path, flags, attributes: {} }));
      return msg.Handle.decode(body).handle;
    },
    async [Symbol.asyncDispose]() {
      await near.closeWrite();
      assertEquals(await served, null);
    },
  };
}

/** A backend with one kind of file. */
function filesLike(file: Partial<SftpBackendFile>): SftpBackend {
  const close = () => Promise.resolve();
  return { open: () => Promise.resolve({ close, ...file } as SftpBackendFile) };
}

const stats: SftpBackend = { stat: () => Promise.resolve(infoOf({ size: 1 })) };
const STAT = msg.Stat.encode(1, { path: "/" });

Deno.test("a session is over when its EOF is sent", async () => {
  const [near, far] = channelPair();
  const gate = Promise.withResolvers<void>();
  let over = false;
  const serving = serveSftp({ ...far, closeWrite: () => gate.promise }, {}).then(() => over = true);
  await near.closeWrite();
  await turns();
  assertEquals(over, false);
  gate.resolve();
  await serving;
});

Deno.test("a channel whose EOF cannot be sent is closed, and the session was still successful", async () => {
  for (const closes of [true, false]) {
    const [near, far] = channelPair();
    let closed = 0;
    const serving = serveSftp({
      ...far,
      closeWrite: () => Promise.reject(new Error("gone")),
      close() {
        closed++;
        return closes ? Promise.resolve() : Promise.reject(new Error("gone"));
      },
    }, {});
    await near.closeWrite();
    await serving;
    assertEquals(closed, 1);
  }
});

Deno.test("a failed session closes its channel, and does not wait for it", async () => {
  for (const closing of [new Promise<void>(() => {}), Promise.reject(new Error("gone"))]) {
    const [near, far] = channelPair();
    let [closed, ended] = [0, 0];
    const serving = serveSftp({
      ...far,
      closeWrite: () => Promise.resolve(void ended++),
      close() {
        closed++;
        return closing;
      },
    }, {});
    await near.writeAll(STAT);
    const error = await assertRejects(() => serving, SftpError, "does not begin with INIT");
    assertEquals([error.status, closed, ended], [BAD_MESSAGE, 1, 0]);
  }
});

Deno.test("an ended session returns its share of the memory, however it ended", async () => {
  const share = new ConnectionShare();
  using _two = share.session();
  const ends: Record<string, (near: SftpChannel) => Promise<void>> = {
    "without a message": (near) => near.closeWrite(),
    "after a message": (near) => near.writeAll(INIT, STAT).then(() => near.closeWrite()),
    "by breaking the protocol": (near) => near.writeAll(STAT),
    "in a message": (near) =>
      near.writeAll(INIT, STAT.subarray(0, 11)).then(() => near.closeWrite()),
  };
  for (const [how, end] of Object.entries(ends)) {
    const sessions = Array.from({ length: 3 }, () => {
      const [near, far] = channelPair();
      return { near, served: serveSession(far, stats, {}, share).catch(() => {}) };
    });
    assertEquals(share.sessionBytes, MiB, how);
    for (const { near, served } of sessions) {
      await end(near);
      await served;
    }
    assertEquals(share.sessionBytes, 2 * MiB, how);
  }
});

Deno.test("a session that fails returns its handles", async () => {
  const share = new ConnectionShare();
  for (let round = 0; round < 3; round++) {
    const w = await session(filesLike({}), {}, { share });
    for (let count = 0; count < 256; count++) await w.open();
    assertEquals(
      (await w.status(msg.Open.encode(1, { path: "/", flags: 1, attributes: {} })))[1],
      "Too many open handles",
    );
    await w.peer.send(frame(FXP.STAT, 1, new Uint8Array(0), 0));
    assertInstanceOf(await w.served, SftpError);
  }
});

for (const [how, chunk] of [["whole", MiB], ["in pieces", 1000]] as const) {
  Deno.test(`a message that arrives ${how} may have 256 KiB after its header, and none at all`, async () => {
    const pair = { chunk };
    const longest = frame(FXP.READDIR, 7, new Uint8Array(SFTP_MAX_MESSAGE).fill(1));
    {
      await using w = await session({}, {}, { pair });
      for (
        const [request, status] of [[longest, BAD_MESSAGE], [frame(99, 8), OP_UNSUPPORTED]] as const
      ) {
        for (let round = 0; round < 2; round++) assertEquals((await w.status(request))[0], status);
      }
    }
    for (const length of [SFTP_MAX_MESSAGE + 6, 2 ** 32 - 1, 4, 0]) {
      const w = await session({}, {}, { pair });
      // More would be read if the length were accepted.
      await w.peer.send(frame(FXP.READDIR, 7, new Uint8Array(0), length));
      const error = await w.served;
      assertInstanceOf(error, SftpError);
      assertEquals([error.status, await w.peer.next()], [BAD_MESSAGE, null]);
    }
  });
}

Deno.test("an impossible length is refused before the rest of the header arrives", async () => {
  const w = await session({});
  await w.peer.send(new Uint8Array([0, 4, 0, 6]));
  const error = await w.served;
  assertInstanceOf(error, SftpError);
  assertEquals(error.status, BAD_MESSAGE);
});

Deno.test("a request that is not permitted is refused as such, even if the server is read-only", async () => {
  await using w = await session({}, { readOnly: true, permits: (name) => name !== "remove" });
  assertEquals(await w.status(msg.Remove.encode(1, { path: "/" })), [
    PERMISSION_DENIED,
    "Permission denied",
  ]);
  assertEquals(await w.status(msg.Rmdir.encode(1, { path: "/" })), [
    PERMISSION_DENIED,
    "The server is read-only",
  ]);
});

Deno.test("the policy is asked by the name of the request, for each request", async () => {
  const asked: string[] = [];
  let permitted = true;
  await using w = await session({}, {
    permits(name) {
      asked.push(name);
      return permitted;
    },
  });
  asked.length = 0;
  for (const expected of [OP_UNSUPPORTED, PERMISSION_DENIED, OP_UNSUPPORTED]) {
    permitted = expected !== PERMISSION_DENIED;
    assertEquals((await w.status(STAT))[0], expected);
  }
  assertEquals(asked, ["stat", "stat", "stat"]);
});

Deno.test("a policy that throws refuses the request", async () => {
  let throws = false;
  await using w = await session(stats, {
    permits() {
      if (throws) throw new Error("/srv/secret");
      return true;
    },
  });
  throws = true;
  assertEquals(await w.status(STAT), [FAILURE, "Failure"]);
});

/** The reports of requests, without the OPENs. */
function log(): { heard: string[]; onRequest: (report: SftpRequestReport) => void } {
  const heard: string[] = [];
  return {
    heard,
    onRequest({ request, path, bytes, status, transferred }) {
      if (request === "open") return;
      const sum = transferred ? ` (${transferred.read}, ${transferred.written})` : "";
      heard.push(`${request} ${path} ${bytes} ${status}${sum}`);
    },
  };
}

for (const parallel of [false, true]) {
  for (const later of [false, true]) {
    const how = `${later ? "later" : "at once"}, ${parallel ? "in parallel" : "one by one"}`;
    Deno.test(`the log counts what was read and written, not what failed (${how})`, async () => {
      const { heard, onRequest } = log();
      let fails = false;
      const settle = <T>(value: T): T | Promise<T> => {
        if (!fails) return later ? turn().then(() => value) : value;
        if (later) return turn().then(() => Promise.reject(new Error("disk")));
        throw new Error("disk");
      };
      const file = {
        parallel,
        read: (into: Uint8Array, offset: number) => settle(Math.min(into.length, 100 - offset)),
        write: () => settle(undefined),
      } as Partial<SftpBackendFile>;
      await using w = await session(filesLike(file), { onRequest });
      const handle = await w.open();
      const read = (offset: number, length: number) =>
        w.ask(msg.Read.encode(1, { handle, offset, length }));
      const write = (length: number) =>
        w.ask(msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(length) }));
      await read(0, 60);
      await read(60, 60);
      await read(100, 60);
      await write(30);
      await write(0);
      fails = true;
      await read(0, 60);
      await write(500);
      await w.ask(msg.Close.encode(1, { handle }));
      await w.ask(msg.Read.encode(1, { handle, offset: 0, length: 5 }));
      await w.ask(msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(5) }));
      assertEquals(heard, [
        "read /f 60 0",
        "read /f 40 0",
        `read /f 0 ${EOF}`,
        "write /f 30 0",
        "write /f 0 0",
        `read /f 0 ${FAILURE}`,
        `write /f 0 ${FAILURE}`,
        "close /f 0 0 (100, 30)",
        `read null 0 ${FAILURE}`,
        `write null 0 ${FAILURE}`,
      ]);
    });
  }
}

Deno.test("the log counts bytes of reads and writes only", async () => {
  const { heard, onRequest } = log();
  const setStat = () => Promise.resolve();
  await using w = await session(filesLike({ setStat, stat: stats.stat as () => never }), {
    onRequest,
  });
  const handle = await w.open();
  // Its body could be read as that of a WRITE of 5000 bytes.
  await w.ask(msg.Fsetstat.encode(1, { handle, attributes: { size: 5000 } }));
  await w.ask(msg.Fstat.encode(1, { handle }));
  await w.ask(msg.Close.encode(1, { handle }));
  assertEquals(heard, ["fsetstat /f 0 0", "fstat /f 0 0", "close /f 0 0 (0, 0)"]);
});

Deno.test("a log that throws or rejects changes no answer", async () => {
  for (
    const fail of [() => Promise.reject(new Error("log")), () => {
      throw new Error("log");
    }]
  ) {
    await using w = await session(stats, { onRequest: fail as () => void });
    assertEquals((await w.ask(STAT)).type, FXP.ATTRS);
    assertEquals((await w.ask(STAT)).type, FXP.ATTRS);
  }
});

Deno.test("files that are left open are logged after their last request, listings are not", async () => {
  const { heard, onRequest } = log();
  const gate = Promise.withResolvers<number>();
  const closed: string[] = [];
  const backend: SftpBackend = {
    open: (path) =>
      Promise.resolve({
        read: () => gate.promise,
        close: () => Promise.resolve(void closed.push(`${path} after ${heard.length}`)),
      } as unknown as SftpBackendFile),
    stat: () => Promise.resolve({ ...infoOf({}), isDirectory: true }),
    async *readDir() {},
  };
  const w = await session(backend, { onRequest });
  const handle = await w.open("/left");
  await w.ask(msg.Close.encode(1, { handle: await w.open("/done") }));
  await w.ask(msg.Opendir.encode(1, { path: "/folder" }));
  heard.length = closed.length = 0;
  await w.peer.send(msg.Read.encode(1, { handle, offset: 0, length: 9 }));
  await w.peer.channel.closeWrite();
  await turns();
  assertEquals(heard, []);
  gate.resolve(4);
  assertEquals(await w.served, null);
  assertEquals(heard, ["read /left 4 0", `abandoned /left 0 ${CONNECTION_LOST} (4, 0)`]);
  assertEquals(closed, ["/left after 2"]);
});

/** A turn that records the bytes of each request, and makes the next one wait if told. */
function fakeTurn() {
  const ends: number[] = [];
  const fake = {
    ends,
    pause: null as Promise<void> | null,
    begin: () => fake.pause,
    end: (bytes = 0) => void ends.push(bytes),
    heard() {},
    read: () => null,
  };
  return fake;
}

Deno.test("each request counts for the turn, by its bytes unless it is a WRITE", async () => {
  const fake = fakeTurn();
  const share = new ConnectionShare(fake as unknown as Turn);
  await using w = await session(filesLike({ write() {}, read: () => 1 }), {}, { share });
  const handle = await w.open();
  fake.ends.length = 0;
  await w.ask(msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(1000) }));
  await w.ask(msg.Read.encode(1, { handle, offset: 0, length: 1 }));
  await w.ask(frame(99, 1, new Uint8Array(50)));
  assertEquals(fake.ends, [0, 4 + 4 + 8 + 4, 50]);
});

Deno.test("a session that waits for its turn runs nothing, but sends the answers that it has", async () => {
  using _ = new FakeTime();
  const fake = fakeTurn();
  const share = new ConnectionShare(fake as unknown as Turn);
  let calls = 0;
  const gate = Promise.withResolvers<void>();
  const backend = {
    stat() {
      if (++calls === 3) fake.pause = gate.promise;
      return Promise.resolve(infoOf({ size: 1 }));
    },
  };
  await using w = await session(backend, {}, { share });
  const all = [1, 2, 3, 4].flatMap((id) => [...msg.Stat.encode(id, { path: "/" })]);
  await w.peer.send(new Uint8Array(all)); // one chunk
  for (const id of [1, 2, 3]) assertEquals((await w.peer.next())!.id, id); // no timer has to run
  for (let at = 0; at < 100; at++) await null;
  assertEquals(calls, 3);
  fake.pause = null;
  gate.resolve();
  assertEquals([(await w.peer.next())!.id, calls], [4, 4]);
});

Deno.test("no answer waits for a timer once there is nothing more to answer", async () => {
  using _ = new FakeTime();
  await using w = await session(stats);
  for (let round = 0; round < 4; round++) {
    const requests = Array.from({ length: round + 1 }, () => [...STAT]).flat();
    await w.peer.send(new Uint8Array(requests)); // one chunk
    for (let count = 0; count <= round; count++) {
      assertEquals((await w.peer.next())!.type, FXP.ATTRS);
    }
  }
  // The beginning of a request, which ends the chunk, delays no answer either.
  await w.peer.send(new Uint8Array([...STAT, ...STAT, ...STAT.subarray(0, 3)]));
  for (let count = 0; count < 2; count++) assertEquals((await w.peer.next())!.type, FXP.ATTRS);
  await w.peer.send(STAT.subarray(3));
  assertEquals((await w.peer.next())!.type, FXP.ATTRS);
});

/** A parallel file whose reads and writes do not end before `release`. */
function pending() {
  const gate = Promise.withResolvers<void>();
  let [started, ended] = [0, 0];
  const wait = async () => {
    started++;
    await gate.promise;
    ended++;
  };
  const file: Partial<SftpBackendFile> = {
    parallel: true,
    read: async () => (await wait(), 1),
    write: wait,
  };
  return { file, started: () => started, ended: () => ended, release: () => gate.resolve() };
}

for (
  const [what, sessions, length, most] of [
    ["the longest READs", 1, SFTP_MAX_CHUNK, 9],
    ["READs of 4 GiB", 1, 2 ** 32 - 1, 9],
    ["the longest READs beside three other sessions", 4, SFTP_MAX_CHUNK, 5],
    ["short READs", 1, 100, 16],
  ] as const
) {
  Deno.test(`${most} of ${what} run in parallel`, async () => {
    const share = new ConnectionShare();
    for (let others = 1; others < sessions; others++) share.session();
    const { file, started, release } = pending();
    await using w = await session(filesLike(file), {}, { share });
    const handle = await w.open();
    const reads = Array.from(
      { length: 20 },
      (_, id) => msg.Read.encode(id, { handle, offset: 0, length }),
    );
    await w.peer.send(...reads);
    await turns();
    assertEquals(started(), most);
    release();
    for (const id of reads.keys()) assertEquals((await w.peer.next())!.id, id);
  });
}

for (
  const [what, chunk, most] of [
    // A collected request keeps the whole buffer for the longest one.
    ["in pieces", 1000, 9],
    ["whole", MiB, 16],
  ] as const
) {
  Deno.test(`${most} WRITEs of 2000 bytes that arrive ${what} run in parallel`, async () => {
    const { file, started, release } = pending();
    await using w = await session(filesLike(file), {}, { pair: { chunk } });
    const handle = await w.open();
    const data = new Uint8Array(2000);
    const writes = Array.from(
      { length: 20 },
      (_, id) => msg.Write.encode(id, { handle, offset: 2000 * id, data }),
    );
    await w.peer.send(...writes);
    await turns();
    assertEquals(started(), most);
    release();
    for (const id of writes.keys()) assertEquals((await w.peer.next())!.id, id);
  });
}

Deno.test("writes to the same place of two files run in parallel, of one file one by one", async () => {
  const { file, started, release } = pending();
  const close = () => Promise.resolve();
  const open = () => Promise.resolve({ close, ...file } as SftpBackendFile);
  await using w = await session({ open });
  const [one, two] = [await w.open(), await w.open()];
  const write = (id: number, handle: Uint8Array) =>
    msg.Write.encode(id, { handle, offset: 5, data: new Uint8Array(3) });
  await w.peer.send(write(1, one), write(2, two), write(3, one));
  await turns();
  assertEquals(started(), 2);
  release();
  for (const id of [1, 2, 3]) assertEquals((await w.peer.next())!.id, id);
});

Deno.test("writes that overlap run one by one, and those that touch in parallel, at any offset", async () => {
  for (const border of [2 ** 8, 2 ** 16, 2 ** 24, 2 ** 32, 2 ** 40, 2 ** 48]) {
    for (
      const [next, together] of [[border - 1, 1], [border, 1], [border + 4, 1], [border + 5, 2]]
    ) {
      const { file, started, release } = pending();
      await using w = await session(filesLike(file));
      const handle = await w.open();
      const at = (offset: number) =>
        msg.Write.encode(1, { handle, offset, data: new Uint8Array(10) });
      await w.peer.send(at(border - 5), at(next!));
      await turns(3);
      assertEquals(started(), together, `${border} ${next}`);
      release();
      for (let answers = 0; answers < 2; answers++) await w.peer.next();
    }
  }
});

Deno.test("after any other request writes to an earlier place run in parallel again", async () => {
  for (const between of ["read", "stat"]) {
    const { file, started, release } = pending();
    let gated = false;
    const write = (data: Uint8Array, offset: number) =>
      gated ? file.write!(data, offset) : undefined;
    await using w = await session({
      ...filesLike({ parallel: true, read: () => 1, write }),
      ...stats,
    });
    const handle = await w.open();
    const at = (offset: number) =>
      msg.Write.encode(1, { handle, offset, data: new Uint8Array(10) });
    await w.ask(at(1000));
    await w.ask(between === "stat" ? STAT : msg.Read.encode(1, { handle, offset: 0, length: 1 }));
    gated = true;
    await w.peer.send(at(0), at(10), at(20));
    await turns();
    assertEquals(started(), 3);
    release();
    for (let answers = 0; answers < 3; answers++) await w.peer.next();
  }
});

Deno.test("changes of the attributes of a file run one by one", async () => {
  const gates = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  const sizes: unknown[] = [];
  const setStat: SftpBackendFile["setStat"] = ({ size }) => gates[sizes.push(size) - 1]!.promise;
  await using w = await session(filesLike({ parallel: true, setStat }));
  const handle = await w.open();
  // Their bodies could be read as those of two WRITEs that touch.
  const change = (id: number) => msg.Fsetstat.encode(id, { handle, attributes: { size: 0 } });
  await w.peer.send(change(1), change(2));
  await turns();
  assertEquals(sizes, [0]);
  for (const gate of gates) gate.resolve();
  for (const id of [1, 2]) assertEquals((await w.peer.next())!.id, id);
  assertEquals(sizes, [0, 0]);
});

Deno.test("a WRITE or READ that is cut short is refused, beside others", async () => {
  const { file, release } = pending();
  await using w = await session(filesLike(file));
  const handle = await w.open();
  release();
  const write = msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(3) });
  const read = msg.Read.encode(1, { handle, offset: 0, length: 3 });
  for (const whole of [write, read]) {
    const body = whole.subarray(msg.FRAME_HEADER);
    for (let length = 0; length < body.length; length++) {
      assertEquals((await w.status(frame(whole[4]!, 1, body.slice(0, length))))[0], BAD_MESSAGE);
    }
  }
});

Deno.test("requests are not run once answers cannot be sent, and their files are closed", async () => {
  const broken = new Error("cable");
  let breaks = false;
  let calls = 0;
  const closed: string[] = [];
  const backend: SftpBackend = {
    open: (path) =>
      Promise.resolve(
        { close: async () => void closed.push(await path) } as unknown as SftpBackendFile,
      ),
    stat() {
      calls++;
      return Promise.resolve(infoOf({ size: 1 }));
    },
  };
  const w = await session(backend, {}, {
    change: (far) => ({
      ...far,
      writeAll: (...chunks) => breaks ? Promise.reject(broken) : far.writeAll(...chunks),
    }),
  });
  await w.open("/left");
  breaks = true;
  await w.peer.send(STAT);
  await turns();
  await w.peer.send(STAT, STAT);
  const error = await w.served;
  assertInstanceOf(error, SftpError);
  assertEquals([error.status, error.cause], [CONNECTION_LOST, broken]);
  assertEquals([calls, closed], [1, ["/left"]]);
});

Deno.test("requests that arrived are not run once the channel is closed", async () => {
  let isOpen = true;
  let calls = 0;
  const backend = {
    async stat() {
      calls++;
      isOpen = false;
      await turn();
      return infoOf({ size: 1 });
    },
  };
  const w = await session(backend, {}, {
    change: (far) => Object.defineProperty({ ...far }, "isOpen", { get: () => isOpen }),
  });
  await w.peer.send(new Uint8Array([...STAT, ...STAT, ...STAT]));
  assertEquals([await w.served, calls], [null, 1]);
});

Deno.test("a client that sends EOF gets the answers to everything that it asked", async () => {
  const gate = Promise.withResolvers<ReturnType<typeof infoOf>>();
  const w = await session({ stat: () => gate.promise });
  await w.peer.send(...[1, 2, 3].map((id) => msg.Stat.encode(id, { path: "/" })));
  await w.peer.channel.closeWrite();
  await turns();
  gate.resolve(infoOf({ size: 1 }));
  for (const id of [1, 2, 3]) assertEquals((await w.peer.next())!.id, id);
  assertEquals([await w.peer.next(), await w.served], [null, null]);
});

Deno.test("the last answer is sent before the EOF, and before the session is over", async () => {
  const events: string[] = [];
  let gate: Promise<void> | null = null;
  const { promise, resolve } = Promise.withResolvers<void>();
  const w = await session(stats, {}, {
    change: (far) => ({
      ...far,
      async writeAll(...chunks) {
        await gate;
        events.push("answers");
        await far.writeAll(...chunks);
      },
      closeWrite() {
        events.push("EOF");
        return far.closeWrite();
      },
    }),
  });
  w.served.then(() => events.push("over"));
  events.length = 0;
  gate = promise;
  await w.peer.send(STAT);
  await w.peer.channel.closeWrite();
  await turns();
  assertEquals(events, []);
  resolve();
  assertEquals(await w.served, null);
  assertEquals(events, ["answers", "EOF", "over"]);
});

Deno.test("only a channel that blocks is read after the answers are sent", async () => {
  for (const blocks of [undefined, false, true]) {
    const gate = Promise.withResolvers<ReturnType<typeof infoOf>>();
    let reads = 0;
    await using w = await session({ stat: () => gate.promise }, {}, {
      change: (far) => ({
        ...far,
        ...blocks !== undefined && { blocks },
        readChunk() {
          reads++;
          return far.readChunk();
        },
      }),
    });
    reads = 0;
    await w.peer.send(STAT);
    await turns();
    assert(blocks ? reads === 0 : reads <= 1, `${blocks}: ${reads}`);
    gate.resolve(infoOf({ size: 1 }));
    await w.peer.next();
  }
});

Deno.test("the memory of an answer is used again only once it is sent", async () => {
  const share = new ConnectionShare();
  const gate = Promise.withResolvers<void>();
  let held: Uint8Array[] = [];
  let holds = false;
  const memories: ArrayBufferLike[] = [];
  const file: Partial<SftpBackendFile> = {
    read(into, offset) {
      memories.push(into.buffer);
      return into.fill(offset).length;
    },
  };
  await using w = await session(filesLike(file), {}, {
    share,
    change: (far) => ({
      ...far,
      async writeAll(...chunks) {
        if (holds) {
          held = chunks;
          await gate.promise;
        }
        await far.writeAll(...chunks);
      },
    }),
  });
  const handle = await w.open();
  const read = (offset: number) => msg.Read.encode(offset, { handle, offset, length: 100_000 });
  holds = true;
  await w.peer.send(read(1));
  await turns();
  assertEquals(held.length, 1);
  await w.peer.send(read(2));
  await turns();
  assert(memories[1] !== memories[0]);
  holds = false;
  gate.resolve();
  for (const id of [1, 2]) {
    const { data } = msg.Data.decode((await w.peer.next())!.body);
    assert(data.length === 100_000 && data.every((byte) => byte === id));
  }
  await w.ask(read(3));
  assert(memories.slice(0, 2).includes(memories[2]!));
});

Deno.test("a request is run once, and its answer has its number", async () => {
  const paths: string[] = [];
  await using w = await session({
    stat(path) {
      paths.push(path);
      return Promise.resolve(infoOf({ size: 1 }));
    },
  });
  const ids = [2 ** 32 - 1, 0, 7, 7];
  await w.peer.send(...ids.map((id, at) => msg.Stat.encode(id, { path: `/${at}` })));
  for (const id of ids) assertEquals((await w.peer.next())!.id, id);
  assertEquals(paths, ["/0", "/1", "/2", "/3"]);
});

Deno.test("a read of nothing left is the end of the file, whatever is asked", async () => {
  await using w = await session(filesLike({ read: () => 0 }));
  const handle = await w.open();
  for (const length of [0, 1, SFTP_MAX_CHUNK]) {
    const [status] = await w.status(msg.Read.encode(1, { handle, offset: 9, length }));
    assertEquals(status, EOF);
  }
  assertEquals((await w.status(msg.Close.encode(1, { handle })))[0], OK);
});
