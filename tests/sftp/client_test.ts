import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpClient, SftpStatus } from "../../lib/sftp/mod.ts";
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
