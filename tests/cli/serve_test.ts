/** OpenSSH's clients at our serve. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import { authority, certifiedKey } from "../interop/harness/certificates.ts";
import { keyFile } from "../interop/harness/keys.ts";
import { runClient } from "../interop/harness/openssh_clients.ts";
import { peerTest } from "../interop/harness/peers.ts";
import { dialRaw } from "../support/raw_peer.ts";
import { noise } from "../support/random.ts";
import { must } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { within } from "../support/within.ts";
import { cli, startCli, startServe } from "./world.ts";

const LARGE = encodeHex(noise(65536)).repeat(24);

await peerTest(["ssh", "sftp", "scp"], "OpenSSH's clients get on with serve", async (t) => {
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

  await t.step("ssh hears of the signal that ended a command", async () => {
    const ran = await runClient("ssh", server, ["kill -KILL $$"], { flags: ["-v"] });
    assertEquals(ran.code, 255);
    assertStringIncludes(ran.stderr, "exit-signal");
  });

  await t.step("a terminal is refused, and the shell works without", async () => {
    const forced = await runClient("ssh", server, ["true"], {
      flags: ["-tt"],
      config: { LogLevel: "INFO" },
    });
    assertEquals(forced.code, 255);
    assertStringIncludes(forced.stderr, "PTY allocation request failed");
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
    assertEquals((await must("diff", ["-r", tree, back])).text, "");
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
      // A user's name may have a colon only behind -l.
      const config = { User: `"${user}"`, PreferredAuthentications: "password" };
      const ran = await runClient("ssh", { ...endpoint, user: "x", password }, ["true"], {
        flags: user === "" ? [] : ["-l", user],
        config: user === "" ? { ...config, User: " " } : { PreferredAuthentications: "password" },
      });
      assertEquals(ran.code, code, ran.stderr);
    });
  }

  await t.step("a change of the file counts at once", async () => {
    await Deno.writeTextFile(passwords, "new:secret\n");
    const changed = { ...endpoint, user: "new", password: "secret" };
    assertEquals((await runClient("ssh", changed, ["true"])).code, 0);
  });
});

await peerTest(["ssh"], "serve keeps the restrictions of keys", async () => {
  await using folder = await tempFolder();
  const { path: identity, publicKey } = await keyFile("rsa", "restricted");
  const file = await folder.write("restricted", "");
  // The last --authorized-keys counts.
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

await peerTest(["ssh"], "serve takes certificates, and asks for several factors", async () => {
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

Deno.test("serve ends cleanly on a signal, with sessions open", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using server = await startServe();
    await using client = startCli([
      ...["ssh", "-n", "-p", `${server.port}`, "-i", server.identity],
      ...["-o", `UserKnownHostsFile=${server.knownHosts}`, "tester@127.0.0.1"],
      "echo ready; exec sleep 60",
    ]);
    await client.waitFor(/ready/);
    server.program.kill(signal);
    assertEquals((await within(server.program.status, "The end")).code, 0);
    assertEquals((await client.status).code, 255);
    assertStringIncludes(client.log, "The server is shutting down");
  }
});

Deno.test("serve drops who does not log in within LoginGraceTime", async () => {
  await using server = await startServe(["-v", "-o", "LoginGraceTime=1"]);
  await using silent = await dialRaw(server.port);
  await silent.collect();
  await server.program.waitFor(/No login within 1000 ms/);
});

Deno.test("serve logs no passwords", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "me:hunter2\n");
  await using server = await startServe(["-v", "--password-file", passwords]);
  const env = { SSH_ASKPASS: "/bin/echo", SSH_ASKPASS_REQUIRE: "force" };
  const options = ["-o", `UserKnownHostsFile=${server.knownHosts}`, "-o", "IdentityFile=none"];
  await cli(["ssh", "-p", `${server.port}`, ...options, "me@127.0.0.1"], { env });
  await server.program.waitFor(/Password of "me" is wrong/);
  assert(!/hunter2|'s password/.test(server.program.log), server.program.log);
});

for (
  const [name, args, message] of [
    ["no port", ["--host-key", "k"], "--port needs a number"],
    ["a port out of range", ["--port", "99999", "--host-key", "k"], "--port needs a number"],
    ["no host key", ["--port", "0"], "--host-key is needed"],
    ["nobody to let in", ["--port", "0", "--host-key", "k"], "nobody could log in"],
    ["an unknown flag", ["--port", "0", "--nonsense"], "unknown option -- nonsense"],
    ["an unknown option", ["--port=0", "--host-key=k", "-oX=1"], "Bad configuration option: X"],
    ["an argument", ["--port", "0", "extra"], 'unexpected argument "extra"'],
  ] as const
) {
  Deno.test(`serve refuses ${name}`, async () => {
    const ran = await cli(["serve", ...args]);
    assertEquals([ran.code, ran.text], [2, ""]);
    assertMatch(ran.stderr, /^serve: [^\n]+; see serve --help\n$/);
    assertStringIncludes(ran.stderr, message);
  });
}

Deno.test("serve says why it cannot start", async () => {
  await using folder = await tempFolder();
  const { path } = await keyFile("ed25519", "host");
  const flags = ["--port", "0", "--authorized-keys", "/dev/null", "--host-key"];
  for (
    const [args, line] of [
      [[path, "--authorized-keys", "/nothing/keys"], /^serve: \/nothing\/keys: No such file/],
      [["/nothing/there"], "serve: /nothing/there: No such file or directory\n"],
      [[path, "--root", folder.join("gone")], /^serve: .*gone.*\n$/],
      [[await folder.write("broken", "hello")], /^serve: Cannot load key ".*broken": .*\n$/],
      [[path, "-o", "Ciphers=rot13"], /^serve: Unknown cipher algorithm "rot13"/],
    ] as const
  ) {
    const ran = await cli(["serve", ...flags, ...args]);
    assertEquals(ran.code, 1);
    if (typeof line === "string") assertEquals(ran.stderr, line);
    else assertMatch(ran.stderr, line);
  }
});
