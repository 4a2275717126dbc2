/** OpenSSH's clients with our serve. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startServe } from "../../cli/world.ts";
import { encodeHex } from "../../../lib/encoding.ts";
import { noise } from "../../support/random.ts";
import { tempFolder } from "../../support/temp.ts";
import { tree as treeOf } from "../../support/tree.ts";
import { authority, certifiedKey } from "../harness/certificates.ts";
import { keyFile } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { peerTest } from "../harness/peers.ts";

const LARGE = encodeHex(noise(65536)).repeat(24);

await peerTest(["ssh", "sftp", "scp"], "OpenSSH's clients work with serve", async (t) => {
  await using folder = await tempFolder();
  await using server = await startServe();

  await t.step("ssh runs a command", async () => {
    const ran = await runClient("ssh", server, ["cat; echo err >&2; exit 7"], { stdin: LARGE });
    assertEquals([ran.code, ran.stderr], [7, "err\n"]);
    assert(ran.text === LARGE, "The bytes differ");
  });

  await t.step("commands start in the root", async () => {
    const ran = await runClient("ssh", server, ["pwd"]);
    assertEquals(ran.text.trim(), await Deno.realPath(server.root));
  });

  await t.step("ssh learns the signal that ended a command", async () => {
    const ran = await runClient("ssh", server, ["kill -KILL $$"], { flags: ["-v"] });
    assertEquals(ran.code, 255);
    assertStringIncludes(ran.stderr, "exit-signal");
  });

  await t.step("the shell works with and without a terminal", async () => {
    const forced = await runClient("ssh", server, ["tty; exit 3"], { flags: ["-tt"] });
    assertMatch(forced.text, /^\/dev\/pts\/\d+\r\n$/);
    assertEquals(forced.code, 3);
    const ran = await runClient("ssh", server, [], { stdin: "echo $((6*7)); exit 4\n" });
    assertEquals([ran.text, ran.code], ["42\n", 4]);
  });

  await t.step("sftp puts, lists, renames, gets and removes", async () => {
    const local = await folder.write("local", LARGE);
    const commands = [
      `put ${local} a`,
      "rename a b",
      "chmod 600 b",
      "ls -l",
      `get b ${folder.join("back")}`,
      "rm b",
      "ls",
    ];
    const ran = await runClient("sftp", server, commands);
    assertEquals(ran.code, 0, ran.stderr);
    assertMatch(ran.text, /-rw------- .* 3145728 .* b\n/);
    assert(await Deno.readTextFile(folder.join("back")) === LARGE, "The bytes differ");
    assertEquals([...Deno.readDirSync(server.root)], []);
  });

  await t.step("sftp sees nothing outside of the root", async () => {
    const ran = await runClient("sftp", server, ["cd ../../..", "pwd", "ls /etc"]);
    assertStringIncludes(ran.text, "Remote working directory: /\n");
    assert(ran.code !== 0, "/etc was listed");
  });

  await t.step("scp copies folders both ways", async () => {
    const tree = folder.join("tree");
    await Deno.mkdir(`${tree}/sub`, { recursive: true });
    await Deno.writeTextFile(`${tree}/sub/file`, LARGE);
    const there = await runClient("scp", server, [tree, "remote:/copy"], { flags: ["-r"] });
    assertEquals(there.code, 0, there.stderr);
    const back = folder.join("tree-back");
    const ran = await runClient("scp", server, ["remote:/copy", back], { flags: ["-r"] });
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(await treeOf(back), await treeOf(tree));
  });

  await t.step("an unauthorized key is refused", async () => {
    const { path } = await keyFile("ed25519", "stranger");
    const ran = await runClient("ssh", { ...server, identity: path }, ["true"]);
    assertEquals(ran.code, 255);
    assertStringIncludes(ran.stderr, "Permission denied (publickey).");
  });
});

for (const kind of ["ecdsa256", "ecdsa384", "rsa"] as const) {
  await peerTest(["ssh"], `serve identifies itself by a host key of kind ${kind}`, async () => {
    await using server = await startServe(["--exec"], kind);
    assertEquals((await runClient("ssh", server, ["echo in"])).text, "in\n");
  });
}

await peerTest(["ssh"], "serve checks the passwords of its file", async (t) => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "# who\nme:pa:ss wörd\nyou:x\n:empty\nodd\n");
  await using server = await startServe(["--exec", "--password-file", passwords]);
  const { identity: _, ...endpoint } = server;
  for (
    const [user, password, code] of [
      ["me", "pa:ss wörd", 0],
      ["you", "x", 0],
      ["me", "x", 255],
      ["you", "pa:ss wörd", 255],
      ["me:pa", "ss wörd", 255],
      ["", "empty", 255],
      ["odd", "", 255],
      ["# who", "", 255],
    ] as const
  ) {
    await t.step(`"${user}" with "${password}": ${code === 0 ? "in" : "out"}`, async () => {
      // A user name with a colon works only with -l.
      const config = { User: `"${user}"`, PreferredAuthentications: "password" };
      const ran = await runClient("ssh", { ...endpoint, user: "x", password }, ["true"], {
        flags: user === "" ? [] : ["-l", user],
        config: user === "" ? { ...config, User: " " } : { PreferredAuthentications: "password" },
      });
      assertEquals(ran.code, code, ran.stderr);
    });
  }

  await t.step("a change of the file applies at the next login", async () => {
    await Deno.writeTextFile(passwords, "new:secret\n");
    const changed = { ...endpoint, user: "new", password: "secret" };
    assertEquals((await runClient("ssh", changed, ["true"])).code, 0);
  });
});

await peerTest(["ssh"], "serve keeps the restrictions of keys", async () => {
  await using folder = await tempFolder();
  const { path: identity, publicKey } = await keyFile("rsa", "restricted");
  const file = await folder.write("restricted", "");
  // The last --authorized-keys wins.
  await using server = await startServe(["--exec", "--authorized-keys", file]);
  for (
    const [options, code] of [
      ["", 0],
      ["restrict ", 0],
      ["no-pty,no-port-forwarding ", 0],
      [`command="exit 7" `, 7],
      [`restrict,command="test $SSH_ORIGINAL_COMMAND = true" `, 0],
      [`restrict,from="10.0.0.1" `, 255],
      [`expiry-time="20200101" `, 255],
    ] as const
  ) {
    await Deno.writeTextFile(file, `${options}${publicKey}\n`);
    const ran = await runClient("ssh", { ...server, identity }, ["true"]);
    assertEquals(ran.code, code, `${options}: ${ran.stderr}`);
  }
});

await peerTest(["ssh"], "serve accepts certificates, and requires several factors", async () => {
  await using folder = await tempFolder();
  const trusted = await folder.write("ca.pub", `# ours\n${(await authority()).publicKey}\n`);
  const { path, publicKey } = await certifiedKey(folder, "served", { principals: ["tester"] });
  const passwords = await folder.write("passwords", "tester:sesame\n");
  const revoked = await folder.write("revoked", "");
  const start = (...options: string[]) =>
    startServe([
      ...["--exec", "--password-file", passwords, "-o", `TrustedUserCAKeys=${trusted}`],
      ...options.flatMap((option) => ["-o", option]),
    ]);
  const certified = { CertificateFile: `${path}-cert.pub` };
  {
    await using server = await start();
    const ran = await runClient("ssh", { ...server, identity: path }, ["exit 3"], {
      config: certified,
    });
    assertEquals(ran.code, 3, ran.stderr);
  }
  {
    await using server = await start("AuthenticationMethods=publickey,password");
    const config = { ...certified, BatchMode: "no" };
    const both = { ...server, identity: path, password: "sesame" };
    assertEquals((await runClient("ssh", both, ["exit 3"], { config })).code, 3);
    const { password: _, ...one } = both;
    assertEquals((await runClient("ssh", one, ["exit 3"], { config: certified })).code, 255);
  }
  await Deno.writeTextFile(revoked, `${publicKey}\n`);
  await using server = await start(`RevokedKeys=${revoked}`);
  const ran = await runClient("ssh", { ...server, identity: path }, ["true"], {
    config: certified,
  });
  assertEquals(ran.code, 255);
});
