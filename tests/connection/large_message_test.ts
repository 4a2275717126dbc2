import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectedPair } from "@denossh/ssh/testing";
import { localFiles } from "@denossh/ssh/server";
import { tempFolder } from "../support/temp.ts";

const LARGE = "x".repeat(256 * 1024);

Deno.test("only a command too large for a message fails, and the next one runs", async () => {
  await using folder = await tempFolder();
  await using pair = await connectedPair({
    handler: (session) => session.print("ran"),
    serve: { sftp: localFiles({ root: folder.path }) },
  });
  const { host } = pair;
  await assertRejects(() => host.run(LARGE), RangeError, "at most");
  await assertRejects(() => host.run("a", { env: { A: LARGE } }), RangeError, "at most");
  await assertRejects(() => host.openChannel(LARGE), RangeError, "at most");
  await using channel = await host.openSession();
  await assertRejects(() => channel.request(LARGE), RangeError, "at most");
  assertThrows(() => channel.notify(LARGE), RangeError, "at most");
  await using sftp = await host.sftp();
  await assertRejects(() => sftp.stat(LARGE), RangeError, "shorten the path");
  await sftp.writeFile("small", new Uint8Array(3));
  assertEquals((await sftp.stat("small")).size, 3);
  assertEquals(await host.run("small"), "ran");
});

Deno.test("a command just below the limit arrives", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print(`${session.command?.length}`),
  });
  assertEquals(await pair.host.run("x".repeat(260_000)), "260000");
});
