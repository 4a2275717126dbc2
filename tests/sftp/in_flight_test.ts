/** The amount in flight, errors of files that end early, and the reuse of buffers. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpClient, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import { ReadAhead } from "../../lib/sftp/remote/read_ahead.ts";
import { OpenHandle } from "../../lib/sftp/remote/open_handle.ts";
import { RemoteFile } from "../../lib/sftp/remote/remote_file.ts";
import { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { WriteBehind } from "../../lib/sftp/remote/write_behind.ts";
import { digestOf } from "../../lib/sftp/transfer/content_digest.ts";
import { RemoteStore } from "../../lib/sftp/transfer/remote_store.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo } from "./raw.ts";
import { folder, noise, refusal, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const MIB = 1024 * 1024;
const data = noise(3 * MIB + 77);

/** A client with a server of files in memory. */
async function at(server: MemoryServer): Promise<SftpClient> {
  const { channel } = channelTo((request, peer) => server.answer(request, peer), {
    extensions: server.extensions.map((name) => [name, "1"]),
    limit: 1 << 24,
  });
  return await SftpClient.open(channel);
}

/** Answers READs and WRITEs a turn later, and counts their bytes in flight. */
function counting(server: MemoryServer): { most: number } {
  let inFlight = 0;
  const found = { most: 0 };
  server.refuse = (line) => {
    const [name, , , length] = line.split(" ");
    if (name !== "READ" && name !== "WRITE") return undefined;
    inFlight += Number(length);
    found.most = Math.max(found.most, inFlight);
    return turn().then(() => {
      inFlight -= Number(length);
      return undefined;
    });
  };
  return found;
}

Deno.test("one file uses its limit in flight, and does not exceed it", async () => {
  for (const inFlight of [8192, 100_000, 400_000]) {
    const server = new MemoryServer();
    const data = noise(8 * inFlight);
    server.add("/file", data);
    const sftp = await at(server);
    const found = counting(server);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const [, back] = await Promise.all([
      sftp.get("/file", writable, { inFlight }),
      new Response(readable).bytes(),
    ]);
    assert(same(back, data));
    // One short request checks whether the file has grown.
    const wanted = found.most <= inFlight + 1024 && found.most > inFlight / 2;
    assert(wanted, `get ${found.most} ${inFlight}`);
    found.most = 0;
    await sftp.put(data, "/other", { inFlight });
    assert(same(server.data("/other")!, data));
    // The request that waits for room is sent first.
    const most = inFlight + 32_768;
    assert(found.most <= most && found.most > inFlight / 2, `put ${found.most} ${inFlight}`);
    await sftp.close();
  }
});

Deno.test("the files of a folder together do not exceed the limit in flight", async () => {
  await using here = await folder();
  const server = new MemoryServer();
  server.folders.set("/from", 0o755);
  for (let i = 0; i < 12; i++) server.add(`/from/${i}`, noise(MIB / 2, i + 1));
  const sftp = await at(server);
  const found = counting(server);
  const options = { recursive: true, inFlight: 2 * MIB };
  await sftp.get("/from", `${here.path}/to`, options);
  const probes = 12 * 1024;
  assert(found.most <= 2 * MIB + probes && found.most > MIB, `get ${found.most}`);
  found.most = 0;
  await sftp.put(`${here.path}/to`, "/back", options);
  const requests = 12 * 32_768;
  assert(found.most <= 2 * MIB + requests && found.most > MIB, `put ${found.most}`);
  for (let i = 0; i < 12; i++) assert(same(server.data(`/back/${i}`)!, noise(MIB / 2, i + 1)));
  await sftp.close();
});

Deno.test("a copy between servers does not exceed the limit in flight at either", async () => {
  const [one, two] = [new MemoryServer(), new MemoryServer()];
  one.add("/file", data);
  const [from, to] = [await at(one), await at(two)];
  const [read, written] = [counting(one), counting(two)];
  await from.copy("/file", { sftp: to, path: "/file" }, { inFlight: MIB });
  assert(same(two.data("/file")!, data));
  assert(read.most <= MIB + 1024 && written.most <= MIB + 32_768, `${read.most} ${written.most}`);
  await from.close();
  await to.close();
});

/** Reads of a file of 3 MiB that is cut to 1 MiB when its second MiB is asked for. */
function cutting(server: MemoryServer): void {
  const file = server.add("/file", data);
  server.refuse = (line) => {
    if (/^READ \/file 1\d{6} /.test(line)) file.data = data.subarray(0, MIB);
    return undefined;
  };
}

const CUT = `Cannot read "/file" on the server: it was cut off at ${MIB} of ${data.length} bytes`;

Deno.test("a file that ends early is an error for every reader, and its handles are closed", async () => {
  const attempts: Record<string, (sftp: SftpClient, here: string) => Promise<unknown>> = {
    "readFile": (sftp) => sftp.readFile("/file"),
    "readTextFile": (sftp) => sftp.readTextFile("/file"),
    "copyFile": (sftp) => sftp.copyFile("/file", "/to"),
    "copy": (sftp) => sftp.copy("/file", { sftp, path: "/to" }),
    "get": (sftp, here) => sftp.get("/file", `${here}/file`),
    "get resumed": (sftp, here) => sftp.get("/file", `${here}/file`, { resume: true }),
    "get to a stream": (sftp) => sftp.get("/file", new WritableStream()),
    "readable": async (sftp) => {
      const file = await sftp.open("/file");
      return await new Response(file.readable).bytes();
    },
  };
  for (const [what, attempt] of Object.entries(attempts)) {
    await using here = await folder();
    const server = new MemoryServer();
    cutting(server);
    const sftp = await at(server);
    const error = await assertRejects(() => attempt(sftp, here.path), SftpError, undefined, what);
    assertEquals([what, plainMessage(error), error.status], [what, CUT, SftpStatus.EOF]);
    await sftp.realPath("/"); // after the CLOSEs that were not awaited
    assertEquals([what, server.open], [what, 0]);
    const names = await Array.fromAsync(Deno.readDir(here.path), ({ name }) => name);
    assertEquals(names.filter((name) => !name.endsWith(".part")), []);
    assertEquals(names.length, what === "get resumed" ? 1 : 0);
    assertEquals([...server.files.keys()].filter((path) => path.includes("/.")), []);
    await sftp.close();
  }
});

Deno.test("a server-side copy of a file that ends early is retried through the client, and fails", async () => {
  const server = new MemoryServer();
  server.extensions.push(EXTENSION.COPY_DATA);
  const file = server.add("/file", data);
  server.refuse = (line) => {
    if (line.startsWith("COPY_DATA")) file.data = data.subarray(0, MIB);
    return undefined;
  };
  const sftp = await at(server);
  const error = await assertRejects(() => sftp.copyFile("/file", "/to"), SftpError);
  assertEquals(plainMessage(error), CUT);
  await sftp.realPath("/");
  assertEquals(server.open, 0);
  await sftp.close();
});

interface Opened extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  readonly file: RemoteFile;
}

async function opened(bytes: Uint8Array): Promise<Opened> {
  const server = new MemoryServer();
  server.add("/file", bytes.slice());
  const remote = await server.connect();
  const file = await remote.file("/file", { read: true, write: true });
  server.log.length = 0;
  return {
    server,
    remote,
    file,
    async [Symbol.asyncDispose]() {
      await file.close();
      await remote.session.close();
    },
  };
}

Deno.test("blocks are read in order from any start, and end with the file", async () => {
  for (const start of [0, 1, 100_000, 200_000]) {
    await using w = await opened(data.subarray(0, 200_000));
    const ahead = new ReadAhead(w.file, { start, size: 200_000, inFlight: 100_000 });
    const lengths: number[] = [];
    const bytes: number[] = [];
    for (let block; (block = await ahead.next()) !== null;) {
      lengths.push(block.length);
      bytes.push(...block);
    }
    assert(same(new Uint8Array(bytes), data.subarray(start, 200_000)));
    assert(lengths.slice(0, -1).every((length) => length === 32_768), lengths.join());
    assertEquals(await ahead.next(), null);
    const reads = w.server.log.filter((line) => line.startsWith("READ"));
    assertEquals(reads.at(-1), "READ /file 200000 1024"); // whether it has grown
    assertEquals(reads.length, lengths.length + 1);
  }
});

Deno.test("a file of unknown length is read request by request, past its end once", async () => {
  await using w = await opened(data.subarray(0, 100_000));
  const ahead = new ReadAhead(w.file, { size: 0, inFlight: 100_000 });
  let length = 0;
  for (let block; (block = await ahead.next()) !== null;) length += block.length;
  assertEquals(length, 100_000);
  const reads = w.server.log.map((line) => line.split(" ").slice(0, 3).join(" "));
  assertEquals(reads.slice(0, 3), ["READ /file 0", "READ /file 32768", "READ /file 65536"]);
  assertEquals(reads.filter((line) => line === "READ /file 100000").length, 2, reads.join());
});

Deno.test("only the buffers of released blocks are reused", async () => {
  await using w = await opened(data.subarray(0, 400_000));
  const ahead = new ReadAhead(w.file, { size: 400_000, inFlight: 100_000 });
  const first = (await ahead.next())!;
  const second = (await ahead.next())!;
  const buffers = new Set([first.buffer, second.buffer]);
  assertEquals(buffers.size, 2);
  ahead.release(first);
  ahead.release(new Uint8Array(10)); // not one of a block
  let reused = 0;
  for (let block, at = 65_536; (block = await ahead.next()) !== null; at += block.length) {
    assert(same(block, data.subarray(at, at + block.length)));
    if (block.buffer === first.buffer) reused++;
    assert(block.buffer !== second.buffer);
  }
  assertEquals(reused, 1);
  assert(same(second, data.subarray(32_768, 65_536)));
});

Deno.test("an abort ends a read ahead before further requests", async () => {
  await using w = await opened(data.subarray(0, 100_000));
  const abort = new AbortController();
  const ahead = new ReadAhead(w.file, { size: 100_000, signal: abort.signal });
  await ahead.next();
  await w.remote.realPath("/", {});
  const asked = w.server.log.length;
  abort.abort(new Error("enough"));
  await assertRejects(() => ahead.next(), Error, "enough");
  await w.remote.realPath("/", {});
  assertEquals(w.server.log.length, asked + 1);
});

Deno.test("a block is released once its last request is answered", async () => {
  await using w = await opened(new Uint8Array(0));
  const gates: PromiseWithResolvers<undefined>[] = [];
  w.server.refuse = (line) => {
    if (!line.startsWith("WRITE")) return undefined;
    gates.push(Promise.withResolvers());
    return gates.at(-1)!.promise;
  };
  const behind = new WriteBehind(w.file, { start: 5, inFlight: MIB });
  let released = 0;
  await behind.write(data.subarray(0, 70_000), () => released++);
  while (gates.length < 3) await turn();
  assertEquals([released, behind.offset], [0, 70_005]);
  const finishing = behind.finish();
  for (const gate of [gates[2]!, gates[0]!]) {
    gate.resolve(undefined);
    await turn();
    assertEquals(released, 0);
  }
  gates[1]!.resolve(undefined);
  await finishing;
  assertEquals(released, 1);
  assert(same(w.server.data("/file")!.subarray(5), data.subarray(0, 70_000)));
});

Deno.test("a write waits until its block was sent, not for the answers", async () => {
  const server = new MemoryServer();
  server.add("/file", new Uint8Array(0));
  const { channel } = channelTo((request, peer) => server.answer(request, peer));
  let gate: PromiseWithResolvers<void> | null = null;
  const remote = await RemoteFileSystem.open({
    ...channel,
    async writeAll(...chunks) {
      await gate?.promise;
      await channel.writeAll(...chunks);
    },
  }, {});
  const file = await remote.file("/file", { write: true });
  const behind = new WriteBehind(file, { inFlight: MIB });
  gate = Promise.withResolvers();
  const held = Promise.withResolvers<undefined>();
  server.refuse = (line) => line.startsWith("WRITE") ? held.promise : undefined;
  let taken = false;
  const writing = behind.write(data.subarray(0, 100_000), () => {}).then(() => taken = true);
  for (let turns = 0; turns < 3; turns++) await turn();
  assertEquals(taken, false);
  gate.resolve();
  await writing;
  held.resolve(undefined);
  await behind.finish();
  await remote.session.close();
});

Deno.test("at most 1025 requests of any length are in flight", async () => {
  await using w = await opened(new Uint8Array(0));
  let [inFlight, most] = [0, 0];
  w.server.refuse = (line) => {
    if (!line.startsWith("WRITE")) return undefined;
    most = Math.max(most, ++inFlight);
    return turn().then(() => {
      inFlight--;
      return undefined;
    });
  };
  const { session } = w.remote;
  session.pathEstimates.write.held = MIB; // a long path
  const lengths = { readLength: 1, writeLength: 1, written: true };
  const behind = new WriteBehind(new RemoteFile(session, w.file.handle, "/file", lengths));
  await behind.write(data.subarray(0, 3000), () => {});
  await behind.finish();
  assert(same(w.server.data("/file")!, data.subarray(0, 3000)));
  assertEquals(most, 1025);
});

Deno.test("a refused write fails at the latest the next one, and only one write reports it", async () => {
  await using w = await opened(new Uint8Array(0));
  w.server.refuse = (line) => line.startsWith("WRITE /file 0 ") ? 3 : undefined;
  const behind = new WriteBehind(w.file, { inFlight: 65_536 });
  let released = 0;
  const writing = async () => {
    for (let at = 0; at < 10; at++) await behind.write(data.subarray(0, 32_768), () => released++);
    await behind.finish();
  };
  const error = await assertRejects(writing, SftpError);
  assertEquals([error.status, released], [SftpStatus.PERMISSION_DENIED, 0]);
  const tries = w.server.log.filter((line) => line.startsWith("WRITE /file 0 "));
  assertEquals(tries.length, 1); // it is not one that may pass
});

Deno.test("a server that accepts only one request at a time gets the rest that way, at the same offsets", async () => {
  for (const status of [SftpStatus.FAILURE, SftpStatus.BAD_MESSAGE]) {
    await using w = await opened(new Uint8Array(0));
    let [running, most] = [0, 0];
    w.server.refuse = (line) => {
      if (!line.startsWith("WRITE")) return undefined;
      if (running > 0) return status;
      most = Math.max(most, ++running);
      return turn().then(() => {
        running--;
        return undefined;
      });
    };
    const behind = new WriteBehind(w.file, { start: 7, inFlight: MIB });
    assertEquals(behind.careful, false);
    const released: number[] = [];
    for (let at = 0; at < 4; at++) {
      const block = data.subarray(at * 100_000, (at + 1) * 100_000);
      await behind.write(block, () => released.push(at));
    }
    await behind.finish();
    assertEquals([behind.careful, released, most], [true, [0, 1, 2, 3], 1]);
    assert(same(w.server.data("/file")!.subarray(7), data.subarray(0, 400_000)));
  }
});

Deno.test("an abort ends a write behind before further requests", async () => {
  await using w = await opened(new Uint8Array(0));
  const abort = new AbortController();
  const behind = new WriteBehind(w.file, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assertRejects(() => behind.write(data, () => {}), Error, "enough");
  await w.remote.realPath("/", {});
  assertEquals(w.server.log, ["REALPATH /"]);
});

Deno.test("a hole in a write behind advances its position", async () => {
  await using w = await opened(new Uint8Array(0));
  const behind = new WriteBehind(w.file, {});
  behind.skip(10);
  await behind.write(new Uint8Array([1]), () => {});
  behind.skip(5);
  assertEquals(behind.offset, 16);
  await behind.finish();
  assertEquals(w.server.log, ["WRITE /file 10 1"]);
});

Deno.test("a digest of the prefix of a server's file closes the file", async () => {
  for (const length of [0, 1, 32_769, 100_000]) {
    await using w = await opened(data.subarray(0, 100_000));
    const settings = { options: { verify: true }, limits: {}, inFlight: 65_536, warn() {} };
    const hash = runtime.sha256();
    hash.update(data.subarray(0, length));
    assertEquals(await digestOf(w.remote, "/file", length, settings), hash.digest("hex"));
    await w.remote.realPath("/", {});
    assertEquals(w.server.open, 1);
    w.server.refuse = (line) => line.startsWith("READ") ? SftpStatus.PERMISSION_DENIED : undefined;
    if (length === 0) continue;
    assertEquals(await refusal(digestOf(w.remote, "/file", length, settings)), 3);
    w.server.refuse = () => undefined;
    await w.remote.realPath("/", {});
    assertEquals(w.server.open, 1);
  }
});

Deno.test("a server's file is read from any offset, also a second time", async () => {
  await using w = await opened(data.subarray(0, 100_000));
  const settings = { options: {}, limits: {}, inFlight: 65_536, warn() {} };
  const source = await new RemoteStore(w.remote, settings).source("/file", await w.file.stat());
  assertEquals([source.size, source.sparse], [100_000, false]);
  const first = (await source.next(1))!;
  assert(same(first, data.subarray(0, first.length)));
  await source.start!(70_000);
  assert(same((await source.next(1))!, data.subarray(70_000, 100_000)));
  assertEquals(await source.next(1), null);
  await source.start!(0);
  assert(same((await source.next(1))!, data.subarray(0, 32_768)));
  const into = new Uint8Array(10);
  assertEquals(await source.readAt!(into, 99_995), 5);
  source.close();
  await w.remote.realPath("/", {});
  assertEquals(w.server.open, 1);
});

Deno.test("a server's pipe or folder is refused as a source, a file without a type is accepted", async () => {
  await using w = await opened(data.subarray(0, 10));
  const settings = { options: { sparse: true }, limits: {}, inFlight: 65_536, warn() {} };
  const store = new RemoteStore(w.remote, settings);
  const info = await w.file.stat();
  const attempt = (isDirectory: boolean, mode: number | null) =>
    store.source("/file", { ...info, isFile: false, isDirectory, mode });
  for (
    const [isDirectory, reason] of [[true, "it is a directory, which needs the option recursive"], [
      false,
      "it is not a regular file",
    ]] as const
  ) {
    const error = await assertRejects(() => attempt(isDirectory, 0o10644), SftpError);
    assertEquals(plainMessage(error), `Cannot get "/file" on the server: ${reason}`);
  }
  const source = await attempt(false, null);
  assertEquals(source.sparse, true);
  source.close();
});

Deno.test("a server that accepts only single or short READs is read that way to the end", async () => {
  for (const code of [SftpStatus.FAILURE, SftpStatus.BAD_MESSAGE]) {
    for (
      const [told, inFlight] of [
        [100_000, MIB],
        [100_000, 65_536], // blocks of one request each
        [0, MIB],
        [100_050, MIB],
      ] as const
    ) {
      await using w = await opened(data.subarray(0, 100_000));
      let [running, most, refused] = [0, 0, 0];
      w.server.refuse = (line) => {
        if (!line.startsWith("READ")) return undefined;
        if (running > 0) {
          refused++;
          return code;
        }
        most = Math.max(most, ++running);
        return turn().then(() => {
          running--;
          return undefined;
        });
      };
      // A file shorter than its size, as in /sys.
      if (told > 100_000) {
        w.file.stat = async () => ({ ...await w.remote.stat("/file", {}), size: told });
      }
      const ahead = new ReadAhead(w.file, { size: told, inFlight });
      const found: number[] = [];
      for (let block; (block = await ahead.next()) !== null;) found.push(...block);
      assert(same(new Uint8Array(found), data.subarray(0, 100_000)), `${code} ${told}`);
      assertEquals([most, await ahead.next()], [1, null]);
      // Only those in flight with the first.
      const [block, requests] = [Math.min(told, inFlight / 2), told === 0 ? 0 : 4];
      assert(refused <= (block < told ? 1 : requests), `${refused}`);
    }
  }
});

Deno.test("a READ refused for another reason, or twice, is an error", async () => {
  for (
    const [code, tries] of [[SftpStatus.PERMISSION_DENIED, 1], [SftpStatus.FAILURE, 2]] as const
  ) {
    await using w = await opened(data.subarray(0, 100));
    let asked = 0;
    w.server.refuse = (line) => {
      if (!line.startsWith("READ /file 0 ")) return undefined;
      asked++;
      return code;
    };
    const ahead = new ReadAhead(w.file, { size: 100 });
    assertEquals([await refusal(ahead.next()), asked], [code, tries]);
  }
});

Deno.test("a refused read of the first byte is an error with any announced size", async () => {
  for (const size of [0, 100]) {
    await using w = await opened(data.subarray(0, 100));
    w.server.refuse = (line) => line.startsWith("READ") ? SftpStatus.PERMISSION_DENIED : undefined;
    assertEquals(await refusal(new ReadAhead(w.file, { size }).next()), 3);
  }
});

Deno.test("the blocks of a write behind fill their requests, up to 256 KiB", async () => {
  const server = new MemoryServer();
  const { session } = await server.connect();
  const unit = (writeLength: number) => {
    const lengths = { readLength: 1, writeLength, written: true };
    return new WriteBehind(new RemoteFile(session, new OpenHandle("/x", 2), "/x", lengths)).unit;
  };
  assertEquals([32_768, 29_240, 29_155, 1000, 261_120].map(unit), [
    262_144,
    8 * 29_240,
    8 * 29_155,
    32_000,
    261_120,
  ]);
  await session.close();
});

Deno.test("refused data is written again after all answers, in case one was late", async () => {
  await using w = await opened(new Uint8Array(0));
  const gate = Promise.withResolvers<undefined>();
  const lines: string[] = [];
  w.server.refuse = (line) => {
    if (!line.startsWith("WRITE")) return undefined;
    lines.push(line);
    return lines.length === 1 ? SftpStatus.FAILURE : lines.length === 2 ? gate.promise : undefined;
  };
  const behind = new WriteBehind(w.file, { inFlight: MIB });
  await behind.write(data.subarray(0, 65_536), () => {});
  let finished = false;
  const finishing = behind.finish().then(() => finished = true);
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals([lines.length, finished], [2, false]);
  gate.resolve(undefined);
  await finishing;
  assertEquals(lines.splice(0).slice(2), ["WRITE /file 0 32768", "WRITE /file 32768 32768"]);
  assert(same(w.server.data("/file")!, data.subarray(0, 65_536)));
  // One request at a time now: a refusal is final.
  w.server.refuse = (line) =>
    line.startsWith("WRITE") ? (lines.push(line), SftpStatus.FAILURE) : undefined;
  assertEquals(await refusal(behind.write(data.subarray(0, 10), () => {})), SftpStatus.FAILURE);
  assertEquals(lines.length, 1);
});

Deno.test("rewritten and later data has requests of 32 KiB", async () => {
  await using w = await opened(new Uint8Array(0));
  const lines: string[] = [];
  w.server.refuse = (line) => {
    const [name, , , length] = line.split(" ");
    if (name !== "WRITE") return undefined;
    if (Number(length) > 32_768) return SftpStatus.BAD_MESSAGE;
    lines.push(line);
    return undefined;
  };
  const lengths = { readLength: 1, writeLength: 65_536, written: true };
  const file = new RemoteFile(w.remote.session, w.file.handle, "/file", lengths);
  const behind = new WriteBehind(file, { inFlight: MIB });
  await behind.write(data.subarray(0, 65_536), () => {});
  await behind.finish();
  await behind.write(data.subarray(65_536, 100_000), () => {});
  assertEquals(lines, [
    "WRITE /file 0 32768",
    "WRITE /file 32768 32768",
    "WRITE /file 65536 32768",
    "WRITE /file 98304 1696",
  ]);
  assert(same(w.server.data("/file")!, data.subarray(0, 100_000)));
});

Deno.test("a READ of a file of unknown length is also retried one at a time", async () => {
  await using w = await opened(data.subarray(0, 50_000));
  let first = true;
  w.server.refuse = (line) => {
    if (!line.startsWith("READ") || !first) return undefined;
    first = false;
    return SftpStatus.FAILURE;
  };
  const ahead = new ReadAhead(w.file, { size: 0 });
  const found: number[] = [];
  for (let block; (block = await ahead.next()) !== null;) found.push(...block);
  assert(same(new Uint8Array(found), data.subarray(0, 50_000)));
});

Deno.test("data of a later block after an early end is an error, not the end", async () => {
  await using w = await opened(data.subarray(0, 150_000));
  w.server.refuse = (line) => line.startsWith("READ /file 32768 ") ? SftpStatus.EOF : undefined;
  const ahead = new ReadAhead(w.file, { size: 150_000, inFlight: 100_000 });
  assertEquals((await ahead.next())!.length, 32_768);
  const error = await assertRejects(() => ahead.next(), SftpError);
  assertEquals([error.status, plainMessage(error)], [
    SftpStatus.EOF,
    'Cannot read "/file" on the server: the server has data after its end at 32768 bytes',
  ]);
});
