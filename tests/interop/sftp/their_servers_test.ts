/** SFTP with peers other than OpenSSH: our client with their servers. */
import { assert, assertEquals } from "@std/assert";
import { connect, loadKey, password, publicKey } from "@denossh/ssh";
import { startForeign } from "../harness/foreign_server.ts";
import { keyFile } from "../harness/keys.ts";
import { connectTo, noise } from "../harness/ours.ts";
import { startProftpd } from "../harness/proftpd.ts";
import { cacheFolder, findPeer, peerSource, peerTest } from "../harness/peers.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { everything, same } from "./everything.ts";
import { tempFolder } from "../../support/temp.ts";
import { serverControl, sftpServerControl } from "../harness/peer_controls.ts";

for (const kind of ["asyncssh", "paramiko", "go", "mina"] as const) {
  await peerTest([kind], `our client works completely with ${kind}'s SFTP server`, async () => {
    await using folder = await tempFolder();
    await using server = await startForeign(kind);
    await using host = await connectTo(server);
    await using sftp = await host.sftp();
    await everything(sftp, folder);
  }, () => sftpServerControl(kind, () => startForeign(kind)));
}

await peerTest(["ssh2"], "our client works completely with npm:ssh2's SFTP server", async () => {
  await using folder = await tempFolder();
  const key = await keyFile("ed25519", "host");
  const user = await keyFile("ed25519", "user");
  const settings = JSON.stringify({ role: "server", hostKey: key.path });
  await using server = new Program((await findPeer("ssh2"))!, {
    args: [peerSource("ssh2_peer.cjs"), settings],
    env: { NODE_PATH: `${cacheFolder}/ssh2/node_modules` },
  });
  const port = Number((await server.waitFor(/listening (\d+)/))[1]);
  await using host = await connect({
    hostname: "127.0.0.1",
    port,
    user: "tester",
    auth: [publicKey(await loadKey(user.path))],
    hostKeys: { verify: () => true },
  });
  await using sftp = await host.sftp();
  await everything(sftp, folder);
});

await peerTest(
  ["proftpd", "root"],
  "our client works completely with ProFTPD's mod_sftp",
  async () => {
    await using folder = await tempFolder();
    await using server = await startProftpd();
    await using host = await connectTo(server, { auth: [password(server.password!)] });
    await using sftp = await host.sftp();
    await everything(sftp, folder);
  },
);

await peerTest(
  ["proftpd", "root"],
  "two sessions put over several channels to ProFTPD",
  async () => {
    await using folder = await tempFolder();
    await using server = await startProftpd();
    const wide = noise(3_000_001, 2);
    for (let i = 0; i < 10; i++) {
      await using host = await connectTo(server, { auth: [password(server.password!)] });
      const names = [folder.join(`a${i}`), folder.join(`b${i}`)];
      await Promise.all(names.map(async (name) => {
        await using sftp = await host.sftp({ timeout: 10_000 });
        await sftp.put(wide, name, { channels: 3 });
      }));
      for (const name of names) assert(same(await Deno.readFile(name), wide), `${name} differs`);
    }
  },
);

await peerTest(["proftpd", "root"], "ProFTPD computes the hashes of its files itself", async () => {
  await using folder = await tempFolder();
  await using server = await startProftpd();
  await using host = await connectTo(server, { auth: [password(server.password!)] });
  await using sftp = await host.sftp();
  const received = () => Number(/(\d+) received/.exec(Deno.inspect(host))![1]);
  const before = received();
  const there = folder.join("there");
  await Deno.mkdir(folder.join("here"));
  await folder.write("here/file", noise(300_000));
  await sftp.put(folder.join("here"), there, { recursive: true, verify: true });
  const update = { recursive: true, update: "checksum" } as const;
  assertEquals((await sftp.put(folder.join("here"), there, update)).unchanged, 1);
  const other = noise(300_000).fill(7, 299_999);
  await Deno.writeFile(`${there}/file`, other);
  assertEquals((await sftp.put(folder.join("here"), there, update)).files, 1);
  assert(same(await Deno.readFile(`${there}/file`), noise(300_000)));
  assert(received() - before < 100_000, "The file was read to be hashed");
});

await peerTest(["go"], "our client keeps files in pkg/sftp's server in memory", async () => {
  await using folder = await tempFolder();
  await using server = await startForeign("go", { files: "memory" });
  await using host = await connectTo(server);
  await using sftp = await host.sftp();
  const data = noise(1_500_001);
  await sftp.put(data, "/file");
  assert(same(await sftp.readFile("/file"), data), "put differs");
  await sftp.get("/file", folder.join("back"), { verify: true });
  assert(same(await Deno.readFile(folder.join("back")), data), "get differs");
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  for (let i = 0; i < 20; i++) await folder.write(`tree/deep/${i}`, noise(i * 1000, i));
  await sftp.put(folder.join("tree"), "/tree", { recursive: true });
  await sftp.get("/tree", folder.join("copy"), { recursive: true });
  assertEquals((await must("diff", ["-r", folder.join("tree"), folder.join("copy")])).text, "");
  await sftp.rename("/file", "/tree/deep/7");
  assertEquals((await sftp.stat("/tree/deep/7")).size, data.length);
  await sftp.symlink("/tree/deep/8", "/link");
  assertEquals((await sftp.readFile("/link")).length, 8000);
  await sftp.remove("/tree", { recursive: true });
  assertEquals((await Array.fromAsync(sftp.readDir("/"))).map(({ name }) => name), ["link"]);
}, () => serverControl("go"));
