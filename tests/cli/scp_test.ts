import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import type { Endpoint } from "../support/endpoint.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { peerTest } from "../interop/harness/peers.ts";
import { noise } from "../support/random.ts";
import { must, type Ran } from "../support/run.ts";
import { startSshd } from "../interop/harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";
import { cli } from "./world.ts";

const LARGE = encodeHex(noise(65536)).repeat(8);

/** Runs our `scp`; `remote:` in front of a path is on the server. */
function scp(server: Endpoint, cwd: string, ...args: string[]): Promise<Ran> {
  const place = `${server.user}@${server.hostname}`;
  const paths = args.map((arg) => arg.replace(/^remote:/, `${place}:`));
  return cli(["scp", ...configFlags(server), ...paths], { cwd });
}

for (const [protocol, name] of [["-s", "over SFTP"], ["-O", "by the protocol of old"]] as const) {
  await peerTest(["sshd", "scp"], `scp copies ${name}`, async (t) => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    const here = folder.path;
    const there = `${server.folder}/files`;
    await Deno.mkdir(there);
    await Deno.mkdir(`${here}/tree/sub`, { recursive: true });
    await folder.write("large", LARGE);
    await folder.write("tree/a", "a");
    await folder.write("tree/sub/b", "b", 0o640);
    const run = async (...args: string[]) => {
      const ran = await scp(server, here, protocol, ...args);
      assertEquals(ran.code, 0, ran.stderr);
    };

    await t.step("a file there and back", async () => {
      await run("large", `remote:${there}`);
      await run(`remote:${there}/large`, "back");
      assert(await Deno.readTextFile(`${here}/back`) === LARGE, "The bytes differ");
    });

    await t.step("folders, their times and modes", async () => {
      await Deno.utime(`${here}/tree/sub/b`, 1_000_000_000, 1_000_000_000);
      await run("-rp", "tree", `remote:${there}/copy`);
      await run("-rp", `remote:${there}/copy`, "tree-back");
      assertEquals((await must("diff", ["-r", `${here}/tree`, `${here}/tree-back`])).text, "");
      const info = await Deno.stat(`${here}/tree-back/sub/b`);
      assertEquals([info.mtime, info.mode! & 0o777], [new Date(1e12), 0o640]);
    });

    await t.step("several files and globs into a folder", async () => {
      await run("large", "tree/a", `remote:${there}`);
      await Deno.mkdir(`${here}/into`);
      await run(`remote:${there}/l*e`, `remote:${there}/a`, "into");
      const names = [...Deno.readDirSync(`${here}/into`)].map(({ name }) => name).sort();
      assertEquals(names, ["a", "large"]);
    });

    await t.step("from one remote path to another", async () => {
      await run("-3", `remote:${there}/large`, `remote:${there}/second`);
      assert(await Deno.readTextFile(`${there}/second`) === LARGE, "The bytes differ");
      await run("-3r", `remote:${there}/copy`, `remote:${there}/copy2`);
      assertEquals((await must("diff", ["-r", `${there}/copy`, `${there}/copy2`])).text, "");
    });

    await t.step("what is not there, or a folder, is an error and nothing else", async () => {
      const missing = await scp(server, here, protocol, `remote:${there}/none`, "none");
      assertEquals(missing.code, 1);
      assertStringIncludes(missing.stderr, "No such file");
      const folder = await scp(server, here, protocol, "tree", `remote:${there}/x`);
      assertEquals(folder.code, 1);
      assertStringIncludes(folder.stderr, "not a regular file");
      const many = await scp(server, here, protocol, "large", "back", `remote:${there}/large`);
      assertEquals(many.code, 1);
      assertStringIncludes(many.stderr, "ot a directory");
    });
  });
}

await peerTest(["sshd"], "scp understands URIs, and copies on this machine too", async () => {
  await using server = await startSshd();
  await using folder = await tempFolder();
  await folder.write("file", "content");
  const uri = `scp://${server.user}@${server.hostname}:${server.port}/${folder.path}/there`;
  const up = await scp(server, folder.path, "file", uri);
  assertEquals(up.code, 0, up.stderr);
  const down = await scp(server, folder.path, uri, "back");
  assertEquals(down.code, 0, down.stderr);
  assertEquals(await Deno.readTextFile(folder.join("back")), "content");
  const local = await scp(server, folder.path, "./back", "second");
  assertEquals(local.code, 0, local.stderr);
  assertEquals(await Deno.readTextFile(folder.join("second")), "content");
});

Deno.test("scp -R has the first host copy to the second", async () => {
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

Deno.test("scp without operands, or with unknown flags, says how to use it", async () => {
  for (const args of [[], ["one"], ["-Z", "a", "b"], ["-l", "much", "a", "b:c"]]) {
    const ran = await cli(["scp", ...args]);
    assertEquals(ran.code, 1);
    assertStringIncludes(ran.stderr, "scp: ");
  }
});
