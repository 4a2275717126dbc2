import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpClient, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { ourWorld, refusal } from "./world.ts";

Deno.test("open options that contradict each other are a TypeError", async () => {
  await using world = await ourWorld();
  const { sftp } = world;
  await assertRejects(() => sftp.open("/f", { create: true }), TypeError);
  await assertRejects(() => sftp.open("/f", { read: false }), TypeError);
  await assertRejects(() => sftp.open("/f", { truncate: true, append: true }), TypeError);
  await assertRejects(() => sftp.setStat("/f", { uid: 1 }), TypeError);
  await assertRejects(() => sftp.setStat("/f", { mtime: new Date() }), TypeError);
});

const mistakes: [expected: string, call: (sftp: SftpClient) => unknown][] = [
  [
    'open() has no option "creat": it may be "create"',
    (sftp) => sftp.open("/f", { write: true, creat: true } as never),
  ],
  ["open(): mode must be a number", (sftp) => sftp.open("/f", { mode: "644" } as never)],
  ['open() needs options, not the text "w"', (sftp) => sftp.open("/f", "w" as never)],
  ['mkdir() has no option "parents"', (sftp) => sftp.mkdir("/f", { parents: true } as never)],
  ['makeTempDir() has no option "name"', (sftp) => sftp.makeTempDir({ name: "x" } as never)],
  [
    'exists() has no option "isDir": it may be "isDirectory"',
    (sftp) => sftp.exists("/f", { isDir: true } as never),
  ],
  [
    'remove() has no option "recurse": it may be "recursive"',
    (sftp) => sftp.remove("/f", { recurse: true } as never),
  ],
  [
    'rename() has no option "replace"',
    (sftp) => sftp.rename("/f", "/g", { replace: true } as never),
  ],
  [
    "rename(): overwrite must be true or false",
    (sftp) => sftp.rename("/f", "/g", { overwrite: "no" } as never),
  ],
  [
    'walk() has no option "depth": it may be "maxDepth"',
    (sftp) => sftp.walk("/", { depth: 1 } as never).next(),
  ],
  [
    'writeFile() has no option "appends": it may be "append"',
    (sftp) => sftp.writeTextFile("/f", "x", { appends: true } as never),
  ],
  [
    "get() needs the path of the file there, not undefined",
    (sftp) => sftp.get(undefined as never, "x"),
  ],
  [
    "get() needs a local path, a file URL or a stream, not undefined",
    (sftp) => sftp.get("/f", undefined as never),
  ],
  [
    "put() needs the path of the copy there, not undefined",
    (sftp) => sftp.put(new Uint8Array(1), undefined as never),
  ],
  [
    "copy() needs the path of the file there, not 5",
    (sftp) => sftp.copy(5 as never, { sftp, path: "/g" }),
  ],
  [
    "copy() needs the path of the copy, not undefined",
    (sftp) => sftp.copy("/f", { sftp } as never),
  ],
  ["copy() needs { sftp, path }", (sftp) => sftp.copy("/f", "/g" as never)],
  ["copy() needs { sftp, path }: the SftpClient", (sftp) => sftp.copy("/f", undefined as never)],
  [
    "copy() needs { sftp, path }: the SftpClient of the other server",
    (sftp) => sftp.copy("/f", { sftp: {}, path: "/g" } as never),
  ],
  [
    'makeTempDir(): prefix must be text without a slash and without NUL, not the text "../a-"',
    (sftp) => sftp.makeTempDir({ dir: "/", prefix: "../a-" }),
  ],
  [
    'makeTempDir(): suffix must be text without a slash and without NUL, not the text "/a"',
    (sftp) => sftp.makeTempDir({ dir: "/", suffix: "/a" }),
  ],
  ["makeTempDir(): prefix must be", (sftp) => sftp.makeTempDir({ dir: "/", prefix: "a\0" })],
  ["makeTempDir(): suffix must be", (sftp) => sftp.makeTempDir({ dir: "/", suffix: 5 as never })],
];
for (const [expected, call] of mistakes) {
  Deno.test(`wrong arguments are refused: ${expected}`, async () => {
    await using world = await ourWorld();
    await assertRejects(async () => await call(world.sftp), TypeError, expected);
    assertEquals(await Array.fromAsync(world.sftp.readDir("/")), []);
  });
}

Deno.test("data that cannot be read leaves an existing file as it is", async () => {
  await using world = await ourWorld();
  const { sftp } = world;
  await sftp.writeTextFile("/file", "old");
  const locked = new ReadableStream<Uint8Array>();
  locked.getReader();
  const read = new Response("new");
  await read.text();
  for (const data of [locked, read]) {
    await assertRejects(() => sftp.writeFile("/file", data), TypeError);
    await assertRejects(() => sftp.put(data, "/file"), TypeError);
    assertEquals(await sftp.readTextFile("/file"), "old");
  }
});

Deno.test("writeFile and the stream of a file refuse chunks that are not bytes", async () => {
  await using world = await ourWorld();
  const { sftp } = world;
  for (const chunk of ["text", new Uint16Array([1000]), new ArrayBuffer(2)]) {
    const data = () => ReadableStream.from<Uint8Array>([chunk as never]);
    const message = "A stream must have Uint8Array chunks, not ";
    await assertRejects(() => sftp.writeFile("/file", data()), TypeError, message);
    const file = await sftp.open("/file", { write: true });
    await assertRejects(() => data().pipeTo(file.writable), TypeError, message);
    await assertRejects(() => file.stat(), SftpError); // it is closed
  }
});

Deno.test("writeFile cancels its stream if the file cannot be opened", async () => {
  await using world = await ourWorld();
  const { sftp } = world;
  const signal = AbortSignal.abort(new Error("enough"));
  for (const [path, options] of [["/none/file", {}], ["/file", { signal }]] as const) {
    const cancelled = Promise.withResolvers<unknown>();
    const stream = new ReadableStream<Uint8Array>({
      cancel(cause) {
        cancelled.resolve(cause);
        throw new Error("a failure of cancel() is not reported");
      },
    });
    const error = await assertRejects(() => sftp.writeFile(path, stream, options), Error);
    assertEquals(await cancelled.promise, error);
  }
});

Deno.test("a path with a NUL is refused by the server", async () => {
  await using world = await ourWorld();
  assertEquals(await refusal(world.sftp.stat("/a\0b")), SftpStatus.BAD_MESSAGE);
  assertEquals((await world.sftp.stat("/")).isDirectory, true);
});

Deno.test("after close every operation fails with the same error", async () => {
  await using world = await ourWorld();
  const { sftp } = world;
  const file = await sftp.open("/file", { write: true, create: true });
  await sftp.close();
  await sftp.close();
  const error = await assertRejects(() => sftp.stat("/"), Error, "closed");
  assertEquals(await assertRejects(() => file.write(new Uint8Array(1))), error);
});

Deno.test("the client has the server's announcements", async () => {
  await using world = await ourWorld();
  assertEquals(world.sftp.version, 3);
  assertEquals(world.sftp.extensions.get("posix-rename@openssh.com"), "1");
  assertEquals(world.sftp.limits, { readLength: 261120, writeLength: 261120, openHandles: 256 });
  assert(world.sftp instanceof SftpClient);
});

Deno.test("a file's stream has the type that gzip streams accept", async () => {
  await using world = await ourWorld();
  const { sftp } = world;
  await sftp.writeTextFile("/log", "hello ".repeat(1000));
  await using file = await sftp.open("/log");
  const zipped = file.readable.pipeThrough(new CompressionStream("gzip"));
  const text = await new Response(zipped.pipeThrough(new DecompressionStream("gzip"))).text();
  assertEquals(text, "hello ".repeat(1000));
});
