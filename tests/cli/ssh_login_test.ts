import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { importPrivateKey } from "../../lib/keys/mod.ts";
import { keyFile } from "../support/keys.ts";
import { waitFor } from "../support/commands.ts";
import { tempFolder } from "../support/temp.ts";
import { startOurs } from "../support/ours.ts";
import { askpass, sshHere, startServe } from "./world.ts";

Deno.test("ssh asks for a password until it is right", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("passwords", "tester:open sesame\n");
  await using server = await startServe(["--exec", "--password-file", passwords]);
  const env = await askpass(folder, ["wrong", "also wrong", "open sesame"]);
  const config = { NumberOfPasswordPrompts: 3, LogLevel: "INFO" };
  const ran = await sshHere({ ...server, identity: undefined }, ["echo in"], { env, config });
  assertEquals([ran.text, ran.code], ["in\n", 0], ran.stderr);
  assertEquals(ran.stderr, "Permission denied, please try again.\n".repeat(2));
});

Deno.test("The time at a prompt does not count towards ConnectTimeout", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "me:x\n");
  await using server = await startServe(["--exec", "--password-file", passwords]);
  const endpoint = { ...server, user: "me", identity: undefined };
  const config = { ConnectTimeout: 1 };
  const script = `#!/bin/sh\n${waitFor(2_000)}\necho x\n`;
  const askpass = await folder.write("askpass", script, 0o700);
  const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: "force" };
  const ran = await sshHere(endpoint, ["echo in"], { env, config });
  assertEquals([ran.text, ran.code], ["in\n", 0], ran.stderr);
});

Deno.test("ssh asks for a passphrase, with and without a .pub file", async () => {
  await using folder = await tempFolder();
  await using server = await startOurs();
  const plain = importPrivateKey(await Deno.readTextFile(server.identity));
  const locked = plain.export({ passphrase: "open sesame", rounds: 4 });
  const identity = await folder.write("locked", locked);
  for (const beside of [false, true]) {
    if (beside) await folder.write("locked.pub", `${plain.publicKey}\n`);
    const env = await askpass(folder, ["wrong", "open sesame"]);
    const config = { BatchMode: "no", NumberOfPasswordPrompts: 2 };
    const ran = await sshHere({ ...server, identity }, ["echo in"], { env, config });
    assertEquals([ran.text, ran.code, ran.stderr], ["in\n", 0, ""]);
  }
});

Deno.test("ssh tries all given keys in turn", async () => {
  await using server = await startOurs();
  const other = await keyFile("ecdsa256", "stranger");
  const flags = ["-i", other.path, "-i", server.identity, "-o", "IdentityFile=/nothing/there"];
  const ran = await sshHere(server, ["echo in"], { flags, config: { IdentityFile: "none" } });
  assertEquals([ran.text, ran.code, ran.stderr], ["in\n", 0, ""]);
});

Deno.test("ssh does not use a key that others can read", async () => {
  await using folder = await tempFolder();
  await using server = await startOurs();
  const text = await Deno.readTextFile(server.identity);
  const identity = await folder.write("open", text);
  await Deno.chmod(identity, 0o644);
  const ran = await sshHere({ ...server, identity }, ["true"], { config: { LogLevel: "INFO" } });
  assertEquals(ran.code, 255);
  assertStringIncludes(ran.stderr, "permissions 0644 are too open");
});

Deno.test("ssh adds a new host's key if configured", async () => {
  await using folder = await tempFolder();
  await using server = await startOurs();
  const known = folder.join("sub/known");
  const config = { UserKnownHostsFile: known, LogLevel: "INFO" };
  const first = await sshHere(server, ["true"], {
    config: { ...config, StrictHostKeyChecking: "accept-new", HashKnownHosts: "yes" },
  });
  assertEquals(first.code, 0, first.stderr);
  assertMatch(first.stderr, /^Warning: Permanently added \[127\.0\.0\.1\]:\d+ \(ED25519\) .*\n$/);
  assertMatch(await Deno.readTextFile(known), /^\|1\|\S+ ssh-ed25519 \S+\n$/);
  const second = await sshHere(server, ["true"], { config });
  assertEquals([second.code, second.stderr], [0, ""]);
});

Deno.test("ssh asks about a new host, and accepts yes, no and the fingerprint", async () => {
  await using folder = await tempFolder();
  await using server = await startOurs();
  const key = importPrivateKey(await Deno.readTextFile((await keyFile("ed25519", "host")).path));
  const fingerprint = key.publicKey.fingerprint();
  for (
    const [answers, code] of [
      [["perhaps", "yes"], 0],
      [[fingerprint], 0],
      [["SHA256:other", "no"], 255],
      [["no"], 255],
    ] as const
  ) {
    const env = await askpass(folder, answers);
    const known = folder.join(crypto.randomUUID());
    const config = { UserKnownHostsFile: known, StrictHostKeyChecking: "ask", BatchMode: "no" };
    const ran = await sshHere(server, ["true"], { env, config });
    assertEquals(ran.code, code, ran.stderr);
  }
});

Deno.test("ssh accepts a changed host key only without strict checking", async () => {
  await using folder = await tempFolder();
  await using server = await startOurs();
  const other = (await keyFile("ed25519", "user")).publicKey;
  const known = await folder.write("changed", `[127.0.0.1]:${server.port} ${other}\n`);
  for (const strict of ["yes", "accept-new", "ask"]) {
    const config = { UserKnownHostsFile: known, StrictHostKeyChecking: strict };
    const ran = await sshHere(server, ["true"], { config });
    assertEquals([ran.text, ran.code], ["", 255]);
    assertMatch(ran.stderr, /^Host key verification failed\. .*changed line 1.*\n$/);
  }
  const config = { UserKnownHostsFile: known, StrictHostKeyChecking: "no", LogLevel: "INFO" };
  const lax = await sshHere(server, ["echo in"], { config });
  assertEquals([lax.text, lax.code], ["in\n", 0], lax.stderr);
  assertMatch(lax.stderr, /^Warning: .*passwords are disabled\n$/);
});

Deno.test("ssh sends no password after a change of the host key", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("passwords", "tester:hunter2\n");
  await using server = await startServe(["--password-file", passwords]);
  const other = (await keyFile("ed25519", "user")).publicKey;
  const known = await folder.write("changed", `[127.0.0.1]:${server.port} ${other}\n`);
  const env = await askpass(folder, ["hunter2"]);
  const endpoint = { ...server, identity: undefined };
  const right = await sshHere(endpoint, ["true"], { env });
  assertStringIncludes(right.stderr, "exec"); // logged in, but commands are refused
  const config = { UserKnownHostsFile: known, StrictHostKeyChecking: "no" };
  const again = await askpass(folder, ["hunter2"]);
  const ran = await sshHere(endpoint, ["true"], { env: again, config });
  assertEquals(ran.code, 255);
  assertMatch(ran.stderr, /Permission denied .* Passwords are disabled/);
});

Deno.test("ssh connects to HostName instead of the given name", async () => {
  await using server = await startOurs();
  const endpoint = { ...server, hostname: "no-such-host.invalid" };
  const config = { HostName: "127.0.0.1" };
  assertEquals((await sshHere(endpoint, ["echo in"], { config })).text, "in\n");
});

Deno.test("serve shows its banner before the login", async () => {
  await using folder = await tempFolder();
  const banner = await folder.write("banner", "Keep out\n");
  await using server = await startServe(["--exec", "-o", `Banner=${banner}`]);
  const ran = await sshHere(server, ["true"], { config: { LogLevel: "INFO" } });
  assertEquals([ran.code, ran.stderr], [0, "Keep out\n"]);
  const quiet = await sshHere(server, ["true"], { flags: ["-q"] });
  assertEquals(quiet.stderr, "");
});

Deno.test("ssh warns of a key exchange that is not post-quantum if WarnWeakCrypto is set", async () => {
  await using server = await startOurs();
  const cases: [config: Record<string, string>, warned: boolean][] = [
    [{ WarnWeakCrypto: "yes", KexAlgorithms: "curve25519-sha256" }, true],
    [{ WarnWeakCrypto: "no-pq-kex", KexAlgorithms: "curve25519-sha256" }, false],
    [{ KexAlgorithms: "curve25519-sha256" }, false],
    [{ WarnWeakCrypto: "yes", KexAlgorithms: "sntrup761x25519-sha512" }, false],
  ];
  for (const [config, warned] of cases) {
    const { code, stderr } = await sshHere(server, ["echo in"], {
      config: { ...config, LogLevel: "INFO" },
    });
    assertEquals([code, stderr.includes("is not post-quantum")], [0, warned], stderr);
  }
});
