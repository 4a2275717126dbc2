import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AuthError,
  type AuthMethod,
  type Client,
  connect,
  password,
  publicKey,
  SftpError,
} from "../../mod.ts";
import { importPrivateKey, issueCertificate, withCertificate } from "../../lib/keys/mod.ts";
import { WAIT } from "../support/commands.ts";
import { keyFile } from "../support/keys.ts";
import { dialRaw } from "../support/raw_peer.ts";
import { tempFolder } from "../support/temp.ts";
import { within } from "../support/within.ts";
import { cli, type CliServer, startCli, startServe } from "./world.ts";
import { captured } from "./captured.ts";
import { main } from "../../lib/cli/main.ts";

/** Logs in as a user with these methods only. */
function login(server: CliServer, user: string, ...auth: AuthMethod[]): Promise<Client> {
  const { hostname, port, hostKey } = server;
  return connect({ hostname, port, user, auth, hostKeys: hostKey, config: false });
}

async function privateKey(kind: "ed25519" | "rsa", purpose: string) {
  return importPrivateKey(await Deno.readTextFile((await keyFile(kind, purpose)).path));
}

for (const kind of ["ecdsa256", "ecdsa384", "ecdsa521", "rsa"] as const) {
  Deno.test(`serve identifies itself by a host key of kind ${kind}`, async () => {
    await using server = await startServe(["--exec"], kind);
    const key = await privateKey("ed25519", "user");
    await using host = await login(server, "tester", publicKey(key));
    assertEquals(await host.run("echo in"), "in");
  });
}

Deno.test("serve checks the passwords of its file", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "# who\nme:pa:ss wörd\nyou:x\n:empty\nodd\n");
  await using server = await startServe(["--exec", "--password-file", passwords]);
  const enter = async (user: string, secret: string) => {
    await using _host = await login(server, user, password(secret));
  };
  await enter("me", "pa:ss wörd");
  await enter("you", "x");
  const wrong = [["me", "x"], ["you", "pa:ss wörd"], ["me:pa", "ss wörd"], ["odd", ""]] as const;
  for (const [user, secret] of [...wrong, ["# who", ""]] as const) {
    await assertRejects(() => enter(user, secret), AuthError);
  }
  // A change of the file applies to the next login.
  await Deno.writeTextFile(passwords, "new:secret\n");
  await enter("new", "secret");
});

Deno.test("serve keeps the restrictions of keys", async () => {
  await using folder = await tempFolder();
  const key = await privateKey("rsa", "restricted");
  const file = await folder.write("restricted", "");
  // The last --authorized-keys wins.
  await using server = await startServe(["--exec", "--authorized-keys", file]);
  const run = async (options: string) => {
    await Deno.writeTextFile(file, `${options}${key.publicKey}\n`);
    await using host = await login(server, "tester", publicKey(key));
    return (await host.command("true").output()).code;
  };
  for (
    const [options, code] of [
      ["", 0],
      ["restrict ", 0],
      ["no-pty,no-port-forwarding ", 0],
      [`command="exit 7" `, 7],
      [`restrict,command="test $SSH_ORIGINAL_COMMAND = true" `, 0],
    ] as const
  ) {
    assertEquals(await run(options), code, options);
  }
  for (const options of [`restrict,from="10.0.0.1" `, `expiry-time="20200101" `]) {
    await assertRejects(() => run(options), AuthError);
  }
});

Deno.test("serve accepts certificates, and requires several factors", async () => {
  await using folder = await tempFolder();
  const authority = await privateKey("ed25519", "authority");
  const key = await privateKey("ed25519", "served");
  const options = { kind: "user", keyId: "served", principals: ["tester"] } as const;
  const certificate = await issueCertificate(authority, key.publicKey, options);
  const certified = publicKey(withCertificate(key, certificate));
  const trusted = await folder.write("ca.pub", `# ours\n${authority.publicKey}\n`);
  const passwords = await folder.write("passwords", "tester:sesame\n");
  const revoked = await folder.write("revoked", `${key.publicKey}\n`);
  const start = (...options: string[]) =>
    startServe([
      ...["--exec", "--password-file", passwords, "-o", `TrustedUserCAKeys=${trusted}`],
      ...options.flatMap((option) => ["-o", option]),
    ]);
  {
    await using server = await start();
    await using host = await login(server, "tester", certified);
    assertEquals((await host.command("exit 3").output()).code, 3);
  }
  {
    await using server = await start("AuthenticationMethods=publickey,password");
    await using host = await login(server, "tester", certified, password("sesame"));
    assertEquals((await host.command("exit 3").output()).code, 3);
    await assertRejects(() => login(server, "tester", certified), AuthError);
  }
  await using server = await start(`RevokedKeys=${revoked}`);
  await assertRejects(() => login(server, "tester", certified), AuthError);
});

Deno.test("serve ends cleanly on a signal with open sessions", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using server = await startServe();
    await using client = startCli([
      ...["ssh", "-n", "-p", `${server.port}`, "-i", server.identity],
      ...["-o", `UserKnownHostsFile=${server.knownHosts}`, "tester@127.0.0.1"],
      `echo ready; ${WAIT}`,
    ]);
    await client.waitFor(/ready/);
    server.program.kill(signal);
    assertEquals((await within(server.program.status, "The end")).code, 0);
    assertEquals((await client.status).code, 255);
    assertStringIncludes(client.log, "The server is shutting down");
  }
});

Deno.test("serve disconnects clients that do not log in within LoginGraceTime", async () => {
  await using server = await startServe(["-v", "-o", "LoginGraceTime=1"]);
  await using silent = await dialRaw(server.port);
  await silent.collect();
  await server.program.waitFor(/No login within 1000 ms/);
});

Deno.test("serve logs no passwords", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "me:hunter2\n");
  await using server = await startServe(["-v", "--password-file", passwords]);
  const asking = await folder.write("asking", '#!/bin/sh\necho "$1"\n', 0o700);
  const env = { SSH_ASKPASS: asking, SSH_ASKPASS_REQUIRE: "force" };
  const options = ["-o", `UserKnownHostsFile=${server.knownHosts}`, "-o", "IdentityFile=none"];
  await cli(["ssh", "-p", `${server.port}`, ...options, "me@127.0.0.1"], { env });
  await server.program.waitFor(/Password of "me" is wrong/);
  assert(!/hunter2|'s password/.test(server.program.log), server.program.log);
});

Deno.test("serve holds its folder to --quota and --quota-files", async () => {
  await using folder = await tempFolder();
  await folder.write("here", "x".repeat(1000));
  const limits = ["--quota", "3K", "--quota-files", "4"];
  await using server = await startServe(["--root", folder.path, ...limits]);
  await using host = await login(server, "tester", publicKey(await privateKey("ed25519", "user")));
  await using sftp = await host.sftp();
  const { blocks, blockSize, files } = await sftp.statvfs("/");
  assertEquals([blocks * blockSize, files], [3072, 4]);
  await sftp.writeFile("/fits", new Uint8Array(2072));
  await assertRejects(() => sftp.writeFile("/more", new Uint8Array(1)), SftpError, "quota");
  // The empty file that was made counts; one more name is allowed.
  await sftp.mkdir("/last");
  await assertRejects(() => sftp.mkdir("/over"), SftpError, "too many files");
});

const FILES = ["--port=0", "--host-key=k", "--authorized-keys=k", "--root", "."];

for (
  const [name, args, message] of [
    ["no port", ["--host-key", "k"], "--port needs a number"],
    ["a port out of range", ["--port", "99999", "--host-key", "k"], "--port needs a number"],
    ["no host key", ["--port", "0"], "--host-key is needed"],
    ["no authorized keys or passwords", ["--port", "0", "--host-key", "k"], "no way to log in"],
    ["an unknown flag", ["--port", "0", "--nonsense"], "unknown option -- nonsense"],
    ["an unknown option", ["--port=0", "--host-key=k", "-oX=1"], "Bad configuration option: X"],
    ["a quota of 5 X", [...FILES, "--quota", "5X"], "--quota needs a number of bytes"],
    [
      "a quota beyond 2^53 bytes",
      [...FILES, "--quota", "9999T"],
      "--quota needs a number of bytes",
    ],
    ["half a file", [...FILES, "--quota-files", "1.5"], "--quota-files needs a number"],
    ["a quota of nothing", [...FILES.slice(0, -2), "--quota", "1G"], "need --root"],
    ["an argument", ["--port", "0", "extra"], 'unexpected argument "extra"'],
  ] as const
) {
  Deno.test(`serve refuses ${name}`, async () => {
    const ran = await captured(main, ["serve", ...args]);
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
      [["/nothing/there"], 'serve: Cannot load key "/nothing/there": no such file or directory\n'],
      [[path, "--root", folder.join("gone")], /^serve: .*gone.*\n$/],
      [[await folder.write("broken", "hello")], /^serve: Cannot load key ".*broken": .*\n$/],
      [[path, "-o", "Ciphers=rot13"], /^serve: Unknown cipher algorithm "rot13"/],
    ] as const
  ) {
    const ran = await captured(main, ["serve", ...flags, ...args]);
    assertEquals(ran.code, 1);
    if (typeof line === "string") assertEquals(ran.stderr, line);
    else assertMatch(ran.stderr, line);
  }
});
