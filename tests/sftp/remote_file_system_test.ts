/** A server's files by path: the requests for listings, types, trees, renaming, accounts. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpClient, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXP, S_IF } from "../../lib/sftp/protocol/numbers.ts";
import { sessionError } from "../../lib/sftp/protocol/status.ts";
import { replace } from "../../lib/sftp/remote/rename.ts";
import { checkDepth, makeFolders, removeTree, walk } from "../../lib/sftp/remote/tree.ts";
import { copyFile } from "../../lib/sftp/remote/copy_file.ts";
import { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo, handle, type RawMessage, status } from "./raw.ts";
import { noise, refusal, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const { FAILURE, NO_SUCH_FILE, PERMISSION_DENIED, OP_UNSUPPORTED } = SftpStatus;

interface World extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  readonly sftp: SftpClient;
  /** The requests since the last call. */
  log(): Promise<string[]>;
}

async function world(...extensions: string[]): Promise<World> {
  const server = new MemoryServer();
  server.extensions.push(...extensions);
  const remote = await server.connect();
  const { channel } = channelTo((request, peer) => server.answer(request, peer), {
    extensions: extensions.map((name) => [name, "1"]),
  });
  const sftp = await SftpClient.open(channel);
  const log = async () => {
    await sftp.realPath("/").catch(() => {}); // after the CLOSEs that were not awaited
    await remote.realPath("/", {}).catch(() => {});
    return server.log.splice(0).filter((line) => line !== "REALPATH /")
      .map((line) => line.replaceAll(/\.[-0-9a-f]{36}\.(part|old)/g, ".$1"));
  };
  return {
    server,
    remote,
    sftp,
    log,
    async [Symbol.asyncDispose]() {
      await log();
      assertEquals(server.open, 0);
      await sftp.close();
      await remote.session.close();
    },
  };
}

Deno.test("parent folders are made only if they are missing", async () => {
  await using w = await world();
  await makeFolders(w.remote, "/a/b/c", 0o700, {});
  assertEquals(await w.log(), [
    "MKDIR /a/b/c mode=700",
    "MKDIR /a/b mode=700",
    "MKDIR /a mode=700",
    "MKDIR /a/b mode=700",
    "MKDIR /a/b/c mode=700",
  ]);
  await makeFolders(w.remote, "/a/b/c", null, {});
  assertEquals(await w.log(), ["MKDIR /a/b/c", "STAT /a/b/c"]);
});

Deno.test("a failed mkdir is an error, unless the folder exists", async () => {
  await using w = await world();
  w.server.add("/file", noise(1));
  assertEquals(await refusal(makeFolders(w.remote, "/file", null, {})), FAILURE);
  assertEquals(await w.log(), ["MKDIR /file", "STAT /file", "OPENDIR /file", "STAT /"]);
  // If the server has one status for both cases, the path is looked up.
  w.server.refuse = (line) =>
    line.startsWith("MKDIR /one/two") && !w.server.folders.has("/one") ? FAILURE : undefined;
  await makeFolders(w.remote, "/one/two", 0o700, {});
  assertEquals((await w.log()).filter((line) => line.startsWith("MKDIR")), [
    "MKDIR /one/two mode=700",
    "MKDIR /one mode=700",
    "MKDIR /one/two mode=700",
  ]);
  w.server.refuse = (line) => /^MKDIR \/none/.test(line) ? NO_SUCH_FILE : undefined;
  assertEquals(await refusal(makeFolders(w.remote, "/none/x", null, {})), NO_SUCH_FILE);
  assertEquals(await refusal(makeFolders(w.remote, "none", null, {})), NO_SUCH_FILE);
  // Made by another program in the meantime.
  w.server.refuse = (line) => {
    if (line !== "MKDIR /new/deep") return undefined;
    const missing = !w.server.folders.has("/new");
    w.server.folders.set("/new/deep", 0o755);
    return missing ? NO_SUCH_FILE : FAILURE;
  };
  await makeFolders(w.remote, "/new/deep", null, {});
  // A folder whose STAT is refused can be listed.
  w.server.refuse = (line) => line.startsWith("STAT") ? PERMISSION_DENIED : undefined;
  await makeFolders(w.remote, "/new", null, {});
});

Deno.test("the end of the session is not treated as a refusal", async () => {
  const over = sessionError(SftpStatus.CONNECTION_LOST, "gone");
  let asked = 0;
  const fail = () => {
    asked++;
    return Promise.reject(over);
  };
  const remote = { mkdir: fail, remove: fail, command: fail, can: () => false } as never;
  for (
    const run of [
      () => makeFolders(remote, "/a/b", null, {}),
      () => replace(remote, "/a", "/b", {}),
    ]
  ) {
    asked = 0;
    assertEquals(await assertRejects(run), over);
    assertEquals(asked, 1);
  }
});

Deno.test("a tree is removed level by level, its links but not their targets", async () => {
  await using w = await world();
  for (const path of ["/t", "/t/a", "/t/a/b", "/t/c", "/kept"]) w.server.folders.set(path, 0o755);
  for (const path of ["/t/1", "/t/a/2", "/t/a/b/3", "/kept/4"]) w.server.add(path, noise(1));
  w.server.links.set("/t/link", "/kept");
  const rmdirs: string[] = [];
  w.server.refuse = (line) => {
    const [name, path] = line.split(" ");
    if (name === "REMOVE" && path !== "/t") return turn().then(() => undefined);
    if (name !== "RMDIR") return undefined;
    rmdirs.push(path!);
    const empty = ![...w.server.files.keys(), ...w.server.folders.keys()].some((other) =>
      other.startsWith(`${path}/`)
    );
    return empty && w.server.folders.delete(path!) ? 0 : FAILURE;
  };
  assertEquals(await refusal(removeTree(w.remote, "/t", {})), FAILURE);
  assertEquals(await w.log(), ["REMOVE /t", "LSTAT /t", "RMDIR /t"]);
  rmdirs.length = 0;
  await removeTree(w.remote, "/t", { recursive: true });
  assertEquals(rmdirs, ["/t/a/b", "/t/a", "/t/c", "/t"]);
  assertEquals([[...w.server.files.keys()], w.server.links.size], [["/kept/4"], 0]);
});

Deno.test("a failed removal is an error with its own path, looked up once", async () => {
  await using w = await world();
  w.server.add("/file", noise(1));
  assertEquals(await refusal(removeTree(w.remote, "/none", { recursive: true })), NO_SUCH_FILE);
  assertEquals(await w.log(), ["REMOVE /none", "LSTAT /none"]);
  w.server.refuse = (line) => line.startsWith("REMOVE") ? PERMISSION_DENIED : undefined;
  assertEquals(
    await refusal(removeTree(w.remote, "/file", { recursive: true })),
    PERMISSION_DENIED,
  );
  assertEquals(await w.log(), ["REMOVE /file", "LSTAT /file"]);
  const cause = new TypeError("a mistake");
  const remote = { remove: () => Promise.reject(cause) } as never;
  assertEquals(await assertRejects(() => removeTree(remote, "/x", {})), cause);
});

Deno.test("removal of an endless tree stops at a maximum depth", async () => {
  checkDepth("/x", 256);
  const error = await assertRejects(
    () => Promise.resolve().then(() => checkDepth("/x", 257)),
    SftpError,
  );
  assertEquals(
    plainMessage(error),
    'Cannot readDir "/x" on the server: folders are nested too deeply',
  );
  let requests = 0;
  const remote = {
    remove: () => Promise.reject(new SftpError(FAILURE, "remove", "/", "is a directory")),
    lstat: () => Promise.resolve(infoOf({ mode: S_IF.DIRECTORY })),
    isLink: () => Promise.resolve(false),
    all() {
      requests++;
      return Promise.resolve([{ name: "x", info: infoOf({ mode: S_IF.DIRECTORY }) }]);
    },
  } as never;
  await assertRejects(
    () => removeTree(remote, "/", { recursive: true }),
    SftpError,
    "nested too deeply",
  );
  assertEquals(requests, 256);
});

Deno.test("removals and listings run in parallel, up to a limit", async () => {
  await using w = await world();
  w.server.folders.set("/t", 0o755);
  for (let i = 0; i < 300; i++) w.server.add(`/t/${i}`, noise(1));
  for (let i = 0; i < 100; i++) w.server.folders.set(`/t/d${i}`, 0o755);
  const [running, most]: [Record<string, number>, Record<string, number>] = [{}, {}];
  w.server.refuse = (line) => {
    const [name, path] = line.split(" ");
    if (!/^(REMOVE|OPENDIR|RMDIR)$/.test(name!)) return undefined;
    running[name!] = (running[name!] ?? 0) + 1;
    if (name === "RMDIR") assertEquals(running.REMOVE, 0); // it must be empty
    most[name!] = Math.max(most[name!] ?? 0, running[name!]!);
    return turn().then(() => {
      running[name!]!--;
      return name !== "RMDIR" ? undefined : w.server.folders.delete(path!) ? 0 : FAILURE;
    });
  };
  await removeTree(w.remote, "/t", { recursive: true });
  assertEquals(most, { REMOVE: 128, OPENDIR: 32, RMDIR: 100 });
  assertEquals([w.server.files.size, w.server.folders.size], [0, 1]);
});

Deno.test("walk stops at a maximum depth in an endless tree", async () => {
  let listed = 0;
  const info = infoOf({ mode: S_IF.DIRECTORY });
  const remote = {
    stat: () => Promise.resolve(info),
    async *list() {
      listed++;
      yield { name: "x", info };
    },
  } as never;
  const walking = () => Array.fromAsync(walk(remote, "/", {}));
  await assertRejects(walking, SftpError, "nested too deeply");
  assertEquals(listed, 256);
});

Deno.test("walk goes no deeper than its option, and the maximum depth", async () => {
  await using w = await world();
  let path = "";
  for (let depth = 0; depth < 4; depth++) w.server.folders.set(path += `/${depth}`, 0o755);
  w.server.add("/0/file", noise(1));
  const walked = async (options = {}) =>
    (await Array.fromAsync(w.sftp.walk("/0", options))).map(({ path }) => path);
  assertEquals(await walked(), ["/0", "/0/file", "/0/1", "/0/1/2", "/0/1/2/3"]);
  assertEquals(await walked({ maxDepth: 0 }), ["/0"]);
  assertEquals(await walked({ maxDepth: 1 }), ["/0", "/0/file", "/0/1"]);
  assertEquals(await walked({ includeDirs: false }), ["/0/file"]);
  assertEquals(await walked({ includeFiles: false }), ["/0", "/0/1", "/0/1/2", "/0/1/2/3"]);
  w.server.links.set("/0/link", "/0/1/2");
  w.server.links.set("/0/broken", "none");
  assertEquals((await walked()).filter((path) => /link|broken/.test(path)), [
    "/0/link",
    "/0/broken",
  ]);
  assertEquals(
    (await walked({ includeSymlinks: false })).filter((path) => /link|broken/.test(path)),
    [],
  );
  const followed = await walked({ followSymlinks: true });
  assert(followed.includes("/0/link/3") && followed.includes("/0/broken"));
  const file = await Array.fromAsync(w.sftp.walk("/0/file", { includeFiles: false }));
  assertEquals(file, []);
});

Deno.test("a rename replaces in one step if possible", async () => {
  await using w = await world(EXTENSION.POSIX_RENAME);
  w.server.add("/a", noise(1));
  w.server.add("/b", noise(2));
  await w.sftp.rename("/a", "/b");
  assertEquals(await w.log(), ["POSIX_RENAME /a /b"]);
  for (
    const [code, tried] of [[OP_UNSUPPORTED, true], [PERMISSION_DENIED, true], [
      FAILURE,
      false,
    ]] as const
  ) {
    w.server.add("/a", noise(3));
    w.server.refuse = (line) => line.startsWith("POSIX") ? code : undefined;
    const renaming = w.sftp.rename("/a", "/c");
    if (tried) await renaming;
    else assertEquals(await refusal(renaming), code);
    assertEquals((await w.log()).slice(1), tried ? ["RENAME /a /c"] : []);
    w.server.files.delete("/c");
  }
  // The first refusal is reported.
  w.server.refuse = (line) =>
    line.startsWith("POSIX") ? PERMISSION_DENIED : line.startsWith("RENAME") ? FAILURE : undefined;
  assertEquals(await refusal(w.sftp.rename("/a", "/c")), PERMISSION_DENIED);
});

Deno.test("a rename that cannot replace moves the old file aside, and removes it in the end", async () => {
  await using w = await world();
  w.server.folders.set("/dir", 0o755);
  w.server.add("/a", noise(1));
  w.server.add("/dir/b", noise(2));
  await w.sftp.rename("/a", "/dir/b");
  // Beside the new name, because the other folder may be on another disk.
  assertEquals(await w.log(), [
    "RENAME /a /dir/b",
    "LSTAT /a",
    "LSTAT /dir/b",
    "RENAME /dir/b /dir/.old",
    "RENAME /a /dir/b",
    "REMOVE /dir/.old",
  ]);
  assertEquals([...w.server.files.keys()], ["/dir/b"]);
});

Deno.test("a rename is refused if there is nothing to move, or a folder in the way", async () => {
  await using w = await world();
  w.server.folders.set("/folder", 0o755);
  w.server.add("/b", noise(2));
  assertEquals(await refusal(w.sftp.rename("/none", "/b")), FAILURE);
  assertEquals(await refusal(w.sftp.rename("/b", "/folder")), FAILURE);
  assertEquals((await w.log()).filter((line) => line.includes(".old")), []);
  w.server.refuse = (line) => line.startsWith("RENAME /b /new") ? PERMISSION_DENIED : undefined;
  assertEquals(await refusal(w.sftp.rename("/b", "/new")), PERMISSION_DENIED); // nothing is in the way
  assertEquals((await w.log()).filter((line) => line.startsWith("RENAME")).length, 1);
});

Deno.test("an old file that cannot be moved aside stays, and a moved one is put back", async () => {
  await using w = await world();
  w.server.add("/a", noise(1));
  const old = w.server.add("/b", noise(2));
  w.server.refuse = (line) => line.startsWith("RENAME /b") ? PERMISSION_DENIED : undefined;
  assertEquals(await refusal(w.sftp.rename("/a", "/b")), FAILURE); // the first refusal
  assertEquals(w.server.files.get("/b"), old);
  let tries = 0;
  w.server.refuse = (line) =>
    line === "RENAME /a /b" && ++tries === 2 ? PERMISSION_DENIED : undefined;
  assertEquals(await refusal(w.sftp.rename("/a", "/b")), PERMISSION_DENIED);
  assertEquals([w.server.files.get("/b"), w.server.files.size], [old, 2]);
});

Deno.test("an abort of a rename leaves no file under a hidden name", async () => {
  await using w = await world();
  w.server.add("/a", noise(1));
  const old = w.server.add("/b", noise(2));
  const abort = new AbortController();
  let tries = 0;
  w.server.refuse = (line) => {
    if (line !== "RENAME /a /b" || ++tries < 2) return undefined;
    abort.abort(new Error("enough"));
    return FAILURE;
  };
  await assertRejects(() => w.sftp.rename("/a", "/b", { signal: abort.signal }), Error, "enough");
  assertEquals(w.server.files.get("/b"), old);
});

/** A server with scripted listings. */
async function listing(
  answers:
    readonly (readonly [name: string, mode: number | undefined, longname?: string][] | number)[],
  other: (request: RawMessage) => Uint8Array | undefined = () => undefined,
): Promise<{ sftp: SftpClient; asked: string[] }> {
  const asked: string[] = [];
  let next = 0;
  const { channel } = channelTo(async (request, peer) => {
    const { type, id } = request;
    if (type === FXP.OPENDIR) return await peer.send(msg.Handle.encode(id, { handle }));
    if (type === FXP.READDIR) {
      asked.push("READDIR");
      const answer = answers[next++] ?? SftpStatus.EOF;
      if (typeof answer === "number") return await peer.send(status(id, answer));
      const entries = answer.map(([name, mode, longname = ""]) => ({
        name,
        longname,
        attributes: mode === undefined ? {} : { mode },
      }));
      return await peer.send(msg.Name.encode(id, { entries }));
    }
    if (type === FXP.CLOSE) asked.push("CLOSE");
    if (type === FXP.LSTAT) asked.push(`LSTAT ${msg.Lstat.decode(request.body).path}`);
    await peer.send(other(request) ?? status(id, type === FXP.CLOSE ? 0 : NO_SUCH_FILE));
  });
  return { sftp: await SftpClient.open(channel), asked };
}

const LINE = (letter: string) => `${letter}rwxr-xr-x 1 a b 1 Jan 1 2001 x`;

Deno.test("a listing sends two requests ahead, and closes at the end", async () => {
  const { sftp, asked } = await listing([[["a", 0o100644]], [["b", 0o040755]]]);
  const found = await Array.fromAsync(sftp.readDir("/"));
  assertEquals(found.map(({ name, isFile, isDirectory }) => [name, isFile, isDirectory]), [
    ["a", true, false],
    ["b", false, true],
  ]);
  await sftp.lstat("/x").catch(() => {});
  assertEquals(asked.slice(0, -1), [...Array(asked.length - 2).fill("READDIR"), "CLOSE"]);
  assert(asked.length <= 6, asked.join());
  await sftp.close();
});

Deno.test("a failed listing is an error after the earlier entries, and is closed", async () => {
  const { sftp, asked } = await listing([[["a", 0o100644]], PERMISSION_DENIED, PERMISSION_DENIED]);
  const seen: string[] = [];
  const list = async () => {
    for await (const { name } of sftp.readDir("/")) seen.push(name);
  };
  assertEquals(await refusal(list()), PERMISSION_DENIED);
  await sftp.lstat("/x").catch(() => {});
  assertEquals([seen, asked.includes("CLOSE")], [["a"], true]);
  await sftp.close();
});

Deno.test("a denied listing is not retried", async () => {
  const { sftp } = await listing([[["a", 0o100644]], PERMISSION_DENIED, [["b", 0o100644]]]);
  assertEquals(await refusal(Array.fromAsync(sftp.readDir("/"))), PERMISSION_DENIED);
  await sftp.close();
});

Deno.test("a server that accepts one READDIR at a time gets them one by one", async () => {
  const answers = [[["a", 0o100644]], FAILURE, [["b", 0o100644]], [["c", 0o100644]]] as never;
  const { sftp, asked } = await listing(answers);
  const names = await Array.fromAsync(sftp.readDir("/"), ({ name }) => name);
  assertEquals(names, ["a", "b", "c"]);
  assert(asked.filter((line) => line === "READDIR").length <= 6);
  await sftp.close();
  // Twice is a failure.
  const broken = await listing([FAILURE, FAILURE, FAILURE, FAILURE]);
  assertEquals(await refusal(Array.fromAsync(broken.sftp.readDir("/"))), FAILURE);
  await broken.sftp.close();
});

Deno.test("missing attributes of an entry are taken from its long name, or requested", async () => {
  const other = ({ type, id, body }: RawMessage) => {
    if (type !== FXP.LSTAT) return undefined;
    const { path } = msg.Lstat.decode(body);
    if (path === "/gone") return status(id, NO_SUCH_FILE);
    if (path === "/denied") return status(id, PERMISSION_DENIED);
    const mode = path.includes("folder") ? 0o040755 : 0o100600;
    return msg.Attrs.encode(id, { attributes: { mode, size: 5 } });
  };
  const { sftp, asked } = await listing([[
    ["plain", 0o100644],
    ["folder", undefined],
    ["gone", undefined],
    ["lined", 0o644, LINE("d")],
    ["denied", undefined, LINE("-")],
    ["both", undefined, LINE("l")],
  ]], other);
  const found = await Array.fromAsync(sftp.readDir("/"));
  assertEquals(
    found.map(({ name, isFile, isDirectory, isSymlink, info }) => [
      name,
      isFile ? "file" : isDirectory ? "folder" : isSymlink ? "link" : "none",
      info.size,
      info.mode,
    ]),
    [
      ["plain", "file", 0, 0o100644],
      ["folder", "folder", 5, 0o040755],
      ["lined", "folder", 0, 0o644],
      ["denied", "file", 0, null],
      ["both", "file", 5, 0o100600],
    ],
  );
  assertEquals(asked.filter((line) => line.startsWith("LSTAT")).sort(), [
    "LSTAT /both",
    "LSTAT /denied",
    "LSTAT /folder",
    "LSTAT /gone",
  ]);
  await sftp.close();
});

Deno.test("a slash at the end of a listed name is dropped, one inside is an error", async () => {
  const { sftp } = await listing([[["a/", 0o040755], ["b//", 0o040755], [".", 0o040755], [
    "..",
    0o040755,
  ]]]);
  const names = await Array.fromAsync(sftp.readDir("/"), ({ name }) => name);
  assertEquals(names, ["a", "b"]);
  await sftp.close();
});

Deno.test("a file without a type is a folder if it can be listed, otherwise a file", async () => {
  await using w = await world();
  w.server.folders.set("/folder", 0o755);
  w.server.add("/file", noise(3)).mode = 0o644;
  assertEquals((await w.sftp.stat("/file")).isFile, true);
  assertEquals(await w.log(), ["STAT /file", "OPENDIR /file"]);
  assertEquals((await w.sftp.stat("/folder")).isDirectory, true);
  assertEquals(await w.log(), ["STAT /folder"]);
  assertEquals(await w.remote.isFolder("/folder", {}), true);
  assertEquals(await w.log(), ["OPENDIR /folder", "CLOSE /folder"]);
  for (
    const [path, found] of [["/folder", "folder"], ["/file", "file"], ["/none", null]] as const
  ) {
    const info = await w.remote.statByOpening(path, {});
    assertEquals(info && (info.isDirectory ? "folder" : info.isFile ? "file" : ""), found);
  }
  await w.log();
  w.server.refuse = (line) => line.startsWith("FSTAT") ? OP_UNSUPPORTED : undefined;
  const unknown = await w.remote.statByOpening("/file", {});
  assertEquals([unknown!.isFile, unknown!.size], [true, 0]);
  assertEquals(await w.log(), ["OPENDIR /file", "OPEN /file read", "FSTAT /file", "CLOSE /file"]);
});

Deno.test("only a missing file is null; another refusal is an error", async () => {
  await using w = await world();
  assertEquals(await w.remote.statOrNull("/none", {}), null);
  assertEquals(await w.remote.lstatOrNull("/none", {}), null);
  w.server.refuse = () => PERMISSION_DENIED;
  assertEquals(await refusal(w.remote.statOrNull("/none", {})), PERMISSION_DENIED);
  assertEquals(await refusal(w.remote.lstatOrNull("/none", {})), PERMISSION_DENIED);
});

Deno.test("attributes of a link are not set without server support", async () => {
  await using w = await world();
  w.server.add("/file", noise(1));
  w.server.links.set("/link", "/file");
  assertEquals(await refusal(w.sftp.lsetStat("/link", { mode: 0 })), OP_UNSUPPORTED);
  await w.sftp.lsetStat("/file", { mode: 0o600 });
  await w.sftp.lutime("/file", 1, 2);
  await w.sftp.lchown("/file", 3, 4);
  w.server.refuse = (line) =>
    line.startsWith("SETSTAT /file mode=644") ? PERMISSION_DENIED : undefined;
  assertEquals(await refusal(w.sftp.lsetStat("/file", { mode: 0o644 })), PERMISSION_DENIED);
  assertEquals((await w.log()).slice(0, 7), [
    "LSTAT /link",
    "LSTAT /file",
    "SETSTAT /file mode=600",
    "LSTAT /file",
    "SETSTAT /file times=1:2",
    "LSTAT /file",
    "SETSTAT /file owner=3:4",
  ]);
});

Deno.test("attributes of a path are set one kind at a time", async () => {
  await using w = await world();
  w.server.add("/file", noise(9));
  await w.sftp.chmod("/file", 0o600);
  await w.sftp.chown("/file", 1, 2);
  await w.sftp.utime("/file", new Date(1000), 2);
  await w.sftp.truncate("/file");
  await w.sftp.truncate("/file", 5);
  await w.sftp.mkdir("/folder", { mode: 0o700 });
  await w.sftp.mkdir("/other");
  assertEquals(await w.log(), [
    "SETSTAT /file mode=600",
    "SETSTAT /file owner=1:2",
    "SETSTAT /file times=1:2",
    "SETSTAT /file size=0",
    "SETSTAT /file size=5",
    "MKDIR /folder mode=700",
    "MKDIR /other",
  ]);
});

Deno.test("reads and writes advance the position of an open file", async () => {
  await using w = await world(EXTENSION.FSYNC);
  const data = noise(100);
  w.server.add("/file", data.slice());
  await using file = await w.sftp.open("/file", { read: true, write: true });
  await w.log();
  const into = new Uint8Array(60);
  assertEquals([file.path, await file.read(new Uint8Array(0))], ["/file", 0]);
  assertEquals([await file.read(into), await file.read(into), await file.read(into)], [
    60,
    40,
    null,
  ]);
  assertEquals(await file.seek(-10, Deno.SeekMode.End), 90);
  assertEquals(await file.seek(-80, Deno.SeekMode.Current), 10);
  assertEquals(await file.write(new Uint8Array(5)), 5);
  assertEquals(await file.seek(0, Deno.SeekMode.Current), 15);
  for (const [offset, whence] of [[-1, 0], [-16, 1], [2 ** 53, 0], [0.5, 0], [-101, 2]] as const) {
    await assertRejects(() => file.seek(offset, whence), RangeError);
  }
  assertEquals(await file.seek(0), 0);
  assertEquals([await file.readAt(into, 90), await file.readAt(into, 100)], [10, null]);
  assertEquals(await file.readAt(new Uint8Array(0), 0), 0);
  assertEquals(await file.writeAt(new Uint8Array(3), 100), 3);
  await file.truncate();
  await file.truncate(7);
  await file.chmod(0o600);
  await file.chown(1, 2);
  await file.utime(1, new Date(2000));
  await file.setStat({ mode: 0o640 });
  await file.sync();
  await file.syncData();
  assertEquals((await file.stat()).size, 7);
  assertEquals(await w.log(), [
    "READ /file 0 60",
    "READ /file 60 60",
    "READ /file 100 60",
    "FSTAT /file",
    "WRITE /file 10 5",
    "FSTAT /file",
    "READ /file 90 60",
    "READ /file 100 60",
    "WRITE /file 100 3",
    "FSETSTAT /file size=0",
    "FSETSTAT /file size=7",
    "FSETSTAT /file mode=600",
    "FSETSTAT /file owner=1:2",
    "FSETSTAT /file times=1:2",
    "FSETSTAT /file mode=640",
    "FSYNC /file",
    "FSYNC /file",
    "FSTAT /file",
  ]);
});

Deno.test("streams of an open file start at its position, are created once, and close it", async () => {
  await using w = await world();
  const data = noise(50_000);
  w.server.add("/file", data.slice());
  const file = await w.sftp.open("/file", { read: true, write: true });
  await file.seek(7);
  assertEquals([file.readable, file.writable], [file.readable, file.writable]);
  assert(same(await new Response(file.readable).bytes(), data.subarray(7)));
  assertEquals((await w.log()).at(-1), "CLOSE /file");
  const cancelled = await w.sftp.open("/file");
  await cancelled.readable.cancel();
  const aborted = await w.sftp.open("/file", { write: true });
  await aborted.writable.abort(new Error("enough")).catch(() => {});
  assertEquals((await w.log()).filter((line) => line.startsWith("CLOSE")).length, 2);
  const written = await w.sftp.open("/file", { write: true });
  await written.seek(3);
  const writer = written.writable.getWriter();
  const chunk = new Uint8Array([1, 2, 3]);
  await writer.write(chunk);
  chunk.fill(9); // it belongs to the writer again
  await writer.close();
  assertEquals([...w.server.data("/file")!.subarray(3, 6)], [1, 2, 3]);
});

Deno.test("writeFile opens by its options, and appends without truncating", async () => {
  await using w = await world();
  await w.sftp.writeTextFile("/a", "one");
  await w.sftp.writeTextFile("/a", "two", { append: true, create: false });
  await w.sftp.writeTextFile("/b", "x", { createNew: true, mode: 0o600 });
  await w.sftp.writeFile("/b", ReadableStream.from([new Uint8Array(2)]));
  const opens = (await w.log()).filter((line) => line.startsWith("OPEN"));
  assertEquals(opens, [
    "OPEN /a write+creat+trunc",
    "OPEN /a write+append",
    "OPEN /b write+creat+trunc+excl 600",
    "OPEN /b write+creat+trunc",
  ]);
  const abort = new AbortController();
  const stalled = new ReadableStream<Uint8Array>({ pull: () => abort.abort(new Error("enough")) });
  const writing = w.sftp.writeFile("/b", stalled, { signal: abort.signal });
  await assertRejects(() => writing, Error, "enough");
});

Deno.test("a copy on the server keeps the mode, and truncates a longer file", async () => {
  for (const extensions of [[], [EXTENSION.COPY_DATA]]) {
    await using w = await world(...extensions);
    const data = noise(70_000);
    w.server.add("/from", data, 0o640);
    w.server.add("/to", noise(100_000), 0o600);
    await w.sftp.copyFile("/from", "/to");
    assert(same(w.server.data("/to")!, data));
    const log = (await w.log()).filter((line) => !/^(READ|WRITE|COPY)/.test(line));
    assertEquals(log, [
      "OPEN /from read",
      "FSTAT /from",
      "OPEN /to write+creat 640",
      "FSTAT /to",
      "FSETSTAT /to size=70000",
      "FSETSTAT /to mode=640",
      "CLOSE /to",
      "CLOSE /from",
    ]);
    await w.sftp.copyFile("/from", "/to");
    assert((await w.log()).includes("FSETSTAT /to mode=640"));
    w.server.add("/empty", new Uint8Array(0));
    await w.sftp.copyFile("/empty", "/new");
    const requests = (await w.log()).filter((line) => /^COPY/.test(line));
    assertEquals([requests, w.server.data("/new")!.length], [[], 0]);
    w.server.refuse = (line) => line.startsWith("FSETSTAT") ? FAILURE : undefined;
    await w.sftp.copyFile("/from", "/to"); // the content is there
    w.server.add("/to", noise(100_000), 0o600);
    assertEquals(await refusal(w.sftp.copyFile("/from", "/to")), FAILURE); // and something after it
    w.server.refuse = (line) => line.startsWith("CLOSE /to") ? FAILURE : undefined;
    assertEquals(await refusal(w.sftp.copyFile("/from", "/to")), FAILURE);
    w.server.refuse = () => undefined;
    // The handles that could not be closed.
    for (let number = 0; number < 30; number++) {
      const call = { operation: "close", path: null };
      await w.remote.command(msg.Close, { handle: new Uint8Array([0, 0, 0, number]) }, call).catch(
        () => {},
      );
    }
  }
});

Deno.test("a copy by the server runs in pieces, and through the client if it is refused", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  const data = noise(70_000);
  const file = w.server.add("/from", data);
  w.server.refuse = (line) => line.startsWith("COPY_DATA") ? FAILURE : undefined;
  await w.sftp.copyFile("/from", "/to");
  assert(same(w.server.data("/to")!, data));
  // More than the 64 MiB that are copied before an answer.
  const huge = 2 * 64 * 1024 * 1024 + 5;
  Object.defineProperty(file, "data", { value: { length: huge, subarray: () => data } });
  w.server.refuse = (line) => line.startsWith("COPY_DATA") ? 0 : undefined;
  await w.log();
  await w.sftp.copyFile("/from", "/to").catch(() => {});
  const mib64 = 64 * 1024 * 1024;
  assertEquals((await w.log()).filter((line) => line.startsWith("COPY_DATA")), [
    `COPY_DATA /from /to 0 ${mib64}`,
    `COPY_DATA /from /to ${mib64} ${mib64}`,
    `COPY_DATA /from /to ${2 * mib64} 5`,
  ]);
});

Deno.test("a copy over a longer file ends where it should, even if the server tells no sizes", async () => {
  await using w = await world();
  const data = noise(70_000);
  w.server.add("/from", data);
  w.server.add("/to", noise(100_000));
  w.server.refuse = (line) => line.startsWith("FSTAT") ? FAILURE : undefined;
  await w.sftp.copyFile("/from", "/to");
  assert(same(w.server.data("/to")!, data));
});

Deno.test("a copy through the client keeps its blocks until they are written", async () => {
  const server = new MemoryServer();
  const data = noise(640_000);
  server.add("/from", data);
  const { channel } = channelTo(server.answer, { limit: 1 << 22 });
  const remote = await RemoteFileSystem.open(channel, { requestLength: 1000, timeout: 60_000 });
  const gate = Promise.withResolvers<number>();
  let writes = 0;
  server.refuse = (line) => {
    if (!line.startsWith("WRITE")) return undefined;
    // The first one is refused once others have followed it: all are repeated.
    if (++writes === 100) gate.resolve(FAILURE);
    return writes === 1 ? gate.promise : undefined;
  };
  await copyFile(remote, "/from", "/to", {});
  assert(same(server.data("/to")!, data));
  await remote.session.close();
});

Deno.test("a chunk may change once a file's stream has taken it, even if it is written again", async () => {
  await using w = await world();
  const data = noise(100_000);
  const gate = Promise.withResolvers<number>();
  let writes = 0;
  w.server.refuse = (line) => line.startsWith("WRITE") && ++writes === 1 ? gate.promise : undefined;
  const file = await w.sftp.open("/to", { write: true, create: true });
  const writer = file.writable.getWriter();
  const chunk = data.slice();
  await writer.write(chunk);
  chunk.fill(0);
  gate.resolve(FAILURE);
  await writer.close();
  assert(writes > 4);
  assert(same(w.server.data("/to")!, data));
});

/** A server that answers extended requests about accounts. */
async function accounts(...extensions: string[]): Promise<{ sftp: SftpClient; asked: string[] }> {
  const asked: string[] = [];
  const { channel } = channelTo(({ type, id, body }, peer) => {
    const name = (text: string) =>
      msg.Name.encode(id, { entries: [{ name: text, longname: "", attributes: {} }] });
    if (type === FXP.REALPATH) {
      const { path } = msg.Realpath.decode(body);
      asked.push(`realpath ${path}`);
      return peer.send(name(path === "." ? "/home/me" : path));
    }
    const { request, data } = msg.Extended.decode(body);
    if (request !== EXTENSION.USERS_GROUPS) {
      const { path } = msg.OnePath.decode(data);
      asked.push(`${request} ${path}`);
      return peer.send(name(`/home/${path.replace("~", "")}`));
    }
    const { users, groups } = msg.Ids.decode(data);
    asked.push(`names ${users.length} ${groups.length}`);
    const named = (ids: number[]) => ids.map((id) => id % 2 ? `n${id}` : "");
    const answer = msg.IdNames.encode({ users: named(users), groups: named(groups) });
    return peer.send(msg.ExtendedReply.encode(id, { data: answer }));
  }, { extensions: extensions.map((name) => [name, "1"]), limit: 1 << 20 });
  return { sftp: await SftpClient.open(channel), asked };
}

Deno.test("a home folder is requested by the extension that the server has", async () => {
  const cases: [extensions: string[], asked: string[]][] = [
    [
      [EXTENSION.EXPAND_PATH],
      ["~", "~ann", "~ann/x", "x"].map((path) => `${EXTENSION.EXPAND_PATH} ${path}`),
    ],
    [[EXTENSION.HOME_DIRECTORY], [
      "realpath .",
      `${EXTENSION.HOME_DIRECTORY} ann`,
      `${EXTENSION.HOME_DIRECTORY} ann`,
      "realpath /home/ann/x",
      "realpath x",
    ]],
  ];
  for (const [extensions, expected] of cases) {
    const { sftp, asked } = await accounts(...extensions);
    await sftp.homeDirectory();
    assertEquals(await sftp.homeDirectory("ann"), "/home/ann");
    assertEquals(await sftp.expandPath("~ann/x"), "/home/ann/x");
    await sftp.expandPath("x");
    assertEquals(asked, expected);
    await sftp.close();
  }
  const { sftp, asked } = await accounts();
  assertEquals([await sftp.expandPath("~"), await sftp.expandPath("~/x")], [
    "/home/me",
    "/home/me/x",
  ]);
  assertEquals(await sftp.expandPath("a~b"), "a~b");
  assertEquals(asked, ["realpath .", "realpath .", "realpath /home/me/x", "realpath a~b"]);
  await sftp.close();
});

Deno.test("names of accounts are requested in parts, and unknown ones omitted", async () => {
  const { sftp, asked } = await accounts(EXTENSION.USERS_GROUPS);
  const ids = Array.from({ length: 2049 }, (_, index) => index);
  const { users, groups } = await sftp.usersAndGroups(ids, ids.slice(0, 3));
  assertEquals(asked, ["names 1024 3", "names 1024 0", "names 1 0"]);
  assertEquals([users.size, users.get(1025), users.has(1024), [...groups]], [
    1024,
    "n1025",
    false,
    [[1, "n1"]],
  ]);
  assertEquals((await sftp.usersAndGroups([], [5])).groups.get(5), "n5");
  asked.length = 0;
  await sftp.usersAndGroups([], []);
  assertEquals(asked, []);
  await turn();
  await sftp.close();
});

Deno.test("a refused close is an error only for written files", async () => {
  const { channel } = channelTo(({ id, type }, peer) =>
    peer.send(type === FXP.OPEN ? msg.Handle.encode(id, { handle }) : status(id, FAILURE))
  );
  const sftp = await SftpClient.open(channel);
  await (await sftp.open("/x")).close();
  for (const options of [{ write: true }, { append: true }, { read: true, write: true }]) {
    const file = await sftp.open("/x", options);
    assertEquals(await refusal(file.close()), FAILURE);
  }
  await sftp.close();
});

Deno.test("an optional mode is omitted if it is refused", async () => {
  await using w = await world();
  const create = { write: true, create: true, createNew: true };
  const open = (more = {}) => w.remote.fileWithMode("/new", { ...create, mode: 0o640, ...more });
  const plain = await open();
  assertEquals(plain.kept, true);
  await plain.file.close();
  assertEquals(await w.log(), ["OPEN /new write+creat+excl 640", "CLOSE /new"]);
  await w.sftp.remove("/new");
  await w.log();
  w.server.refuse = (line) => line.endsWith(" 640") ? PERMISSION_DENIED : undefined;
  const { file, kept } = await open();
  await file.close();
  assertEquals([kept, await w.log()], [false, [
    "OPEN /new write+creat+excl 640",
    "REMOVE /new", // it may have been made all the same
    "OPEN /new write+creat+excl",
    "CLOSE /new",
  ]]);
  const again = await open({ createNew: false });
  await again.file.close();
  assertEquals((await w.log()).filter((line) => line.startsWith("REMOVE")), []);
  w.server.refuse = (line) =>
    line.startsWith("OPEN") ? line.endsWith(" 640") ? PERMISSION_DENIED : FAILURE : undefined;
  assertEquals(await refusal(open()), PERMISSION_DENIED); // the first refusal is reported
  await w.log();
  for (const [code, options] of [[NO_SUCH_FILE, {}], [FAILURE, { mode: undefined }]] as const) {
    w.server.refuse = (line) => line.startsWith("OPEN") ? code : undefined;
    assertEquals(await refusal(open(options)), code);
    assertEquals((await w.log()).length, 1); // nothing else is tried
  }
});

Deno.test("the end of a stream waits for the answers to its writes", async () => {
  await using w = await world();
  w.server.add("/file", noise(1));
  w.server.refuse = (line) =>
    line.startsWith("WRITE") ? turn().then(() => PERMISSION_DENIED) : undefined;
  const file = await w.sftp.open("/file", { write: true });
  const writer = file.writable.getWriter();
  await writer.write(noise(10));
  assertEquals(await refusal(writer.close()), PERMISSION_DENIED);
});

Deno.test("check-file is used if the server has it, until its answer is invalid", async () => {
  const right = new Writer().text("sha256").bytes(new Uint8Array(32).fill(0xab)).take();
  const answers: [string, (id: number) => Uint8Array, string | null][] = [
    ["a hash", (id) => msg.ExtendedReply.encode(id, { data: right }), "ab".repeat(32)],
    ["half a hash", (id) => msg.ExtendedReply.encode(id, { data: right.subarray(0, -1) }), null],
    ["nothing", (id) => msg.ExtendedReply.encode(id, { data: new Uint8Array(0) }), null],
    ["a refusal", (id) => status(id, OP_UNSUPPORTED), null],
  ];
  for (const announced of [true, false]) {
    for (const [name, answer, told] of answers) {
      const asked: unknown[] = [];
      const { channel } = channelTo(async ({ id, body }, peer) => {
        const { request, data } = msg.Extended.decode(body);
        asked.push([request, msg.CheckFile.decode(data)]);
        await peer.send(answer(id));
      }, { extensions: announced ? [[EXTENSION.CHECK_FILE, ""]] : [] });
      const remote = await RemoteFileSystem.open(channel, announced ? {} : { checkFile: true });
      for (let i = 0; i < 2; i++) assertEquals(await remote.checkFile("/f", 7, {}), told, name);
      const question = { path: "/f", algorithms: "sha256", offset: 0, length: 7, blockSize: 0 };
      assertEquals(asked[0], ["check-file-name", question]);
      assertEquals(asked.length, told === null ? 1 : 2);
      assertEquals(await remote.checkFile("/f", 0, {}), null); // 0 would be all of it
      await remote.session.close();
    }
  }
  const { channel } = channelTo(() => {});
  const remote = await RemoteFileSystem.open(channel, {});
  assertEquals(await remote.checkFile("/f", 7, {}), null);
  await remote.session.close();
});
