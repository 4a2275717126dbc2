import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import {
  localFiles,
  type SftpBackend,
  type SftpBackendFile,
  SftpError,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { atOurServer, frame, type RawMessage, type RawPeer } from "./raw.ts";
import { folder, turn } from "./world.ts";

/** Sends one request; what the server answers. */
async function ask(peer: RawPeer, request: Uint8Array): Promise<RawMessage> {
  await peer.send(request);
  const answer = await peer.next();
  assert(answer !== null, "the server hung up");
  return answer;
}

async function statusOf(peer: RawPeer, request: Uint8Array): Promise<number> {
  const { type, body } = await ask(peer, request);
  assertEquals(type, FXP.STATUS);
  return msg.Status.decode(body).status;
}

/** A raw client with our server over a folder. */
async function world(): Promise<
  AsyncDisposable & { peer: RawPeer; root: string; served: Promise<Error | null> }
> {
  const root = await folder();
  const { peer, served } = await atOurServer(localFiles({ root: root.path }));
  return {
    peer,
    served,
    root: root.path,
    async [Symbol.asyncDispose]() {
      await peer.channel.close();
      await served;
      await root[Symbol.asyncDispose]();
    },
  };
}

const open = (id: number, path: string, flags: number) =>
  msg.Open.encode(id, { path, flags, attributes: {} });

async function opened(peer: RawPeer, path: string, flags: number): Promise<Uint8Array> {
  const { type, body } = await ask(peer, open(1, path, flags));
  assertEquals(type, FXP.HANDLE);
  return msg.Handle.decode(body).handle;
}

for (
  const [what, bytes] of Object.entries({
    "something other than INIT": msg.Stat.encode(1, { path: "/" }),
    "a length of 0": frame(FXP.INIT, 3, new Uint8Array(0), 0),
    "a length of 4": frame(FXP.INIT, 3, new Uint8Array(0), 4),
    "a length of 2^32-1": frame(FXP.INIT, 3, new Uint8Array(0), 0xffff_ffff),
    "a login": new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  })
) {
  Deno.test(`the server hangs up on a client that begins with ${what}`, async () => {
    await using root = await folder();
    const { peer, served } = await atOurServer(localFiles({ root: root.path }), { greet: false });
    await peer.send(bytes);
    assertEquals(await peer.next(), null);
    const error = await served;
    assertInstanceOf(error, SftpError);
    assertEquals(error.status, SftpStatus.BAD_MESSAGE);
  });
}

Deno.test("a client with another version is served with version 3", async () => {
  await using root = await folder();
  for (const version of [0, 2, 4, 6]) {
    const { peer, served } = await atOurServer(localFiles({ root: root.path }), { greet: false });
    await peer.send(msg.encodeVersion(FXP.INIT, version, [["versions", "\0"]]));
    const { type, id } = (await peer.next())!;
    assertEquals([type, id], [FXP.VERSION, 3]);
    assertEquals((await ask(peer, msg.Stat.encode(2, { path: "/" }))).type, FXP.ATTRS);
    await peer.channel.close();
    await served;
  }
});

Deno.test("a client that disconnects without a message is not an error", async () => {
  await using root = await folder();
  const { peer, served } = await atOurServer(localFiles({ root: root.path }), { greet: false });
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});

Deno.test("a message that is too long ends the session", async () => {
  await using w = await world();
  await w.peer.send(frame(FXP.WRITE, 1, new Uint8Array(4), 256 * 1024 + 6));
  assertEquals(await w.peer.next(), null);
  assertInstanceOf(await w.served, SftpError);
});

for (const length of [1, 2, 3, 4]) {
  Deno.test(`a message of length ${length} ends the session before more data arrives`, async () => {
    await using w = await world();
    await w.peer.send(new Uint8Array([0, 0, 0, length, ...new Uint8Array(length).fill(FXP.STAT)]));
    assertEquals(await w.peer.next(), null);
    const error = await w.served;
    assertInstanceOf(error, SftpError);
    assertEquals(error.status, SftpStatus.BAD_MESSAGE);
  });
}

Deno.test("a client that disconnects in the middle of a message is an error, and its handles are closed", async () => {
  await using root = await folder();
  let closed = 0;
  const backend: SftpBackend = {
    open: () => Promise.resolve({ close: () => Promise.resolve(void closed++) } as SftpBackendFile),
  };
  const { peer, served } = await atOurServer(backend);
  await opened(peer, "/x", FXF.READ);
  await peer.send(frame(FXP.WRITE, 1, new Uint8Array(4), 100));
  await peer.channel.close();
  assertInstanceOf(await served, SftpError);
  assertEquals(closed, 1);
  assert(root.path !== "");
});

/** Malformed requests, which are answered, and the session continues. */
const malformed: Record<string, Uint8Array> = {
  "an empty STAT": frame(FXP.STAT, 1),
  "a path longer than the message": frame(FXP.STAT, 1, new Writer().u32(0xffff_ffff).take()),
  "a STAT with trailing bytes": frame(FXP.STAT, 1, new Writer().text("/").u8(0).take()),
  "an OPEN without attributes": frame(FXP.OPEN, 1, new Writer().text("/x").u32(1).take()),
  "attributes with 2^32-1 extensions": frame(
    FXP.MKDIR,
    1,
    new Writer().text("/x").u32(0x8000_0000).u32(0xffff_ffff).take(),
  ),
  "a READ without a length": frame(FXP.READ, 1, new Writer().text("1234").u64(0n).take()),
  "an offset of 2^63": frame(
    FXP.READ,
    1,
    new Writer().text("1234").u64(1n << 63n).u32(1).take(),
  ),
  "a handle of 257 bytes": frame(FXP.CLOSE, 1, new Writer().string(new Uint8Array(257)).take()),
  "a path with a NUL": msg.Stat.encode(1, { path: "/\0" }),
  "a size of 2^64-1": frame(
    FXP.SETSTAT,
    1,
    new Writer().text("/").u32(1).u64(2n ** 64n - 1n).take(),
  ),
  "an EXTENDED without a name": frame(FXP.EXTENDED, 1),
  "a posix-rename without paths": msg.Extended.encode(1, {
    request: "posix-rename@openssh.com",
    data: new Uint8Array(3),
  }),
};

for (const [what, request] of Object.entries(malformed)) {
  Deno.test(`${what} is answered with "bad message", and the session continues`, async () => {
    await using w = await world();
    assertEquals(await statusOf(w.peer, request), SftpStatus.BAD_MESSAGE);
    assertEquals((await ask(w.peer, msg.Stat.encode(2, { path: "/" }))).type, FXP.ATTRS);
  });
}

Deno.test("a WRITE with trailing bytes writes its data", async () => {
  await using w = await world();
  const handle = await opened(w.peer, "/file", FXF.WRITE | FXF.CREAT);
  const body = new Writer().string(handle).u64(0n).text("data").text("and the buffer").take();
  assertEquals(await statusOf(w.peer, frame(FXP.WRITE, 1, body)), SftpStatus.OK);
  assertEquals(await Deno.readTextFile(`${w.root}/file`), "data");
});

Deno.test("unknown requests, extensions and answers are not supported", async () => {
  await using w = await world();
  for (const type of [0, 2, 21, 99, 101, 102, 103, 104, 105, 201, 255]) {
    assertEquals(await statusOf(w.peer, frame(type, type)), SftpStatus.OP_UNSUPPORTED);
  }
  const extension = msg.Extended.encode(1, {
    request: "format-disk@example.com",
    data: new Uint8Array(9),
  });
  assertEquals(await statusOf(w.peer, extension), SftpStatus.OP_UNSUPPORTED);
});

Deno.test("handles that are unknown, closed or of another kind are refused", async () => {
  await using w = await world();
  const file = await opened(w.peer, "/file", FXF.WRITE | FXF.CREAT);
  const directory = msg.Handle.decode(
    (await ask(w.peer, msg.Opendir.encode(1, { path: "/" }))).body,
  ).handle;
  const read = (handle: Uint8Array) => msg.Read.encode(1, { handle, offset: 0, length: 1 });
  const stranger = new Uint8Array([0, 0, 0, 99]);
  for (const handle of [new Uint8Array(0), new Uint8Array(4), stranger, new Uint8Array(256)]) {
    assertEquals(await statusOf(w.peer, read(handle)), SftpStatus.FAILURE);
    assertEquals(await statusOf(w.peer, msg.Close.encode(1, { handle })), SftpStatus.FAILURE);
  }
  const refusal = async (request: Uint8Array) => {
    const { status, message } = msg.Status.decode((await ask(w.peer, request)).body);
    return [status, message];
  };
  for (const handle of [directory, stranger]) {
    assertEquals(await refusal(read(handle)), [SftpStatus.FAILURE, "No such file handle"]);
  }
  for (const handle of [file, stranger]) {
    const reading = await refusal(msg.Readdir.encode(1, { handle }));
    assertEquals(reading, [SftpStatus.FAILURE, "No such directory handle"]);
  }
  const closing = await refusal(msg.Close.encode(1, { handle: stranger }));
  assertEquals(closing, [SftpStatus.FAILURE, "No such handle"]);
  assertEquals(await statusOf(w.peer, msg.Close.encode(1, { handle: file })), SftpStatus.OK);
  assertEquals(await statusOf(w.peer, msg.Close.encode(1, { handle: file })), SftpStatus.FAILURE);
  const again = await opened(w.peer, "/file", FXF.WRITE);
  assert(!again.every((byte, index) => byte === file[index]), "a number is never used twice");
});

Deno.test("a handle is invalid for another client of the same files", async () => {
  await using root = await folder();
  await Deno.writeTextFile(`${root.path}/file`, "secret");
  const backend = localFiles({ root: root.path });
  const [one, other] = [await atOurServer(backend), await atOurServer(backend)];
  await opened(one.peer, "/file", FXF.READ);
  const handle = await opened(one.peer, "/file", FXF.READ);
  await opened(other.peer, "/file", FXF.READ);
  const read = msg.Read.encode(1, { handle, offset: 0, length: 6 });
  assertEquals(await statusOf(other.peer, read), SftpStatus.FAILURE);
  assertEquals(await statusOf(other.peer, msg.Close.encode(1, { handle })), SftpStatus.FAILURE);
  assertEquals((await ask(one.peer, read)).type, FXP.DATA);
  for (const { peer, served } of [one, other]) {
    await peer.channel.closeWrite();
    assertEquals(await served, null);
  }
});

Deno.test("a client has at most 256 handles", async () => {
  await using w = await world();
  await Deno.writeTextFile(`${w.root}/file`, "x");
  const handles: Uint8Array[] = [];
  for (let i = 0; i < 256; i++) handles.push(await opened(w.peer, "/file", FXF.READ));
  assertEquals(await statusOf(w.peer, open(1, "/file", FXF.READ)), SftpStatus.FAILURE);
  assertEquals(await statusOf(w.peer, msg.Opendir.encode(1, { path: "/" })), SftpStatus.FAILURE);
  await statusOf(w.peer, msg.Close.encode(1, { handle: handles[7]! }));
  await opened(w.peer, "/file", FXF.READ);
});

Deno.test("a READ of 4 GiB gets as much as a message can hold", async () => {
  await using w = await world();
  await Deno.writeFile(`${w.root}/file`, new Uint8Array(1_000_000));
  const handle = await opened(w.peer, "/file", FXF.READ);
  const read = (offset: number, length: number) => msg.Read.encode(1, { handle, offset, length });
  const { type, body } = await ask(w.peer, read(0, 0xffff_ffff));
  assertEquals([type, msg.Data.decode(body).data.length], [FXP.DATA, 255 * 1024]);
  assertEquals(await statusOf(w.peer, read(1_000_000, 10)), SftpStatus.EOF);
  assertEquals(await statusOf(w.peer, read(2 ** 40, 10)), SftpStatus.EOF);
  assertEquals(await statusOf(w.peer, read(0, 0)), SftpStatus.EOF);
});

Deno.test("a client that requests without receiving costs a few megabytes", async () => {
  let asked = 0;
  const file = {
    read: (into: Uint8Array) => {
      asked += into.length;
      return Promise.resolve(into.length);
    },
    close: () => Promise.resolve(),
  } as unknown as SftpBackendFile;
  const { peer, served } = await atOurServer({ open: () => Promise.resolve(file) });
  const handle = await opened(peer, "/zero", FXF.READ);
  const read = (id: number) => msg.Read.encode(id, { handle, offset: 0, length: 0xffff_ffff });
  const sending = peer.send(...Array.from({ length: 10_000 }, (_, id) => read(id)));
  // Waits until the server stops reading requests.
  for (let seen = -1; seen !== asked;) {
    seen = asked;
    for (let turns = 0; turns < 200; turns++) await turn();
  }
  assert(asked < 8 * 1024 * 1024, `${asked} bytes`);
  await peer.channel.close();
  await sending;
  assertInstanceOf(await served, SftpError);
});

Deno.test("operations that a backend lacks are unsupported and not announced", async () => {
  const { peer, served } = await atOurServer({});
  const requests = [
    open(1, "/x", FXF.READ),
    msg.Stat.encode(1, { path: "/" }),
    msg.Lstat.encode(1, { path: "/" }),
    msg.Setstat.encode(1, { path: "/", attributes: {} }),
    msg.Opendir.encode(1, { path: "/" }),
    msg.Remove.encode(1, { path: "/" }),
    msg.Mkdir.encode(1, { path: "/", attributes: {} }),
    msg.Rmdir.encode(1, { path: "/" }),
    msg.Realpath.encode(1, { path: "." }),
    msg.Rename.encode(1, { from: "/", to: "/" }),
    msg.Readlink.encode(1, { path: "/" }),
    msg.Symlink.encode(1, { target: "/", link: "/" }),
  ];
  for (const request of requests) {
    assertEquals(await statusOf(peer, request), SftpStatus.OP_UNSUPPORTED);
  }
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});

Deno.test("a backend's error texts reach the client, those of the system do not", async () => {
  const { peer } = await atOurServer({
    stat: () => Promise.reject(new SftpError(SftpStatus.FAILURE, "stat", null, "Come back later")),
    lstat: () => Promise.reject(new Deno.errors.NotFound("/srv/secret/path does not exist")),
    realPath: () => Promise.reject(new TypeError("undefined is not a function")),
  });
  const words = async (request: Uint8Array) => msg.Status.decode((await ask(peer, request)).body);
  assertEquals(await words(msg.Stat.encode(1, { path: "/" })), {
    status: SftpStatus.FAILURE,
    message: "Come back later",
    language: "",
  });
  const missing = await words(msg.Lstat.encode(1, { path: "/" }));
  assertEquals([missing.status, missing.message], [SftpStatus.NO_SUCH_FILE, "No such file"]);
  const bug = await words(msg.Realpath.encode(1, { path: "/" }));
  assertEquals([bug.status, bug.message], [SftpStatus.FAILURE, "Failure"]);
  await peer.channel.close();
});

Deno.test("a failing backend closes nothing twice and leaks no handle", async () => {
  let closes = 0;
  const file = {
    read: () => Promise.reject(new Error("disk")),
    close: () => Promise.reject(new Error(`close ${++closes}`)),
  } as unknown as SftpBackendFile;
  const { peer, served } = await atOurServer({ open: () => Promise.resolve(file) });
  const handle = await opened(peer, "/x", FXF.READ);
  await opened(peer, "/y", FXF.READ);
  assertEquals(await statusOf(peer, msg.Read.encode(1, { handle, offset: 0, length: 1 })), 4);
  assertEquals(await statusOf(peer, msg.Close.encode(1, { handle })), SftpStatus.FAILURE);
  assertEquals(await statusOf(peer, msg.Close.encode(1, { handle })), SftpStatus.FAILURE);
  assertEquals(closes, 1);
  await peer.channel.closeWrite();
  assertEquals(await served, null);
  assertEquals(closes, 2);
});

Deno.test("names in listings look like `ls -l`, without control characters", async () => {
  await using w = await world();
  await Deno.writeTextFile(`${w.root}/a\nb\x1b[2J`, "12345");
  const handle = msg.Handle.decode(
    (await ask(w.peer, msg.Opendir.encode(1, { path: "/" }))).body,
  ).handle;
  const { entries } = msg.Name.decode((await ask(w.peer, msg.Readdir.encode(1, { handle }))).body);
  assertEquals(entries.map(({ name }) => name), [".", "..", "a\nb\x1b[2J"]);
  assertStringIncludes(entries[2]!.longname, "ab[2J");
  assertStringIncludes(entries[2]!.longname, "-rw-r--r--    1 ");
  assertEquals(await statusOf(w.peer, msg.Readdir.encode(1, { handle })), SftpStatus.EOF);
});

Deno.test("a session is over when its files have been closed", async () => {
  const closing = Promise.withResolvers<void>();
  let closes = 0;
  const file: SftpBackendFile = {
    read: () => Promise.resolve(0),
    write: () => Promise.resolve(),
    stat: () => Promise.reject(new SftpError(SftpStatus.FAILURE, "stat", null, "No")),
    setStat: () => Promise.resolve(),
    close: () => (closes++, closing.promise),
  };
  const { peer, served } = await atOurServer({ open: () => Promise.resolve(file) });
  await opened(peer, "/a", FXF.READ);
  await opened(peer, "/b", FXF.READ);
  let isOver = false;
  served.then(() => isOver = true);
  await peer.channel.close();
  while (closes < 2) await turn();
  await turn();
  assertEquals(isOver, false);
  closing.resolve();
  assertEquals(await served, null);
});
