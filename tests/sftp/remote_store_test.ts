/** The files of a server as one end of a transfer: sessions, windows and names of parts. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpError, type SftpFileInfo, SftpStatus } from "../../lib/sftp/mod.ts";
import type { SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import type { FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { RemoteStore } from "../../lib/sftp/transfer/remote_store.ts";
import { partName } from "../../lib/sftp/transfer/resume.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { replaced } from "../support/replaced.ts";
import { MemoryServer } from "./memory_server.ts";
import { noise, turn } from "./world.ts";

const MIB = 1 << 20;
const data = noise(100_000);
const INFO: SftpFileInfo = infoOf({ mode: 0o100640, size: data.length, atime: 2000, mtime: 2000 });

interface World extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  /** The calls to the further sessions. */
  readonly asked: string[];
  /** The paths that were opened in a further session. */
  readonly opened: string[];
  store(options?: SftpTransferOptions, inFlight?: number): RemoteStore;
}

/** A server with one further session in another connection, to which whole files go if `isOther`. */
async function world(isOther = false): Promise<World & { other: MemoryServer }> {
  const [server, other] = [new MemoryServer(), new MemoryServer()];
  for (const { folders } of [server, other]) folders.set("/dir", 0o755);
  const [remote, further] = [await server.connect(), await other.connect()];
  const [asked, opened]: [string[], string[]] = [[], []];
  const session = {
    lane: (path: string) => Promise.resolve(opened.push(path)).then(() => null),
    sameFile: (path: string) => Promise.resolve(opened.push(path)).then(() => null),
  };
  const sessions = {
    begin() {},
    expect: (size: number) => void asked.push(`expect ${size}`),
    forWhole(size: number) {
      asked.push(`whole ${size}`);
      return isOther ? further : remote;
    },
    inPlace: () => void asked.push("in place"),
    for: () => [session],
    windows: () => 0,
    opening: null,
  };
  return {
    server,
    other,
    remote,
    asked,
    opened,
    store: (options = {}, inFlight = 32 * MIB) =>
      new RemoteStore(
        remote,
        { options, limits: {}, inFlight, warn() {} },
        sessions as unknown as FurtherSessions,
      ),
    async [Symbol.asyncDispose]() {
      for (const one of [remote, further]) await one.realPath("/", {}); // after the CLOSEs
      assertEquals([server.open, other.open], [0, 0]);
      for (const one of [remote, further]) await one.session.close();
    },
  };
}

const request = (size: number | null = data.length) => ({
  path: "/dir/file",
  name: "/source",
  info: INFO,
  size,
  inside: true,
});

function opens({ log }: MemoryServer): string[] {
  return log.filter((line) => line.startsWith("OPEN "));
}

Deno.test("a source is opened in the session that its size selects, and spread only over others", async () => {
  for (const isOther of [false, true]) {
    await using w = await world(isOther);
    for (const server of [w.server, w.other]) server.add("/dir/file", data);
    const source = await w.store().source("/dir/file", INFO);
    assertEquals(w.asked, ["expect 100000", "whole 100000"]);
    assertEquals([opens(w.server).length, opens(w.other).length], isOther ? [0, 1] : [1, 0]);
    while (await source.next(1) !== null);
    for (let turns = 0; turns < 3; turns++) await turn();
    assertEquals(w.opened, isOther ? [] : ["/dir/file"]);
    source.close();
  }
});

Deno.test("what is known not to be a file is not opened, because a pipe would block", async () => {
  await using w = await world();
  const store = w.store();
  const kinds: [mode: number, reason: string][] = [
    [0o040755, "it is a directory, which needs the option recursive"],
    [0o010600, "it is not a regular file"],
    [0o020600, "it is not a regular file"],
  ];
  for (const [mode, reason] of kinds) {
    const error = await assertRejects(() => store.source("/dir", infoOf({ mode })), SftpError);
    assertEquals(plainMessage(error), `Cannot get "/dir" on the server: ${reason}`);
  }
  assertEquals([w.server.log.filter((line) => /^OPEN/.test(line)), w.asked], [[], []]);
  // Some servers report no type.
  w.server.add("/dir/file", data);
  const unknown = { ...infoOf({ size: 5 }), isFile: false, mode: null };
  (await store.source("/dir/file", unknown)).close();
});

Deno.test("a target is announced to the further sessions unless it is written in place", async () => {
  const cases: [options: SftpTransferOptions, size: number | null, asked: string[]][] = [
    [{}, 7, ["expect 7", "whole 7"]],
    [{}, null, ["expect Infinity", "whole Infinity"]],
    [{ atomic: true }, 7, ["expect 7", "whole 7"]],
    [{ atomic: false }, 7, ["whole 7", "in place"]],
    [{ resume: true }, 7, ["expect 7"]],
  ];
  for (const [options, size, asked] of cases) {
    await using w = await world();
    const target = await w.store(options).target(request(size));
    assertEquals(w.asked, asked);
    await target.discard(null);
  }
});

Deno.test("a whole file is written in another connection alone, and a part in the first one", async () => {
  for (const resume of [false, true]) {
    await using w = await world(true);
    const target = await w.store({ resume }).target(request());
    assertEquals([opens(w.server).length, opens(w.other).length], resume ? [1, 0] : [0, 1]);
    await target.write(data, () => {});
    for (let turns = 0; turns < 5; turns++) await turn();
    await target.write(data, () => {});
    await target.flush();
    assertEquals(w.opened.length, resume ? 1 : 0);
    await target.discard(null);
  }
});

Deno.test("a file without a part is spread under its hidden name, in its whole window", async () => {
  await using w = await world();
  const target = await w.store().target(request(null));
  for (let turns = 0; turns < 5; turns++) {
    await target.write(data, () => {});
    await turn();
  }
  await target.flush();
  assertEquals(w.opened.map((path) => path.replace(/[0-9a-f-]{36}/, "")), ["/dir/..part"]);
  await target.discard(null);
});

Deno.test("a part has a name for its window, and a wide one only if its file is larger", async () => {
  const [part, wide] = [4 * MIB, 16 * MIB]
    .map((window) => `/dir/${partName(request(), window)}`);
  const cases: [size: number | null, there: string | undefined, used: string, inFlight: number][] =
    [
      [4 * MIB, undefined, part!, 32 * MIB],
      [4 * MIB + 1, undefined, part!, 32 * MIB],
      [4 * MIB, wide, part!, 32 * MIB],
      [4 * MIB + 1, wide, wide!, 32 * MIB],
      [null, wide, wide!, 32 * MIB],
      [null, part, part!, 32 * MIB],
    ];
  for (const [size, there, used, inFlight] of cases) {
    await using w = await world();
    if (there !== undefined) w.server.add(there, data);
    const target = await w.store({ resume: true }, inFlight).target(request(size));
    assertEquals(opens(w.server).map((line) => line.split(" ")[1]!)[0], used);
    await target.discard(null);
  }
  // With little memory both windows are the same, and there is one name.
  const small = `/dir/${partName(request(), 5000)}`;
  await using w = await world();
  const target = await w.store({ resume: true }, 5000).target(request(null));
  assertEquals(opens(w.server)[0]!.split(" ")[1], small);
  assertEquals(w.server.log.filter((line) => line.startsWith("LSTAT /dir/.")), []);
  await target.discard(null);
});

Deno.test("a part is spread under its wide name if its file is larger than its window", async () => {
  for (const size of [4 * MIB, 4 * MIB + 1]) {
    await using w = await world();
    const target = await w.store({ resume: true }).target(request(size));
    for (let turns = 0; turns < 5; turns++) {
      await target.write(data, () => {});
      await turn();
    }
    await target.flush();
    const window = size > 4 * MIB ? 16 * MIB : 4 * MIB;
    assertEquals(w.opened, [`/dir/${partName(request(), window)}`]);
    await target.discard(null);
  }
});

Deno.test("a wide part whose attributes are refused counts as missing", async () => {
  await using w = await world();
  w.server.refuse = (line) =>
    line.startsWith("LSTAT /dir/.") ? SftpStatus.PERMISSION_DENIED : undefined;
  const target = await w.store({ resume: true }).target(request(null));
  await target.discard(null);
  const name = opens(w.server)[0]!.split(" ")[1];
  assertEquals(name, `/dir/${partName(request(), 4 * MIB)}`);
});

Deno.test("a folder is removed with everything in it", async () => {
  await using w = await world();
  w.server.refuse = (line) => {
    const path = line.split(" ")[1]!;
    if (!line.startsWith("RMDIR")) return undefined;
    w.server.folders.delete(path);
    return 0;
  };
  w.server.folders.set("/dir/a", 0o755);
  w.server.add("/dir/a/file", data);
  await w.store().remove("/dir/a");
  assertEquals([w.server.folders.has("/dir/a"), w.server.files.size], [false, 0]);
});

Deno.test("an existing link is removed before the new one is made, and a file is not", async () => {
  await using w = await world();
  const store = w.store();
  await store.symlink("one", "/dir/link");
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("REMOVE") ? gate.promise : undefined;
  const linking = store.symlink("two", "/dir/link");
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(w.server.log.at(-1), "REMOVE /dir/link");
  gate.resolve(undefined);
  await linking;
  assertEquals(w.server.links.get("/dir/link"), "two");
  w.server.add("/dir/file", data);
  await assertRejects(() => store.symlink("x", "/dir/file"), SftpError);
  assert(w.server.files.has("/dir/file"));
});

Deno.test("a refused link is an error", async () => {
  await using w = await world();
  w.server.refuse = (line) => line.startsWith("SYMLINK") ? SftpStatus.FAILURE : undefined;
  await assertRejects(() => w.store().symlink("x", "/dir/link"), SftpError);
});

Deno.test("a missing file is null, and one whose STAT is refused is found by opening it", async () => {
  await using w = await world();
  const store = w.store();
  assertEquals(await store.stat("/dir/none"), null);
  assertEquals(await store.lstat("/dir/none"), null);
  w.server.add("/dir/file", data);
  w.server.refuse = (line) => line.startsWith("STAT") ? SftpStatus.OP_UNSUPPORTED : undefined;
  assertEquals((await store.stat("/dir/file"))?.size, data.length);
  const error = await assertRejects(() => store.stat("/dir/none"), SftpError);
  assertEquals(error.status, SftpStatus.OP_UNSUPPORTED);
});

Deno.test("names and paths of a server have its syntax", async () => {
  await using w = await world();
  const store = w.store();
  assertEquals([store.trusted, store.join("/a", "b"), store.join("/", "b")], [false, "/a/b", "/b"]);
  assertEquals([store.folderOf("/a/b"), store.folderOf("a"), store.folderOf("/a")], [
    "/a",
    ".",
    "/",
  ]);
  {
    using _ = replaced(runtime, "os", "windows");
    assertEquals(store.nameProblem("a\\b:c"), null);
  }
  assert(store.nameProblem("..") !== null && store.nameProblem("a/b") !== null);
});

Deno.test("a folder is made with write permission for its owner, without other bits", async () => {
  await using w = await world();
  const store = w.store();
  await store.makeFolder("/dir/a", 0o42550);
  assertEquals(w.server.log.at(-1), "MKDIR /dir/a mode=750");
  await store.makeFolder("/dir/b", null);
  assertEquals(w.server.log.at(-1), "MKDIR /dir/b");
});

Deno.test("a folder that exists is used, but not a file, and a missing parent is an error", async () => {
  await using w = await world();
  const store = w.store();
  await store.makeFolder("/dir", 0o755);
  w.server.add("/dir/file", data);
  await assertRejects(() => store.makeFolder("/dir/file", null), SftpError);
  w.server.log.length = 0;
  const error = await assertRejects(() => store.makeFolder("/none/x", 0o755), SftpError);
  assertEquals(error.status, SftpStatus.NO_SUCH_FILE);
  assertEquals(w.server.log.filter((line) => line.startsWith("MKDIR")).length, 1);
});

Deno.test("a folder is made without a mode if the server refuses it, and else the refusal is reported", async () => {
  await using w = await world();
  const store = w.store();
  w.server.refuse = (line) =>
    line.startsWith("MKDIR") && line.includes("mode") ? SftpStatus.PERMISSION_DENIED : undefined;
  await store.makeFolder("/dir/a", 0o755);
  assert(w.server.folders.has("/dir/a"));
  let status: number = SftpStatus.PERMISSION_DENIED;
  w.server.refuse = (line) => {
    if (!line.startsWith("MKDIR")) return undefined;
    const refused = status;
    status = SftpStatus.OP_UNSUPPORTED;
    return refused;
  };
  const error = await assertRejects(() => store.makeFolder("/dir/b", 0o755), SftpError);
  assertEquals(error.status, SftpStatus.PERMISSION_DENIED);
});

Deno.test("a folder gets only the requested attributes at the end", async () => {
  const all: SftpFileInfo = infoOf({
    mode: 0o42755,
    atime: 1,
    mtime: 2,
    uid: 3,
    gid: 4,
  });
  const cases: [SftpTransferOptions, Partial<SftpFileInfo>, set: string[]][] = [
    [{}, {}, []],
    [{ preserve: true }, {}, ["mode=755 times=1:2"]],
    [{ preserve: true }, { atime: null }, ["mode=755 times=2:2"]],
    [{ preserve: true }, { mtime: null }, ["mode=755"]],
    [{ preserve: true }, { mode: null }, ["times=1:2"]],
    [{ owners: true }, {}, ["owner=3:4"]],
    [{ owners: true }, { uid: null }, []],
    [{ owners: true }, { gid: null }, []],
    [{ owners: true, preserve: true }, {}, ["mode=755 owner=3:4 times=1:2"]],
  ];
  for (const [options, changes, set] of cases) {
    await using w = await world();
    await w.store(options).setAttributes("/dir", { ...all, ...changes });
    const found = w.server.log.filter((line) => line.startsWith("SETSTAT"));
    assertEquals(found, set.map((text) => `SETSTAT /dir ${text}`));
  }
});
