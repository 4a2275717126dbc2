/** One file of a transfer, between ends in memory. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { SftpError, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import type { TransferSource, TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { type TransferContext, transferFile } from "../../lib/sftp/transfer/file_transfer.ts";
import { Progress, type TransferProgress } from "../../lib/sftp/transfer/progress.ts";
import type { Throttle } from "../../lib/sftp/transfer/throttle.ts";
import { noise, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const data = noise(300_000);

function sha256(bytes: Uint8Array): string {
  const hash = runtime.sha256();
  hash.update(bytes);
  return hash.digest("hex");
}

function contextOf(
  options: SftpTransferOptions = {},
  more: Partial<TransferContext> = {},
): TransferContext {
  return {
    options,
    limits: {},
    inFlight: 1 << 20,
    progress: new Progress(undefined),
    throttle: null,
    signal: new AbortController().signal,
    over: () => false,
    lost: () => 0,
    warn() {},
    ...more,
  };
}

/** A source in memory that records its calls. */
class Source implements TransferSource {
  readonly size: number | null;
  readonly info: TransferSource["info"] = null;
  sparse = false;
  readonly log: string[] = [];
  readonly lent = new Set<Uint8Array>();
  #at = 0;
  digest?: (length: number) => Promise<string>;

  constructor(readonly bytes: Uint8Array, size: number | null = bytes.length) {
    this.size = size;
  }

  start(offset: number): void {
    this.log.push(`start ${offset}`);
    this.#at = offset;
  }

  next(unit: number): Promise<Uint8Array | null> {
    const block = this.bytes.slice(this.#at, this.#at + unit);
    this.#at += block.length;
    if (block.length === 0) return Promise.resolve(null);
    this.lent.add(block);
    return Promise.resolve(block);
  }

  release(block: Uint8Array): void {
    if (!this.lent.delete(block)) this.log.push("released twice");
  }

  readAt(into: Uint8Array, offset: number): Promise<number> {
    this.log.push("read");
    const piece = this.bytes.subarray(offset, offset + into.length);
    into.set(piece);
    return Promise.resolve(piece.length);
  }

  close(): void {
    this.log.push("close");
  }
}

/** A target in memory that records its calls. */
class Target implements TransferTarget {
  held = 0;
  unit = 100_000;
  readonly log: string[] = [];
  readonly releases: (() => void)[] = [];
  bytes: number[] = [];
  digest?: (length: number) => Promise<string>;
  failing: Record<string, Error> = {};

  start?(offset: number): Promise<void> {
    this.log.push(`start ${offset}`);
    this.bytes.length = offset;
    return Promise.resolve();
  }

  write(block: Uint8Array, release: () => void): Promise<void> {
    if (this.failing.write && this.bytes.length >= 100_000) {
      return Promise.reject(this.failing.write);
    }
    this.log.push(`write ${block.length}`);
    for (const byte of block) this.bytes.push(byte);
    this.releases.push(release);
    return Promise.resolve();
  }

  skip(bytes: number): Promise<void> {
    this.log.push(`skip ${bytes}`);
    for (let i = 0; i < bytes; i++) this.bytes.push(0);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.log.push("flush");
    for (const release of this.releases.splice(0)) release();
    return this.failing.flush ? Promise.reject(this.failing.flush) : Promise.resolve();
  }

  readAt(into: Uint8Array, offset: number): Promise<number> {
    this.log.push("read");
    const piece = this.bytes.slice(offset, offset + into.length);
    into.set(piece);
    return Promise.resolve(piece.length);
  }

  commit(): Promise<void> {
    this.log.push("commit");
    return this.failing.commit ? Promise.reject(this.failing.commit) : Promise.resolve();
  }

  discard(cause: unknown): Promise<void> {
    this.log.push(`discard ${plainMessage(cause)}`);
    return this.failing.discard ? Promise.reject(this.failing.discard) : Promise.resolve();
  }
}

function run(source: Source, target: Target, context: TransferContext): Promise<void> {
  return transferFile("/name", source, () => Promise.resolve(target), context);
}

Deno.test("a file is written, flushed and committed, and its source closed", async () => {
  const [source, target, context] = [new Source(data), new Target(), contextOf()];
  await run(source, target, context);
  assert(same(new Uint8Array(target.bytes), data));
  assertEquals([source.log, source.lent.size], [["close"], 0]);
  assertEquals(target.log, ["write 100000", "write 100000", "write 100000", "flush", "commit"]);
  const { files, bytes } = context.progress.result();
  assertEquals([files, bytes], [1, 300_000]);
});

Deno.test("a file is committed with the attributes of its source", async () => {
  const info = infoOf({ mode: 0o100600, mtime: 5 });
  const [source, target] = [Object.assign(new Source(data), { info }), new Target()];
  const committed: unknown[] = [];
  Object.assign(target, { commit: (of: unknown) => Promise.resolve(void committed.push(of)) });
  await run(source, target, contextOf());
  assertEquals(committed, [info]);
});

Deno.test("a failure discards the written data, closes the source, and counts no file", async () => {
  for (const what of ["write", "flush", "commit"]) {
    const [source, target, context] = [new Source(data), new Target(), contextOf()];
    const failure = new Error(what);
    target.failing = { [what]: failure, discard: new Error("a later failure") };
    assertEquals(await assertRejects(() => run(source, target, context)), failure);
    assertEquals(target.log.at(-1), `discard ${what}`);
    assertEquals(target.log.includes("commit"), what === "commit");
    assertEquals([source.log, context.progress.result().files], [["close"], 0]);
  }
  const source = new Source(data);
  const none = () => Promise.reject(new RangeError("no target"));
  await assertRejects(() => transferFile("/x", source, none, contextOf()), RangeError);
  assertEquals(source.log, ["close"]);
});

Deno.test("the progress expects the size of a file, and no size of a stream", async () => {
  for (const [size, total] of [[300_000, 300_000], [null, 5]] as const) {
    const totals: number[] = [];
    const progress = new Progress(({ total }) => totals.push(total));
    progress.expect(5);
    progress.advance("/other", 0);
    const source = new Source(new Uint8Array(0), size);
    await run(source, new Target(), contextOf({}, { progress }));
    assertEquals(totals, [5, total + (size === null ? 0 : 5)]);
  }
});

Deno.test("a file that fails is not expected any more, and its bytes are not in the result", async () => {
  const cases: [what: string, transferred: number][] = [["open", 0], ["write", 100_000], [
    "commit",
    300_000,
  ]];
  for (const [what, transferred] of cases) {
    let last: TransferProgress | undefined;
    const progress = new Progress((report) => void (last = report));
    const context = contextOf({}, { progress });
    const target = new Target();
    target.failing = { [what]: new Error(what) };
    const opened = () =>
      what === "open" ? Promise.reject(new Error(what)) : Promise.resolve(target);
    const failing = transferFile("/name", new Source(data), opened, context);
    await assertRejects(() => failing, Error, what);
    await run(new Source(data), new Target(), context);
    const expected = data.length + transferred;
    assertEquals([last?.transferred, last?.total], [expected, expected]);
    assertEquals([progress.result().files, progress.result().bytes], [1, data.length]);
  }
});

Deno.test("a resumed file starts at the end of the part, at both ends", async () => {
  for (const held of [0, 1000]) {
    const reports: number[] = [];
    const progress = new Progress(({ transferred }) => reports.push(transferred));
    const [source, target] = [new Source(data), new Target()];
    target.held = held;
    target.bytes = [...data.subarray(0, held)];
    await run(source, target, contextOf({ resume: true }, { progress }));
    assert(same(new Uint8Array(target.bytes), data));
    assertEquals(source.log.filter((line) => line !== "read"), [`start ${held}`, "close"]);
    assertEquals(target.log.find((line) => line !== "read"), `start ${held}`);
    assertEquals([progress.bytes, reports.at(-1)], [300_000 - held, 300_000]);
  }
});

Deno.test("a file that does not continue the part is transferred completely", async () => {
  const reports: [transferred: number, total: number][] = [];
  const progress = new Progress(({ transferred, total }) => reports.push([transferred, total]));
  const [source, target] = [new Source(data), new Target()];
  target.held = 1000;
  target.bytes = [...data.subarray(0, 1000)];
  let wrong = true;
  target.digest = (length) => {
    target.log.push(`digest ${length}`);
    const answer = wrong ? "wrong" : sha256(new Uint8Array(target.bytes).subarray(0, length));
    wrong = false;
    return Promise.resolve(answer);
  };
  await run(source, target, contextOf({ resume: true, verify: true }, { progress }));
  assertEquals(target.log.filter((line) => !/^(read|write)/.test(line)), [
    "start 1000",
    "flush",
    "digest 300000",
    "start 0",
    "flush",
    "digest 300000",
    "commit",
  ]);
  // The first attempt's bytes count, too, because progress does not go back.
  assertEquals([progress.bytes, reports.at(-1)], [599_000, [600_000, 600_000]]);
});

Deno.test("a file that does not match its source fails, after a retry if it was resumed", async () => {
  for (const [held, starts] of [[0, 1], [1, 2], [1000, 2]] as const) {
    const [source, target] = [new Source(data), new Target()];
    target.held = held;
    target.bytes = [...data.subarray(0, held)];
    target.digest = () => Promise.resolve("wrong");
    const error = await assertRejects(
      () => run(source, target, contextOf({ resume: true, verify: true })),
      SftpError,
    );
    assertEquals([error.operation, error.path], ["verify", "/name"]);
    assertEquals(
      plainMessage(error),
      'Cannot verify "/name" on the server: the target differs from the sent data',
    );
    assertEquals(target.log.filter((line) => line.startsWith("start")).length, starts);
    assertEquals(target.log.filter((line) => /^(commit|discard)/.test(line)).length, 1);
  }
});

Deno.test("a source that was changed while it was read fails, and the error names it", async () => {
  const [source, target] = [new Source(data), new Target()];
  source.digest = () => Promise.resolve("changed");
  const error = await assertRejects(() => run(source, target, contextOf({ verify: true })));
  assertEquals(
    plainMessage(error),
    'Cannot verify "/name" on the server: the source differs from the sent data, it may have been ' +
      "changed meanwhile: transfer it again",
  );
});

Deno.test("both servers of a copy are asked for a digest, but local ends are not", async () => {
  const asked: string[] = [];
  const digest = (end: string) => (length: number) => {
    asked.push(`${end} ${length}`);
    return Promise.resolve(sha256(data));
  };
  const [source, target] = [new Source(data), new Target()];
  source.digest = digest("source");
  target.digest = digest("target");
  await run(source, target, contextOf({ verify: true }));
  assertEquals(asked, ["source 300000", "target 300000"]);
  await run(new Source(data), new Target(), contextOf({ verify: true }));
  assertEquals(asked.length, 2);
  target.digest = digest("target");
  await run(new Source(data), target, contextOf({}));
  assertEquals(asked.length, 2);
});

Deno.test("the prefix of a resumed file is read if no server computes its digest", async () => {
  const digest = () => Promise.resolve(sha256(data));
  for (
    const [from, to, reads] of [[true, false, "target"], [false, true, "source"], [
      true,
      true,
      "source",
    ]] as const
  ) {
    const [source, target] = [new Source(data), new Target()];
    if (from) source.digest = digest;
    if (to) target.digest = digest;
    target.held = 90_000;
    target.bytes = [...data.subarray(0, 90_000)];
    await run(source, target, contextOf({ resume: true, verify: true }));
    // Both are sampled: three blocks and up to fourteen others; the extra read is for the prefix.
    const count = (log: string[]) => log.filter((line) => line === "read").length;
    const extra = count(source.log) - count(target.log);
    assertEquals(extra, reads === "source" ? 1 : -1);
  }
});

Deno.test("an earlier attempt's bytes are removed from the progress if this one fails", async () => {
  const reports: number[] = [];
  const progress = new Progress(({ transferred }) => reports.push(transferred));
  const target = new Target();
  target.held = 1000;
  target.bytes = [...data.subarray(0, 1000)];
  target.failing = { flush: new Error("flush") };
  const context = contextOf({ resume: true }, { progress });
  await assertRejects(() => run(new Source(data), target, context));
  progress.finish("/x");
  assertEquals(reports.at(-1), 299_000);
});

Deno.test("a stalled stream does not delay an abort", async () => {
  const abort = new AbortController();
  const context = contextOf({}, { signal: abort.signal });
  const stalled = new Source(data, null);
  stalled.next = () => new Promise(() => {});
  const reading = run(stalled, new Target(), context);
  const taking = new Target();
  taking.start = undefined!;
  taking.write = () => new Promise(() => {});
  const writing = run(new Source(data), taking, context);
  await turn();
  abort.abort(new Error("enough"));
  await assertRejects(() => reading, Error, "enough");
  await assertRejects(() => writing, Error, "enough");
  assertEquals([stalled.log, taking.log], [["close"], ["discard enough"]]);
});

Deno.test("an abort waits for pending reads and writes of files, whose buffers are in use", async () => {
  const abort = new AbortController();
  const context = contextOf({}, { signal: abort.signal });
  const gate = Promise.withResolvers<void>();
  const [source, target] = [new Source(data), new Target()];
  target.write = () => gate.promise;
  const writing = run(source, target, context);
  const slow = new Source(data);
  slow.next = async () => {
    await gate.promise;
    return null;
  };
  const reading = run(slow, new Target(), context);
  let settled = 0;
  for (const promise of [writing, reading]) promise.catch(() => {}).then(() => settled++);
  abort.abort(new Error("enough"));
  await turn();
  assertEquals(settled, 0);
  gate.resolve();
  await reading;
  await writing;
});

Deno.test("a rate limit divides blocks, which are released with their last piece", async () => {
  const passed: number[] = [];
  const throttle = {
    piece: 40_000,
    pass: (bytes: number) => Promise.resolve(void passed.push(bytes)),
  } as unknown as Throttle;
  const [source, target] = [new Source(data), new Target()];
  let early = 0;
  const flush = target.flush.bind(target);
  target.flush = () => {
    early = source.lent.size;
    return flush();
  };
  await run(source, target, contextOf({}, { throttle }));
  assertEquals(passed, [40_000, 40_000, 20_000, 40_000, 40_000, 20_000, 40_000, 40_000, 20_000]);
  assert(same(new Uint8Array(target.bytes), data));
  assertEquals([early, source.lent.size, source.log], [3, 0, ["close"]]);
});

Deno.test("holes of a sparse source are skipped if the target supports it", async () => {
  const sparse = new Uint8Array(400_000);
  sparse.set(data.subarray(0, 1000), 0);
  sparse.set(data.subarray(0, 1000), 300_000);
  for (const [from, to] of [[true, true], [false, true], [true, false]]) {
    const [source, target] = [new Source(sparse), new Target()];
    target.unit = 200_000;
    source.sparse = from!;
    if (!to) target.skip = undefined!;
    await run(source, target, contextOf());
    assert(same(new Uint8Array(target.bytes), sparse));
    assertEquals([source.lent.size, source.log], [0, ["close"]]);
    const writes = target.log.filter((line) => /^(write|skip)/.test(line));
    assertEquals(
      writes,
      from && to
        ? ["write 65536", "skip 134464", "skip 65536", "write 65536", "skip 68928"]
        : ["write 200000", "write 200000"],
    );
  }
});

Deno.test("a sparse source without holes is written completely", async () => {
  const [source, target] = [new Source(data), new Target()];
  source.sparse = true;
  await run(source, target, contextOf());
  assert(same(new Uint8Array(target.bytes), data));
  assertEquals(target.log.filter((line) => line.startsWith("skip")), []);
});

Deno.test("a dry run makes no target, and counts the bytes that it knows of", async () => {
  for (const [size, bytes] of [[undefined, data.length], [null, 0]] as const) {
    const source = size === undefined ? new Source(data) : new Source(data, size);
    const progress = new Progress(undefined);
    const context = contextOf({ dryRun: true }, { progress });
    await transferFile("/name", source, () => Promise.reject(new Error("no target")), context);
    const { files, bytes: counted } = progress.result();
    assertEquals([files, counted, source.log], [1, bytes, ["close"]]);
  }
});

Deno.test("a failure is explained before the target is discarded, and its discard awaited", async () => {
  const [source, target] = [new Source(data), new Target()];
  target.failing.write = new Error("failed");
  const log: string[] = [];
  const explained = new Error("the disk is full");
  Object.assign(target, {
    async explain(error: unknown) {
      assertEquals(error, target.failing.write);
      await turn();
      log.push("explained");
      return explained;
    },
    async discard(cause: unknown) {
      assertEquals(cause, explained);
      await turn();
      log.push("discarded");
    },
  });
  assertEquals(await assertRejects(() => run(source, target, contextOf())), explained);
  assertEquals(log, ["explained", "discarded"]);
  assertEquals(source.log, ["close"]);
});

Deno.test("what an earlier attempt has left is used only with resume", async () => {
  const [source, target] = [new Source(data), new Target()];
  target.held = 100_000;
  await run(source, target, contextOf());
  assertEquals(target.log.slice(0, 2), ["write 100000", "write 100000"]);
  assertEquals(source.log, ["close"]);
});

Deno.test("a resumed file is hashed and moved to its start before anything is read or written", async () => {
  const [source, target] = [new Source(data), new Target()];
  const log: string[] = [];
  const slowly = <A extends unknown[], R>(
    name: string,
    count: number,
    run: (...args: A) => R,
  ) =>
  async (...args: A) => {
    for (let turns = 0; turns < count; turns++) await turn();
    log.push(name);
    return await run(...args);
  };
  target.held = 100_000;
  for (const byte of data.subarray(0, 100_000)) target.bytes.push(byte);
  Object.assign(target, {
    start: slowly("target", 6, target.start!.bind(target)),
    digest: () => Promise.resolve(sha256(new Uint8Array(target.bytes))),
  });
  Object.assign(source, {
    start: slowly("source", 2, source.start.bind(source)),
    readAt: slowly("read", 12, source.readAt.bind(source)),
    next: ((next) => (unit: number) => {
      log.push("next");
      return next(unit);
    })(source.next.bind(source)),
  });
  await run(source, target, contextOf({ resume: true, verify: true }));
  assert(same(new Uint8Array(target.bytes), data));
  const [last] = [log.lastIndexOf("read")];
  assertEquals(log.slice(last), ["read", "target", "source", "next", "next", "next"]);
});

Deno.test("the last writes are awaited before the commit unless it waits for them, or a hash does", async () => {
  for (
    const [flushesLast, verify, flushes] of [
      [false, false, 1],
      [true, false, 0],
      [true, true, 1],
      [false, true, 1],
    ]
  ) {
    const [source, target] = [new Source(data), new Target()];
    Object.assign(target, { flushesLast });
    await run(source, target, contextOf({ verify: verify as boolean }));
    assertEquals(target.log.filter((line) => line === "flush").length, flushes);
    assertEquals(target.log.at(-1), "commit");
  }
});

Deno.test("pieces and holes are taken one after the other, each when its time has come", async () => {
  const sparse = new Uint8Array(300_000).fill(1);
  sparse.fill(0, 65_536, 131_072);
  const log: string[] = [];
  const slowly = (name: string) => async (bytes: number | Uint8Array, release?: () => void) => {
    log.push(name);
    await turn();
    log.push(`${typeof bytes === "number" ? bytes : bytes.length} done`);
    release?.();
  };
  const throttle = { piece: 50_000, pass: slowly("pass") } as unknown as Throttle;
  const [source, target] = [new Source(sparse), new Target()];
  source.sparse = true;
  target.unit = 300_000;
  Object.assign(target, { write: slowly("write"), skip: slowly("skip") });
  await run(source, target, contextOf({}, { throttle }));
  const pieces = [50_000, 15_536, -65_536, 50_000, 50_000, 50_000, 18_928];
  assertEquals(
    log,
    pieces.flatMap((length) =>
      length < 0
        ? ["skip", `${-length} done`]
        : ["pass", `${length} done`, "write", `${length} done`]
    ),
  );
  assertEquals(source.lent.size, 0);
});

Deno.test("a block is hashed before its memory can be used again", async () => {
  const [source, target] = [new Source(data.slice()), new Target()];
  const write = target.write.bind(target);
  target.write = async (block, release) => {
    await write(block.slice(), release);
    block.fill(0); // as if the next one had been read into it
  };
  Object.assign(target, { digest: () => Promise.resolve(sha256(data)) });
  await run(source, target, contextOf({ verify: true }));
});

Deno.test("a block whose pieces are taken at once is released after its last piece", async () => {
  const throttle = { piece: 40_000, pass: () => Promise.resolve() } as unknown as Throttle;
  const [source, target] = [new Source(data), new Target()];
  const lent: number[] = [];
  const write = target.write.bind(target);
  target.write = async (block, release) => {
    await write(block, () => {});
    lent.push(source.lent.size);
    release();
  };
  await run(source, target, contextOf({}, { throttle }));
  // Each block is held during all of its three pieces.
  assertEquals(lent, Array.from({ length: 9 }, () => 1));
  assertEquals([source.lent.size, source.log], [0, ["close"]]);
});
