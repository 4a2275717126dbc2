/** The digest of a server's file: by a function, by the server, or by reading it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { SftpError, SftpStatus, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { digestOf } from "../../lib/sftp/transfer/content_digest.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { MemoryServer } from "./memory_server.ts";
import { noise, turn } from "./world.ts";

const data = noise(300_000);

function sha256(bytes: Uint8Array): string {
  const hash = runtime.sha256();
  hash.update(bytes);
  return hash.digest("hex");
}

interface World extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  digest(
    length: number,
    options?: SftpTransferOptions,
    limits?: { signal?: AbortSignal; timeout?: number },
  ): Promise<string>;
}

async function world(): Promise<World> {
  const server = new MemoryServer();
  server.add("/file", data);
  const remote = await server.connect();
  return {
    server,
    remote,
    digest: (length, options = {}, limits = {}) =>
      digestOf(remote, "/file", length, { options, limits, inFlight: 100_000, warn() {} }),
    async [Symbol.asyncDispose]() {
      for (let turns = 0; turns < 5; turns++) await turn(); // delayed answers
      await remote.realPath("/", {}); // after the CLOSE
      assertEquals(server.open, 0);
      await remote.session.close();
    },
  };
}

Deno.test("a digest is of exactly the requested bytes, although the file is longer", async () => {
  await using w = await world();
  for (const length of [0, 1, 32_768, 32_769, 100_000, data.length - 1, data.length]) {
    assertEquals(await w.digest(length), sha256(data.subarray(0, length)), `${length}`);
  }
});

Deno.test("a digest of a file that seems to end early has no more than the requested bytes", async () => {
  await using w = await world();
  let reads = 0;
  w.server.refuse = (line) => line.startsWith("READ") && ++reads === 1 ? SftpStatus.EOF : undefined;
  assertEquals(await w.digest(20_000), sha256(data.subarray(0, 20_000)));
  assert(reads > 1);
});

Deno.test("a digest reads little more than the requested bytes", async () => {
  await using w = await world();
  await w.digest(50_000);
  const ends = w.server.log.filter((line) => line.startsWith("READ"))
    .map((line) => line.split(" ").slice(2).map(Number))
    .map(([offset, length]) => offset! + length!);
  assert(Math.max(...ends) <= 50_000 + 1024, `${ends}`);
});

Deno.test("a digest has no more bytes in flight than allowed", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<number>();
  w.server.refuse = (line) => line.startsWith("READ") ? gate.promise : undefined;
  const hashing = w.digest(data.length);
  for (let turns = 0; turns < 20; turns++) await turn();
  const asked = w.server.log.filter((line) => line.startsWith("READ"))
    .reduce((sum, line) => sum + Number(line.split(" ")[3]), 0);
  gate.resolve(SftpStatus.PERMISSION_DENIED);
  await assertRejects(() => hashing, SftpError);
  assert(asked > 0 && asked <= 100_000, `${asked} bytes`);
});

Deno.test("a file that the server hashes is not read", async () => {
  await using w = await world();
  const asked: unknown[] = [];
  using _ = replaced(w.remote, "checkFile", (...args: unknown[]) => {
    asked.push(args);
    return Promise.resolve("abc");
  });
  const limits = { timeout: 5 };
  assertEquals(await w.digest(7, {}, limits), "abc");
  assertEquals(asked, [["/file", 7, limits]]);
  assertEquals(w.server.log.filter((line) => line.startsWith("OPEN")), []);
});

Deno.test("a digest whose read is refused is an error, and the file is closed", async () => {
  await using w = await world();
  w.server.refuse = (line) => line.startsWith("READ") ? SftpStatus.PERMISSION_DENIED : undefined;
  await assertRejects(() => w.digest(data.length), SftpError, "Cannot read");
});

Deno.test("a file is not read on after it was closed", async () => {
  await using w = await world();
  const file = await w.remote.file("/file", { read: true });
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("READ") ? gate.promise : undefined;
  // The server has fewer bytes than requested.
  const reading = file.fill(new Uint8Array(2000), data.length - 1000);
  await turn();
  const closing = file.close();
  gate.resolve(undefined);
  await reading.catch(() => {});
  await closing;
  assertEquals(w.server.log.filter((line) => line.startsWith("READ")).length, 1);
});

Deno.test("a digest ends when its signal is aborted", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<number>();
  w.server.refuse = (line) => line.startsWith("READ") ? gate.promise : undefined;
  const abort = new AbortController();
  const hashing = w.digest(data.length, {}, { signal: abort.signal });
  for (let turns = 0; turns < 5; turns++) await turn();
  abort.abort(new Error("enough"));
  await assertRejects(() => hashing, Error, "enough");
  gate.resolve(SftpStatus.FAILURE);
});

Deno.test("a read of a digest that is not answered in time is an error", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<number>();
  w.server.refuse = (line) => line.startsWith("READ") ? gate.promise : undefined;
  {
    using time = new FakeTime();
    const hashing = w.digest(data.length, {}, { timeout: 1000 });
    hashing.catch(() => {});
    await assertRejects(() => time.settle(hashing), SftpError);
    assertEquals(time.now, 1000);
  }
  gate.resolve(SftpStatus.FAILURE);
});
