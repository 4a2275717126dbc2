import { assertEquals, assertStringIncludes } from "@std/assert";
import { tempFolder } from "../support/temp.ts";
import { copies, understandsUris } from "./cases/scp.ts";
import { cli, startServe } from "./world.ts";

Deno.test("scp copies over SFTP", async (t) => {
  await using server = await startServe([]);
  const local = `${server.root}/files`;
  await Deno.mkdir(local);
  await copies(t, { server, remote: "/files", local }, "-s");
});

Deno.test("scp understands URIs", async () => {
  await using server = await startServe([]);
  await Deno.mkdir(`${server.root}/files`);
  await understandsUris({ server, remote: "files", local: `${server.root}/files` });
});

Deno.test("scp -R makes the first host copy to the second", async () => {
  await using folder = await tempFolder();
  const record =
    `#!/bin/sh\nfor last; do :; done\nprintf '%s' "$last" > '${folder.path}/command'\n`;
  const program = await folder.write("ssh", record, 0o700);
  const paths = ["one:a b*", "scp://me@two:2222//there/it's"];
  const ran = await cli(["scp", "-R", "-p", "-S", program, ...paths]);
  assertEquals(ran.code, 0, ran.stderr);
  const command = await Deno.readTextFile(folder.join("command"));
  assertEquals(command, `scp -p -P 2222 a b* 'me@two:/there/it'\\''s'`);
});

Deno.test("scp without operands, or with unknown flags, prints its usage", async () => {
  for (const args of [[], ["one"], ["-Z", "a", "b"], ["-l", "much", "a", "b:c"]]) {
    const ran = await cli(["scp", ...args]);
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.stderr, "scp: ");
  }
});
