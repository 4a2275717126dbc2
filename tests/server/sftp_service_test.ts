import { assertEquals, assertRejects } from "@std/assert";
import { localFiles } from "@denossh/ssh/server";
import { SftpError, SftpStatus } from "@denossh/ssh/sftp";
import { connectTo, startOurs } from "../support/ours.ts";
import { tempFolder } from "../support/temp.ts";

Deno.test("a server serves files by login, with a umask, a choice of requests and a log", async () => {
  await using folder = await tempFolder();
  const heard: string[] = [];
  await using server = await startOurs({
    sftp: ({ user }) => ({
      backend: localFiles({ root: folder.path }),
      umask: 0o077,
      permits: (request) => request !== "remove",
      onRequest: ({ request, status }) => heard.push(`${user} ${request} ${status}`),
    }),
  });
  await using host = await connectTo(server);
  await using sftp = await host.sftp();
  await sftp.mkdir("/sub", { mode: 0o777 });
  assertEquals((await Deno.stat(folder.join("sub"))).mode! & 0o777, 0o700);
  await folder.write("file", "x");
  const error = await assertRejects(() => sftp.remove("/file"), SftpError);
  assertEquals(error.status, SftpStatus.PERMISSION_DENIED);
  assertEquals(heard.includes("tester mkdir 0"), true);
  assertEquals(heard.includes("tester remove 3"), true);
});
