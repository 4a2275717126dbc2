/** Our client with OpenSSH's sftp-server, through pipes. */
import { assertEquals } from "@std/assert";
import { cases as api } from "../../sftp/cases/api.ts";
import { cases as client } from "../../sftp/cases/client.ts";
import { cases as transfer } from "../../sftp/cases/transfer.ts";
import { cases as sync } from "../../sftp/cases/sync.ts";
import { cases as options } from "../../sftp/cases/transfer_options.ts";
import { noise } from "../../support/random.ts";
import { peerTest } from "../harness/peers.ts";
import { opensshWorld } from "./openssh_world.ts";

for (const cases of [client, api, transfer, options, sync]) {
  for (const [name, run] of cases.at("OpenSSH's server", opensshWorld)) {
    await peerTest(["sftp-server"], name, run);
  }
}

await peerTest(["sftp-server"], "a device is written to, not replaced", async () => {
  await using world = await opensshWorld();
  const before = await Deno.lstat("/dev/null");
  await world.sftp.put(noise(100_000), "/dev/null");
  assertEquals((await Deno.lstat("/dev/null")).ino, before.ino);
  await world.sftp.put(noise(100_000), world.at("file"));
  await world.sftp.get(world.at("file"), "/dev/null");
  assertEquals((await Deno.lstat("/dev/null")).ino, before.ino);
});

await peerTest(["sftp-server", "root"], "owners are preserved if requested", async () => {
  await using world = await opensshWorld();
  const { sftp, at, here, root } = world;
  await Deno.mkdir(`${here}/from`);
  await Deno.writeTextFile(`${here}/from/file`, "x");
  await Deno.chown(`${here}/from/file`, 12_345, 23_456);
  await Deno.chown(`${here}/from`, 12_346, 23_457);
  const options = { recursive: true, owners: true };
  await sftp.put(`${here}/from`, at("there"), options);
  await sftp.get(at("there"), `${here}/back`, options);
  for (const folder of [`${root}/there`, `${here}/back`]) {
    const [{ uid, gid }, file] = [await Deno.stat(folder), await Deno.stat(`${folder}/file`)];
    assertEquals([uid, gid, file.uid, file.gid], [12_346, 23_457, 12_345, 23_456]);
  }
});
