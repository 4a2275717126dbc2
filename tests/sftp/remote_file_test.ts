/** An open file of a server: short reads, writes in pieces, and its end. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import { Cancellations } from "../../lib/sftp/remote/cancellations.ts";
import { PathEstimate, RequestPacing } from "../../lib/sftp/remote/pacing.ts";
import { ReadAhead } from "../../lib/sftp/remote/read_ahead.ts";
import type { LazyBuffer, RemoteFile } from "../../lib/sftp/remote/remote_file.ts";
import { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { errorLine, StrayText } from "../../lib/sftp/remote/stray_text.ts";
import { FakeTime } from "../support/fake_time.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo } from "./raw.ts";
import { channelPair, noise, refusal, same, turn } from "./world.ts";

const data = noise(200_000);

interface Opened extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  readonly file: RemoteFile;
  log(): string[];
}

async function opened(bytes = data, ...extensions: string[]): Promise<Opened> {
  const server = new MemoryServer();
  server.extensions.push(...extensions);
  server.add("/file", bytes.slice());
  const remote = await server.connect();
  const file = await remote.file("/file", { read: true, write: true });
  const log = () => server.log.splice(0);
  log();
  return {
    server,
    remote,
    file,
    log,
    async [Symbol.asyncDispose]() {
      await file.close();
      await remote.session.close();
    },
  };
}

Deno.test("one read is one request of the maximum length", async () => {
  await using w = await opened();
  const into = new Uint8Array(100_000);
  assertEquals(await w.file.read(into, 5), 32_768);
  assert(same(into.subarray(0, 32_768), data.subarray(5, 32_773)));
  assertEquals(await w.file.read(new Uint8Array(10), 199_995), 5);
  assertEquals(await w.file.read(new Uint8Array(10), 200_000), 0);
  assertEquals(w.log(), ["READ /file 5 32768", "READ /file 199995 10", "READ /file 200000 10"]);
});

Deno.test("a buffer is filled in parallel by requests of one length, and short answers are completed", async () => {
  await using w = await opened();
  for (const step of [undefined, 10_000, 70_000]) {
    const into = new Uint8Array(70_000);
    assertEquals(await w.file.fill(into, 1000, {}, step), 70_000);
    assert(same(into, data.subarray(1000, 71_000)));
    const lengths = w.log().map((line) => Number(line.split(" ")[3]));
    const length = step ?? 32_768;
    assertEquals(
      lengths.slice(0, Math.ceil(70_000 / length)).map((asked) => Math.min(asked, length)),
      [
        ...Array(Math.floor(70_000 / length)).fill(length),
        ...70_000 % length > 0 ? [70_000 % length] : [],
      ],
    );
  }
  assertEquals(await w.file.fill(new Uint8Array(100), 199_990), 10);
  assertEquals(w.log(), ["READ /file 199990 100", "READ /file 200000 90"]);
  assertEquals(await w.file.fill(new Uint8Array(0), 0), 0);
  assertEquals(w.log(), []);
});

/** A server that has data, or an early end, by the offset of a read. */
async function patchy(has: (offset: number) => boolean): Promise<{
  file: RemoteFile;
  close(): Promise<void>;
}> {
  const { channel } = channelTo(({ id, type, body }, peer) => {
    if (type === 3) return peer.send(msg.Handle.encode(id, { handle: new Uint8Array([1]) }));
    if (type !== 5) {
      return peer.send(msg.Status.encode(id, { status: 0, message: "", language: "" }));
    }
    const { offset, length } = msg.Read.decode(body);
    const bytes = has(offset) ? new Uint8Array(length).fill(1) : new Uint8Array(0);
    return peer.send(msg.Data.encode(id, { data: bytes }));
  });
  const remote = await RemoteFileSystem.open(channel, {});
  return { file: await remote.file("/x", {}), close: () => remote.session.close() };
}

Deno.test("a read ends at the first gap, and data after it is reported", async () => {
  for (
    const [missing, filled, gap] of [
      [[], 40, undefined],
      [[0], 0, true],
      [[20], 20, true],
      [[30], 30, undefined],
      [[20, 30], 20, undefined],
      [[10, 20], 10, true],
    ] as const
  ) {
    const { file, close } = await patchy((offset) =>
      !(missing as readonly number[]).includes(offset)
    );
    const memory = new Uint8Array(40);
    let taken = 0;
    const room: LazyBuffer = {
      length: 40,
      bytes: () => {
        taken++;
        return memory;
      },
    };
    assertEquals([await file.fill(room, 0, {}, 10), room.gap], [filled, gap], missing.join());
    assertEquals(taken, 4 - missing.length);
    await close();
  }
});

Deno.test("one byte after a gap also counts as data", async () => {
  const { file, close } = await patchy((offset) => offset !== 1);
  const memory = new Uint8Array(3);
  const room: LazyBuffer = { length: 3, bytes: () => memory };
  assertEquals([await file.fill(room, 0, {}, 1), room.gap], [1, true]);
  await close();
});

Deno.test("failed reads are awaited together, and the first failure is thrown", async () => {
  await using w = await opened();
  let answered = 0;
  w.server.refuse = (line) => {
    if (!line.startsWith("READ")) return undefined;
    if (line.includes(" 0 ")) return SftpStatus.PERMISSION_DENIED;
    return turn().then(() => {
      answered++;
      return undefined;
    });
  };
  assertEquals(await refusal(w.file.fill(new Uint8Array(100_000), 0)), 3);
  assertEquals(answered, 3);
});

Deno.test("data is written in parallel pieces, which are all awaited", async () => {
  await using w = await opened(new Uint8Array(0));
  await w.file.write(data.subarray(0, 70_000), 10);
  assertEquals(w.log(), [
    "WRITE /file 10 32768",
    "WRITE /file 32778 32768",
    "WRITE /file 65546 4464",
  ]);
  assert(same(w.server.data("/file")!.subarray(10), data.subarray(0, 70_000)));
  await w.file.write(new Uint8Array(0), 0);
  assertEquals(w.log(), []);
  let answered = 0;
  w.server.refuse = (line) => {
    if (line.includes(" 0 ")) return SftpStatus.FAILURE;
    return turn().then(() => {
      answered++;
      return undefined;
    });
  };
  assertEquals(await refusal(w.file.write(data.subarray(0, 100_000), 0)), 4);
  assertEquals(answered, 3);
  w.server.refuse = () => undefined;
});

Deno.test("a file is closed once, also after an abort, without waiting for the answer", async () => {
  const w = await opened();
  await w.file.close();
  await w.file.close();
  assertEquals(w.log(), ["CLOSE /file"]);
  const other = await w.remote.file("/file", {});
  w.log();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("CLOSE") ? gate.promise : undefined;
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => other.close({ signal }), Error, "enough");
  gate.resolve(undefined);
  await w.remote.realPath("/", {});
  assertEquals([w.log()[0], w.server.open], ["CLOSE /file", 0]);
  const third = await w.remote.file("/file", {});
  w.server.refuse = (line) => line.startsWith("CLOSE") ? SftpStatus.FAILURE : undefined;
  await assertRejects(() => third.close({ signal }), Error, "enough"); // nothing else is reported
  await w.remote.session.close();
});

Deno.test("a short answer is not completed once the file is closed", async () => {
  await using w = await opened();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => /^(READ|CLOSE)/.test(line) ? gate.promise : undefined;
  const reading = w.file.fill(new Uint8Array(10), 199_995);
  const closing = w.file.close();
  gate.resolve(undefined);
  assertEquals(await reading, 5);
  await closing;
  assertEquals(w.log(), ["READ /file 199995 10", "CLOSE /file"]);
});

Deno.test("a refused CLOSE is an error after writing, and can be repeated", async () => {
  await using w = await opened();
  w.server.refuse = (line) => line.startsWith("CLOSE") ? SftpStatus.FAILURE : undefined;
  assertEquals(await refusal(w.file.close()), SftpStatus.FAILURE);
  w.server.refuse = () => undefined;
  await w.file.close();
  assertEquals([w.log(), w.server.open], [["CLOSE /file", "CLOSE /file"], 0]);
  const read = await w.remote.file("/file", { read: true });
  w.server.refuse = (line) => line.startsWith("CLOSE") ? SftpStatus.FAILURE : undefined;
  await read.close();
});

Deno.test("attributes are set once the server has answered, and a size is the least one from then on", async () => {
  await using w = await opened();
  const reached = () => w.file.handle.reached;
  await w.file.write(data.subarray(0, 100), 0);
  await w.file.setStat({ mode: 0o600 });
  assertEquals([reached(), w.server.files.get("/file")!.mode & 0o777], [100, 0o600]);
  await w.file.setStat({ size: 10 });
  assertEquals([reached(), w.server.data("/file")!.length], [10, 10]);
  w.server.refuse = (line) => line.startsWith("FSETSTAT") ? SftpStatus.FAILURE : undefined;
  assertEquals(await refusal(w.file.setStat({ size: 5 })), SftpStatus.FAILURE);
  assertEquals(reached(), 10);
});

Deno.test("a size that the server does not tell is 0", async () => {
  await using w = await opened();
  assertEquals(await w.file.size(), 200_000);
  w.server.refuse = (line) => line.startsWith("FSTAT") ? SftpStatus.FAILURE : undefined;
  assertEquals(await w.file.size(), 0);
});

Deno.test("an opened path counts as a file, unless the server reports another type", async () => {
  await using w = await opened();
  const file = w.server.files.get("/file")!;
  file.mode = 0o644;
  assertEquals((await w.file.stat()).isFile, true);
  file.mode = 0o040755;
  const info = await w.file.stat();
  assertEquals([info.isFile, info.isDirectory], [false, true]);
});

Deno.test("extensions that the server has not announced are refused without a request", async () => {
  await using w = await opened();
  assertEquals(await refusal(w.file.sync()), SftpStatus.OP_UNSUPPORTED);
  assertEquals(await refusal(w.file.statvfs()), SftpStatus.OP_UNSUPPORTED);
  assertEquals(w.log(), []);
  await using other = await opened(data, EXTENSION.FSYNC);
  await other.file.sync();
  assertEquals(other.log(), ["FSYNC /file"]);
});

Deno.test("requests are as long as the server and the buffer allow", () => {
  const path = new PathEstimate(() => 50);
  const sizes = (longest: number, inFlight?: number) => {
    const pacing = new RequestPacing(longest, path, inFlight);
    return [pacing.request, pacing.block, pacing.depth, pacing.window];
  };
  const [kib, mib] = [1024, 1024 * 1024];
  assertEquals(sizes(255 * kib), [255 * kib, 4 * 255 * kib, 4, 33 * 4 * 255 * kib]);
  assertEquals(sizes(32 * kib), [32 * kib, mib, 4, 33 * mib]);
  assertEquals(sizes(262_400), [262_400, 3 * 262_400, 4, 43 * 3 * 262_400]); // four exceed 1 MiB
  assertEquals(sizes(32 * kib, mib), [32 * kib, mib / 2, 2, 3 * mib / 2]);
  assertEquals(sizes(32 * kib, 100_000), [32 * kib, 32 * kib, 3, 4 * 32 * kib]);
  assertEquals(sizes(32 * kib, 1), [4 * kib, 4 * kib, 2, 3 * 4 * kib]);
  assertEquals(sizes(1), [1, 32, 4, 65 * 32]);
  assertEquals(sizes(2 * mib), [2 * mib, 2 * mib, 4, 17 * 2 * mib]);
});

Deno.test("the depth grows immediately with the path, and shrinks block by block", () => {
  using time = new FakeTime();
  const path = new PathEstimate(() => 100);
  const mib = 1024 * 1024;
  const pacing = new RequestPacing(32 * 1024, path);
  const pass = (bytes: number, ms: number) => {
    time.skip(ms);
    pacing.passed(bytes);
    return pacing.depth;
  };
  assertEquals(pass(mib, 99), 4); // less than a round trip
  assertEquals(pass(9 * mib, 1), 20); // 10 MiB in a round trip, twice
  assertEquals(path.held, 10 * mib);
  assertEquals(pass(mib, 100), 20); // one slow round trip after a fast one
  assertEquals(path.held, mib); // each measurement begins anew
  assertEquals([pass(mib, 100), pass(mib, 100)], [19, 18]);
  assertEquals(pass(100 * mib, 100), 32); // as much as the buffer holds
  const unknown = new RequestPacing(32 * 1024, new PathEstimate(() => Infinity));
  time.skip(1000);
  unknown.passed(100 * mib);
  assertEquals(unknown.depth, 4);
});

Deno.test("several channels raise what is in flight at once, and nothing lowers it", () => {
  const mib = 1024 * 1024;
  const pacing = new RequestPacing(32 * 1024, new PathEstimate(() => 1), 8 * mib);
  const now = () => [pacing.window / mib, pacing.depth];
  assertEquals(now(), [9, 4]);
  for (
    const [inFlight, held, expected] of [
      [16, 0, [17, 4]],
      [16, 4, [17, 10]],
      [16, 8, [17, 16]],
      [8, 2, [17, 16]],
      [16, 20, [17, 16]], // at most what may be in flight
    ] as const
  ) {
    pacing.widen(inFlight * mib, held * mib);
    assertEquals(now(), [...expected]);
  }
});

Deno.test("a round trip of less than ten milliseconds is measured over ten", () => {
  using time = new FakeTime();
  const path = new PathEstimate(() => 1);
  const pacing = new RequestPacing(32 * 1024, path);
  time.skip(9);
  pacing.passed(1000);
  assertEquals(path.held, 0);
  time.skip(1);
  pacing.passed(1000);
  assertEquals(path.held, 200);
});

Deno.test("requests that share a signal share a listener, which is removed with the last of them", () => {
  const cancelled: [number, unknown][] = [];
  const cancellations = new Cancellations((id, reason) => cancelled.push([id, reason]));
  const [one, two] = [new AbortController(), new AbortController()];
  let listeners = 0;
  for (const { signal } of [one, two]) {
    const [add, remove] = [
      signal.addEventListener.bind(signal),
      signal.removeEventListener.bind(signal),
    ];
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (
      ...args: Parameters<typeof remove>
    ) => (listeners--, remove(...args));
  }
  for (const id of [1, 2, 3]) cancellations.add(one.signal, id);
  cancellations.add(two.signal, 4);
  assertEquals(listeners, 2);
  cancellations.delete(one.signal, 2);
  cancellations.delete(one.signal, 2);
  cancellations.delete(one.signal, 99);
  cancellations.delete(new AbortController().signal, 1);
  assertEquals(listeners, 2);
  one.abort("enough");
  assertEquals(cancelled, [[1, "enough"], [3, "enough"]]);
  cancellations.delete(one.signal, 1);
  cancellations.delete(one.signal, 3);
  assertEquals(listeners, 1);
  cancellations.clear();
  assertEquals(listeners, 0);
  two.abort("late");
  assertEquals(cancelled.length, 2);
});

Deno.test("text instead of the protocol is detected by its first byte, and its first line is quoted", () => {
  const text = (...pieces: string[]) => {
    const stray = new StrayText();
    const taken = pieces.map((piece) => stray.take(new TextEncoder().encode(piece)));
    return { taken, line: stray.line, complete: stray.complete };
  };
  assertEquals(text(""), { taken: [false], line: "", complete: false });
  assertEquals(text("", "a", "\0"), { taken: [false, true, true], line: "a", complete: false });
  assertEquals(text("\0\0", "text\n"), { taken: [false, false], line: "", complete: false });
  assertEquals(text("\n \r\n"), { taken: [true], line: "", complete: false });
  assertEquals(text("\n  a\x07 b \n", "c\n"), { taken: [true, true], line: "a b", complete: true });
  const long = "x".repeat(600);
  assertEquals([text(long).complete, text(long, long).complete], [false, true]);
  assertEquals([text("x".repeat(1023)).complete, text("x".repeat(1024)).complete], [false, true]);
});

Deno.test("the first line of standard error is quoted, if something has arrived", () => {
  const [channel] = channelPair();
  const said = (text: string) =>
    errorLine({
      ...channel,
      tryReadStderr: (into) => new TextEncoder().encodeInto(text, into).written,
    });
  assertEquals([said("\n no \nmore"), said(""), said("x".repeat(2000)).length], ["no", "", 256]);
  assertEquals(errorLine(channel), "");
  assertEquals(errorLine({ ...channel, tryReadStderr: () => null }), "");
  const gone = () => {
    throw new Error("gone");
  };
  assertEquals(errorLine({ ...channel, tryReadStderr: gone }), "");
});

Deno.test("a request length below one is a mistake of the caller", async () => {
  const [near] = channelPair();
  for (const requestLength of [0, -1, NaN, 0.5]) {
    await assertRejects(() => RemoteFileSystem.open(near, { requestLength }), RangeError);
  }
});

Deno.test("a file that ends before its size is an error, unless the size is still the same", async () => {
  for (
    const [size, error] of [[150_000, SftpStatus.EOF], [250_000, SftpStatus.EOF], [200_000, null]]
  ) {
    await using w = await opened();
    w.server.refuse = (line) =>
      line.startsWith("READ") && Number(line.split(" ")[2]) >= 100_000 ? SftpStatus.EOF : undefined;
    const ahead = new ReadAhead(w.file, { size: size! });
    const read = async () => {
      let bytes = 0;
      for (let block; (block = await ahead.next()) !== null;) bytes += block.length;
      return bytes;
    };
    if (error === null) assert(await read() >= 100_000); // as in /sys
    else assertEquals(await refusal(read()), error);
  }
});

/** A server of a file, and the file as a client opens it whose requests have a limited length. */
async function limited(bytes: Uint8Array, requestLength: number) {
  const server = new MemoryServer();
  server.add("/file", bytes);
  const { channel } = channelTo(server.answer, { limit: 1 << 22 });
  const remote = await RemoteFileSystem.open(channel, { requestLength, timeout: 60_000 });
  const file = await remote.file("/file", { read: true });
  return {
    server,
    file,
    async [Symbol.asyncDispose]() {
      await file.close();
      await remote.session.close();
    },
  };
}

Deno.test("a file with data after its end is an error, also past the expected end", async () => {
  await using w = await limited(data, 100);
  w.server.refuse = (line) => line.startsWith("READ /file 5000 ") ? SftpStatus.EOF : undefined;
  const ahead = new ReadAhead(w.file, { size: 5000 });
  let bytes = 0;
  const error = await assertRejects(async () => {
    for (let block; (block = await ahead.next()) !== null;) bytes += block.length;
  }, SftpError);
  assertEquals([bytes, error.status], [5000, SftpStatus.EOF]);
  assertStringIncludes(error.message, "data after its end at 5000 bytes");
});

Deno.test("a further session gets as many blocks as the first one, however late it is", async () => {
  const block = 32_000;
  const bytes = noise(60 * block);
  await using first = await limited(bytes, 1000);
  await using second = await limited(bytes, 1000);
  let asked = false;
  let blocks = 0;
  const ahead = new ReadAhead(first.file, {
    size: bytes.length,
    further() {
      if (asked || blocks < 25) return null;
      asked = true;
      return Promise.resolve([second.file]);
    },
  });
  const reads = ({ server }: typeof first) =>
    server.log.filter((line) => line.startsWith("READ")).length / 32;
  for (let next; (next = await ahead.next()) !== null; blocks++) {
    assert(same(next, bytes.subarray(blocks * block, (blocks + 1) * block)));
    ahead.release(next);
  }
  const [alone, both] = [30, 60 - 30];
  assert(reads(second) <= both / 2 + 4, `${reads(first)} and ${reads(second)} blocks`);
  assert(reads(first) >= alone + both / 2 - 4, `${reads(first)} and ${reads(second)} blocks`);
});
