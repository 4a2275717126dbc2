import { assert, assertEquals } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { parseAccounts } from "../../lib/sftp/server/passwd.ts";
import { statusOf } from "../../lib/sftp/server/errno.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import {
  localFiles,
  type ServeSftpOptions,
  type SftpBackend,
  type SftpRequestReport,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { noise } from "../support/random.ts";
import { atOurServer, type RawMessage, type RawPeer } from "./raw.ts";
import { folder } from "./world.ts";

interface Raw extends AsyncDisposable {
  readonly peer: RawPeer;
  readonly root: string;
  readonly announced: ReadonlyMap<string, string>;
}

/** A raw client with our server over a folder. */
async function raw(
  options: ServeSftpOptions = {},
  backend: (root: string) => SftpBackend = (root) => localFiles({ root }),
): Promise<Raw> {
  const root = await folder();
  const { peer, served } = await atOurServer(backend(root.path), { greet: false }, options);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  const announced = msg.decodeExtensions((await peer.next())!.body);
  return {
    peer,
    root: root.path,
    announced,
    async [Symbol.asyncDispose]() {
      await peer.channel.close();
      await served;
      await root[Symbol.asyncDispose]();
    },
  };
}

async function ask({ peer }: Raw, request: Uint8Array): Promise<RawMessage> {
  await peer.send(request);
  const answer = await peer.next();
  assert(answer !== null, "the server hung up");
  return answer;
}

function extend(w: Raw, request: string, data: Uint8Array): Promise<RawMessage> {
  return ask(w, msg.Extended.encode(1, { request, data }));
}

async function status(answer: Promise<RawMessage>): Promise<number> {
  const { type, body } = await answer;
  assertEquals(type, FXP.STATUS);
  return msg.Status.decode(body).status;
}

async function opened(w: Raw, path: string, flags: number): Promise<Uint8Array> {
  const { type, body } = await ask(w, msg.Open.encode(1, { path, flags, attributes: {} }));
  assertEquals(type, FXP.HANDLE);
  return msg.Handle.decode(body).handle;
}

const name = async (answer: Promise<RawMessage>) =>
  msg.Name.decode((await answer).body).entries[0]!.name;

Deno.test("a local folder has every extension of OpenSSH", async () => {
  await using w = await raw();
  const theirs = Object.values(EXTENSION).filter((name) => name !== EXTENSION.CHECK_FILE);
  assertEquals([...w.announced.keys()].sort(), theirs.toSorted());
  assertEquals(w.announced.get(EXTENSION.STATVFS), "2");
});

Deno.test("statvfs and fstatvfs report the usage of the disk", async () => {
  await using w = await raw();
  await Deno.writeTextFile(`${w.root}/file`, "x");
  const handle = await opened(w, "/file", FXF.READ);
  const byPath = await extend(w, EXTENSION.STATVFS, msg.OnePath.encode({ path: "/" }));
  const byHandle = extend(w, EXTENSION.FSTATVFS, msg.OneHandle.encode({ handle }));
  const answers = [byPath];
  if (runtime.descriptorPath(0) !== null) answers.push(await byHandle);
  else assertEquals(await status(byHandle), SftpStatus.OP_UNSUPPORTED);
  for (const answer of answers) {
    const { data } = msg.ExtendedReply.decode(answer.body);
    const { blocks, availableBlocks, fragmentSize, maxNameLength } = msg.FileSystem.decode(data);
    assert(blocks > 0 && availableBlocks <= blocks && fragmentSize >= 512);
    assertEquals(maxNameLength, 255);
  }
  const missing = extend(w, EXTENSION.STATVFS, msg.OnePath.encode({ path: "/none" }));
  assertEquals(await status(missing), SftpStatus.NO_SUCH_FILE);
});

Deno.test("lsetstat changes a symbolic link, not its target", async () => {
  await using w = await raw();
  await Deno.writeTextFile(`${w.root}/file`, "x");
  await Deno.symlink("file", `${w.root}/link`);
  const before = await Deno.stat(`${w.root}/file`);
  const set = (attributes: { atime: number; mtime: number } | { mode: number }) =>
    status(extend(w, EXTENSION.LSETSTAT, msg.PathChanges.encode({ path: "/link", attributes })));
  assertEquals(await set({ atime: 1000, mtime: 2000 }), SftpStatus.OK);
  assertEquals((await Deno.lstat(`${w.root}/link`)).mtime, new Date(2_000_000));
  assertEquals((await Deno.stat(`${w.root}/file`)).mtime, before.mtime);
  assertEquals(await set({ mode: 0o600 }), SftpStatus.OP_UNSUPPORTED);
});

Deno.test("copy-data copies a range, or up to the end, and nothing onto itself", async () => {
  await using w = await raw();
  const content = noise(60_000);
  await Deno.writeFile(`${w.root}/from`, new Uint8Array([...content, ...content, ...content]));
  const from = await opened(w, "/from", FXF.READ | FXF.WRITE);
  const to = await opened(w, "/to", FXF.WRITE | FXF.CREAT);
  const copy = (fromOffset: number, length: number, target: Uint8Array, toOffset: number) =>
    status(extend(
      w,
      EXTENSION.COPY_DATA,
      msg.CopyData.encode({ from, fromOffset, length, to: target, toOffset }),
    ));
  assertEquals(await copy(60_000, 1000, to, 5), SftpStatus.OK);
  const copied = await Deno.readFile(`${w.root}/to`);
  assertEquals(copied, new Uint8Array([0, 0, 0, 0, 0, ...content.subarray(0, 1000)]));
  assertEquals(await copy(0, 0, to, 0), SftpStatus.OK);
  assertEquals((await Deno.stat(`${w.root}/to`)).size, 180_000);
  assertEquals(await copy(179_990, 20, to, 0), SftpStatus.EOF);
  assertEquals(await copy(0, 100, from, 50), SftpStatus.FAILURE);
  assertEquals(await copy(0, 50, from, 50), SftpStatus.OK);
  assertEquals(await copy(0, 0, new Uint8Array([0, 0, 0, 9]), 0), SftpStatus.FAILURE);
});

Deno.test("home-directory and expand-path use the accounts of the tree", async () => {
  await using w = await raw({}, (root) => {
    Deno.mkdirSync(`${root}/etc`);
    Deno.mkdirSync(`${root}/home/ann`, { recursive: true });
    Deno.writeTextFileSync(`${root}/etc/passwd`, "ann:x:1000:100::/home/ann:/bin/sh\n");
    return localFiles({ root, home: "/home" });
  });
  const home = (user: string) =>
    extend(w, EXTENSION.HOME_DIRECTORY, msg.OnePath.encode({ path: user }));
  const expand = (path: string) => extend(w, EXTENSION.EXPAND_PATH, msg.OnePath.encode({ path }));
  assertEquals(await name(home("")), "/home");
  assertEquals(await name(home("ann")), "/home/ann");
  assertEquals(await status(home("bob")), SftpStatus.NO_SUCH_FILE);
  assertEquals(await name(expand("~")), "/home");
  assertEquals(await name(expand("~ann/new")), "/home/ann/new");
  assertEquals(await name(expand("ann/..")), "/home");
  assertEquals(await status(expand("~bob")), SftpStatus.NO_SUCH_FILE);
  assertEquals(await name(ask(w, msg.Realpath.encode(1, { path: "." }))), "/home");
});

Deno.test("users-groups-by-id returns only names of the tree", async () => {
  await using w = await raw();
  const names = async (users: number[], groups: number[]) => {
    const data = msg.Ids.encode({ users, groups });
    const answer = await extend(w, EXTENSION.USERS_GROUPS, data);
    return msg.IdNames.decode(msg.ExtendedReply.decode(answer.body).data);
  };
  assertEquals(await names([0, 1], [0]), { users: ["", ""], groups: [""] });
  await Deno.mkdir(`${w.root}/etc`);
  await Deno.writeTextFile(`${w.root}/etc/passwd`, "ann:x:1:1::/:\nnonsense\n:x:5:5::/:\n");
  await Deno.writeTextFile(`${w.root}/etc/group`, "staff:x:1:ann\n");
  assertEquals(await names([1, 2, 5], [1]), { users: ["ann", "", ""], groups: ["staff"] });
});

Deno.test("malformed account files have no accounts", () => {
  const accounts = parseAccounts(
    "a:b\n\0:x:1\nx:y:-1:0::/:\nfirst:x:7:7::/a:\nsecond:x:7:7::/b:",
    null,
  );
  assertEquals([accounts.user(7), accounts.user(-1), accounts.group(7)], ["first", null, null]);
  assertEquals([accounts.home("second"), accounts.home("none")], ["/b", null]);
});

Deno.test("requests that are not allowed are refused and not announced", async () => {
  const denied = ["rename", "posix-rename", "stat", "read"];
  await using w = await raw({ permits: (request) => !denied.includes(request) });
  assert(!w.announced.has(EXTENSION.POSIX_RENAME));
  await Deno.writeTextFile(`${w.root}/file`, "x");
  const paths = { from: "/file", to: "/new" };
  const { PERMISSION_DENIED } = SftpStatus;
  assertEquals(await status(ask(w, msg.Rename.encode(1, paths))), PERMISSION_DENIED);
  const data = msg.TwoPaths.encode(paths);
  assertEquals(await status(extend(w, EXTENSION.POSIX_RENAME, data)), PERMISSION_DENIED);
  assertEquals(await status(ask(w, msg.Stat.encode(1, { path: "/" }))), PERMISSION_DENIED);
  const handle = await opened(w, "/file", FXF.READ);
  const read = msg.Read.encode(1, { handle, offset: 0, length: 1 });
  assertEquals(await status(ask(w, read)), PERMISSION_DENIED);
  assertEquals((await ask(w, msg.Lstat.encode(1, { path: "/file" }))).type, FXP.ATTRS);
});

Deno.test("a request is allowed only for true", async () => {
  for (const answer of [true, 1, "yes", {}, undefined, null, 0]) {
    await using w = await raw({ permits: () => answer as boolean });
    assertEquals(w.announced.has(EXTENSION.POSIX_RENAME), answer === true);
    const { type } = await ask(w, msg.Lstat.encode(1, { path: "/" }));
    assertEquals(type, answer === true ? FXP.ATTRS : FXP.STATUS);
  }
});

Deno.test("onRequest gets every request, its path and its result", async () => {
  const heard: SftpRequestReport[] = [];
  await using w = await raw({ onRequest: (report) => heard.push(report) });
  const handle = await opened(w, "/file", FXF.WRITE | FXF.CREAT);
  await ask(w, msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(3) }));
  await ask(w, msg.Close.encode(1, { handle }));
  await ask(w, msg.Stat.encode(1, { path: "/none" }));
  await extend(w, EXTENSION.POSIX_RENAME, msg.TwoPaths.encode({ from: "/file", to: "/b" }));
  await extend(w, EXTENSION.LIMITS, new Uint8Array(0));
  await extend(w, "what@example.com", new Uint8Array(0));
  assertEquals(heard.map(({ request, path, status }) => [request, path, status]), [
    ["open", "/file", 0],
    ["write", "/file", 0],
    ["close", "/file", 0],
    ["stat", "/none", 2],
    ["posix-rename", "/file", 0],
    ["limits", null, 0],
    ["unknown", null, 8],
  ]);
});

Deno.test("onRequest gets both paths, byte counts, and whether files were finished", async () => {
  const heard: SftpRequestReport[] = [];
  {
    await using w = await raw({ onRequest: (report) => heard.push(report) });
    const handle = await opened(w, "/a", FXF.READ | FXF.WRITE | FXF.CREAT);
    await ask(w, msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(7) }));
    await ask(w, msg.Read.encode(1, { handle, offset: 2, length: 100 }));
    await ask(w, msg.Read.encode(1, { handle, offset: 7, length: 100 }));
    await ask(w, msg.Close.encode(1, { handle }));
    await ask(w, msg.Close.encode(1, { handle }));
    await extend(w, EXTENSION.POSIX_RENAME, msg.TwoPaths.encode({ from: "/a", to: "/b" }));
    const left = await opened(w, "/left", FXF.WRITE | FXF.CREAT);
    await ask(w, msg.Write.encode(1, { handle: left, offset: 0, data: new Uint8Array(3) }));
  }
  const kept = heard.filter(({ request }) => request !== "open");
  assertEquals(
    kept.map(({ request, path, target, bytes, transferred }) => [
      ...[request, path, target, bytes],
      transferred && `${transferred.read} ${transferred.written}`,
    ]),
    [
      ["write", "/a", null, 7, null],
      ["read", "/a", null, 5, null],
      ["read", "/a", null, 0, null],
      ["close", "/a", null, 0, "5 7"],
      ["close", null, null, 0, null],
      ["posix-rename", "/a", "/b", 0, null],
      ["write", "/left", null, 3, null],
      ["abandoned", "/left", null, 0, "0 3"],
    ],
  );
});

Deno.test("a rename without overwriting never replaces a file, even in a race", async () => {
  await using w = await raw();
  await Deno.writeTextFile(`${w.root}/a`, "a");
  await Deno.writeTextFile(`${w.root}/b`, "b");
  const rename = (from: string, to: string) => status(ask(w, msg.Rename.encode(1, { from, to })));
  assertEquals(await rename("/a", "/b"), SftpStatus.FAILURE);
  assertEquals(await rename("/a", "/c"), SftpStatus.OK);
  assertEquals(await Deno.readTextFile(`${w.root}/b`), "b");
  assertEquals(await Deno.readTextFile(`${w.root}/c`), "a");
});

Deno.test("a system error is reported as by OpenSSH, without a path", () => {
  const error = (code: string) => Object.assign(new Error("/srv/secret"), { code });
  assertEquals(statusOf(error("ENOSPC")), { status: 4, message: "No space left on device" });
  assertEquals(statusOf(error("ENOTDIR")).status, SftpStatus.NO_SUCH_FILE);
  assertEquals(statusOf(error("EROFS")).status, SftpStatus.PERMISSION_DENIED);
  assertEquals(statusOf(error("EWHAT")), { status: 4, message: "Failure" });
  assertEquals(statusOf(error("constructor")), { status: 4, message: "Failure" });
});

Deno.test("a full disk is reported as such, and the server continues", {
  ignore: !await exists("/dev/full"),
}, async () => {
  await using w = await raw({}, () => localFiles({ root: "/", blocking: true }));
  const handle = await opened(w, "/dev/full", FXF.WRITE);
  const answer = await ask(w, msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(9) }));
  assertEquals(msg.Status.decode(answer.body).message, "No space left on device");
  assertEquals((await ask(w, msg.Stat.encode(2, { path: "/" }))).type, FXP.ATTRS);
});

Deno.test("with the system's root, paths are system paths", async () => {
  const home = await folder();
  await using w = await raw({}, () => localFiles({ root: "/", home: home.path }));
  await using _home = home;
  await Deno.mkdir(`${home.path}/folder`);
  await Deno.symlink("folder", `${home.path}/link`);
  const real = (path: string) => name(ask(w, msg.Realpath.encode(1, { path })));
  assertEquals(await real("."), home.path);
  assertEquals(await real("link/new"), `${home.path}/folder/new`);
  assertEquals(await real("link/.."), home.path);
  assertEquals(await real("/"), "/");
  assertEquals(await real("/../.."), "/");
  const missing = ask(w, msg.Realpath.encode(1, { path: "none/new" }));
  assertEquals(await status(missing), SftpStatus.NO_SUCH_FILE);
  await opened(w, "link/file", FXF.WRITE | FXF.CREAT);
  assert((await Deno.stat(`${home.path}/folder/file`)).isFile);
  const dangling = `${home.path}/dangling`;
  await Deno.symlink("folder/made", dangling);
  await opened(w, "dangling", FXF.WRITE | FXF.CREAT);
  assert((await Deno.stat(`${home.path}/folder/made`)).isFile);
  const chmod = msg.Setstat.encode(1, { path: "dangling", attributes: { mode: 0o4750 } });
  assertEquals(await status(ask(w, chmod)), SftpStatus.OK);
  assertEquals((await Deno.stat(`${home.path}/folder/made`)).mode! & 0o7777, 0o4750);
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
