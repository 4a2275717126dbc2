/** A server's file written by a transfer: its hidden name, and what it replaces. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { plainMessage } from "../../lib/error_messages.ts";
import {
  SftpError,
  type SftpFileInfo,
  SftpStatus,
  type SftpTransferOptions,
} from "../../lib/sftp/mod.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import type { FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import { RemoteStore } from "../../lib/sftp/transfer/remote_store.ts";
import { remoteTarget } from "../../lib/sftp/transfer/remote_target.ts";
import { MemoryServer } from "./memory_server.ts";
import { data, hidden, INFO, world, write, WRITES } from "./target_world.ts";
import { noise, same, turn } from "./world.ts";

const { FAILURE, NO_SUCH_FILE, PERMISSION_DENIED, OP_UNSUPPORTED } = SftpStatus;

Deno.test("a new file is made under a hidden name, and renamed", async () => {
  await using w = await world();
  await write(await w.target());
  assertEquals(w.log(), [
    "OPEN /dir/.part write+creat+excl 640",
    "LSTAT /dir/file",
    ...WRITES("/dir/.part"),
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  assert(same(w.server.data("/dir/file")!, data));
  assertEquals([w.server.files.size, w.warnings], [1, []]);
});

Deno.test("an empty file needs only the requests for its name", async () => {
  for (const atomic of [undefined, false]) {
    await using w = await world();
    const target = await w.target(atomic === undefined ? {} : { atomic });
    w.log();
    await target.flush();
    await target.commit(null);
    const [close, rename] = w.log();
    assertEquals([close!.split(" ")[0], rename?.split(" ")[0]], [
      "CLOSE",
      atomic === undefined ? "RENAME" : undefined,
    ]);
  }
});

Deno.test("a file of a folder transfer is not looked up first", async () => {
  await using w = await world(EXTENSION.POSIX_RENAME);
  w.server.add("/dir/file", new Uint8Array(3), 0o600);
  await write(await w.target({}, { inside: true, info: null }), data, null);
  assertEquals(w.log(), [
    "OPEN /dir/.part write+creat+excl",
    ...WRITES("/dir/.part"),
    "CLOSE /dir/.part",
    "POSIX_RENAME /dir/.part /dir/file",
  ]);
});

Deno.test("a replaced file keeps its mode, unless another is requested", async () => {
  const cases: [
    options: SftpTransferOptions,
    info: SftpFileInfo | null,
    set: string[],
    mode: number,
  ][] = [
    [{}, INFO, ["FSETSTAT /dir/.part mode=604"], 0o604],
    [{}, null, ["FSETSTAT /dir/.part mode=604"], 0o604],
    [{}, { ...INFO, mode: 0o604 }, [], 0o604],
    [{ mode: 0o604 }, INFO, [], 0o604],
    [{ mode: 0o600 }, INFO, [], 0o600],
  ];
  for (const [options, info, set, mode] of cases) {
    await using w = await world(EXTENSION.POSIX_RENAME);
    w.server.add("/dir/file", new Uint8Array(3), 0o604);
    await write(await w.target(options, { info }), data, info);
    const [open, look, ...rest] = w.log();
    const bits = options.mode ?? (info === null ? null : info.mode! & 0o777);
    assertEquals(
      open,
      `OPEN /dir/.part write+creat+excl${bits === null ? "" : ` ${bits.toString(8)}`}`,
    );
    assertEquals(look, "LSTAT /dir/file");
    assertEquals(rest, [
      ...WRITES("/dir/.part"),
      ...set,
      "CLOSE /dir/.part",
      "POSIX_RENAME /dir/.part /dir/file",
    ]);
    assertEquals(w.server.files.get("/dir/file")!.mode & 0o7777, mode);
  }
  await using w = await world(EXTENSION.POSIX_RENAME);
  w.server.add("/dir/file", new Uint8Array(3), 0o2750);
  await write(await w.target());
  assert(w.log().includes("FSETSTAT /dir/.part mode=2750"));
});

Deno.test("a put in place opens the file itself, and an abort does not remove it", async () => {
  await using w = await world();
  w.server.add("/dir/file", noise(300_000), 0o600);
  await write(await w.target({ atomic: false }));
  assertEquals(w.log(), [
    "OPEN /dir/file write+creat+trunc 640",
    ...WRITES("/dir/file"),
    "CLOSE /dir/file",
  ]);
  assert(same(w.server.data("/dir/file")!, data));
  const target = await w.target({ atomic: false });
  await target.write(data.subarray(0, 10), () => {});
  await target.discard(new Error("enough"));
  assertEquals(w.log().slice(-1), ["CLOSE /dir/file"]);
  assertEquals(w.server.data("/dir/file")!.length, 10);
});

Deno.test("only a put in place is reported as the reason for a single channel", async () => {
  await using w = await world();
  let reports = 0;
  const further = { inPlace: () => void reports++ } as FurtherSessions;
  const request = { path: "/dir/file", name: "/source", info: INFO, inside: false };
  for (const [part, reported] of [[null, 1], ["/dir/.part", 0]] as const) {
    reports = 0;
    const settings = { options: { atomic: false }, limits: {}, inFlight: 1, warn() {} };
    const spread = { further, inFlight: 1, part: null };
    const target = await remoteTarget(w.remote, request, part, settings, spread);
    assertEquals(reports, reported);
    await target.discard(new Error("enough"));
  }
});

Deno.test("an aborted file is closed and removed, but a part is kept", async () => {
  await using w = await world();
  await (await w.target()).discard(new Error("enough"));
  assertEquals(w.log().slice(2), ["CLOSE /dir/.part", "REMOVE /dir/.part"]);
  await (await w.target({ resume: true })).discard(new Error("enough"));
  assertEquals(w.log(), [
    "OPEN /dir/.kept read+write+creat+excl 640",
    "LSTAT /dir/file",
    "FSTAT /dir/.kept",
    "CLOSE /dir/.kept",
  ]);
  assertEquals(hidden(w), ["/dir/.kept"]);
});

Deno.test("a link's target is replaced, and the link stays", async () => {
  await using w = await world(EXTENSION.POSIX_RENAME);
  w.server.add("/real", new Uint8Array(3), 0o640);
  w.server.links.set("/dir/file", "/real");
  await write(await w.target());
  const log = w.log();
  assertEquals(log.slice(1, 4), ["LSTAT /dir/file", "STAT /dir/file", "REALPATH /dir/file"]);
  assertEquals(log.at(-1), "POSIX_RENAME /dir/.part /real");
  assert(w.server.links.has("/dir/file") && same(w.server.data("/real")!, data));
  // A link to nowhere is replaced itself.
  w.server.links.set("/dir/file", "/none");
  await write(await w.target());
  assertEquals(w.log().at(-1), "POSIX_RENAME /dir/.part /dir/file");
});

Deno.test("a device, a pipe or a folder is not replaced: it is opened itself", async () => {
  await using w = await world();
  const file = w.server.add("/dir/file", new Uint8Array(0));
  file.mode = 0o020666;
  const target = await w.target();
  assertEquals(w.log(), [
    "OPEN /dir/.part write+creat+excl 640",
    "LSTAT /dir/file",
    "CLOSE /dir/.part",
    "REMOVE /dir/.part",
    "OPEN /dir/file write+creat+trunc 640",
  ]);
  await target.discard(new Error("enough"));
  // A part would never be used.
  await (await w.target({ resume: true })).discard(new Error("enough"));
  assertEquals(hidden(w), []);
  w.log();
  w.server.files.delete("/dir/file");
  w.server.folders.set("/dir/file", 0o755);
  const error = await assertRejects(() => w.target(), SftpError);
  assertEquals(plainMessage(error), 'Cannot open "/dir/file" on the server: it is a directory');
  // With the source's mode, and without.
  assertEquals(w.log().filter((line) => line.includes("trunc")).length, 2);
  assertEquals([hidden(w), w.warnings], [[], []]);
});

Deno.test("if no temporary file can be made, the file is written in place, with a warning", async () => {
  for (const status of [FAILURE, NO_SUCH_FILE, PERMISSION_DENIED, OP_UNSUPPORTED]) {
    await using w = await world();
    w.server.refuse = (line) => line.includes("excl") ? status : undefined;
    await write(await w.target({ mode: 0o640 }));
    assert(same(w.server.data("/dir/file")!, data));
    const texts = [
      "No such file",
      "Permission denied",
      "Failure",
      "",
      "",
      "",
      "Operation not supported",
    ];
    assertEquals(w.warnings, [
      '/dir/file: "/dir/file" was written in place, because the server allows no other way: ' +
      texts[status - 2],
    ]);
    assertEquals(hidden(w), []);
    w.log();
    const error = await assertRejects(() => w.target({ atomic: true, mode: 0o640 }), SftpError);
    assertEquals([error.status, error.path], [status, "/dir/file"]);
    assert(w.log().every((line) => !line.startsWith("OPEN /dir/file ")));
  }
});

Deno.test("a part that cannot be opened is neither used nor removed", async () => {
  await using w = await world();
  await (await w.target({ resume: true })).discard(new Error("enough"));
  w.server.refuse = (line) => line.startsWith("OPEN /dir/.") ? PERMISSION_DENIED : undefined;
  await write(await w.target({ resume: true }));
  await w.remote.realPath("/", {});
  assertEquals([hidden(w), w.warnings.length], [["/dir/.kept"], 1]);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a put fails without its requested mode, but not without the source's mode", async () => {
  for (const options of [{}, { mode: 0o600 }]) {
    await using w = await world();
    // Like some servers, after the file was created.
    w.server.refuse = (line) => / [0-7]{3}$/.test(line) ? PERMISSION_DENIED : undefined;
    const target = w.target(options);
    if (options.mode !== undefined) await assertRejects(() => target, SftpError);
    else await write(await target);
  }
});

Deno.test("a useless temporary file is removed before the file is written in place", async () => {
  for (const why of ["a device", "a refusal"]) {
    await using w = await world();
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => {
      if (why === "a refusal" && line.startsWith("STAT")) return PERMISSION_DENIED;
      return line.startsWith("REMOVE") ? gate.promise : undefined;
    };
    if (why === "a device") w.server.add("/dir/file", new Uint8Array(0)).mode = 0o020666;
    else w.server.links.set("/dir/file", "/dir/real");
    const making = w.target();
    for (let turns = 0; turns < 5; turns++) await turn();
    assertEquals(w.log().at(-1), "REMOVE /dir/.part");
    gate.resolve(undefined);
    await (await making).discard(new Error("enough"));
    assertEquals(hidden(w), []);
  }
});

Deno.test("without a write in place there is no warning", async () => {
  await using w = await world();
  w.server.refuse = (line) => line.startsWith("OPEN") ? PERMISSION_DENIED : undefined;
  await assertRejects(() => w.target(), SftpError);
  assertEquals(w.warnings, []);
});

Deno.test("a file without readable attributes is written in place, and its part removed", async () => {
  for (const resume of [false, true]) {
    await using w = await world();
    w.server.add("/real", new Uint8Array(3));
    w.server.links.set("/dir/file", "/real");
    w.server.refuse = (line) => /^(STAT|FSTAT)/.test(line) ? PERMISSION_DENIED : undefined;
    await write(await w.target({ resume }));
    assert(same(w.server.data("/real")!, data));
    assertEquals([w.warnings.length, hidden(w)], [1, []]);
    // With `atomic` that is an error, and an earlier attempt's part is kept.
    const atomic = () => w.target({ resume, atomic: true });
    assertEquals((await assertRejects(atomic, SftpError)).status, PERMISSION_DENIED);
    await w.remote.realPath("/", {});
    assertEquals(hidden(w), resume ? ["/dir/.kept"] : []);
  }
});

Deno.test("a session that ends while a target is made is an error, and does not lead to a write in place", async () => {
  const server = new MemoryServer();
  server.folders.set("/dir", 0o755);
  server.links.set("/dir/file", "/real");
  server.add("/real", new Uint8Array(3));
  const remote = await server.connect();
  server.refuse = async (line) => {
    if (line.startsWith("STAT")) await remote.session.close();
    return undefined;
  };
  const store = new RemoteStore(remote, {
    options: {},
    limits: {},
    inFlight: 1,
    warn: () => assert(false),
  });
  const request = { path: "/dir/file", name: "/source", info: INFO, inside: false };
  await assertRejects(() => store.target(request), Error, "closed");
  assertEquals(server.log.filter((line) => line.includes("trunc")), []);
});

Deno.test("an open that is not answered in time is undone", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("OPEN") ? gate.promise : undefined;
  const abort = new AbortController();
  const opening = w.target({}, { signal: abort.signal });
  await turn();
  abort.abort(new Error("enough"));
  await assertRejects(() => opening, Error, "enough");
  gate.resolve(undefined);
  await w.remote.realPath("/", {});
  await w.remote.realPath("/", {}); // the handle that came late is closed
  assertEquals([hidden(w), w.server.open, w.warnings], [[], 0, []]);
});

Deno.test("a part is made on a server without exclusive creation", async () => {
  await using w = await world();
  w.server.refuse = (line) => line.includes("excl") ? OP_UNSUPPORTED : undefined;
  await write(await w.target({ resume: true }));
  assertEquals(w.log().filter((line) => line.startsWith("OPEN")), [
    "OPEN /dir/.kept read+write+creat+excl 640",
    "OPEN /dir/.kept read+write+creat 640",
  ]);
  assertEquals([w.server.data("/dir/file")!.length, w.warnings], [data.length, []]);
});

Deno.test("a part whose open was aborted is not requested again", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("OPEN") ? gate.promise : undefined;
  const abort = new AbortController();
  const opening = w.target({ resume: true }, { signal: abort.signal });
  await turn();
  abort.abort(new Error("enough"));
  await assertRejects(() => opening, Error, "enough");
  gate.resolve(undefined);
  await w.remote.realPath("/", {});
  assertEquals(w.log(), [
    "OPEN /dir/.kept read+write+creat+excl 640",
    "LSTAT /dir/file",
    "REALPATH /",
  ]);
});

Deno.test("an aborted target does not wait for the clean-up on the server", async () => {
  await using w = await world();
  const abort = new AbortController();
  const target = await w.target({}, { signal: abort.signal });
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = () => gate.promise;
  abort.abort(new Error("enough"));
  await target.discard(new Error("enough"));
  gate.resolve(undefined);
  await w.remote.realPath("/", {});
  assertEquals(w.server.files.size, 0);
});
