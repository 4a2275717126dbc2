/** Open files and folders of a session whose channel is lost with its connection. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpError } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { DATA, Lossy, lost, WHEN } from "./lossy_server.ts";
import { LISTED, MemoryServer } from "./memory_server.ts";
import { channelTo } from "./raw.ts";
import { noise, same } from "./world.ts";

Deno.test("an appending write is never repeated", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, create: true });
  await file.write(DATA.subarray(0, 10));
  world.lose(FXP.WRITE, "after");
  await lost(sftp, () => file.write(DATA.subarray(10, 20)), "it may or may not have been done");
  assertEquals(world.server.log.filter((line) => line.startsWith("WRITE")).length, 2);
  await file.write(DATA.subarray(20, 30)); // it is open again
  await file.close();
});

Deno.test("a file that is appended to is open again although another one has emptied it", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, create: true });
  await file.write(DATA.subarray(0, 10));
  world.lose(FXP.STAT, "before", () => world.server.files.get("/log")!.data = new Uint8Array(0));
  await sftp.stat("/");
  await file.write(DATA.subarray(10, 20));
  await file.close();
  assertEquals(world.server.log.filter((line) => line.startsWith("WRITE")).length, 2);
});

Deno.test("a read of a file that is appended to is repeated", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, read: true, create: true });
  await file.write(DATA.subarray(0, 10));
  world.lose(FXP.READ, "after");
  const back = new Uint8Array(10);
  assertEquals(await file.readAt(back, 0), 10);
  assert(same(back, DATA.subarray(0, 10)));
  await file.close();
});

Deno.test("open files are reopened with their options, without truncation", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  const file = await sftp.open("/a", { write: true, read: true, create: true, truncate: true });
  await file.writeAt(DATA, 0);
  await sftp.rename("/a", "/b"); // under its new name
  world.lose(FXP.READ);
  const back = new Uint8Array(100);
  assertEquals(await file.readAt(back, 50), 100);
  assert(same(back, DATA.subarray(50, 150)));
  assertEquals(server.log.filter((line) => /^OPEN/.test(line)).at(-1), "OPEN /b read+write");
  world.lose(FXP.FSTAT);
  assertEquals((await file.stat()).size, DATA.length);
  await file.truncate(10);
  world.lose(FXP.FSETSTAT);
  await file.chmod(0o600);
  assertEquals(server.files.get("/b")!.mode & 0o777, 0o600);
  await file.close();
});

Deno.test("each open file with a name is reopened under its new one", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  server.add("/c", DATA);
  const files = [await sftp.open("/a"), await sftp.open("/c"), await sftp.open("/a")];
  await sftp.rename("/a", "/b");
  world.lose(FXP.FSTAT);
  for (const file of files) assertEquals((await file.stat()).size, DATA.length);
  const opened = server.log.filter((line) => /^OPEN/.test(line)).slice(3);
  assertEquals(opened.map((line) => line.split(" ")[1]), ["/b", "/c", "/b"]);
  for (const file of files) await file.close();
});

Deno.test("a file is open under its new name if the answer to its renaming was lost", async () => {
  for (const when of WHEN) {
    await using world = new Lossy();
    const { server } = world;
    const sftp = await world.client();
    const file = await sftp.open("/a", { write: true, createNew: true });
    await file.write(DATA.subarray(0, 10));
    world.lose(FXP.EXTENDED, when);
    await sftp.rename("/a", "/b");
    await file.write(DATA.subarray(10, 20));
    world.lose(FXP.FSTAT); // it has the new name for the next loss, too
    assertEquals((await file.stat()).size, 20);
    assert(same(server.data("/b")!, DATA.subarray(0, 20)));
    await file.close();
  }
});

Deno.test("a file is found after several renamings without an answer", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  const file = await sftp.open("/a", { write: true, createNew: true });
  const unanswered = new Promise<undefined>(() => {});
  server.refuse = (line) => line.startsWith("POSIX_RENAME") ? unanswered : undefined;
  const renamings = [["/x", "/y"], ["/a", "/b"], ["/b", "/c"]].map(([from, to]) =>
    sftp.rename(from!, to!)
  );
  const settled = Promise.allSettled(renamings);
  world.lose(FXP.STAT, "before", () => {
    server.files.set("/c", server.files.get("/a")!);
    server.files.delete("/a");
    server.refuse = () => undefined;
  });
  await sftp.stat("/");
  await file.write(DATA.subarray(0, 10));
  assertEquals(server.log.filter((line) => line.startsWith("OPEN")).at(-1), "OPEN /c write");
  await file.close();
  await settled;
});

Deno.test("an open file gets the name of a renaming that was executed late", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  const file = await sftp.open("/a");
  server.refuse = (line) => {
    const moved = line.startsWith("LSTAT") ? server.files.get("/a") : undefined;
    if (moved === undefined) return undefined;
    server.files.set("/b", moved);
    server.files.delete("/a");
    return undefined;
  };
  world.lose(FXP.EXTENDED, "before");
  await sftp.rename("/a", "/b");
  world.lose(FXP.FSTAT);
  assertEquals((await file.stat()).size, DATA.length);
  assertEquals(server.log.filter((line) => line.startsWith("OPEN")).at(-1), "OPEN /b read");
  await file.close();
});

Deno.test("a closed file is not opened again after a loss, and its requests are not repeated", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  const file = await sftp.open("/a");
  let reads = 0;
  server.refuse = (line) => /^READ/.test(line) && ++reads === 1 ? new Promise(() => {}) : undefined;
  const reading = file.readAt(new Uint8Array(10), 0);
  const failed = lost(sftp, () => reading, "the file was closed before");
  await file.close(); // it is answered before the READ
  world.lose(FXP.STAT);
  assertEquals([(await sftp.stat("/a")).size, world.channels], [DATA.length, 2]);
  await failed;
  const count = (name: string) => server.log.filter((line) => line.startsWith(name)).length;
  assertEquals([count("OPEN "), count("READ "), server.open], [1, 1, 0]);
});

Deno.test("a file that was replaced after the loss is not continued", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  const changes: [string, () => void][] = [
    ["it is another file now", () => server.add("/a", noise(99_999))],
    [
      "it is another file now",
      () => server.files.set("/a", { ...server.files.get("/a")!, mtime: 9 }),
    ],
    ["it could not be opened again", () => server.files.delete("/a")],
  ];
  for (const [why, change] of changes) {
    server.add("/a", DATA);
    const file = await sftp.open("/a");
    world.lose(FXP.READ, "before", change);
    await lost(sftp, () => file.readAt(new Uint8Array(10), 0), why);
    await file.close();
  }
  // Each other file that was opened is closed.
  assertEquals(server.log.filter((line) => line === "CLOSE /a").length, 2);
  const file = await sftp.open("/w", { write: true, create: true });
  await file.writeAt(DATA, 0);
  await file.writeAt(DATA.subarray(0, 10), 0); // not its end
  world.lose(FXP.WRITE, "before", () => server.add("/w", DATA.subarray(0, 99_999)));
  await lost(sftp, () => file.writeAt(DATA, 0), "it has 99999 bytes, and 100000 were written");
  await assertRejects(() => file.close(), SftpError, "99999 bytes");
});

Deno.test("a listing restarts, and yields each name once", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const names = Array.from({ length: 3 * LISTED }, (_, at) => `${1000 + at}`);
  for (const name of names) world.server.add(`/${name}`, new Uint8Array(0));
  const listed: string[] = [];
  for await (const { name } of sftp.readDir("/")) {
    listed.push(name);
    if (listed.length === LISTED + 10) world.lose(FXP.READDIR);
  }
  assertEquals([listed.sort(), world.channels], [names, 2]);
});

Deno.test("the handle of a folder that was open before a loss is not used after it", async () => {
  const server = new MemoryServer();
  const first = channelTo(server.answer);
  const reopen = () => Promise.resolve(channelTo(server.answer).channel);
  const session = await ClientSession.open(first.channel, { reopen });
  const call = { operation: "readDir", path: "/" };
  const folder = await session.openFolder("/", call);
  await first.peer.channel.close();
  await session.request(msg.Stat, { path: "/" }, msg.Attrs, call);
  const why = "the connection was lost, and with it the place in the listing";
  const reading = () => session.request(msg.Readdir, folder, msg.Name, call, folder);
  await assertRejects(reading, SftpError, why);
  assertEquals(server.log, ["OPENDIR /", "STAT /"]);
  await session.close();
});
