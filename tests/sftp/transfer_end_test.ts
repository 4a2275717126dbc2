/** Transfers between servers in memory: refused arguments, results, and what happens at the end. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  SftpError,
  SftpStatus,
  SftpTransferError,
  type SftpTransferOptions,
} from "../../lib/sftp/mod.ts";
import { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { copy, get, put } from "../../lib/sftp/transfer/transfer.ts";
import { checkChannels, checkTransferOptions } from "../../lib/sftp/transfer/transfer_options.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { FakeTime } from "../support/fake_time.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo } from "./raw.ts";
import { noise, same, turn } from "./world.ts";

const data = noise(50_000);
const OLD = ".0123456789abcdef0123456789abcdef.part";

interface World extends AsyncDisposable {
  readonly from: MemoryServer;
  readonly to: MemoryServer;
  readonly source: RemoteFileSystem;
  readonly target: RemoteFileSystem;
}

/** A server with a folder, and an empty one. */
async function world(): Promise<World> {
  const [from, to] = [new MemoryServer(), new MemoryServer()];
  for (const path of ["/tree", "/tree/a"]) from.folders.set(path, 0o755);
  for (const path of ["/tree/one", "/tree/a/two"]) from.add(path, data);
  const [source, target] = [await from.connect(), await to.connect()];
  return {
    from,
    to,
    source,
    target,
    async [Symbol.asyncDispose]() {
      for (const remote of [source, target, source, target]) {
        await remote.realPath("/", {}).catch(() => {}); // after the CLOSEs
      }
      assertEquals([from.open, to.open], [0, 0]);
      await source.session.close();
      await target.session.close();
    },
  };
}

function changes({ log }: MemoryServer): string[] {
  return log.filter((line) => /^(OPEN .*write|MKDIR|REMOVE|RENAME|F?SETSTAT|SYMLINK)/.test(line));
}

Deno.test("a stream or bytes cannot be a folder or the matches of a pattern", async () => {
  await using w = await world();
  for (const options of [{ recursive: true }, { glob: true }]) {
    await assertRejects(() => put(w.target, data, "/x", options), TypeError, "local path");
    let aborted: unknown;
    const stream = new WritableStream<Uint8Array>({ abort: (cause) => void (aborted = cause) });
    await assertRejects(() => get(w.source, "/tree", stream, options), TypeError, "local path");
    assert(aborted instanceof TypeError);
  }
  assertEquals([changes(w.to), w.from.log.filter((line) => /^OPEN|^STAT/.test(line))], [[], []]);
});

Deno.test("a stream is aborted with the error of its transfer, however early", async () => {
  await using w = await world();
  w.from.refuse = (line) => line.startsWith("READ") ? SftpStatus.FAILURE : undefined;
  for (const path of ["/tree/one", "/none"]) {
    let aborted: unknown;
    const stream = new WritableStream<Uint8Array>({
      async abort(cause) {
        for (let turns = 0; turns < 3; turns++) await turn();
        aborted = cause;
      },
    });
    const error = await assertRejects(() => get(w.source, path, stream, {}), SftpError);
    assertEquals(aborted, error);
  }
});

Deno.test("a stream gets a file, and is closed after its last byte", async () => {
  await using w = await world();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const reading = new Response(readable).bytes();
  const { files, bytes } = await get(w.source, "/tree/one", writable, {});
  assertEquals([files, bytes], [1, data.length]);
  assert(same(await reading, data));
});

Deno.test("a dry run leaves its stream unlocked and open, also if it fails", async () => {
  await using w = await world();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const { files, bytes } = await get(w.source, "/tree/one", writable, { dryRun: true });
  assertEquals([files, bytes, writable.locked], [1, data.length, false]);
  await assertRejects(() => get(w.source, "/none", writable, { dryRun: true }), SftpError);
  assertEquals(writable.locked, false);
  const reading = new Response(readable).text();
  await writable.close();
  assertEquals(await reading, "");
});

Deno.test("wrong options are refused before any request", async () => {
  await using w = await world();
  const wrong: [options: SftpTransferOptions, error: typeof TypeError | typeof RangeError][] = [
    [{ delete: true }, TypeError],
    [{ delete: true, recursive: true, glob: true }, TypeError],
    [{ update: "time" as "newer" }, TypeError],
    [{ channels: 0 }, RangeError],
    [{ channels: 1.5 }, RangeError],
    [{ channels: 65 }, RangeError],
    [{ channels: "4" as never }, RangeError],
    [{ atomic: false, resume: true }, TypeError],
    [{ inFlight: 0 }, RangeError],
    [{ rateLimit: 0 }, RangeError],
    [{ recurse: true } as never, TypeError],
    [{ exclude: "*.log" as never }, TypeError],
  ];
  const before = w.from.log.length;
  for (const [options, error] of wrong) {
    await assertRejects(() => copy(w.source, "/tree", w.target, "/x", options), error);
    await assertRejects(() => put(w.target, data, "/x", options), error);
    await assertRejects(() => get(w.source, "/tree", new WritableStream(), options), error);
  }
  assertEquals([w.from.log.length, changes(w.to)], [before, []]);
});

Deno.test("the error of an option of the wrong type tells the type", () => {
  const wrong: [options: SftpTransferOptions, message: string][] = [
    [{ rateLimit: "5" as never }, 'rateLimit must be a number, not the text "5"'],
    [{ inFlight: null as never }, "inFlight must be a number, not null"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => checkTransferOptions(options), TypeError, message);
  }
  const message = 'channels must be a whole number of 1 to 64, or "auto", not the text "4"';
  assertThrows(() => checkChannels({ channels: "4" as never }), RangeError, message);
});

Deno.test("every documented value of update, channels and delete is accepted", () => {
  for (const update of [true, false, "newer", "size", "checksum"] as const) {
    checkTransferOptions({ update });
  }
  checkTransferOptions({ delete: true, recursive: true });
  checkTransferOptions({ delete: false, glob: true });
  checkTransferOptions({ resume: true, atomic: true });
  for (const channels of [1, 2, 10, 64, "auto"] as const) checkChannels({ channels });
  checkChannels({});
});

Deno.test("an aborted transfer makes no request", async () => {
  await using w = await world();
  const before = w.from.log.length;
  const signal = AbortSignal.abort(new Error("enough"));
  for (const options of [{}, { recursive: true }, { glob: true }]) {
    const copying = () => copy(w.source, "/tree", w.target, "/x", { ...options, signal });
    await assertRejects(copying, Error, "enough");
  }
  // Nor does it look for files of this machine.
  const putting = () => put(w.target, "/none/*", "/x", { glob: true, signal });
  await assertRejects(putting, Error, "enough");
  assertEquals([w.from.log.length, changes(w.to)], [before, []]);
});

Deno.test("bytes have a size that a resumed put knows", async () => {
  await using w = await world();
  await put(w.target, data, "/x", { resume: true });
  // Before the rename. A wide part is not looked for, since the file is smaller.
  assertEquals(w.to.log.filter((line) => /^LSTAT .*part/.test(line)).length, 1);
});

Deno.test("every request of a transfer keeps to its time-out", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<number>();
  w.from.refuse = (line) => line.startsWith("STAT") ? gate.promise : undefined;
  {
    using time = new FakeTime();
    const copying = copy(w.source, "/tree/one", w.target, "/x", { timeout: 700 });
    copying.catch(() => {});
    await assertRejects(() => time.settle(copying), SftpError);
    assertEquals(time.now, 700);
  }
  gate.resolve(SftpStatus.FAILURE);
});

Deno.test("a missing source is an error, and so is a folder without recursive", async () => {
  await using w = await world();
  const missing = await assertRejects(
    () => copy(w.source, "/none", w.target, "/x", {}),
    SftpError,
  );
  assertEquals([missing.status, missing.path], [SftpStatus.NO_SUCH_FILE, "/none"]);
  const folder = await assertRejects(() => copy(w.source, "/tree", w.target, "/x", {}), SftpError);
  assertEquals(
    plainMessage(folder),
    'Cannot get "/tree" on the server: it is a directory, which needs the option recursive',
  );
  const none = () => copy(w.source, "/tree/*.x", w.target, "/x", { glob: true });
  const error = await assertRejects(none, SftpError, "nothing matches");
  assertEquals([error.status, error.path], [SftpStatus.NO_SUCH_FILE, "/tree/*.x"]);
  assertEquals(changes(w.to), []);
});

Deno.test("a file with recursive is transferred as a file", async () => {
  await using w = await world();
  const { files } = await copy(w.source, "/tree/one", w.target, "/x", { recursive: true });
  assertEquals([files, w.to.data("/x")!.length], [1, data.length]);
});

Deno.test("a folder is not copied into itself, but beside itself and to another server", async () => {
  await using w = await world();
  const options = { recursive: true };
  for (const into of ["/tree/b", "/tree/a/b", "/tree/./b"]) {
    const copying = () => copy(w.source, "/tree", w.source, into, options);
    await assertRejects(copying, SftpError, "cannot be copied into itself");
  }
  assertEquals(changes(w.from), []);
  // Some servers have no real path of what does not exist.
  w.from.refuse = (line) =>
    /^REALPATH .*(b|tree3)$/.test(line) ? SftpStatus.NO_SUCH_FILE : undefined;
  w.from.folders.set("/tree2", 0o755);
  assertEquals((await copy(w.source, "/tree", w.source, "/tree2/b", options)).files, 2);
  assertEquals((await copy(w.source, "/tree", w.source, "/tree3", options)).files, 2);
  w.to.folders.set("/tree", 0o755);
  assertEquals((await copy(w.source, "/tree", w.target, "/tree/b", options)).files, 2);
  // A single file may go anywhere.
  assertEquals((await copy(w.source, "/tree/one", w.source, "/tree/a/one", {})).files, 1);
});

Deno.test("nothing is copied onto itself, under whatever name", async () => {
  await using w = await world();
  w.from.links.set("/same", "/tree");
  w.from.links.set("/one", "/tree/one");
  const cases: [from: string, to: string, options: SftpTransferOptions][] = [
    ["/tree/one", "/tree/one", {}],
    ["/tree/one", "/one", {}],
    ["/one", "/same/one", {}],
    ["/tree", "/same", { recursive: true }],
    ["/tree/*", "/same", { glob: true, recursive: true }],
    ["/tree/o*", "/tree", { glob: true }],
  ];
  for (const [from, to, options] of cases) {
    for (const atomic of [true, false]) {
      const copying = () => copy(w.source, from, w.source, to, { ...options, atomic });
      await assertRejects(copying, SftpError, "it cannot be copied onto itself");
    }
  }
  assertEquals(changes(w.from), []);
  w.to.add("/one", noise(5));
  assertEquals((await copy(w.source, "/tree/one", w.target, "/one", {})).files, 1);
  w.from.refuse = (line) => line === "REALPATH /none" ? SftpStatus.NO_SUCH_FILE : undefined;
  await assertRejects(() => copy(w.source, "/none", w.source, "/x", {}), SftpError, "transfer");
});

Deno.test("a folder is not copied with delete to one that it is in", async () => {
  await using w = await world();
  const options = { recursive: true, delete: true };
  await assertRejects(
    () => copy(w.source, "/tree/a", w.source, "/tree", options),
    SftpError,
    "it is inside the target folder, from which delete would remove it",
  );
  assertEquals(changes(w.from), []);
  assertEquals((await copy(w.source, "/tree/a", w.source, "/tree", { recursive: true })).files, 1);
  assert(w.from.files.has("/tree/two") && w.from.files.has("/tree/a/two"));
  w.from.folders.set("/tr", 0o755);
  assertEquals((await copy(w.source, "/tree/a", w.source, "/tr", options)).files, 1);
});

Deno.test("a dry run changes nothing, and reports what would be done", async () => {
  await using w = await world();
  w.to.folders.set("/copy", 0o755);
  w.to.add("/copy/old", data);
  const options = { recursive: true, dryRun: true, delete: true, preserve: true, resume: true };
  const dry = await copy(w.source, "/tree", w.target, "/copy", options);
  assertEquals([dry.files, dry.bytes, dry.deleted], [2, 2 * data.length, ["/copy/old"]]);
  await copy(w.source, "/tree/one", w.target, "/x", { dryRun: true });
  await copy(w.source, "/tree/*", w.target, "/x", { dryRun: true, glob: true });
  assertEquals(changes(w.to), []);
});

Deno.test("a file that update skips is counted, and nothing is written", async () => {
  await using w = await world();
  w.to.add("/x", data);
  const told: string[] = [];
  const result = await copy(w.source, "/tree/one", w.target, "/x", {
    update: "size",
    onFile: ({ path, action }) => void told.push(`${action} ${path}`),
  });
  assertEquals([result.files, result.unchanged, result.bytes], [0, 1, 0]);
  assertEquals([told, changes(w.to)], [["unchanged /tree/one"], []]);
});

Deno.test("a single file keeps the mode of the one that it replaces", async () => {
  await using w = await world();
  w.to.extensions.push("posix-rename@openssh.com");
  const target = await w.to.connect();
  for (
    const [path, run] of [
      ["/x", () => put(target, data, "/x", {})],
      ["/y", () => copy(w.source, "/tree/one", target, "/y", {})],
    ] as const
  ) {
    w.to.add(path, noise(3), 0o604);
    await run();
    assertEquals(w.to.files.get(path)!.mode & 0o777, 0o604);
  }
  await target.session.close();
});

Deno.test("after a transfer with resume, old parts are removed from its target folder only", async () => {
  for (const resume of [true, false]) {
    await using w = await world();
    for (const path of ["/copy", "/copy/a", "/other"]) w.to.folders.set(path, 0o755);
    for (const folder of ["", "/copy", "/other"]) w.to.add(`${folder}/${OLD}`, data).mtime = 1;
    const left = () => [...w.to.files.keys()].filter((path) => path.endsWith(OLD));
    await copy(w.source, "/tree", w.target, "/copy", { recursive: true, resume });
    assertEquals(left(), resume ? [`/${OLD}`, `/other/${OLD}`] : left());
    await copy(w.source, "/tree/one", w.target, "/other/x", { resume });
    assertEquals(left(), resume ? [`/${OLD}`] : left());
    await copy(w.source, "/tree/on*", w.target, "/", { glob: true, resume });
    assertEquals(left().length, resume ? 0 : 3);
  }
});

Deno.test("failures of a folder are an error with the result, unless partial results are wanted", async () => {
  await using w = await world();
  w.from.refuse = (line) =>
    line.startsWith("OPEN /tree/one") ? SftpStatus.PERMISSION_DENIED : undefined;
  w.to.folders.set("/copy", 0o755);
  w.to.add(`/copy/${OLD}`, data).mtime = 1;
  const run = (options: SftpTransferOptions) =>
    copy(w.source, "/tree", w.target, "/copy", { recursive: true, ...options });
  const error = await assertRejects(() => run({ resume: true }), SftpTransferError);
  assertEquals([error.result.files, error.result.failures.length], [1, 1]);
  assertEquals(w.to.files.has(`/copy/${OLD}`), true);
  const { files, failures } = await run({ partial: true });
  assertEquals([files, failures.map(({ path }) => path)], [1, ["/tree/one"]]);
});

Deno.test("further sessions end with the transfer, however it ends", async () => {
  await using w = await world();
  const notes: string[] = [];
  const options = { atomic: false, onNote: (note: string) => void notes.push(note) };
  const note = "One channel: the file is written in place";
  await put(w.target, data, "/x", options);
  assertEquals(notes.splice(0), [note]);
  await copy(w.source, "/tree/one", w.target, "/x", options);
  assertEquals(notes.splice(0), [note]);
  w.to.refuse = (line) => line.startsWith("WRITE") ? SftpStatus.PERMISSION_DENIED : undefined;
  await assertRejects(() => put(w.target, data, "/x", options), SftpError);
  await assertRejects(() => copy(w.source, "/tree/one", w.target, "/x", options), SftpError);
  assertEquals(notes, [note, note]);
});

Deno.test("a file is copied again if a further connection of the source is lost", async () => {
  const [from, to] = [new MemoryServer(), new MemoryServer()];
  from.folders.set("/tree", 0o755);
  for (let i = 0; i < 100; i++) from.add(`/tree/${i}`, data);
  let isLost = false;
  const further = channelTo(async (request, peer) => {
    if (request.type !== FXP.OPEN) return await from.answer(request, peer);
    isLost = true;
    await peer.channel.close();
  });
  const channels = [further.channel];
  const first = channelTo((request, peer) => from.answer(request, peer), { limit: 1 << 22 });
  const source = await RemoteFileSystem.open(first.channel, {
    connections: 2,
    further: () => Promise.resolve(channels.pop() ?? null),
  });
  const target = await to.connect();
  const { files, failures } = await copy(source, "/tree", target, "/copy", { recursive: true });
  assertEquals([files, failures, isLost], [100, [], true]);
  await source.session.close();
  await target.session.close();
});

Deno.test("the end of either session ends a copy with its error, not with a list of failures", async () => {
  for (const side of ["source", "target"]) {
    const [from, to] = [new MemoryServer(), new MemoryServer()];
    from.folders.set("/tree", 0o755);
    for (let i = 0; i < 20; i++) from.add(`/tree/${i}`, noise(100));
    const [source, target] = [await from.connect(), await to.connect()];
    const [server, remote] = side === "source" ? [from, source] : [to, target];
    let opened = 0;
    server.refuse = async (line) => {
      if (line.startsWith("OPEN ") && ++opened === 3) await remote.session.close();
      return undefined;
    };
    const options = { recursive: true, partial: true };
    await assertRejects(() => copy(source, "/tree", target, "/copy", options), Error, "closed");
    await source.session.close();
    await target.session.close();
  }
});
