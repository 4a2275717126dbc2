/** Bytes and streams as ends of a transfer, holes, and refused attributes. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type SftpChanges, SftpError, SftpStatus, SftpTransferError } from "../../lib/sftp/mod.ts";
import { sessionError, sftpError } from "../../lib/sftp/protocol/status.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { nextHole } from "../../lib/sftp/transfer/holes.ts";
import { setAttributes } from "../../lib/sftp/transfer/set_attributes.ts";
import { dataSource, dataStream, streamTarget } from "../../lib/sftp/transfer/streams.ts";
import { isOfOneFile } from "../../lib/sftp/transfer/transfer_error.ts";
import { noise, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const data = noise(600_000);

Deno.test("bytes are read in blocks from any offset without a copy", async () => {
  const source = dataSource(data);
  assertEquals([source.size, source.info, source.sparse], [600_000, null, false]);
  const first = (await source.next(400_000))!;
  assert(first.buffer === data.buffer && same(first, data.subarray(0, 400_000)));
  assert(same((await source.next(400_000))!, data.subarray(400_000)));
  assertEquals(await source.next(400_000), null);
  await source.start!(599_999);
  assertEquals(await source.next(10), data.subarray(599_999));
  const into = new Uint8Array(100);
  assertEquals(await source.readAt!(into, 599_950), 50);
  assert(same(into.subarray(0, 50), data.subarray(599_950)));
  source.release(first);
  source.close();
});

Deno.test("a blob is read in blocks, from any offset", async () => {
  const source = dataSource(new Blob([data]));
  assertEquals([source.size, source.info, source.sparse], [600_000, null, false]);
  assert(same((await source.next(400_000))!, data.subarray(0, 400_000)));
  assert(same((await source.next(400_000))!, data.subarray(400_000)));
  assertEquals(await source.next(400_000), null);
  await source.start!(599_999);
  assertEquals(await source.next(10), data.subarray(599_999));
  const into = new Uint8Array(100);
  assertEquals(await source.readAt!(into, 599_950), 50);
  assert(same(into.subarray(0, 50), data.subarray(599_950)));
});

Deno.test("data of an unknown kind, and a failed response, are refused", async () => {
  const refused = [
    [42, "not 42"],
    [["x"], "not an array"],
    [new Response("not here", { status: 404 }), "the status 404"],
    [Response.error(), "the status 0"],
    [new Response("half of it", { status: 206 }), "the status 206: its body is a part of the file"],
  ] as const;
  for (const [value, message] of refused) {
    assertThrows(() => dataStream(value as Response), TypeError, message);
    assertThrows(() => dataSource(value as Response), TypeError, message);
  }
  assert(dataStream(new Response(null)) instanceof ReadableStream);
  assertEquals(await new Response(dataStream(new Response(null))).text(), "");
  let cancelled = false;
  const body = new ReadableStream({ cancel: () => void (cancelled = true) });
  assertThrows(() => dataStream(new Response(body, { status: 500 })), TypeError);
  await turn();
  assertEquals(cancelled, true);
});

Deno.test("a locked stream, and a response that was read, are refused", async () => {
  const locked = new ReadableStream<Uint8Array>();
  const reader = locked.getReader();
  const [read, reading] = [new Response("text"), new Response("text")];
  await read.text();
  reading.body!.getReader();
  for (
    const [value, message] of [
      [locked, "The stream is locked: release its other reader first"],
      [reading, "The stream is locked: release its other reader first"],
      [read, "The response has been read already"],
    ] as const
  ) {
    assertThrows(() => dataStream(value), TypeError, message);
    assertThrows(() => dataSource(value), TypeError, message);
  }
  reader.releaseLock();
  assertEquals(dataStream(locked), locked);
});

Deno.test("a stream's chunks must be bytes; it is cancelled at the first other one", async () => {
  const wrong = [
    ["text", 'not the text "text": use a TextEncoderStream'],
    [new Uint16Array([1000]), "not an object (Uint16Array)"],
    [new ArrayBuffer(2), "not an object (ArrayBuffer)"],
    [null, "not null"],
    [undefined, "not undefined"],
  ] as const;
  for (const [chunk, message] of wrong) {
    let cancelled = false;
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(1));
        controller.enqueue(chunk);
      },
      cancel: () => void (cancelled = true),
    });
    const source = dataSource(stream);
    const expected = `A stream must have Uint8Array chunks, ${message}`;
    await assertRejects(() => source.next(1), TypeError, expected);
    source.close();
    await turn();
    assertEquals(cancelled, true);
  }
});

Deno.test("bytes, a blob and a response are streams of their content", async () => {
  const stream = ReadableStream.from([data]);
  assertEquals(dataStream(stream), stream);
  for (const from of [data, new Blob([data]), new Response(data), stream]) {
    assert(same(await new Response(dataStream(from)).bytes(), data));
  }
});

Deno.test("a stream is collected into blocks with separate buffers", async () => {
  for (const chunk of [1000, 261_120, 600_000]) {
    const memory = data.slice();
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < memory.length; at += chunk) pieces.push(memory.subarray(at, at + chunk));
    const source = dataSource(ReadableStream.from(pieces));
    assertEquals([source.size, source.start, source.sparse], [null, undefined, false]);
    const blocks: Uint8Array[] = [];
    for (let block; (block = await source.next(1)) !== null;) blocks.push(block);
    assertEquals(blocks.map(({ length }) => length), [261_120, 261_120, 77_760]);
    memory.fill(0);
    assert(same(await new Blob(blocks as BlobPart[]).bytes(), data));
    assertEquals(await source.next(1), null);
    source.close();
  }
  const empty = dataSource(ReadableStream.from([new Uint8Array(0)]));
  assertEquals(await empty.next(1), null);
});

Deno.test("a stream that is not read to its end is cancelled, even if that fails", async () => {
  let cancelled = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(data),
      cancel: () => {
        cancelled++;
        throw new Error("no");
      },
    });
  const source = dataSource(endless());
  await source.next(1);
  source.close();
  await turn();
  assertEquals(cancelled, 1);
  const ended = dataSource(ReadableStream.from([]));
  await ended.next(1);
  ended.close();
  assertEquals(cancelled, 1);
});

Deno.test("a stream gets a copy of the data, and a close or an abort with the reason", async () => {
  const got: Uint8Array[] = [];
  let closed = false;
  let aborted: unknown = null;
  const stream = () =>
    new WritableStream<Uint8Array>({
      write: (chunk) => void got.push(chunk),
      close: () => void (closed = true),
      abort: (reason) => void (aborted = reason),
    });
  const target = streamTarget(stream());
  assertEquals([target.held, target.start], [0, undefined]);
  const block = new Uint8Array([1, 2, 3]);
  let released = 0;
  await target.write(block, () => released++);
  block.fill(0);
  await target.flush();
  assertEquals([got, released, closed], [[new Uint8Array([1, 2, 3])], 1, false]);
  await target.commit(null);
  assertEquals(closed, true);
  const reason = new Error("enough");
  await streamTarget(stream()).discard(reason);
  assertEquals(aborted, reason);
});

Deno.test("a block is released only after the stream has accepted it", async () => {
  const gate = Promise.withResolvers<void>();
  const target = streamTarget(new WritableStream({ write: () => gate.promise }));
  let released = false;
  const writing = target.write(new Uint8Array(1), () => released = true);
  await turn();
  assertEquals(released, false);
  gate.resolve();
  await writing;
  assertEquals(released, true);
});

const HOLE = 64 * 1024;

/** The expected holes, found byte by byte. */
function slowHole(block: Uint8Array, from: number): [number, number] {
  const zero = (start: number, end: number) =>
    block.subarray(start, end).every((byte) => byte === 0);
  if (block.length - from <= HOLE && zero(from, block.length)) return [from, block.length];
  for (let start = from; start + HOLE <= block.length; start += HOLE) {
    if (!zero(start, start + HOLE)) continue;
    let end = start + HOLE;
    while (end < block.length && zero(end, Math.min(end + HOLE, block.length))) {
      end = Math.min(end + HOLE, block.length);
    }
    return [start, end];
  }
  return [block.length, block.length];
}

Deno.test("holes are found around a single byte at any position and alignment", () => {
  const memory = new Uint8Array(2 * HOLE + 16);
  const edges = [0, 1, 7, 8, 9, HOLE - 9, HOLE - 1, HOLE, HOLE + 1];
  for (const offset of [0, 1, 7]) {
    if (offset > 0) memory[offset - 1] = 1; // just outside
    for (const length of [0, 1, 5, HOLE - 1, HOLE, HOLE + 1, 2 * HOLE - 3]) {
      const block = memory.subarray(offset, offset + length);
      for (const from of [0, 9]) {
        if (from > length) continue;
        for (const at of [...edges, length - 1, length - 9, length]) {
          if (at < 0) continue;
          memory[offset + at] = 1; // possibly also just outside
          const expected = slowHole(block, from);
          assertEquals(nextHole(block, from), expected, `${offset} ${length} ${from} ${at}`);
          memory[offset + at] = 0;
        }
      }
    }
  }
});

/** A server that refuses these kinds of changes, or all of several at once. */
function refusing(
  kinds: readonly (keyof SftpChanges)[],
  error: () => Error,
): { remote: RemoteFileSystem; asked: SftpChanges[] } {
  const asked: SftpChanges[] = [];
  const setStat = (_: string, changes: SftpChanges) => {
    asked.push(changes);
    return kinds.some((kind) => kind in changes) ? Promise.reject(error()) : Promise.resolve();
  };
  return { remote: { setStat } as unknown as RemoteFileSystem, asked };
}

const times = { atime: new Date(1000), mtime: new Date(2000) };
const owner = { uid: 0, gid: 0 };
const call = { operation: "setStat", path: "/x" };
const denied = () => sftpError(SftpStatus.PERMISSION_DENIED, call);

Deno.test("attributes are set together, or each kind alone, and a warning names the refused ones", async () => {
  const all = { mode: 0, ...times, ...owner };
  type Case = [SftpChanges, refused: (keyof SftpChanges)[], asked: SftpChanges[], warned: string[]];
  const cases: Case[] = [
    [{}, [], [], []],
    [all, [], [all], []],
    [all, ["uid"], [all, { mode: 0 }, times, owner], ["owner"]],
    [all, ["mode", "atime", "uid"], [all, { mode: 0 }, times, owner], [
      "permissions",
      "times",
      "owner",
    ]],
    [owner, ["uid"], [owner], ["owner"]],
    [times, ["mtime"], [times], ["times"]],
    [{ mode: 0o600 }, ["mode"], [{ mode: 0o600 }], ["permissions"]],
    [{ mode: 1, uid: 1 }, [], [{ mode: 1 }], []],
    [{ mode: 1, gid: 1 }, [], [{ mode: 1 }], []],
    [{ mode: 1, atime: times.atime }, [], [{ mode: 1 }], []],
    [{ mode: 1, mtime: times.mtime }, [], [{ mode: 1 }], []],
    [{ mode: 1, ...owner }, ["uid"], [{ mode: 1, ...owner }, { mode: 1 }, owner], ["owner"]],
  ];
  for (const [changes, refused, asked, warnings] of cases) {
    const server = refusing(refused, denied);
    const warned: string[] = [];
    const settings = {
      options: {},
      limits: {},
      inFlight: 1,
      warn: (path: string, message: string) => void warned.push(`${path} ${message}`),
    };
    await setAttributes(server.remote, "/x", changes, settings);
    assertEquals(server.asked, asked);
    assertEquals(
      warned,
      warnings.map((what) => `/x The server refused to set the ${what} of "/x": Permission denied`),
    );
  }
});

Deno.test("a session that ends while attributes are set is an error", async () => {
  const over = () => sessionError(SftpStatus.CONNECTION_LOST, "gone");
  const settings = { options: {}, limits: {}, inFlight: 1, warn() {} };
  for (const changes of [owner, { ...owner, ...times }]) {
    const { remote, asked } = refusing(["uid"], over);
    await assertRejects(() => setAttributes(remote, "/x", changes, settings), SftpError, "gone");
    assertEquals(asked.length, 1);
  }
});

Deno.test("the error of a transfer is its first failure, with the number of failures", () => {
  const result = (error: Error) => ({
    bytes: 0,
    files: 2,
    unchanged: 3,
    skipped: [],
    deleted: [],
    seconds: 1,
    failures: [{ path: "/a", error }, { path: "/b", error: new Error("second") }],
    warnings: [],
  });
  const first = denied();
  const known = new SftpTransferError(result(first));
  assertEquals(
    plainMessage(known),
    'Cannot setStat "/x" on the server: Permission denied (2 of 7 failed)',
  );
  assertEquals([known.status, known.operation, known.path, known.cause], [
    SftpStatus.PERMISSION_DENIED,
    "setStat",
    "/x",
    first,
  ]);
  assertEquals([known.result.files, known.result.failures.length], [2, 2]);
  const other = new SftpTransferError(result(new Deno.errors.NotFound("none")));
  assertEquals([other.status, other.operation, other.path], [SftpStatus.FAILURE, "transfer", "/a"]);
});

Deno.test("only errors of the server or the system count as failures of a file, not a lost link", () => {
  assert(isOfOneFile(denied()) && isOfOneFile(new Deno.errors.NotFound()));
  assert(!isOfOneFile(sftpError(SftpStatus.CONNECTION_LOST, call)));
  assert(!isOfOneFile(new TypeError("a bug")) && !isOfOneFile(null));
});
