import { assert, assertEquals } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import {
  serveSftp,
  type SftpBackend,
  type SftpBackendFile,
  SftpClient,
  SftpError,
} from "../../lib/sftp/mod.ts";
import { Pipeline } from "../../lib/sftp/server/pipeline.ts";
import { atOurServer, RawPeer } from "./raw.ts";
import { channelPair, turn } from "./world.ts";

Deno.test("requests that hold exactly the limit let the next one start, one byte more does not", async () => {
  for (const [bytes, starts] of [[50, true], [51, false]] as const) {
    const pipeline = new Pipeline<void>(() => 100, () => {});
    const slow = Promise.withResolvers<void>();
    pipeline.beside(FXP.READ, 50, () => slow.promise);
    let isNext = false;
    pipeline.beside(FXP.READ, bytes, () => slow.promise)!.then(() => isNext = true);
    await turn();
    assertEquals(isNext, starts);
    slow.resolve();
    await pipeline.idle();
  }
});

Deno.test("answers are sent in the order of the requests", async () => {
  const sent: number[] = [];
  const pipeline = new Pipeline<number>(() => 100, (answer) => sent.push(answer));
  const slow = Promise.withResolvers<number>();
  await pipeline.beside(FXP.READ, 1, () => slow.promise);
  await pipeline.beside(FXP.READ, 1, () => 2);
  await pipeline.beside(FXP.READ, 1, () => Promise.resolve(3));
  await turn();
  assertEquals(sent, []);
  slow.resolve(1);
  await pipeline.idle();
  assertEquals(sent, [1, 2, 3]);
});

Deno.test("a synchronous request is answered immediately, unless an earlier one is running", async () => {
  const sent: number[] = [];
  const pipeline = new Pipeline<number>(() => 100, (answer) => sent.push(answer));
  await pipeline.beside(FXP.READ, 1, () => 0); // of the same kind as the next
  const first = pipeline.beside(FXP.READ, 1, () => 1);
  assertEquals(sent.splice(0), [0, 1]);
  const slow = Promise.withResolvers<number>();
  const second = pipeline.beside(FXP.READ, 1, () => slow.promise);
  const third = pipeline.beside(FXP.READ, 1, () => 3);
  assertEquals(sent, []);
  slow.resolve(2);
  await Promise.all([first, second, third]);
  await pipeline.idle();
  assertEquals(sent, [2, 3]);
});

Deno.test("the next request starts when the oldest is answered, which makes room", async () => {
  for (const before of [1, 2, 3]) {
    const pipeline = new Pipeline<number>(() => before - 1, () => {});
    const slow = Array.from({ length: before }, () => Promise.withResolvers<number>());
    let next: Promise<void> | null = null;
    for (const { promise } of slow) next = pipeline.beside(FXP.READ, 1, () => promise);
    let isNext = false;
    next!.then(() => isNext = true);
    await turn();
    assertEquals(isNext, false);
    slow[0]!.resolve(1);
    await turn();
    assertEquals(isNext, true);
    for (const { resolve } of slow) resolve(1);
    await pipeline.idle();
  }
});

Deno.test("a request of another kind waits for all earlier ones", async () => {
  const pipeline = new Pipeline<string>(() => 100, () => {});
  const read = Promise.withResolvers<string>();
  await pipeline.beside(FXP.READ, 1, () => read.promise);
  const started: string[] = [];
  const start = (what: string) => {
    started.push(what);
    return what;
  };
  const alone = pipeline.alone(() => start("close"));
  await turn();
  assertEquals(started, []);
  read.resolve("data");
  await alone;
  assertEquals(started, ["close"]);
});

Deno.test("at most the byte limit, and at most sixteen requests, are running", async () => {
  for (const [bytes, most] of [[50, 3], [1, 16]] as const) {
    let [running, peak] = [0, 0];
    const pipeline = new Pipeline<void>(() => 100, () => {});
    for (let i = 0; i < 40; i++) {
      await pipeline.beside(FXP.READ, bytes, async () => {
        peak = Math.max(peak, ++running);
        await turn();
        running--;
      });
    }
    await pipeline.idle();
    assertEquals(peak, most);
  }
});

/** A backend with one parallel file, whose operations the test completes. */
function held(parallel = true): {
  backend: SftpBackend;
  started: string[];
  ended: string[];
  release(): void;
  closed(): number;
} {
  const [started, ended]: string[][] = [[], []];
  const waiting: PromiseWithResolvers<void>[] = [];
  let closed = 0;
  const wait = async (what: () => string): Promise<void> => {
    started!.push(what());
    const gate = Promise.withResolvers<void>();
    waiting.push(gate);
    await gate.promise;
    ended!.push(what()); // the data as it is by then
  };
  const file: Partial<SftpBackendFile> = {
    parallel,
    async read(into, offset) {
      await wait(() => `read ${offset}`);
      into[0] = offset;
      return 1;
    },
    write: (data, offset) => wait(() => `write ${data} at ${offset}`),
    close: () => Promise.resolve(void closed++),
  };
  return {
    backend: { open: () => Promise.resolve(file as SftpBackendFile) },
    started: started!,
    ended: ended!,
    release: () => waiting.splice(0).reverse().forEach((gate) => gate.resolve()),
    closed: () => closed,
  };
}

async function opened(peer: RawPeer): Promise<Uint8Array> {
  await peer.send(msg.Open.encode(1, { path: "/x", flags: FXF.READ, attributes: {} }));
  return msg.Handle.decode((await peer.next())!.body).handle;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

Deno.test("reads of a parallel file run in parallel, and are answered in order", async () => {
  const { backend, started, release } = held();
  const { peer, served } = await atOurServer(backend);
  const handle = await opened(peer);
  const read = (id: number) => msg.Read.encode(id, { handle, offset: id, length: 1 });
  await peer.send(...[10, 11, 12].map(read));
  await until(() => started.length === 3);
  release(); // the last one first
  for (const id of [10, 11, 12]) {
    const answer = (await peer.next())!;
    assertEquals([answer.type, answer.id, msg.Data.decode(answer.body).data[0]], [
      FXP.DATA,
      id,
      id,
    ]);
  }
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});

Deno.test("requests for a file that is not parallel run one by one", async () => {
  const { backend, started, release } = held(false);
  const { peer, served } = await atOurServer(backend);
  const handle = await opened(peer);
  const data = new Uint8Array(1);
  await peer.send(
    msg.Read.encode(1, { handle, offset: 0, length: 1 }),
    msg.Read.encode(2, { handle, offset: 1, length: 1 }),
    msg.Write.encode(3, { handle, offset: 2, data }),
    msg.Write.encode(4, { handle, offset: 3, data }),
  );
  for (const together of [1, 2, 3, 4]) {
    await until(() => started.length === together);
    for (let turns = 0; turns < 5; turns++) await turn();
    assertEquals(started.length, together);
    release();
  }
  for (const id of [1, 2, 3, 4]) assertEquals((await peer.next())!.id, id);
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});

for (
  // Messages are collected in a reused buffer, or are views of their chunks, or of reused memory.
  const [what, options] of [
    ["in pieces", { chunk: 7 }],
    ["whole", {}],
    ["whole, into memory that is read into again,", { memories: new Set<ArrayBufferLike>() }],
  ] as const
) {
  Deno.test(`writes that arrive ${what} keep their data until they have ended, and their order`, async () => {
    const { backend, started, ended, release } = held();
    const { peer, served } = await atOurServer(backend, options);
    const handle = await opened(peer);
    const write = (id: number, offset: number) =>
      msg.Write.encode(id, { handle, offset, data: new Uint8Array([id, id]) });
    const both = ["write 1,1 at 0", "write 2,2 at 2"];
    await peer.send(write(1, 0), write(2, 2), write(3, 1), write(4, 9));
    await until(() => started.length === 2);
    for (let turns = 0; turns < 20; turns++) await turn();
    assertEquals(started, both);
    release();
    await until(() => started.length === 3);
    assertEquals(ended.toSorted(), both);
    release();
    // The buffers of the first ones are free again, and running ones keep theirs.
    await peer.send(write(5, 11), write(6, 13));
    await until(() => started.length === 6);
    release();
    for (const id of [1, 2, 3, 4, 5, 6]) assertEquals((await peer.next())!.id, id);
    const later = ["write 3,3 at 1", "write 4,4 at 9", "write 5,5 at 11", "write 6,6 at 13"];
    assertEquals([started.slice(2), ended.slice(2).sort()], [later, later]);
    await peer.channel.closeWrite();
    assertEquals(await served, null);
  });
}

Deno.test("a flood is read into the same memory again and again", async () => {
  const memories = new Set<ArrayBufferLike>();
  let written = 0;
  const file: Partial<SftpBackendFile> = {
    write: (data) => void (written += data.length), // done at once, as on a fast disk
    close: () => Promise.resolve(),
  };
  const backend = { open: () => Promise.resolve(file as SftpBackendFile) };
  const { peer, served } = await atOurServer(backend, { memories });
  const handle = await opened(peer);
  const data = new Uint8Array(30_000);
  for (let round = 0; round < 100; round++) {
    const flood = Array.from(
      { length: 3 },
      (_, i) => msg.Write.encode(i, { handle, offset: 0, data }),
    );
    await peer.send(...flood);
    for (const _ of flood) await peer.next();
  }
  await peer.channel.closeWrite();
  assertEquals([await served, written], [null, 9_000_000]);
  // It grows four times at most: each read was of new memory before.
  assert(memories.size > 0 && memories.size <= 4, `${memories.size}`);
});

Deno.test("only writes that run keep the memory that they arrived in", async () => {
  for (const [kind, most] of [["stat", 4], ["write", Infinity]] as const) {
    const memories = new Set<ArrayBufferLike>();
    const file: Partial<SftpBackendFile> = { write: turn, close: () => Promise.resolve() };
    const backend: SftpBackend = {
      open: () => Promise.resolve(file as SftpBackendFile),
      stat: () => turn().then(() => infoOfFile),
    };
    const { peer, served } = await atOurServer(backend, { memories });
    const handle = await opened(peer);
    for (let round = 0; round < 20; round++) {
      await peer.send(
        kind === "stat"
          ? msg.Stat.encode(1, { path: "/x" })
          : msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(9) }),
      );
      await peer.next();
    }
    await peer.channel.closeWrite();
    assertEquals(await served, null);
    assert(memories.size <= most && (most === 4 || memories.size >= 20), `${memories.size}`);
  }
});

Deno.test("a write waits only for the writes that it overlaps", async () => {
  const { backend, started, release } = held();
  const { peer, served } = await atOurServer(backend);
  const handle = await opened(peer);
  const write = (id: number, offset: number) =>
    msg.Write.encode(id, { handle, offset, data: new Uint8Array(10) });
  const read = msg.Read.encode(9, { handle, offset: 0, length: 1 });
  // The end of the last write is reset with it.
  await peer.send(write(1, 100), read, write(2, 0), write(3, 10), write(4, 5), write(5, 15));
  for (const together of [1, 2, 4, 5, 6]) {
    await until(() => started.length === together);
    for (let turns = 0; turns < 5; turns++) await turn();
    assertEquals(started.length, together);
    release();
  }
  for (let answers = 0; answers < 6; answers++) await peer.next();
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});

Deno.test("a channel that blocks is read only when no request is running, since it reuses its memory", async () => {
  const { backend, started, ended, release } = held();
  const memory = new Uint8Array(64 * 1024);
  const [near, far] = channelPair();
  const served = serveSftp({
    ...far,
    blocks: true,
    async readChunk() {
      const chunk = await far.readChunk();
      memory.fill(0xff);
      if (chunk) memory.set(chunk);
      return chunk && memory.subarray(0, chunk.length);
    },
  }, backend);
  const peer = new RawPeer(near);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  await peer.next();
  const handle = await opened(peer);
  for (const id of [1, 2]) {
    await peer.send(
      msg.Write.encode(id, { handle, offset: 2 * id, data: new Uint8Array([id, id]) }),
    );
    await until(() => started.length > 0);
  }
  for (let turns = 0; turns < 20; turns++) await turn();
  assertEquals(started, ["write 1,1 at 2"]);
  release();
  await until(() => started.length === 2);
  release();
  for (const id of [1, 2]) assertEquals((await peer.next())!.id, id);
  assertEquals(ended, ["write 1,1 at 2", "write 2,2 at 4"]);
  await near.closeWrite();
  await served;
});

for (const then of ["leaves", "has asked to close it, and leaves", "breaks the protocol"]) {
  Deno.test(`no file is closed during a read, even if the client ${then}`, async () => {
    const { backend, started, release, closed } = held();
    const { peer, served } = await atOurServer(backend);
    const handle = await opened(peer);
    await peer.send(msg.Read.encode(1, { handle, offset: 0, length: 1 }));
    if (then.includes("close")) await peer.send(msg.Close.encode(2, { handle }));
    await until(() => started.length === 1);
    if (then === "breaks the protocol") await peer.send(new Uint8Array(9));
    else await peer.channel.close();
    for (let turns = 0; turns < 20; turns++) await turn();
    assertEquals(closed(), 0);
    release();
    const error = await served;
    assert(error === null || error instanceof SftpError);
    assertEquals(closed(), 1);
  });
}

Deno.test("a request that waits for an earlier one is not run once its client is lost", async () => {
  const { backend, started, release } = held();
  const removed: string[] = [];
  const remove = (path: string) => Promise.resolve(void removed.push(path));
  const [near, far] = channelPair();
  let isOpen = true;
  const channel = Object.defineProperty({ ...far }, "isOpen", { get: () => isOpen });
  const served = serveSftp(channel, { ...backend, remove });
  const peer = new RawPeer(near);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  await peer.next();
  const handle = await opened(peer);
  await peer.send(msg.Read.encode(1, { handle, offset: 0, length: 1 }));
  await peer.send(msg.Remove.encode(2, { path: "/x" }));
  await until(() => started.length === 1);
  isOpen = false;
  release();
  await served;
  assertEquals(removed, []);
});

Deno.test("a client keeps the number of parallel requests within its limit", async () => {
  const [near, far] = channelPair();
  const lengths = new Set<number>();
  const file: Partial<SftpBackendFile> = {
    read: (into, offset) => {
      lengths.add(into.length);
      return Math.max(Math.min(into.length, 100 - offset), 0);
    },
    stat: () => Promise.resolve(infoOf({ mode: 0o100644, size: 100 })),
    close: () => Promise.resolve(),
  };
  const open = () => Promise.resolve(file as SftpBackendFile);
  const served = serveSftp(far, { open });
  const sftp = await SftpClient.open(near, { requestLength: 7 });
  assertEquals((await sftp.readFile("/x")).length, 100);
  assert([...lengths].every((length) => length <= 7), [...lengths].join());
  await sftp.close();
  await served;
});

/** A client of a server that counts its writes, and the answers in each. */
async function countingWrites(backend: SftpBackend) {
  const [near, far] = channelPair({ limit: 1024 * 1024 });
  const writes: number[] = [];
  const served = serveSftp({
    ...far,
    writeAll(...chunks) {
      writes.push(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      return far.writeAll(...chunks);
    },
  }, backend);
  const peer = new RawPeer(near);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  await peer.next();
  writes.length = 0;
  return { peer, writes, served };
}

const infoOfFile = infoOf({ size: 1 });

Deno.test("requests that arrive together are answered together", async () => {
  const { peer, writes, served } = await countingWrites({
    stat: () => Promise.resolve(infoOfFile),
  });
  const count = 500;
  const stats = Array.from({ length: count }, (_, id) => [...msg.Stat.encode(id, { path: "/x" })]);
  await peer.send(new Uint8Array(stats.flat()));
  let bytes = 0;
  for (let id = 0; id < count; id++) {
    const answer = (await peer.next())!;
    assertEquals(answer.id, id);
    bytes += answer.body.length + 9;
  }
  assertEquals(writes.reduce((sum, write) => sum + write, 0), bytes);
  assert(writes.length <= 5, `${writes.length} writes`);
  await peer.channel.close();
  await served;
});

Deno.test("an answer does not wait for a slow request that arrived with it", async () => {
  const gate = Promise.withResolvers<typeof infoOfFile>();
  const { peer, served } = await countingWrites({
    stat: (path) => path === "/slow" ? gate.promise : Promise.resolve(infoOfFile),
  });
  const both = ["/quick", "/slow"].flatMap((path, id) => [...msg.Stat.encode(id, { path })]);
  await peer.send(new Uint8Array([...both, 0, 0])); // and the beginning of another request
  assertEquals((await peer.next())!.id, 0);
  gate.resolve(infoOfFile);
  assertEquals((await peer.next())!.id, 1);
  await peer.channel.close();
  await served.catch(() => {});
});
