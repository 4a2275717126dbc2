/** Our `scp` with OpenSSH's server. */
import { assertEquals } from "@std/assert";
import { copies, understandsUris } from "../../cli/cases/scp.ts";
import { cli } from "../../cli/world.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";

for (const [protocol, name] of [["-s", "over SFTP"], ["-O", "by the protocol of old"]] as const) {
  await peerTest(["sshd", "scp"], `scp copies ${name} at OpenSSH`, async (t) => {
    await using server = await startSshd();
    const local = `${server.folder}/files`;
    await Deno.mkdir(local);
    await copies(t, { server, remote: local, local }, protocol);
  });
}

await peerTest(["sshd"], "scp understands URIs at OpenSSH", async () => {
  await using server = await startSshd();
  await understandsUris({ server, remote: server.folder, local: server.folder });
});

Deno.test("scp copies on this machine with cp", async () => {
  await using folder = await tempFolder();
  await folder.write("file", "content");
  const ran = await cli(["scp", "./file", "second"], { cwd: folder.path });
  assertEquals(ran.code, 0, ran.stderr);
  assertEquals(await Deno.readTextFile(folder.join("second")), "content");
});
