import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { SftpClient, SftpError, SftpStatus, SftpTransferError } from "../../lib/sftp/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { QuirkyServer } from "./quirky_server.ts";
import { atServer, frame, handle, type RawMessage, type RawPeer, status } from "./raw.ts";
import { channelPair, folder, noise, refusal, same } from "./world.ts";
import { FakeTime } from "../support/fake_time.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const MODE_FILE = 0o100644;
const MODE_FOLDER = 0o040755;

/** Wrong answers to a STAT in well-formed messages. */
const malformed: Record<string, (id: number) => Uint8Array> = {
  "an answer of the wrong type": (id) => msg.Handle.encode(id, { handle }),
  "a success without the attributes": (id) => status(id, SftpStatus.OK),
  "an unknown type": (id) => frame(99, id),
  "a request instead of an answer": (id) => msg.Stat.encode(id, { path: "/" }),
  "a second VERSION": (id) => frame(FXP.VERSION, id),
  "attributes cut short": (id) => frame(FXP.ATTRS, id, new Writer().u32(0xf).u32(1).take()),
  "2^32-1 extended attributes": (id) =>
    frame(FXP.ATTRS, id, new Writer().u32(0x8000_0000).u32(0xffff_ffff).take()),
  "a status without a code": (id) => frame(FXP.STATUS, id),
  "unrequested data": (id) => msg.Data.encode(id, { data: new Uint8Array(4) }),
};

for (const [what, answer] of Object.entries(malformed)) {
  Deno.test(`a server that answers with ${what} fails that request alone`, async () => {
    let first = true;
    const sftp = await atServer(async ({ id }, peer) => {
      await peer.send(
        first ? answer(id) : msg.Attrs.encode(id, { attributes: { size: 5, mode: MODE_FILE } }),
      );
      first = false;
    });
    assertEquals(await refusal(sftp.stat("/x")), SftpStatus.BAD_MESSAGE);
    assertEquals((await sftp.stat("/y")).size, 5);
    await sftp.close();
  });
}

Deno.test("a change is not done if its answer is of another type, although it reads like a status", async () => {
  const body = new Writer().u32(SftpStatus.OK).text("").text("").take();
  const sftp = await atServer(({ id }, peer) => peer.send(frame(FXP.ATTRS, id, body)));
  assertEquals(await refusal(sftp.remove("/x")), SftpStatus.BAD_MESSAGE);
  await sftp.close();
});

/** Answers to a STAT with extra data, which are accepted. */
const liberal: Record<
  string,
  [bytes: (id: number) => Uint8Array, size: number | SftpError["status"]]
> = {
  "attributes with trailing bytes": [
    (id) => frame(FXP.ATTRS, id, new Writer().u32(1).u64(7n).u32(0).take()),
    7,
  ],
  "a size of -1": [(id) => frame(FXP.ATTRS, id, new Writer().u32(1).u64(2n ** 64n - 1n).take()), 0],
  "a size of 2^63": [(id) => frame(FXP.ATTRS, id, new Writer().u32(1).u64(1n << 63n).take()), 0],
};

for (const [what, [answer, size]] of Object.entries(liberal)) {
  Deno.test(`a server that answers with ${what} is accepted`, async () => {
    const sftp = await atServer(({ id }, peer) => peer.send(answer(id)));
    assertEquals((await sftp.stat("/x")).size, size);
    await sftp.close();
  });
}

Deno.test("a status is accepted by its code, with any data after it", async () => {
  const code = new Writer().u32(SftpStatus.PERMISSION_DENIED);
  for (
    const body of [
      code.take(),
      new Writer().u32(3).u8(1).take(),
      new Writer().u32(3).u32(100).bytes(new Uint8Array(3)).take(),
      new Writer().u32(3).text("no").take(),
      new Writer().u32(3).text("no").u32(9).take(),
      new Writer().u32(3).text("no").text("en").bytes(status(9, 0)).take(),
    ]
  ) {
    const sftp = await atServer(({ id }, peer) => peer.send(frame(FXP.STATUS, id, body)));
    assertEquals(await refusal(sftp.stat("/x")), SftpStatus.PERMISSION_DENIED);
    assertEquals(await refusal(sftp.stat("/x")), SftpStatus.PERMISSION_DENIED);
    await sftp.close();
  }
});

/** Messages that end the session, since the next message or the request is unknown. */
const nonsense: Record<string, (id: number) => Uint8Array> = {
  "an answer to a request that was not made": (id) => status(id + 1, 0),
  "a length of 2^32-1": (id) => frame(FXP.ATTRS, id, new Uint8Array(4), 0xffff_ffff),
  "a length of 0": (id) => frame(FXP.ATTRS, id, new Uint8Array(4), 0),
  "a length of 4": (id) => frame(FXP.ATTRS, id, new Uint8Array(4), 4),
  "a length of 1 and nothing else": () => new Uint8Array([0, 0, 0, 1, FXP.ATTRS]),
  "a length just above the limit": (id) => frame(FXP.ATTRS, id, new Uint8Array(4), 256 * 1024 + 6),
};

for (const [what, answer] of Object.entries(nonsense)) {
  Deno.test(`a server that sends ${what} ends the session with one error`, async () => {
    const sftp = await atServer(({ id }, peer) => peer.send(answer(id)));
    const error = await assertRejects(() => sftp.stat("/x"), SftpError);
    assertEquals(error.status, SftpStatus.BAD_MESSAGE);
    assertEquals(await assertRejects(() => sftp.stat("/y")), error);
    await sftp.close();
  });
}

Deno.test("all pending requests reject when the server breaks the protocol", async () => {
  const sftp = await atServer(async ({ id, type }, peer) => {
    if (type === FXP.LSTAT) await peer.send(frame(99, id, new Uint8Array(0), 0));
  });
  const waiting = [sftp.stat("/a"), sftp.stat("/b"), sftp.lstat("/c")];
  const errors = await Promise.all(
    waiting.map((promise) => assertRejects(() => promise, SftpError)),
  );
  assert(errors.every((error) => error === errors[0]));
  await sftp.close();
});

Deno.test("a repeated answer is used once", async () => {
  const sftp = await atServer(async ({ id }, peer) => {
    const answer = msg.Attrs.encode(id, { attributes: { size: id, mode: MODE_FILE } });
    await peer.send(answer, answer, status(id, 4));
  });
  const [first, second] = [await sftp.stat("/x"), await sftp.stat("/y")];
  assertEquals(second.size, first.size + 1);
  await sftp.close();
});

Deno.test("answers out of order find their requests", async () => {
  const waiting: RawMessage[] = [];
  const sftp = await atServer(async (request, peer) => {
    waiting.push(request);
    if (waiting.length < 3) return;
    for (const { id } of waiting.reverse()) {
      await peer.send(msg.Attrs.encode(id, { attributes: { size: id, mode: MODE_FILE } }));
    }
  });
  const infos = await Promise.all([sftp.stat("/a"), sftp.stat("/b"), sftp.stat("/c")]);
  assertEquals(infos.map(({ size }) => size), [1, 2, 3]);
  await sftp.close();
});

for (
  const [what, greeting] of Object.entries({
    "version 7": msg.encodeVersion(FXP.VERSION, 7),
    "another message": status(3, 0),
    "a login banner": new TextEncoder().encode("Welcome to the machine\n"),
    "a greeting of 4 GiB": frame(FXP.VERSION, 3, new Uint8Array(0), 0xffff_fff0),
  })
) {
  Deno.test(`a VERSION with ${what} is refused`, async () => {
    const error = await assertRejects(() => atServer(() => {}, { greeting }), SftpError);
    assertEquals(error.status, SftpStatus.BAD_MESSAGE);
  });
}

Deno.test("a server with another version is used with version 3", async () => {
  for (const version of [0, 2, 4, 6]) {
    const greeting = msg.encodeVersion(FXP.VERSION, version);
    const sftp = await atServer(new QuirkyServer().answer, { greeting });
    assertEquals((await sftp.readFile("/f.txt")).length, 12_000);
    assertEquals((await Array.fromAsync(sftp.readDir("/"))).length, 2);
    await sftp.close();
  }
});

/** The error of a client if the server sends these pieces, and this on standard error. */
async function openingError(
  pieces: readonly string[],
  said: string,
  then: "waits" | "leaves",
): Promise<SftpError> {
  const [near, far] = channelPair();
  const opening = SftpClient.open({
    ...near,
    tryReadStderr: (into) => new TextEncoder().encodeInto(said, into).written,
  });
  const failed = assertRejects(() => opening, SftpError);
  for (const piece of pieces) await far.writeAll(new TextEncoder().encode(piece));
  if (then === "leaves") await far.close();
  return await failed;
}

Deno.test("a server that sends text is quoted, with its standard error", async () => {
  const quoted =
    'SFTP session is over: the answer is not from an SFTP server: it sent "Welcome to it"';
  const advice = "; start-up files of the shell there must print nothing";
  const text = await openingError(["\r\nWelcome", " to it\n", "more"], "", "waits");
  assertEquals([plainMessage(text), text.status], [quoted + advice, SftpStatus.BAD_MESSAGE]);
  const unfinished = await openingError(["Welcome to it"], "\x1b[1mNo SFTP\nmore", "leaves");
  assertEquals(
    plainMessage(unfinished),
    `${quoted}, and said "[1mNo SFTP" on standard error${advice}`,
  );
  const silent = await openingError([], "Not available\n", "leaves");
  assertEquals(
    plainMessage(silent),
    'SFTP session is over: the server closed the channel, and said "Not available" on standard error',
  );
  assert((await openingError(["x".repeat(9000)], "", "waits")).message.length < 400);
});

Deno.test("a prompt without a line end is quoted after a moment", async () => {
  using time = new FakeTime();
  const error = await time.settle(openingError(["Password: "], "", "waits"));
  assertStringIncludes(plainMessage(error), 'it sent "Password:"');
});

Deno.test("extensions end at the first malformed one in VERSION", async () => {
  const body = new Writer().text("copy-data").text("1").u32(100).take();
  const sftp = await atServer(({ id }, peer) => peer.send(status(id, 4)), {
    greeting: frame(FXP.VERSION, 3, body),
  });
  assertEquals([...sftp.extensions], [["copy-data", "1"]]);
  assertEquals(await refusal(sftp.stat("/x")), SftpStatus.FAILURE);
  await sftp.close();
});

Deno.test("a server that hangs up rejects pending requests", async () => {
  const sftp = await atServer((_, peer) => peer.channel.close());
  assertEquals(await refusal(sftp.stat("/x")), SftpStatus.CONNECTION_LOST);
  assertEquals(await refusal(sftp.stat("/x")), SftpStatus.CONNECTION_LOST);
  await sftp.close();
});

Deno.test("a server that hangs up in the middle of a message is an error", async () => {
  const sftp = await atServer(async ({ id }, peer) => {
    await peer.send(frame(FXP.ATTRS, id, new Uint8Array(2), 40));
    await peer.channel.close();
  });
  assertEquals(await refusal(sftp.stat("/x")), SftpStatus.BAD_MESSAGE);
  await sftp.close();
});

/** A server of one file with scripted answers to READs. */
function fileServer(
  size: number | undefined,
  read: (
    request: { id: number; offset: number; length: number },
    peer: RawPeer,
  ) => void | Promise<void>,
): (request: RawMessage, peer: RawPeer) => Promise<void> {
  return async ({ type, id, body }, peer) => {
    const attributes = size === undefined ? { mode: MODE_FILE } : { mode: MODE_FILE, size };
    if (type === FXP.STAT || type === FXP.FSTAT) {
      await peer.send(msg.Attrs.encode(id, { attributes }));
    } else if (type === FXP.OPEN) await peer.send(msg.Handle.encode(id, { handle }));
    else if (type === FXP.READ) await read({ id, ...msg.Read.decode(body) }, peer);
    else await peer.send(status(id, SftpStatus.OK));
  };
}

const data = noise(300_000);

/** The answers of an honest server. */
function piece({ id, offset, length }: { id: number; offset: number; length: number }): Uint8Array {
  const bytes = data.subarray(offset, offset + length);
  return bytes.length === 0 ? status(id, SftpStatus.EOF) : msg.Data.encode(id, { data: bytes });
}

/** Fetches the file; nothing may remain if that fails. */
async function fetch(
  size: number | undefined,
  read: Parameters<typeof fileServer>[1],
): Promise<Uint8Array | Error> {
  await using here = await folder();
  const sftp = await atServer(fileServer(size, read));
  try {
    await sftp.get("/file", `${here.path}/file`);
    return await Deno.readFile(`${here.path}/file`);
  } catch (cause) {
    assertEquals(await Array.fromAsync(Deno.readDir(here.path)), []);
    return cause as Error;
  } finally {
    await sftp.close();
  }
}

/** Fetches the file from a server that must not succeed. */
async function refused(
  size: number | undefined,
  read: Parameters<typeof fileServer>[1],
): Promise<number> {
  const error = await fetch(size, read);
  assertInstanceOf(error, SftpError);
  return error.status;
}

Deno.test("get joins short reads of any length", async () => {
  let turn = 0;
  const result = await fetch(data.length, (request, peer) => {
    const length = Math.min(request.length, 1 + turn++ * 997 % 5000);
    return peer.send(piece({ ...request, length }));
  });
  assert(result instanceof Uint8Array && same(result, data));
});

Deno.test("get of a file of unknown size reads to the end", async () => {
  for (const size of [undefined, 0]) {
    const result = await fetch(size, (request, peer) => peer.send(piece(request)));
    assert(result instanceof Uint8Array && same(result, data));
  }
});

Deno.test("get of a file that has grown reads all of it", async () => {
  for (const size of [1, 100_000, 299_999]) {
    const result = await fetch(size, (request, peer) => peer.send(piece(request)));
    assert(result instanceof Uint8Array && same(result, data), `${size}`);
  }
});

Deno.test("get of a file that is shorter than its size, as in /sys, reads to the end", async () => {
  for (const size of [300_001, 5_000_000, 2 ** 50]) {
    const result = await fetch(size, (request, peer) => peer.send(piece(request)));
    assert(result instanceof Uint8Array && same(result, data), `${size}`);
  }
});

Deno.test("get of a file that is truncated while it is read fails, and leaves nothing", async () => {
  await using here = await folder();
  let size = 2 * data.length;
  const honest = (request: RawMessage, peer: RawPeer) =>
    fileServer(size, (read, peer) => {
      size = data.length;
      return peer.send(piece(read));
    })(request, peer);
  const sftp = await atServer(honest);
  assertEquals(await refusal(sftp.get("/file", `${here.path}/file`)), SftpStatus.EOF);
  assertEquals(await Array.fromAsync(Deno.readDir(here.path)), []);
  await sftp.close();
});

Deno.test("get reads missing data again, once", async () => {
  let missing = true;
  const result = await fetch(data.length, (request, peer) => {
    const lost = missing && request.offset === 65536;
    if (lost) missing = false;
    return peer.send(lost ? status(request.id, SftpStatus.EOF) : piece(request));
  });
  assert(result instanceof Uint8Array && same(result, data));
});

Deno.test("get fails on an early end followed by more data", async () => {
  const read: Parameters<typeof fileServer>[1] = (request, peer) =>
    peer.send(request.offset === 65536 ? status(request.id, SftpStatus.EOF) : piece(request));
  assertEquals(await refused(data.length, read), SftpStatus.EOF);
});

Deno.test("get fails on more data than requested", async () => {
  const read: Parameters<typeof fileServer>[1] = (request, peer) =>
    peer.send(msg.Data.encode(request.id, { data: new Uint8Array(request.length + 1) }));
  assertEquals(await refused(data.length, read), SftpStatus.BAD_MESSAGE);
});

Deno.test("get fails on data that is longer than its message, or has no length", async () => {
  for (const length of [5, 0xffff_ffff]) {
    const read: Parameters<typeof fileServer>[1] = ({ id }, peer) =>
      peer.send(frame(FXP.DATA, id, new Writer().u32(length).u32(0).take()));
    assertEquals(await refused(data.length, read), SftpStatus.BAD_MESSAGE);
  }
  const none: Parameters<typeof fileServer>[1] = ({ id }, peer) =>
    peer.send(frame(FXP.DATA, id, new Uint8Array(2)));
  assertEquals(await refused(data.length, none), SftpStatus.BAD_MESSAGE);
});

Deno.test("bytes after the data of a message are ignored, and empty data ends a file", async () => {
  for (const size of [data.length, 0]) {
    const result = await fetch(size, ({ id, offset, length }, peer) => {
      const bytes = data.subarray(offset, offset + length);
      const end = offset + length >= data.length ? 1 : 0;
      return peer.send(frame(FXP.DATA, id, new Writer().string(bytes).u8(end).take()));
    });
    assert(result instanceof Uint8Array && same(result, data));
  }
});

Deno.test("an answer inside the data of another is not parsed", async () => {
  const asked: number[] = [];
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPEN) return await peer.send(msg.Handle.encode(id, { handle }));
    asked.push(id);
    if (asked.length < 2) return;
    const hidden = msg.Attrs.encode(asked[1]!, { attributes: { size: 666 } });
    const body = new Writer().u32(1).u8(0).bytes(hidden).take();
    await peer.send(frame(FXP.DATA, asked[0]!, body));
  });
  const file = await sftp.open("/x");
  const reading = file.read(new Uint8Array(10));
  const stat = sftp.stat("/x");
  assertEquals(await reading, 1);
  await sftp.server.send(msg.Attrs.encode(asked[1]!, { attributes: { size: 5, mode: MODE_FILE } }));
  assertEquals((await stat).size, 5);
  await sftp.close();
});

Deno.test("get of a file that grows while its end is read makes no hole", async () => {
  let visible = 500;
  const result = await fetch(1, (request, peer) => {
    const length = Math.max(Math.min(request.length, visible - request.offset), 0);
    if (length === 0) visible = 2000;
    return peer.send(piece({ ...request, length }));
  });
  assert(result instanceof Uint8Array && same(result, data.subarray(0, 2000)));
});

Deno.test("get fails with the server's refusal of one read", async () => {
  const read: Parameters<typeof fileServer>[1] = (request, peer) =>
    peer.send(
      request.offset === 131072 ? status(request.id, 4, "Disk \x1b[31mon fire") : piece(request),
    );
  const error = await fetch(data.length, read);
  assertEquals(plainMessage(error), 'Cannot read "/file" on the server: Disk [31mon fire');
});

Deno.test("get fails if the link is lost at any byte of the data", async () => {
  // The first bytes one by one, then in steps that divide none of the lengths here.
  for (let cut = 0, whole = false; !whole; cut += cut < 300 ? 1 : 9973) {
    let left = cut;
    const result = await fetch(data.length, async (request, peer) => {
      const answer = piece(request);
      await peer.send(answer.subarray(0, left));
      if (answer.length > left) await peer.channel.close();
      left = Math.max(left - answer.length, 0);
    });
    whole = result instanceof Uint8Array;
    if (whole) assert(same(result as Uint8Array, data) && cut > data.length);
    else assertInstanceOf(result, SftpError);
  }
});

Deno.test("get ignores a failed CLOSE of a file that was only read", async () => {
  await using here = await folder();
  const honest = fileServer(data.length, (request, peer) => peer.send(piece(request)));
  const sftp = await atServer((request, peer) =>
    request.type === FXP.CLOSE ? peer.send(status(request.id, 4)) : honest(request, peer)
  );
  await sftp.get("/file", `${here.path}/file`);
  assert(same(await Deno.readFile(`${here.path}/file`), data));
  await sftp.close();
});

Deno.test("get refuses anything but a file or, if recursive, a folder", async () => {
  await using here = await folder();
  for (const mode of [MODE_FOLDER, 0o010644, 0o020644, 0o140644]) {
    const sftp = await atServer(({ id }, peer) =>
      peer.send(msg.Attrs.encode(id, { attributes: { mode, size: 1 } }))
    );
    assertEquals(await refusal(sftp.get("/x", `${here.path}/x`)), SftpStatus.FAILURE);
    await sftp.close();
  }
});

Deno.test("a stream that fails closes its handle", async () => {
  let open = 0;
  let refusing: number = FXP.WRITE;
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPEN) open++;
    if (type === FXP.CLOSE) open--;
    if (type === refusing) return await peer.send(status(id, 4, "No space left on device"));
    if (type === FXP.OPEN) return await peer.send(msg.Handle.encode(id, { handle }));
    if (type !== FXP.FSTAT) return await peer.send(status(id, 0));
    await peer.send(msg.Attrs.encode(id, { attributes: { mode: MODE_FILE, size: 10 } }));
  });
  for (const length of [10, 40_000_000]) {
    const write = sftp.writeFile("/dev/full", new Uint8Array(length));
    assertEquals(await refusal(write), SftpStatus.FAILURE);
  }
  refusing = FXP.READ;
  const file = await sftp.open("/file");
  assertEquals(await refusal(new Response(file.readable).bytes()), SftpStatus.FAILURE);
  await assertRejects(() => sftp.stat("/")); // after the CLOSEs
  assertEquals(open, 0);
  await sftp.close();
});

Deno.test("put fails if any write is refused, with the first error", async () => {
  const sftp = await atServer(async ({ type, id, body }, peer) => {
    if (type === FXP.OPEN) return await peer.send(msg.Handle.encode(id, { handle }));
    if (type === FXP.LSTAT) return await peer.send(status(id, SftpStatus.NO_SUCH_FILE));
    if (type !== FXP.WRITE) return await peer.send(status(id, 0));
    const { offset } = msg.Write.decode(body);
    await peer.send(status(id, offset === 98304 ? 4 : 0, "No space left on device"));
  });
  const error = await assertRejects(() => sftp.put(data, "/file"), SftpError);
  assertEquals(plainMessage(error), 'Cannot write "/file" on the server: No space left on device');
  await sftp.close();
});

Deno.test("put fails if the server's CLOSE fails", async () => {
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPEN) return await peer.send(msg.Handle.encode(id, { handle }));
    if (type === FXP.LSTAT) return await peer.send(status(id, SftpStatus.NO_SUCH_FILE));
    await peer.send(status(id, type === FXP.CLOSE ? 4 : 0));
  });
  assertEquals(await refusal(sftp.put(data, "/file")), SftpStatus.FAILURE);
  await sftp.close();
});

Deno.test("a handle of more than 256 bytes is refused", async () => {
  const sftp = await atServer(({ id }, peer) =>
    peer.send(frame(FXP.HANDLE, id, new Writer().string(new Uint8Array(257)).take()))
  );
  assertEquals(await refusal(sftp.open("/x")), SftpStatus.BAD_MESSAGE);
  await sftp.close();
});

Deno.test("absurd limits of a server cost nothing", async () => {
  for (const length of [0n, 1n, 2n ** 64n - 1n]) {
    const limits = new Writer().u64(length).u64(length).u64(length).u64(length).take();
    let largest = 0;
    const honest = fileServer(200, (request, peer) => {
      largest = Math.max(largest, request.length);
      return peer.send(
        piece({ ...request, length: Math.min(request.length, 200 - request.offset) }),
      );
    });
    const sftp = await atServer(
      (request, peer) =>
        request.type === FXP.EXTENDED
          ? peer.send(msg.ExtendedReply.encode(request.id, { data: limits }))
          : honest(request, peer),
      { extensions: [["limits@openssh.com", "1"]] },
    );
    assert(same(await sftp.readFile("/file"), data.subarray(0, 200)));
    assert(largest <= (length === 1n ? 1 : 255 * 1024));
    await sftp.close();
  }
});

/** A server of folders: names by path, each with a mode. */
function folderServer(
  folders: Record<string, [name: string, mode: number][]>,
): (request: RawMessage, peer: RawPeer) => Promise<void> {
  const listed = new Set<string>();
  return async ({ type, id, body }, peer) => {
    const text = new TextDecoder().decode(body.subarray(4));
    if (type === FXP.STAT || type === FXP.LSTAT) {
      await peer.send(msg.Attrs.encode(id, { attributes: { mode: MODE_FOLDER } }));
    } else if (type === FXP.OPENDIR || type === FXP.OPEN) {
      const path = new TextEncoder().encode(type === FXP.OPENDIR ? text : "file");
      listed.delete(text);
      await peer.send(msg.Handle.encode(id, { handle: path }));
    } else if (type === FXP.READDIR && !listed.has(text) && folders[text] !== undefined) {
      listed.add(text);
      const entries = folders[text].map(([name, mode]) => ({
        name,
        longname: "",
        attributes: { mode, size: 0 },
      }));
      await peer.send(msg.Name.encode(id, { entries }));
    } else {
      await peer.send(status(id, type === FXP.CLOSE ? 0 : SftpStatus.EOF));
    }
  };
}

for (
  const name of [
    "..",
    ".",
    "",
    "/etc/passwd",
    "../../x",
    "a/b",
    "a/../../x",
    "nul\0l",
    "line\nfeed",
    "\x1b[2J",
    "\x7f",
    "\u009b",
  ]
) {
  Deno.test(`a recursive get never uses the name ${JSON.stringify(name)}`, async () => {
    await using outside = await folder();
    await Deno.mkdir(`${outside.path}/here`);
    const sftp = await atServer(folderServer({ "/x": [[name, MODE_FILE], [name, MODE_FOLDER]] }));
    const getting = sftp.get("/x", `${outside.path}/here`, { recursive: true });
    if (name === "." || name === "..") {
      assertEquals((await getting).files, 0); // every server lists these two
    } else {
      assertEquals(await refusal(getting), SftpStatus.BAD_MESSAGE);
    }
    assertEquals(await Array.fromAsync(Deno.readDir(`${outside.path}/here`)), []);
    assertEquals((await Array.fromAsync(Deno.readDir(outside.path))).length, 1);
    await sftp.close();
  });
}

Deno.test("a recursive get refuses a name that is listed twice", async () => {
  await using here = await folder();
  const sftp = await atServer(folderServer({ "/x": [["a", 0o120777], ["a", MODE_FILE]] }));
  assertEquals(
    await refusal(sftp.get("/x", here.path, { recursive: true })),
    SftpStatus.BAD_MESSAGE,
  );
  await sftp.close();
});

Deno.test("a recursive get makes no links, and replaces local ones", async () => {
  await using here = await folder();
  await using elsewhere = await folder();
  await Deno.symlink(`${elsewhere.path}/file`, `${here.path}/file`);
  const sftp = await atServer(folderServer({ "/x": [["link", 0o120777], ["file", MODE_FILE]] }));
  await sftp.get("/x", here.path, { recursive: true });
  assert((await Deno.lstat(`${here.path}/file`)).isFile);
  assertEquals((await Array.fromAsync(Deno.readDir(here.path))).length, 1);
  assertEquals(await Array.fromAsync(Deno.readDir(elsewhere.path)), []);
  await sftp.close();
});

Deno.test("a recursive get does not follow local links", async () => {
  await using here = await folder();
  await using elsewhere = await folder();
  await Deno.symlink(elsewhere.path, `${here.path}/folder`);
  const sftp = await atServer(folderServer({
    "/x": [["folder", MODE_FOLDER]],
    "/x/folder": [["evil", MODE_FILE]],
  }));
  const getting = sftp.get("/x", here.path, { recursive: true });
  const { result } = await assertRejects(() => getting, SftpTransferError);
  assertInstanceOf(result.failures[0]!.error, Deno.errors.AlreadyExists);
  assertEquals(await Array.fromAsync(Deno.readDir(elsewhere.path)), []);
  await sftp.close();
});

Deno.test("a recursive get of endlessly nested folders ends with an error", async () => {
  await using here = await folder();
  let depth = 0;
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.STAT) {
      await peer.send(msg.Attrs.encode(id, { attributes: { mode: MODE_FOLDER } }));
    } else if (type === FXP.OPENDIR) {
      depth++;
      await peer.send(msg.Handle.encode(id, { handle: new Uint8Array([0]) }));
    } else if (type === FXP.READDIR && depth > 0) {
      const entry = { name: "folder".repeat(20), longname: "", attributes: { mode: MODE_FOLDER } };
      await peer.send(msg.Name.encode(id, { entries: [entry] }));
      depth = -depth;
    } else {
      if (type === FXP.READDIR) depth = -depth;
      await peer.send(status(id, type === FXP.CLOSE ? 0 : SftpStatus.EOF));
    }
  });
  await assertRejects(() => sftp.get("/x", here.path, { recursive: true }), Error);
  await sftp.close();
});

Deno.test("a listing ends at an empty answer", async () => {
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPENDIR) await peer.send(msg.Handle.encode(id, { handle }));
    else if (type === FXP.CLOSE) await peer.send(status(id, 0));
    else await peer.send(msg.Name.encode(id, { entries: [] }));
  });
  assertEquals(await Array.fromAsync(sftp.readDir("/x")), []);
  await sftp.close();
});

for (const name of ["", "/", "a/b", "../x", "/etc/passwd"]) {
  Deno.test(`a listing with the name ${JSON.stringify(name)} is refused`, async () => {
    const sftp = await atServer(folderServer({ "/x": [[name, MODE_FILE]] }));
    assertEquals(await refusal(Array.fromAsync(sftp.readDir("/x"))), SftpStatus.BAD_MESSAGE);
    assertEquals(await refusal(sftp.remove("/x", { recursive: true })), SftpStatus.BAD_MESSAGE);
    await sftp.close();
  });
}

Deno.test("a listing with an absurd count is refused", async () => {
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPENDIR) await peer.send(msg.Handle.encode(id, { handle }));
    else await peer.send(frame(FXP.NAME, id, new Writer().u32(0xffff_ffff).u32(0).take()));
  });
  assertEquals(await refusal(Array.fromAsync(sftp.readDir("/x"))), SftpStatus.BAD_MESSAGE);
  await sftp.close();
});

Deno.test("an endless listing can be stopped, and sends no further requests", async () => {
  let readdirs = 0;
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPENDIR) await peer.send(msg.Handle.encode(id, { handle }));
    else if (type === FXP.CLOSE) await peer.send(status(id, 0));
    else {
      const entry = { name: `${readdirs++}`, longname: "", attributes: { mode: MODE_FILE } };
      await peer.send(msg.Name.encode(id, { entries: [entry] }));
    }
  });
  let seen = 0;
  for await (const _ of sftp.readDir("/x")) if (++seen === 10) break;
  await sftp.close();
  assert(readdirs <= 12, `${readdirs} requests`);
});

Deno.test("realPath and readLink require exactly one name", async () => {
  for (const count of [0, 2]) {
    const entry = { name: "x", longname: "", attributes: {} };
    const sftp = await atServer(({ id }, peer) =>
      peer.send(msg.Name.encode(id, { entries: Array(count).fill(entry) }))
    );
    assertEquals(await refusal(sftp.realPath(".")), SftpStatus.BAD_MESSAGE);
    assertEquals(await refusal(sftp.readLink(".")), SftpStatus.BAD_MESSAGE);
    await sftp.close();
  }
});

Deno.test("the server's text in errors is stripped of control characters", async () => {
  const sftp = await atServer(({ id }, peer) =>
    peer.send(status(id, 4, "\x1b]0;owned\x07 no\r\n" + "x".repeat(1000)))
  );
  const error = await assertRejects(() => sftp.stat("/x"), SftpError);
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x1f]/.test(plainMessage(error)));
  assert(plainMessage(error).length < 400);
  await sftp.close();
});
