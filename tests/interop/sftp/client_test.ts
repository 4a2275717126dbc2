/** Our SFTP client with OpenSSH's server over SSH: the extensions that only that server announces. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Client, connect, loadKey, publicKey } from "../../../mod.ts";
import { SftpError, type SftpHash, SshError } from "../../../lib/sftp/mod.ts";
import { SftpStatus } from "../../../lib/sftp/protocol/status.ts";
import { noise } from "../../support/random.ts";
import { peerTest } from "../harness/peers.ts";
import { cut, startProxy } from "../../support/proxy.ts";
import { type Sshd, startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

async function sha256(path: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex();
}

interface There extends AsyncDisposable {
  readonly host: Client;
  /** A folder that both sides access. */
  readonly folder: string;
}

async function login(sshd: Sshd, port = sshd.port): Promise<Client> {
  return await connect({
    hostname: sshd.hostname,
    port,
    user: sshd.user,
    auth: [publicKey(await loadKey(sshd.identity))],
    hostKeys: sshd.hostKeys.ed25519!.publicKey,
  });
}

async function there(config: Record<string, string> = {}): Promise<There> {
  await using stack = new AsyncDisposableStack();
  const sshd = stack.use(await startSshd({ hostKeys: ["ed25519"], config }));
  const host = stack.use(await login(sshd));
  const parts = stack.move();
  return { host, folder: sshd.folder, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

await peerTest(["sshd"], "OpenSSH's server reports the usage of its disk", async () => {
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

await peerTest(["sshd"], "OpenSSH's server expands homes and names owners", async () => {
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

await peerTest(["sshd"], "OpenSSH's server changes a link itself", async () => {
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

await peerTest(["sshd"], "OpenSSH's server copies files itself, in pieces", async () => {
  await using t = await there();
  await using sftp = await t.host.sftp();
  assert(sftp.extensions.has("copy-data"));
  const data = noise(5_000_001);
  await Deno.writeFile(`${t.folder}/from`, data);
  await Deno.writeFile(`${t.folder}/to`, noise(6_000_000, 2));
  await sftp.copyFile(`${t.folder}/from`, `${t.folder}/to`);
  assertEquals(await Deno.readFile(`${t.folder}/to`), data);
});

await peerTest(["sshd"], "OpenSSH's read-only server refuses with its reason", async () => {
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

await peerTest(["sshd"], "a transfer over breaking links completes", async () => {
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  await using here = await tempFolder();
  const [local, remote] = [`${here.path}/file`, `${sshd.folder}/file`];
  const data = noise(8_000_000);
  const options = { resume: true, inFlight: 512 * 1024 };
  for (const way of ["put", "get"] as const) {
    await Deno.writeFile(way === "put" ? local : remote, data);
    const right = await sha256(way === "put" ? local : remote);
    const target = way === "put" ? remote : local;
    let bytes = 0;
    for (let done = false, tries = 1; !done; tries++) {
      // Each attempt may transfer 1.5 MB more, so that one of them reaches the end.
      const damage = cut(tries * 1_500_000);
      await using proxy = startProxy(
        sshd.port,
        way === "put" ? { toServer: damage } : { toClient: damage },
      );
      try {
        await using host = await login(sshd, proxy.port);
        await using sftp = await host.sftp();
        const result = await (way === "put"
          ? sftp.put(local, remote, options)
          : sftp.get(remote, local, options));
        bytes = result.bytes;
        done = true;
      } catch (cause) {
        if (!(cause instanceof SshError)) throw cause;
        await assertRejects(() => Deno.stat(target), Deno.errors.NotFound);
      }
    }
    assert(bytes < data.length, "it has begun anew each time");
    assertEquals(await sha256(target), right);
    await Promise.all([Deno.remove(local), Deno.remove(remote)]);
  }
});

await peerTest(["sshd"], "a file is verified with the server's sha256sum", async () => {
  await using t = await there();
  await using sftp = await t.host.sftp();
  await using here = await tempFolder();
  const path = `${t.folder}/it's here`;
  const asked: string[] = [];
  const verify: SftpHash = async (path, length) => {
    const quoted = `'${path.replaceAll("'", `'\\''`)}'`;
    asked.push(path);
    return (await t.host.run(`head -c ${length} -- ${quoted} | sha256sum`)).slice(0, 64);
  };
  await sftp.put(noise(1_000_000), path, { verify });
  await sftp.get(path, `${here.path}/back`, { verify });
  assertEquals(await sha256(`${here.path}/back`), await sha256(path));
  assertEquals(asked.length, 2);
});

await peerTest(
  ["sshd"],
  "a tree is unchanged after a copy to OpenSSH's server and back",
  async () => {
    await using t = await there();
    await using sftp = await t.host.sftp();
    await using here = await tempFolder();
    const from = `${here.path}/from`;
    for (let i = 0; i < 20; i++) {
      await Deno.mkdir(`${from}/${i % 4}/deep ${i}`, { recursive: true });
      for (let j = 0; j < 15; j++) {
        await Deno.writeFile(`${from}/${i % 4}/deep ${i}/${j}`, noise(i * j * 100, i + j));
      }
      await Deno.utime(`${from}/${i % 4}/deep ${i}`, 1_000_000_000, 1_000_000_000 + i);
    }
    const options = { recursive: true, preserve: true };
    assertEquals((await sftp.put(from, `${t.folder}/tree`, options)).files, 300);
    const { files } = await sftp.get(`${t.folder}/tree`, `${here.path}/back`, options);
    assertEquals(files, 300);
    const diff = await new Deno.Command("diff", { args: ["-r", from, `${here.path}/back`] })
      .output();
    assertEquals(diff.code, 0);
    const { mtime } = await Deno.stat(`${here.path}/back/3/deep 19`);
    assertEquals(mtime, new Date(1_000_000_019_000));
    const again = await sftp.put(from, `${t.folder}/tree`, { ...options, update: true });
    assertEquals([again.files, again.unchanged], [0, 300]);
  },
);
