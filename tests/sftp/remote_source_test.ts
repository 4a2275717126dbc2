/** A server's file that a transfer reads, in one session or several. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { SftpError, type SftpFileInfo, SftpStatus } from "../../lib/sftp/mod.ts";
import type { SftpTransferOptions } from "../../lib/sftp/mod.ts";
import type { FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import type { RemoteFile } from "../../lib/sftp/remote/remote_file.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import type { TransferSource } from "../../lib/sftp/transfer/file_store.ts";
import { remoteSource } from "../../lib/sftp/transfer/remote_source.ts";
import { FakeTime } from "../support/fake_time.ts";
import { MemoryServer } from "./memory_server.ts";
import { noise, same, turn } from "./world.ts";

const data = noise(400_000);

/** A further session, and what it was asked for. */
interface Session {
  readonly asked: [path: string, size: number][];
  sameFile(path: string, info: SftpFileInfo): Promise<RemoteFile | null>;
}

interface World extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  /** The available further sessions. */
  readonly sessions: Session[];
  /** The sizes that further sessions were requested for. */
  readonly sizes: number[];
  session(open?: () => Promise<RemoteFile | null>): Session;
  open(): Promise<RemoteFile>;
  source(
    options?: SftpTransferOptions,
    limits?: { signal?: AbortSignal; timeout?: number },
  ): Promise<TransferSource>;
}

async function world(): Promise<World> {
  const server = new MemoryServer();
  server.add("/file", data);
  const remote = await server.connect();
  const sessions: Session[] = [];
  const sizes: number[] = [];
  const further = {
    for(size: number) {
      sizes.push(size);
      return [...sessions];
    },
  } as unknown as FurtherSessions;
  const open = () => remote.file("/file", { read: true });
  return {
    server,
    remote,
    sessions,
    sizes,
    open,
    session(make = open) {
      const asked: [string, number][] = [];
      const sameFile = (path: string, { size }: SftpFileInfo) => {
        asked.push([path, size]);
        return make();
      };
      return { asked, sameFile };
    },
    async source(options = {}, limits = {}) {
      const info = await remote.stat("/file", {});
      const settings = { options, limits, inFlight: 100_000, warn() {} };
      return await remoteSource(remote, "/file", info, settings, further);
    },
    async [Symbol.asyncDispose]() {
      for (let turns = 0; turns < 3; turns++) await turn();
      await remote.realPath("/", {}); // after the CLOSEs
      assertEquals(server.open, 0);
      await remote.session.close();
    },
  };
}

async function rest(source: TransferSource): Promise<Uint8Array> {
  const blocks: number[] = [];
  for (let block; (block = await source.next(1)) !== null;) {
    blocks.push(...block);
    source.release(block);
    await turn();
  }
  return new Uint8Array(blocks);
}

Deno.test("a file is read in order, and again from any offset", async () => {
  await using w = await world();
  const source = await w.source();
  assertEquals([source.size, source.info!.size, source.sparse], [data.length, data.length, false]);
  assert(same(await rest(source), data));
  await source.start!(150_000);
  assert(same(await rest(source), data.subarray(150_000)));
  await source.start!(0);
  await source.next(1);
  await source.start!(399_999);
  assertEquals(await rest(source), data.subarray(399_999));
  const into = new Uint8Array(100);
  assertEquals(await source.readAt!(into, 399_950), 50);
  assert(same(into.subarray(0, 50), data.subarray(399_950)));
  source.close();
});

Deno.test("a file is read and hashed without further sessions", async () => {
  await using w = await world();
  const info = await w.remote.stat("/file", {});
  const settings = { options: {}, limits: {}, inFlight: 100_000, warn() {} };
  const source = await remoteSource(w.remote, "/file", info, settings);
  assert(same(await rest(source), data));
  const hash = runtime.sha256();
  hash.update(data.subarray(0, 1000));
  assertEquals(await source.digest!(1000), hash.digest("hex"));
  source.close();
});

Deno.test("holes of a server's file are looked for only if the option says so", async () => {
  await using w = await world();
  for (const [sparse, expected] of [[undefined, false], [false, false], [true, true]] as const) {
    const source = await w.source(sparse === undefined ? {} : { sparse });
    assertEquals(source.sparse, expected);
    source.close();
  }
});

Deno.test("the memory of a released block is used again", async () => {
  await using w = await world();
  const source = await w.source();
  const buffers = new Set<ArrayBufferLike>();
  let blocks = 0;
  for (let block; (block = await source.next(1)) !== null; blocks++) {
    buffers.add(block.buffer);
    source.release(block);
  }
  assert(blocks > 4 && buffers.size < blocks, `${buffers.size} of ${blocks}`);
  source.close();
  source.release(new Uint8Array(1)); // late
});

Deno.test("a file is opened once in each further session, also in those that come later", async () => {
  await using w = await world();
  const source = await w.source();
  const [first, second] = [w.session(), w.session()];
  w.sessions.push(first);
  await source.next(1);
  await turn();
  w.sessions.push(second);
  await rest(source);
  assertEquals([first.asked, second.asked], [[["/file", data.length]], [["/file", data.length]]]);
  assert(w.sizes.length > 2 && w.sizes.every((size) => size === data.length));
  assertEquals(w.server.open, 3);
  source.close();
  await w.remote.realPath("/", {});
  assertEquals(w.server.open, 0);
});

Deno.test("a further session must have the file as it is when it is opened there", async () => {
  await using w = await world();
  const source = await w.source();
  w.server.files.get("/file")!.data = noise(400_001); // it has grown since it was looked at
  const first = w.session();
  w.sessions.push(first);
  await source.next(1);
  await turn();
  assertEquals(first.asked, [["/file", 400_001]]);
  source.close();
});

Deno.test("without a new session the file is not looked at again", async () => {
  await using w = await world();
  const source = await w.source();
  await rest(source);
  source.close();
  assertEquals(w.server.log.filter((line) => line.startsWith("FSTAT")), []);
});

Deno.test("a session that refuses the file, or shows another one, is left out", async () => {
  await using w = await world();
  const source = await w.source();
  const refusing = w.session(() => Promise.reject(new Error("gone")));
  const other = w.session(() => Promise.resolve(null));
  const working = w.session();
  w.sessions.push(refusing, other, working);
  assert(same(await rest(source), data));
  assertEquals([refusing, other, working].map(({ asked }) => asked.length), [1, 1, 1]);
  assertEquals(w.server.open, 2);
  source.close();
});

Deno.test("a file that is opened in a further session after the end is closed, too", async () => {
  await using w = await world();
  const source = await w.source();
  const gate = Promise.withResolvers<void>();
  const session = w.session(() => gate.promise.then(w.open));
  w.sessions.push(session);
  await rest(source);
  assertEquals(session.asked.length, 1);
  source.close();
  gate.resolve();
  for (let turns = 0; turns < 10; turns++) await turn();
  assertEquals(w.server.open, 0);
});

Deno.test("a CLOSE of a source that is refused is ignored", async () => {
  await using w = await world();
  const source = await w.source();
  let refused = 0;
  w.server.refuse = (line) => line.startsWith("CLOSE") && refused++ === 0 ? 4 : undefined;
  source.close();
  await w.remote.realPath("/", {});
  assertEquals(refused, 1);
  source.close(); // the handle is still open there
});

Deno.test("an open and a read keep to the limits of the transfer", async () => {
  for (const request of ["OPEN", "READ"]) {
    await using w = await world();
    const gate = Promise.withResolvers<number>();
    w.server.refuse = (line) => line.startsWith(request) ? gate.promise : undefined;
    {
      using time = new FakeTime();
      const reading = (async () => {
        const source = await w.source({}, { timeout: 500 });
        try {
          await source.next(1);
        } finally {
          source.close();
        }
      })();
      reading.catch(() => {});
      await assertRejects(() => time.settle(reading), SftpError);
      assertEquals(time.now, 500);
    }
    gate.resolve(SftpStatus.FAILURE);
  }
});
