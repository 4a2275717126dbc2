/** Our SFTP client at OpenSSH's server, over SSH: what only that server announces. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Client, connect, knownHosts, loadKey, publicKey } from "../../mod.ts";
import { SftpError } from "../../lib/sftp/mod.ts";
import { SftpStatus } from "../../lib/sftp/status.ts";
import { noise } from "../noise.ts";
import { peerTest } from "./peers.ts";
import { startSshd } from "./sshd.ts";

interface There extends AsyncDisposable {
  readonly host: Client;
  /** A folder that both sides see. */
  readonly folder: string;
}

async function there(config: Record<string, string> = {}): Promise<There> {
  await using stack = new AsyncDisposableStack();
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"], config }));
  const host = stack.use(
    await connect({
      hostname: sshd.hostname,
      port: sshd.port,
      user: sshd.user,
      auth: [publicKey(await loadKey(sshd.identity))],
      hostKeys: knownHosts(sshd.knownHosts),
    }),
  );
  const parts = stack.move();
  return { host, folder: sshd.folder, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

peerTest(["sshd"], "OpenSSH's server tells how full its disk is", async () => {
  await using t = await there();
  await using sftp = await t.host.sftp();
  const { blocks, availableBlocks, fragmentSize, maxNameLength, readOnly } = await sftp.statvfs(
    t.folder,
  );
  assert(blocks >= availableBlocks && availableBlocks > 0 && fragmentSize >= 512);
  assertEquals([maxNameLength, readOnly], [255, false]);
  await using file = await sftp.open(`${t.folder}/file`, { write: true, create: true });
  assertEquals((await file.statvfs()).blocks, blocks);
  assertEquals((await assertRejects(() => sftp.statvfs("/none"), SftpError)).status, 2);
});

peerTest(["sshd"], "OpenSSH's server expands homes and names owners", async () => {
  await using t = await there();
  await using sftp = await t.host.sftp();
  const passwd = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) =>
    line.split(":")
  );
  const [user, , uid, gid, , home] = passwd.find(([, , uid]) => Number(uid) === Deno.uid())!;
  assertEquals(await sftp.homeDirectory(user), home);
  assertEquals(await sftp.homeDirectory(), home);
  assertEquals(await sftp.expandPath("~"), home);
  assertEquals(await sftp.expandPath(`~${user}/.`), home);
  await assertRejects(() => sftp.homeDirectory("nobody-at-all"), SftpError);
  const nobody = 4_000_000_000;
  const { users, groups } = await sftp.usersAndGroups([Number(uid), nobody], [Number(gid)]);
  assertEquals([...users], [[Number(uid), user]]);
  assertEquals(groups.size, 1);
});

peerTest(["sshd"], "OpenSSH's server changes a link itself", async () => {
  await using t = await there();
  await using sftp = await t.host.sftp();
  const [file, link] = [`${t.folder}/file`, `${t.folder}/link`];
  await sftp.writeTextFile(file, "text");
  await sftp.utime(file, 1_000_000_000, 1_000_000_000);
  await sftp.symlink("file", link);
  await sftp.lutime(link, 1_100_000_000, 1_200_000_000);
  assertEquals((await Deno.lstat(link)).mtime, new Date(1_200_000_000_000));
  assertEquals((await Deno.stat(file)).mtime, new Date(1_000_000_000_000));
  const { uid, gid } = await sftp.lstat(link);
  await sftp.lchown(link, uid!, gid!);
});

peerTest(["sshd"], "OpenSSH's server copies by itself, in pieces", async () => {
  await using t = await there();
  await using sftp = await t.host.sftp();
  assert(sftp.extensions.has("copy-data"));
  const data = noise(5_000_001);
  await Deno.writeFile(`${t.folder}/from`, data);
  await Deno.writeFile(`${t.folder}/to`, noise(6_000_000, 2));
  await sftp.copyFile(`${t.folder}/from`, `${t.folder}/to`);
  assertEquals(await Deno.readFile(`${t.folder}/to`), data);
});

peerTest(["sshd"], "OpenSSH's read-only server refuses, and says so", async () => {
  await using t = await there({ Subsystem: "sftp internal-sftp -R" });
  await using sftp = await t.host.sftp();
  const refused = async (promise: Promise<unknown>) =>
    assertEquals(
      (await assertRejects(() => promise, SftpError)).status,
      SftpStatus.PERMISSION_DENIED,
    );
  await refused(sftp.writeTextFile(`${t.folder}/x`, "x"));
  await refused(sftp.mkdir(`${t.folder}/x`));
  await refused(sftp.put(new Uint8Array(10), `${t.folder}/x`));
  assert((await sftp.readFile(`${t.folder}/sshd_config`)).length > 0);
});
