/** A server's file written by a transfer: the requests. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  SftpError,
  type SftpFileInfo,
  SftpStatus,
  type SftpTransferOptions,
} from "../../lib/sftp/mod.ts";
import { Close } from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import type { TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { RemoteStore } from "../../lib/sftp/transfer/remote_store.ts";
import { remoteTarget } from "../../lib/sftp/transfer/remote_target.ts";
import type { FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import { partName } from "../../lib/sftp/transfer/resume.ts";
import { MemoryServer } from "./memory_server.ts";
import { Lane } from "../../lib/sftp/remote/lane.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { noise, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const data = noise(200_000);
const { FAILURE, NO_SUCH_FILE, PERMISSION_DENIED, OP_UNSUPPORTED } = SftpStatus;

const INFO: SftpFileInfo = {
  isFile: true,
  isDirectory: false,
  isSymlink: false,
  size: data.length,
  mtime: new Date(2_000_000),
  atime: null,
  mode: 0o100640,
  uid: 7,
  gid: 8,
};

interface World extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  readonly warnings: string[];
  target(options?: SftpTransferOptions, more?: Partial<Request>): Promise<TransferTarget>;
  /** The requests since the last call, hidden names without their number. */
  log(): string[];
}

interface Request {
  readonly path: string;
  readonly info: SftpFileInfo | null;
  readonly inside: boolean;
  readonly signal: AbortSignal;
}

async function world(...extensions: string[]): Promise<World> {
  const server = new MemoryServer();
  server.extensions.push(...extensions);
  server.folders.set("/dir", 0o755);
  const remote = await server.connect();
  const warnings: string[] = [];
  return {
    server,
    remote,
    warnings,
    target(options = {}, { path = "/dir/file", info = INFO, inside = false, signal } = {}) {
      const store = new RemoteStore(remote, {
        options,
        limits: { signal },
        inFlight: options.inFlight ?? 1 << 20,
        warn: (path, message) => void warnings.push(`${path}: ${message}`),
      });
      return store.target({ path, name: "/source", info, inside });
    },
    log: () => server.log.splice(0).map(plain),
    async [Symbol.asyncDispose]() {
      await remote.realPath("/", {}); // after the CLOSEs that were not awaited
      assertEquals(server.open, 0);
      await remote.session.close();
    },
  };
}

function plain(line: string): string {
  return line.replaceAll(/\.[-0-9a-f]{36}\.(part|old)/g, ".$1").replaceAll(
    /\.[0-9a-f]{32}\.part/g,
    ".kept",
  );
}

/** Writes everything and renames the file. */
async function write(
  target: TransferTarget,
  bytes = data,
  info: SftpFileInfo | null = INFO,
): Promise<void> {
  await target.write(bytes, () => {});
  await target.flush();
  await target.commit(info);
}

const WRITES = (path: string, length = data.length) =>
  Array.from(
    { length: Math.ceil(length / 32768) },
    (_, index) => `WRITE ${path} ${index * 32768} ${Math.min(32768, length - index * 32768)}`,
  );

/** The hidden names that are left. */
function hidden({ server }: World): string[] {
  return [...server.files.keys()].map(plain).filter((path) => path.includes("/."));
}

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

Deno.test("a server that refuses to rename gets the content in place, tested once per folder", async () => {
  for (
    const [status, asked] of [[PERMISSION_DENIED, 1], [OP_UNSUPPORTED, 1], [FAILURE, 2]] as const
  ) {
    await using w = await world();
    w.server.refuse = (line) => line.startsWith("RENAME") ? status : undefined;
    await write(await w.target({ preserve: true }), data, INFO);
    const log = w.log();
    const at = log.indexOf("RENAME /dir/.part /dir/file");
    assertEquals(log.slice(at + 3), [
      "LSTAT /dir/file",
      "OPEN /dir/.part read",
      "OPEN /dir/file write+creat+trunc 640",
      ...log.slice(at + 6, -4),
      "CLOSE /dir/file",
      "CLOSE /dir/.part",
      "REMOVE /dir/.part",
      "SETSTAT /dir/file mode=640 times=2000:2000",
    ]);
    assert(same(w.server.data("/dir/file")!, data));
    await write(await w.target());
    const opens = w.log().filter((line) => line.includes("excl"));
    assertEquals([opens.length, w.warnings.length], [asked - 1, 2]);
    const texts: Record<number, string> = {
      3: "Permission denied",
      8: "Operation not supported",
      4: "Failure",
    };
    const [first, second] = w.warnings;
    const reason = `renaming failed, ${texts[status]}`;
    const place =
      '/dir/file: "/dir/file" was written in place, because the server allows no other way: ';
    assertEquals(first, place + reason);
    assertEquals(second, place + (asked === 1 ? "it refuses to rename files" : reason));
    // In another folder it is tried again, and with `atomic` in every folder.
    await write(await w.target({}, { path: "/other" }));
    await assertRejects(
      () => w.target({ atomic: true }).then((target) => write(target)),
      SftpError,
    );
    assertEquals(w.log().filter((line) => line.includes("excl")).length, 2);
    w.server.files.clear();
  }
});

Deno.test("a copy in place that fails is an error, and closes both files", async () => {
  const refusals: Record<string, (line: string) => boolean> = {
    "the part cannot be read": (line) => line.startsWith("READ "),
    "the file cannot be opened": (line) => line.startsWith("OPEN /dir/file"),
    "the file cannot be written": (line) => line.startsWith("WRITE /dir/file"),
    "the file cannot be flushed": (line) => line.startsWith("FSYNC /dir/file"),
    "the file cannot be closed": (line) => line.startsWith("CLOSE /dir/file"),
  };
  for (const [what, refuses] of Object.entries(refusals)) {
    await using w = await world(EXTENSION.FSYNC);
    w.server.refuse = (line) => line.startsWith("RENAME") || refuses(line) ? FAILURE : undefined;
    const target = await w.target({ sync: true });
    const error = await assertRejects(() => write(target), SftpError, undefined, what);
    assertEquals([what, error.path], [what, "/dir/file"]);
    await target.discard(error);
    if (what.endsWith("closed")) await closeAll(w);
  }
});

Deno.test("after a copy in place the temporary file is closed before it is removed", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  const target = await w.target();
  let closes = 0;
  w.server.refuse = (line) => {
    if (line.startsWith("RENAME")) return FAILURE;
    return line.startsWith("CLOSE /dir/.") && ++closes === 2 ? gate.promise : undefined;
  };
  let written = false;
  const writing = write(target).then(() => written = true);
  while (closes < 2) await turn();
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals([written, w.log().some((line) => line.startsWith("REMOVE"))], [false, false]);
  gate.resolve(undefined);
  await writing;
  assertEquals(hidden(w), []);
});

Deno.test("a copy in place of another length is an error", async () => {
  await using w = await world();
  w.server.refuse = (line) => {
    if (line.startsWith("OPEN /dir/file")) {
      const part = [...w.server.files].find(([path]) => path.includes("/."))![1];
      part.data = part.data.subarray(0, 1000);
    }
    return /^(RENAME|FSTAT)/.test(line) ? FAILURE : undefined;
  };
  const target = await w.target();
  const error = await assertRejects(() => write(target), SftpError);
  await target.discard(error);
  assertEquals(
    plainMessage(error),
    'Cannot put "/dir/file" on the server: 1000 of 200000 bytes could be copied',
  );
});

Deno.test("a temporary file that cannot be removed is a second warning", async () => {
  await using w = await world(EXTENSION.FSYNC);
  w.server.refuse = (line) => /^(RENAME|REMOVE)/.test(line) ? FAILURE : undefined;
  await write(await w.target({ sync: true }));
  assertEquals(
    w.warnings.map((text) => text.slice(0, 60)),
    [
      "/dir/file: The server refused to remove a temporary file from ",
      '/dir/file: "/dir/file" was written in place, because the ser',
    ].map((text) => text.slice(0, 60)),
  );
  assert(w.log().includes("FSYNC /dir/file"));
});

Deno.test("a folder with the final name is reported, and the part is not copied over it", async () => {
  await using w = await world();
  const target = await w.target({}, { inside: true });
  w.server.folders.set("/dir/file", 0o755);
  const error = await assertRejects(() => write(target), SftpError);
  assertEquals(plainMessage(error), 'Cannot put "/dir/file" on the server: it is a directory');
  assert(error.cause instanceof SftpError);
  await target.discard(error);
  assertEquals(hidden(w), []);
});

Deno.test("attributes are set on the open file, after the sync and before the close", async () => {
  await using w = await world(EXTENSION.FSYNC);
  const options = { preserve: true, owners: true, sync: true };
  await write(await w.target(options));
  assertEquals(w.log().slice(-4), [
    "FSETSTAT /dir/.part mode=640 owner=7:8 times=2000:2000",
    "FSYNC /dir/.part",
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  w.server.files.clear();
  const cases: [SftpTransferOptions, Partial<SftpFileInfo>, set: string | null][] = [
    [{ preserve: true }, {}, "mode=640 times=2000:2000"],
    [{ preserve: true }, { atime: new Date(5000) }, "mode=640 times=5:2000"],
    [{ preserve: true }, { mtime: null }, "mode=640"],
    [{ owners: true }, {}, "owner=7:8"],
    [{ owners: true }, { uid: null }, null],
    [{ owners: true }, { gid: null }, null],
    [{}, {}, null],
  ];
  for (const [options, changes, set] of cases) {
    const info = { ...INFO, ...changes };
    await write(await w.target(options, { info }), data, info);
    const found = w.log().filter((line) => line.startsWith("FSETSTAT"));
    assertEquals(found, set === null ? [] : [`FSETSTAT /dir/.part ${set}`]);
    w.server.files.clear();
  }
});

Deno.test("attributes refused for the open file are set by name, with a warning", async () => {
  await using w = await world();
  w.server.refuse = (line) => /^F?SETSTAT.*(owner)/.test(line) ? PERMISSION_DENIED : undefined;
  await write(await w.target({ preserve: true, owners: true }));
  assertEquals(w.log().slice(-5), [
    "RENAME /dir/.part /dir/file",
    "SETSTAT /dir/file mode=640 owner=7:8 times=2000:2000",
    "SETSTAT /dir/file mode=640",
    "SETSTAT /dir/file times=2000:2000",
    "SETSTAT /dir/file owner=7:8",
  ]);
  assertEquals(w.warnings.length, 1);
});

Deno.test("after a failed close or flush the file is not renamed", async () => {
  for (const [request, options] of [["CLOSE", {}], ["FSYNC", { sync: true }]] as const) {
    await using w = await world(EXTENSION.FSYNC);
    const target = await w.target(options);
    let once = true;
    w.server.refuse = (line) => {
      if (!line.startsWith(request) || !once) return undefined;
      once = false;
      return FAILURE;
    };
    await assertRejects(() => write(target), SftpError);
    assertEquals(w.log().filter((line) => line.startsWith("RENAME")), []);
    await target.discard(new Error("enough"));
    assertEquals(w.server.files.size, 0);
    if (request === "CLOSE") await closeAll(w);
  }
});

/** Closes what the server has refused to close. */
async function closeAll({ remote, server }: World): Promise<void> {
  server.refuse = () => undefined;
  for (let handle = 1; server.open > 0; handle++) {
    const call = { operation: "close", path: null };
    await remote.command(Close, { handle: new Uint8Array([0, handle]) }, call).catch(() => {});
  }
}

/** How a part is recognized as our user's. */
const OWN = [
  "FSTAT /dir/.kept",
  "LSTAT /dir/.kept",
  "OPEN /dir/.part write+creat+excl",
  "FSTAT /dir/.part",
  "CLOSE /dir/.part",
  "REMOVE /dir/.part",
];

Deno.test("a part is trusted except for the bytes that may have been in flight", async () => {
  await using w = await world();
  const options = { resume: true, inFlight: 100_000 };
  const first = await w.target(options);
  assertEquals(first.held, 0);
  await first.write(data, () => {});
  await first.flush();
  await first.discard(new Error("enough"));
  w.log();
  const second = await w.target(options);
  // Three blocks of 50,000 bytes in requests of 32 KiB: one within, and two beyond.
  const window = 4 * 32_768;
  assertEquals(second.held, data.length - window);
  const bytes = new Uint8Array(10);
  assertEquals(await second.readAt!(bytes, 5), 10);
  assert(same(bytes, data.subarray(5, 15)));
  await second.start!(second.held);
  await second.write(data.subarray(second.held), () => {});
  await second.flush();
  assertEquals(w.log().filter((line) => !/^(READ|WRITE)/.test(line)), [
    "OPEN /dir/.kept read+write+creat+excl 640",
    "LSTAT /dir/file",
    "LSTAT /dir/.kept",
    "OPEN /dir/.kept read+write",
    ...OWN,
    "FSTAT /dir/.kept",
  ]);
  await second.commit(INFO);
  assertEquals(w.log(), [
    "FSTAT /dir/.kept",
    "LSTAT /dir/.kept",
    "FSETSTAT /dir/.kept mode=640",
    "CLOSE /dir/.kept",
    "RENAME /dir/.kept /dir/file",
  ]);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("another user's part, or a link, is neither written nor removed", async () => {
  const foreign: Record<string, (w: World, path: string) => void> = {
    "another user's": (w, path) => w.server.files.get(path)!.uid = 99,
    "a link": (w, path) => {
      w.server.add("/victim", data.slice(0, 50_000));
      w.server.files.delete(path);
      w.server.links.set(path, "/victim");
    },
    "a folder": (w, path) => {
      w.server.files.delete(path);
      w.server.folders.set(path, 0o755);
    },
  };
  for (const [what, put] of Object.entries(foreign)) {
    await using w = await world();
    await (await w.target({ resume: true })).discard(new Error("enough"));
    const [path] = [...w.server.files.keys()];
    put(w, path!);
    w.log();
    const target = await w.target({ resume: true });
    assertEquals(target.held, 0, what);
    // Nor is the content of an older file put into a new part that no later attempt would find.
    w.server.add("/dir/file", data.slice(0, 190_000));
    await target.adopt!(data.length, () => assert(false) as never);
    await write(target);
    assert(same(w.server.data("/dir/file")!, data), what);
    const log = w.log();
    assertEquals(log.filter((line) => line.startsWith("WRITE /dir/.kept")), [], what);
    // Opening a pipe would block.
    const opened = log.includes("OPEN /dir/.kept read+write");
    assertEquals(opened, what === "another user's", what);
    const all = [...w.server.files.keys(), ...w.server.links.keys(), ...w.server.folders.keys()];
    assert(all.includes(path!), what);
  }
});

/** A world in which an earlier attempt has left a part of 100,000 bytes, none of them in flight. */
async function withPart(): Promise<World & { path: string; resume(): Promise<TransferTarget> }> {
  const w = await world();
  const resume = () => w.target({ resume: true, inFlight: 32_768 });
  await (await resume()).discard(new Error("enough"));
  const [path] = [...w.server.files.keys()];
  w.server.files.get(path!)!.data = data.slice(0, 100_000);
  w.log();
  return { ...w, path: path!, resume };
}

Deno.test("a part that is swapped with another file while it is opened is not used", async () => {
  const swaps: Record<string, (w: World, path: string) => void> = {
    "a file of another size": (w, path) => w.server.add(path, noise(3)),
    "another user's": (w, path) => w.server.add(path, data.slice(0, 100_000)).uid = 99,
    "a link": (w, path) => {
      w.server.files.delete(path);
      w.server.links.set(path, "/elsewhere");
    },
    "a device of that size": (w, path) =>
      w.server.add(path, data.slice(0, 100_000)).mode = 0o020600,
  };
  for (const [what, swap] of Object.entries(swaps)) {
    await using w = await withPart();
    w.server.refuse = (line) => {
      if (line.startsWith("FSTAT /dir/.")) swap(w, w.path);
      return undefined;
    };
    const target = await w.resume();
    assertEquals(target.held, 0, what);
    await write(target);
    assertEquals(w.log().filter((line) => line.startsWith("WRITE /dir/.kept")), [], what);
  }
});

Deno.test("a part with missing attributes is trusted", async () => {
  const refusals: Record<string, (line: string, w: World) => boolean> = {
    "its size": (line) => line.startsWith("FSTAT /dir/."),
    "the renamed file": (line, w) =>
      line.startsWith("LSTAT /dir/.") && w.server.log.some((line) => line.startsWith("FSTAT")),
    "the user of a new file": (line) => line.startsWith("OPEN /dir/.") && line.includes("-"),
  };
  for (const [what, refuses] of Object.entries(refusals)) {
    await using w = await withPart();
    w.server.refuse = (line) => refuses(line, w) ? PERMISSION_DENIED : undefined;
    const target = await w.resume();
    assert(target.held > 0, what);
    await write(target);
    assertEquals([w.server.data("/dir/file")!.length, w.warnings], [data.length, []], what);
  }
});

Deno.test("a handle opened to check a part is closed before another part is made", async () => {
  for (const last of ["CLOSE /dir/.kept", "REMOVE /dir/.part"]) {
    await using w = await withPart();
    w.server.files.get(w.path)!.uid = 99;
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => plain(line) === last ? gate.promise : undefined;
    const making = w.resume();
    for (let turns = 0; turns < 5; turns++) await turn();
    const log = w.log();
    assert(log.includes(last), last);
    const made = () => log.filter((line) => line.startsWith("OPEN /dir/.part")).length;
    assertEquals(made(), 1, last); // to see which user new files belong to
    gate.resolve(undefined);
    await (await making).discard(new Error("enough"));
    log.push(...w.log());
    assertEquals([made(), hidden(w)], [2, ["/dir/.kept"]]);
  }
});

Deno.test("a resumed file gets the requested mode at the end, and is readable until then", async () => {
  await using w = await world(EXTENSION.POSIX_RENAME);
  const target = await w.target({ resume: true, mode: 0o044 });
  assertEquals(w.log()[0], "OPEN /dir/.kept read+write+creat+excl 644");
  await write(target);
  assertEquals(w.server.files.get("/dir/file")!.mode & 0o777, 0o044);
  const other = await w.target({ resume: true }, { info: { ...INFO, mode: null } });
  assertEquals(w.log().at(-3), "OPEN /dir/.kept read+write+creat+excl");
  await write(other);
  assertEquals(w.server.files.get("/dir/file")!.mode & 0o777, 0o044);
});

Deno.test("a part that another transfer has removed is not renamed", async () => {
  const swaps: Record<string, (w: World, path: string) => void> = {
    "a longer one": (w, path) => w.server.add(path, noise(200_001)),
    "a link": (w, path) => {
      w.server.add("/elsewhere", data);
      w.server.files.delete(path);
      w.server.links.set(path, "/elsewhere");
    },
  };
  const cases = Object.entries(swaps).flatMap(([what, swap]) =>
    [false, true].map((isLate) => [`${what}, ${isLate}`, swap, isLate] as const)
  );
  for (const [what, swap, isLate] of cases) {
    await using w = await world();
    const target = await w.target({ resume: true });
    const path = [...w.server.files.keys()][0]!;
    await target.write(data, () => {});
    // Without a flush the last writes are still in flight when it is looked at.
    if (!isLate) await target.flush();
    swap(w, path);
    const error = await assertRejects(() => target.commit(INFO), SftpError, undefined, what);
    assertEquals(
      plainMessage(error),
      'Cannot put "/dir/file" on the server: another transfer has taken its place',
    );
    assertEquals(w.server.files.has("/dir/file"), false);
    await target.discard(error);
  }
});

Deno.test("a part whose attributes are refused is still renamed", async () => {
  for (const request of ["FSTAT", "LSTAT /dir/."]) {
    await using w = await world();
    const target = await w.target({ resume: true });
    w.server.refuse = (line) => line.startsWith(request) ? PERMISSION_DENIED : undefined;
    await write(target);
    assert(same(w.server.data("/dir/file")!, data));
  }
});

Deno.test("a part of another file is truncated, by opening it again if needed", async () => {
  for (const refused of [false, true]) {
    await using w = await world();
    const options = { resume: true, inFlight: 1000 };
    const first = await w.target(options);
    await first.write(noise(150_000, 2), () => {});
    await first.flush();
    await first.discard(new Error("enough"));
    const target = await w.target(options);
    assert(target.held > 0);
    w.log();
    w.server.refuse = (line) => refused && line.includes("size=0") ? PERMISSION_DENIED : undefined;
    await target.start!(0);
    await target.write(data.subarray(0, 100_000), () => {});
    await target.flush();
    const log = w.log().filter((line) => !line.startsWith("WRITE"));
    assertEquals(log, [
      "FSETSTAT /dir/.kept size=0",
      ...refused ? ["OPEN /dir/.kept read+write+creat+trunc", "CLOSE /dir/.kept"] : [],
    ]);
    await target.commit(INFO);
    assert(same(w.server.data("/dir/file")!, data.subarray(0, 100_000)));
  }
  await using w = await world();
  const target = await w.target({ resume: true });
  w.log();
  await target.start!(0); // nothing is there
  assertEquals(w.log(), []);
  await target.discard(new Error("enough"));
});

Deno.test("a part that cannot be emptied in time is not opened again", async () => {
  await using w = await world();
  const options = { resume: true, inFlight: 1000 };
  const first = await w.target(options);
  await first.write(noise(150_000, 2), () => {});
  await first.flush();
  await first.discard(new Error("enough"));
  const target = await w.target(options);
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.includes("size=0") ? gate.promise : undefined;
  w.log();
  {
    using time = new FakeTime();
    await assertRejects(() => time.settle(target.start!(0)), SftpError);
  }
  assertEquals(w.log(), ["FSETSTAT /dir/.kept size=0"]);
  gate.resolve(undefined);
  await target.discard(new Error("enough"));
});

Deno.test("a part that is longer than the source is cut, and a hole at the end is written", async () => {
  await using w = await world();
  const options = { resume: true, inFlight: 1000 };
  const first = await w.target(options);
  await first.write(data, () => {});
  await first.flush();
  await first.discard(new Error("enough"));
  const target = await w.target(options);
  await target.start!(100_000);
  await target.write(data.subarray(100_000, 110_000), () => {});
  await target.flush();
  assertEquals(w.log().at(-1), "FSETSTAT /dir/.kept size=110000");
  await target.discard(new Error("enough"));
  const sparse = await w.target();
  await sparse.write(data.subarray(0, 10), () => {});
  await sparse.skip!(90);
  await sparse.write(data.subarray(0, 10), () => {});
  await sparse.flush();
  assertEquals(w.log().slice(-2), ["WRITE /dir/.part 0 10", "WRITE /dir/.part 100 10"]);
  await sparse.skip!(90);
  await sparse.flush();
  assertEquals(w.log(), ["WRITE /dir/.part 199 1"]); // paramiko's server cannot set a size
  await sparse.commit(null);
  assertEquals(w.server.data("/dir/file")!.length, 200);
});

Deno.test("before a hole in a part nothing is in flight", async () => {
  for (const resume of [true, false]) {
    await using w = await world();
    const target = await w.target({ resume });
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => line.startsWith("WRITE") ? gate.promise : undefined;
    await target.write(data.subarray(0, 100), () => {});
    let skipped = false;
    const skipping = target.skip!(1000).then(() => skipped = true);
    await turn();
    assertEquals(skipped, !resume);
    gate.resolve(undefined);
    await skipping;
    await target.discard(new Error("enough"));
  }
});

for (const copies of [true, false]) {
  const how = copies ? "copied by the server" : "extended";
  Deno.test(`an older file that is a prefix of the source is ${how}`, async () => {
    await using w = await world(...copies ? [EXTENSION.COPY_DATA] : [], EXTENSION.POSIX_RENAME);
    w.server.add("/dir/file", data.slice(0, 150_000), 0o604);
    const target = await w.target({ resume: true, inFlight: 1000 });
    let asked = 0;
    await target.adopt!(data.length, async (file, length) => {
      asked = length;
      const bytes = new Uint8Array(10);
      assertEquals(await file.readAt(bytes, 77), 10);
      assert(same(bytes, data.subarray(77, 87)));
      return true;
    });
    const held = 150_000 - 3 * 4096;
    assertEquals([asked, target.held], [held, held]);
    await w.remote.realPath("/", {}); // after the CLOSE
    assertEquals(w.log().slice(3).filter((line) => !line.startsWith("READ")), [
      "LSTAT /dir/file",
      "OPEN /dir/file read",
      ...copies
        ? ["COPY_DATA /dir/file /dir/.kept 0 150000"]
        : ["OPEN /dir/file read+write", "CLOSE /dir/.kept", "REMOVE /dir/.kept"],
      "CLOSE /dir/file",
      "REALPATH /",
    ]);
    await target.start!(held);
    await target.write(data.subarray(held), () => {});
    await target.flush();
    await target.commit(INFO);
    assert(same(w.server.data("/dir/file")!, data));
    assertEquals([w.server.files.get("/dir/file")!.mode & 0o777, hidden(w)], [0o604, []]);
  });
}

Deno.test("an older file that cannot be extended in place is replaced", async () => {
  for (const atomic of [undefined, true]) {
    await using w = await world(EXTENSION.POSIX_RENAME);
    w.server.add("/dir/file", data.slice(0, 150_000), 0o444);
    w.server.refuse = (line) =>
      line === "OPEN /dir/file read+write" ? PERMISSION_DENIED : undefined;
    const options = { resume: true, inFlight: 1000, ...(atomic && { atomic }) };
    const target = await w.target(options);
    let compared = false;
    await target.adopt!(data.length, () => Promise.resolve(compared = true));
    // With `atomic` it is not even compared, since no reader may see an incomplete file.
    assertEquals([target.held, compared], [0, !atomic]);
    await write(target);
    assert(same(w.server.data("/dir/file")!, data));
    assertEquals([w.server.files.get("/dir/file")!.mode & 0o777, hidden(w)], [0o444, []]);
  }
});

Deno.test("an older file is copied by the server also with atomic", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, atomic: true, inFlight: 1000 });
  await target.adopt!(data.length, () => Promise.resolve(true));
  assert(target.held > 0);
  await target.discard(new Error("enough"));
});

Deno.test("a copy by the server is complete before more is written", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, inFlight: 1000 });
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("COPY_DATA") ? gate.promise : undefined;
  let adopted = false;
  const adopting = target.adopt!(data.length, () => Promise.resolve(true))
    .then(() => adopted = true);
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(adopted, false);
  gate.resolve(undefined);
  await adopting;
  await target.discard(new Error("enough"));
});

Deno.test("an older file that is longer than needed is truncated", async () => {
  await using w = await world();
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, inFlight: 1000 });
  let removed = false;
  w.server.refuse = (line) => {
    if (!line.startsWith("REMOVE")) return undefined;
    return turn().then(() => {
      removed = true;
      return undefined;
    });
  };
  await target.adopt!(data.length, () => Promise.resolve(true));
  assertEquals(removed, true);
  await target.start!(100);
  await target.flush();
  assertEquals(w.log().at(-1), "FSETSTAT /dir/file size=100");
  await target.commit(null);
  assertEquals(w.server.data("/dir/file")!.length, 100);
});

Deno.test("an older file is cut if the source ends within its last window", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, inFlight: 1000 });
  await target.adopt!(data.length, () => Promise.resolve(true));
  await target.start!(target.held);
  await target.write(data.subarray(target.held, target.held + 10), () => {});
  assertEquals(target.flushesLast, false);
  await target.flush();
  assertEquals(w.log().at(-1), `FSETSTAT /dir/.kept size=${target.held + 10}`);
  await target.discard(new Error("enough"));
});

Deno.test("the last writes wait for a flush only after a hole, or if the size must change", async () => {
  await using w = await world();
  const target = await w.target();
  assertEquals(target.flushesLast, true);
  await target.skip!(10);
  assertEquals(target.flushesLast, false);
  await target.write(data.subarray(0, 10), () => {});
  assertEquals(target.flushesLast, true);
  await target.discard(new Error("enough"));
  const old = await w.target({ resume: true, inFlight: 1000 });
  await old.write(data, () => {});
  await old.flush();
  await old.discard(new Error("enough"));
  const part = await w.target({ resume: true, inFlight: 1000 });
  await part.start!(100_000);
  assertEquals(part.flushesLast, false);
  await part.write(data.subarray(100_000, 199_999), () => {});
  assertEquals(part.flushesLast, false);
  await part.write(data.subarray(199_999), () => {});
  assertEquals(part.flushesLast, true);
  await part.discard(new Error("enough"));
});

/** A target that may be spread over one further session, in which its file is not opened unless given. */
async function spread(
  w: World,
  part: string | null,
  wide: string | null,
  lane: (path: string) => Promise<Lane | null> = () => Promise.resolve(null),
): Promise<{ target: TransferTarget; opened: string[] }> {
  const opened: string[] = [];
  const session = {
    lane(path: string) {
      opened.push(plain(path));
      return lane(path);
    },
  };
  const further = { begin() {}, for: () => [session], opening: null, windows: () => 0 };
  const settings = { options: { resume: true }, limits: {}, inFlight: 1000, warn() {} };
  const request = { path: "/dir/file", name: "/source", info: INFO, inside: false };
  const target = await remoteTarget(w.remote, request, part, settings, {
    further: further as unknown as FurtherSessions,
    inFlight: 1000,
    part: wide,
  });
  return { target, opened };
}

/** Writes in blocks, each answered before the next. */
async function writeSlowly(target: TransferTarget, bytes = data): Promise<void> {
  for (let at = 0; at < bytes.length; at += 50_000) {
    await target.write(bytes.subarray(at, at + 50_000), () => {});
    for (let turns = 0; turns < 5; turns++) await turn();
  }
}

const [PART, WIDE] = ["a", "b"].map((digit) => `/dir/.${digit.repeat(32)}.part`) as [
  string,
  string,
];

Deno.test("a part gets its wide name before it is opened in further sessions", async () => {
  await using w = await world();
  const { target, opened } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  assertEquals(opened, ["/dir/.kept"]);
  assertEquals(w.server.log.filter((line) => line.startsWith("RENAME")), [
    `RENAME ${PART} ${WIDE}`,
  ]);
  assertEquals(target.flushesLast, false); // the renaming must end before
  await target.flush();
  await target.commit(INFO);
  assertEquals(w.server.log.at(-1), `RENAME ${WIDE} /dir/file`);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a part whose renaming is refused is not opened in further sessions", async () => {
  await using w = await world();
  w.server.refuse = (line) => line.startsWith(`RENAME ${PART} ${WIDE}`) ? FAILURE : undefined;
  const { target, opened } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  await target.flush();
  await target.commit(INFO);
  assertEquals(opened, []);
  assert(w.server.log.includes(`RENAME ${PART} /dir/file`));
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a flush waits until a part has its wide name", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("RENAME") ? gate.promise : undefined;
  const { target } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  let flushed = false;
  const flushing = target.flush().then(() => flushed = true);
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(flushed, false);
  gate.resolve(undefined);
  await flushing;
  await target.commit(INFO);
  assertEquals(w.server.log.at(-1), `RENAME ${WIDE} /dir/file`);
});

Deno.test("a file without a part, or with its wide name already, is not renamed to be spread", async () => {
  for (const [part, wide] of [[null, null], [WIDE, WIDE]]) {
    await using w = await world();
    const { target, opened } = await spread(w, part!, wide!);
    await writeSlowly(target);
    assertEquals(opened.length, 1);
    await target.flush();
    await target.commit(INFO);
    const renames = w.server.log.filter((line) => line.startsWith("RENAME"));
    assertEquals([renames.length, w.server.data("/dir/file")!.length], [1, data.length]);
  }
});

Deno.test("instead of another user's part a file is spread under its own name", async () => {
  await using w = await world();
  w.server.folders.set(PART, 0o755);
  const { target, opened } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  assertEquals(opened, ["/dir/.part"]);
  await target.flush();
  await target.commit(INFO);
  assertEquals(w.server.log.some((line) => line.includes(WIDE)), false);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a file that is given up is closed in every session", async () => {
  await using w = await world();
  const lane = async (path: string) => new Lane(await w.remote.file(path, { write: true }));
  const { target, opened } = await spread(w, null, null, lane);
  await writeSlowly(target);
  assertEquals([opened.length, w.server.open], [1, 2]);
  await target.discard(new Error("enough"));
  for (let turns = 0; turns < 3; turns++) await turn();
  assertEquals([w.server.open, w.server.files.size], [0, 0]);
});

Deno.test("only a random name is known to be new if the connection is lost while it is opened", async () => {
  for (const resume of [false, true]) {
    await using w = await world();
    if (resume) await (await w.target({ resume })).discard(new Error("enough"));
    const made: [name: string, isOwnName: boolean | undefined][] = [];
    const { file } = w.remote;
    using _ = replaced(w.remote, "file", (path, options, about) => {
      if (options.createNew) made.push([plain(path), options.isOwnName]);
      return file.call(w.remote, path, options, about);
    });
    const target = await w.target({ resume });
    assertEquals(
      made,
      // The last one shows which user new files belong to.
      resume ? [["/dir/.kept", false], ["/dir/.part", true]] : [["/dir/.part", true]],
    );
    await target.discard(new Error("enough"));
  }
});

Deno.test("a hidden name has a form that survives the session if the session can be renewed", async () => {
  for (const isRenewable of [false, true]) {
    await using w = await world();
    using _ = replaced(w.remote.session, "isRenewable", isRenewable);
    const target = await w.target();
    assertEquals(hidden(w), [isRenewable ? "/dir/.kept" : "/dir/.part"]);
    await target.discard(new Error("enough"));
  }
});

Deno.test("an abandoned file is removed over a connection that is alive", async () => {
  await using w = await world();
  const target = await w.target();
  const removed: string[] = [];
  {
    const alive = { remove: (path: string) => Promise.resolve(void removed.push(plain(path))) };
    using _ = replaced(w.remote, "alive", alive as unknown as RemoteFileSystem);
    await target.discard(new Error("enough"));
  }
  assertEquals(removed, ["/dir/.part"]);
  assertEquals(w.log().filter((line) => line.startsWith("REMOVE")), []);
});

Deno.test("an older file that is extended in place is not spread", async () => {
  for (const wide of [PART, WIDE]) {
    await using w = await world();
    w.server.add("/dir/file", data.slice(0, 100_000));
    const { target, opened } = await spread(w, PART, wide);
    await target.adopt!(data.length, () => Promise.resolve(true));
    await target.start!(target.held);
    await writeSlowly(target, data.subarray(target.held));
    assertEquals(opened, []);
    await target.flush();
    await target.commit(INFO);
    assert(same(w.server.data("/dir/file")!, data));
  }
});

Deno.test("a file sent over several channels is complete, or it is not renamed", async () => {
  for (const isLost of [false, true]) {
    await using w = await world();
    const lane = async (path: string) => {
      const elsewhere = { write: true, create: true };
      return new Lane(await w.remote.file(isLost ? "/elsewhere" : path, elsewhere));
    };
    const { target } = await spread(w, null, null, lane);
    await writeSlowly(target);
    assertEquals(target.flushesLast, false);
    if (isLost) {
      // Like the last bytes of a session that does not see the others' data.
      const [part] = [...w.server.files.keys()].filter((path) => path.startsWith("/dir/."));
      const file = w.server.files.get(part!)!;
      file.data = file.data.slice(0, 150_000);
      const error = await assertRejects(() => target.commit(INFO), SftpError);
      assertEquals(
        plainMessage(error),
        'Cannot put "/dir/file" on the server: the server has 150000 of 200000 bytes sent over ' +
          "several channels: use one (channels: 1)",
      );
      await target.discard(error);
      assertEquals(w.server.files.has("/dir/file"), false);
    } else {
      await target.flush();
      await target.commit(INFO);
      assert(same(w.server.data("/dir/file")!, data));
    }
  }
});

Deno.test("a refusal of the final file gets a reason, and another error stays as it is", async () => {
  await using w = await world();
  const target = await w.target();
  w.server.folders.set("/dir/file", 0o755);
  const refused = (path: string) =>
    new SftpError(FAILURE, "write", path, `Cannot write "${path}" on the server: Failure`);
  const errors = [new Error("the source failed"), refused("/dir/other"), refused("/source")];
  w.log();
  for (const error of errors) assertEquals(await target.explain!(error), error);
  assertEquals(w.log(), []);
  const explained = await target.explain!(
    new SftpError(FAILURE, "write", "/dir/file", 'Cannot write "/dir/file" on the server: Failure'),
  );
  assert(explained instanceof SftpError);
  assertEquals(
    plainMessage(explained),
    'Cannot write "/dir/file" on the server: it is a directory',
  );
  await target.discard(new Error("enough"));
});

Deno.test("the last writes, attributes and the CLOSE take one round trip, and the rename follows", async () => {
  for (const resume of [false, true]) {
    await using w = await world();
    const target = await w.target({ preserve: true, resume });
    w.log();
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => line.startsWith("WRITE") ? gate.promise : undefined;
    await target.write(data.subarray(0, 100), () => {});
    assertEquals(target.flushesLast, true);
    const committing = target.commit(INFO);
    await turn();
    const file = resume ? "/dir/.kept" : "/dir/.part";
    assertEquals(w.log(), [
      `WRITE ${file} 0 100`,
      ...resume ? [`FSTAT ${file}`, `LSTAT ${file}`] : [],
      `FSETSTAT ${file} mode=640 times=2000:2000`,
      `CLOSE ${file}`,
    ]);
    gate.resolve(undefined);
    await committing;
    assertEquals(w.log(), [`RENAME ${file} /dir/file`]);
  }
});

Deno.test("a write refused during the close is repeated, or the file is not renamed", async () => {
  for (const refusals of [1, Infinity]) {
    await using w = await world();
    const target = await w.target();
    w.log();
    let refused = 0;
    w.server.refuse = (line) =>
      line.startsWith("WRITE") && refused++ < refusals ? turn().then(() => FAILURE) : undefined;
    await target.write(data.subarray(0, 100), () => {});
    if (refusals === 1) {
      await target.commit(INFO);
      assert(same(w.server.data("/dir/file")!, data.subarray(0, 100)));
      assertEquals(w.log(), [
        "WRITE /dir/.part 0 100",
        "CLOSE /dir/.part",
        "OPEN /dir/.part write",
        "WRITE /dir/.part 0 100",
        "CLOSE /dir/.part",
        "RENAME /dir/.part /dir/file",
      ]);
    } else {
      const error = await assertRejects(() => target.commit(INFO), SftpError, "write");
      await target.discard(error);
      assertEquals([...w.server.files.keys()], []);
    }
  }
});

Deno.test("a refused write is reported if its file cannot be opened again", async () => {
  await using w = await world();
  const target = await w.target();
  w.server.refuse = (line) =>
    line.startsWith("OPEN") ? PERMISSION_DENIED : line.startsWith("WRITE") ? FAILURE : undefined;
  await target.write(data.subarray(0, 100), () => {});
  const error = await assertRejects(() => target.commit(INFO), SftpError, "write");
  assertEquals(error.status, FAILURE);
  await target.discard(error);
});

Deno.test("a server that refuses requests during a write gets the CLOSE again", async () => {
  for (const broken of [false, true]) {
    await using w = await world(EXTENSION.FSYNC);
    let writing = true;
    w.server.refuse = (line) => {
      if (line.startsWith("CLOSE") && broken) return FAILURE; // the disk is full
      if (!line.startsWith("WRITE")) {
        return writing && /CLOSE|FSYNC/.test(line) ? FAILURE : undefined;
      }
      return turn().then(() => {
        writing = false;
        return undefined;
      });
    };
    const target = await w.target({ preserve: true, sync: true });
    await target.write(data.subarray(0, 100), () => {});
    w.log();
    const committing = target.commit(INFO);
    if (!broken) {
      await committing;
      assertEquals(w.log().slice(-4), [
        "FSETSTAT /dir/.part mode=640 times=2000:2000",
        "FSYNC /dir/.part",
        "CLOSE /dir/.part",
        "RENAME /dir/.part /dir/file",
      ]);
      assert(same(w.server.data("/dir/file")!, data.subarray(0, 100)));
    } else {
      const error = await assertRejects(() => committing, SftpError, "close");
      w.server.refuse = () => undefined;
      await target.discard(error);
      assertEquals([...w.server.files.keys()], []);
    }
  }
});

Deno.test("attributes refused during a write are set once, on the open file", async () => {
  await using w = await world();
  let writing = true;
  w.server.refuse = (line) => {
    if (!line.startsWith("WRITE")) {
      return writing && /CLOSE|FSETSTAT/.test(line) ? FAILURE : undefined;
    }
    return turn().then(() => {
      writing = false;
      return undefined;
    });
  };
  const target = await w.target({ preserve: true });
  await target.write(data.subarray(0, 100), () => {});
  w.log();
  await target.commit(INFO);
  assertEquals(w.log().slice(-3), [
    "FSETSTAT /dir/.part mode=640 times=2000:2000",
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  assertEquals(w.warnings, []);
});

Deno.test("a CLOSE that is not answered in time is not repeated", async () => {
  await using w = await world();
  const target = await w.target();
  const gate = Promise.withResolvers<undefined>();
  const late = Promise.withResolvers<undefined>();
  w.server.refuse = (line) =>
    line.startsWith("WRITE") ? late.promise : line.startsWith("CLOSE") ? gate.promise : undefined;
  await target.write(data.subarray(0, 100), () => {});
  w.log();
  {
    using time = new FakeTime();
    const committing = target.commit(null);
    committing.catch(() => {});
    await time.advance(1000);
    late.resolve(undefined);
    await assertRejects(() => time.settle(committing), SftpError);
  }
  assertEquals(w.log(), ["WRITE /dir/.part 0 100", "CLOSE /dir/.part"]);
  gate.resolve(undefined);
  await target.discard(new Error("enough"));
});

Deno.test("a server that accepts one request at a time also gets the last ones that way", async () => {
  await using w = await world(EXTENSION.FSYNC);
  let running = 0;
  w.server.refuse = (line) => {
    if (!/^(WRITE|FSETSTAT|FSYNC|CLOSE)/.test(line)) return undefined;
    if (running > 0) return FAILURE;
    running++;
    return turn().then(() => {
      running--;
      return undefined;
    });
  };
  await write(await w.target({ preserve: true, sync: true }));
  assertEquals(w.log().slice(-4), [
    "FSETSTAT /dir/.part mode=640 times=2000:2000",
    "FSYNC /dir/.part",
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("an older file is not used if it cannot be a prefix of the source", async () => {
  const adopt = async (w: World, size: number, same = true) => {
    const target = await w.target({ resume: true, inFlight: 1000 });
    let asked = false;
    await target.adopt!(size, () => Promise.resolve(asked = same));
    const found = [asked, target.held > 0];
    await target.discard(new Error("enough"));
    return found;
  };
  await using w = await world(EXTENSION.COPY_DATA);
  assertEquals(await adopt(w, 200_000), [false, false]); // there is none
  w.server.add("/dir/file", data.slice(0, 3 * 4096)); // no more than may be missing
  assertEquals(await adopt(w, 200_000), [false, false]);
  const file = w.server.add("/dir/file", data.slice(0, 150_000));
  assertEquals(await adopt(w, 150_000), [false, false]);
  assertEquals(await adopt(w, 200_000, false), [false, false]);
  w.server.refuse = (line) => line === "OPEN /dir/file read" ? PERMISSION_DENIED : undefined;
  assertEquals(await adopt(w, 200_000), [false, false]); // it can still be replaced
  w.server.refuse = () => undefined;
  file.mode = 0o020644;
  assertEquals((await w.remote.lstat("/dir/file", {})).isFile, false);
  file.mode = 0o100644;
  assertEquals(await adopt(w, 200_000), [true, true]);
  // Now that attempt's part exists.
  assertEquals(await adopt(w, 200_000), [false, true]);
  const part = [...w.server.files.keys()].find((path) => path.includes("/."))!;
  w.server.files.get(part)!.data = data.slice(0, 1);
  assertEquals(await adopt(w, 200_000), [false, false]);
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

Deno.test("for a part written over several channels more is sent again than for one channel", async () => {
  const inFlight = 8 << 20;
  const size = 24 << 20;
  const request = { path: "/dir/file", name: "/source", info: INFO, inside: false };
  for (const [wide, blocks] of [[8 << 20, 9], [4 << 20, 5]] as const) {
    await using w = await world();
    w.server.add(`/dir/${partName(request, wide)}`, new Uint8Array(size));
    const target = await w.target({ resume: true, inFlight });
    assertEquals(target.held, size - (blocks << 20));
    await target.discard(null);
  }
});
