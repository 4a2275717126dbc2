/** Every failure of ssh prints one line and exits with 255. */
import { assertEquals, assertMatch } from "@std/assert";
import { importPrivateKey } from "../../lib/keys/mod.ts";
import { main } from "../../lib/cli/main.ts";
import { freePort } from "../support/free_port.ts";
import { keyFile } from "../support/keys.ts";
import { startOurs } from "../support/ours.ts";
import { LOOKUP_LEAKS } from "../support/old_deno.ts";
import { listenRaw } from "../support/raw_peer.ts";
import { tempFolder } from "../support/temp.ts";
import { captured, type Said } from "./captured.ts";
import { askpass, sshHere, startServe } from "./world.ts";

function assertFailure(ran: Said, line: RegExp): void {
  assertEquals([ran.code, ran.text], [255, ""], ran.stderr);
  assertMatch(ran.stderr, line);
  assertEquals(ran.stderr.trimEnd().split("\n").length, 1, ran.stderr);
}

const NOWHERE = { hostname: "127.0.0.1", port: 1, user: "tester" };

Deno.test("ssh fails in one line if nothing listens", async () => {
  const port = freePort();
  const ran = await sshHere({ ...NOWHERE, port }, ["true"]);
  assertFailure(ran, /^ssh: connect to host 127\.0\.0\.1 port \d+: Connection refused\n$/);
});

Deno.test("ssh fails in one line if the host has no address", LOOKUP_LEAKS, async () => {
  const ran = await sshHere({ ...NOWHERE, hostname: "no-such-host.invalid" }, ["true"]);
  assertFailure(ran, /^ssh: Could not resolve hostname no-such-host\.invalid: .+\n$/);
});

Deno.test("ssh fails in one line with an HTTP server", async () => {
  await using web = Deno.serve({ port: 0, onListen() {} }, () => new Response("hello"));
  const ran = await sshHere({ ...NOWHERE, port: web.addr.port }, ["true"]);
  assertFailure(
    ran,
    /^ssh: The server does not speak SSH: it said "HTTP\/1\.1 400 .*"; check the host and the port\n$/,
  );
});

Deno.test("ssh gives up on a silent server after ConnectTimeout", async () => {
  await using silent = listenRaw((peer) => peer.ended);
  const config = { ConnectTimeout: 1 };
  const ran = await sshHere({ ...NOWHERE, port: silent.port }, ["true"], { config });
  assertFailure(ran, /^ssh: connect to host 127\.0\.0\.1 port \d+: Connection timed out\n$/);
});

Deno.test("ssh gives up on a server that drips bytes after ConnectTimeout", async () => {
  const line = new TextEncoder().encode("x".repeat(50) + "\n");
  await using slow = listenRaw((peer) => peer.drip(line, { interval: 100, count: 1000 }));
  const config = { ConnectTimeout: 1 };
  const ran = await sshHere({ ...NOWHERE, port: slow.port }, ["true"], { config });
  assertFailure(ran, /Connection timed out: the server said "x+" and did not identify itself\n$/);
});

Deno.test("ssh fails in one line if the server hangs up", async () => {
  await using rude = listenRaw((peer) => peer[Symbol.asyncDispose]());
  const ran = await sshHere({ ...NOWHERE, port: rude.port }, ["true"]);
  assertFailure(ran, /^ssh: .*(closed the connection|connection was lost).*\n$/i);
});

Deno.test("ssh fails in one line", async (t) => {
  await using folder = await tempFolder();
  await using server = await startOurs();

  await t.step("if the key is refused", async () => {
    const { path } = await keyFile("ed25519", "stranger");
    const ran = await sshHere({ ...server, identity: path }, ["true"]);
    assertFailure(ran, /^tester@127\.0\.0\.1: Permission denied \(publickey\)\.\n$/);
  });

  await t.step("if there is no key at all", async () => {
    const ran = await sshHere({ ...server, identity: undefined }, ["true"]);
    assertFailure(ran, /^tester@127\.0\.0\.1: Permission denied \(publickey\)\.\n$/);
  });

  const locked = importPrivateKey(await Deno.readTextFile(server.identity))
    .export({ passphrase: "open sesame", rounds: 4 });
  const identity = await folder.write("locked", locked);

  await t.step("if the passphrase is wrong", async () => {
    const env = await askpass(folder, ["wrong"]);
    const ran = await sshHere({ ...server, identity }, ["true"], {
      env,
      config: { BatchMode: "no" },
    });
    assertFailure(
      ran,
      /: Permission denied \(publickey\)\. Key ".*locked" was not used: incorrect passphrase\n$/,
    );
  });

  await t.step("if the passphrase cannot be asked for", async () => {
    const ran = await sshHere({ ...server, identity }, ["true"]);
    assertFailure(
      ran,
      /: Permission denied \(publickey\)\. Key ".*locked" was not used: it needs a passphrase\n$/,
    );
  });

  await t.step("if the key file contains no key", async () => {
    const broken = await folder.write("broken", "hello\n");
    const ran = await sshHere({ ...server, identity: broken }, ["true"]);
    assertFailure(ran, /: Permission denied \(publickey\)\. Key ".*broken" was not used: .+\n$/);
  });

  await t.step("if the host is not known", async () => {
    const config = { UserKnownHostsFile: "/dev/null" };
    const ran = await sshHere(server, ["true"], { config });
    assertFailure(ran, /^Host key verification failed\. .*SHA256:.*it is not in \/dev\/null\n$/);
  });

  await t.step("if the host's key has changed", async () => {
    const other = (await keyFile("ecdsa256", "stranger")).publicKey;
    const known = await folder.write("known", `[127.0.0.1]:${server.port} ${other}\n`);
    const ran = await sshHere(server, ["true"], { config: { UserKnownHostsFile: known } });
    assertFailure(ran, /^Host key verification failed\. .*known line 1\..*\n$/);
  });

  await t.step("if the host's key is revoked", async () => {
    const line = await Deno.readTextFile(server.knownHosts);
    const known = await folder.write("revoked", `${line}@revoked ${line}`);
    const config = { UserKnownHostsFile: known, StrictHostKeyChecking: "no" };
    assertFailure(await sshHere(server, ["true"], { config }), /@revoked in .*revoked line 2\n$/);
  });

  await t.step("if there is no common algorithm", async () => {
    const ran = await sshHere(server, ["true"], {
      config: { KexAlgorithms: "diffie-hellman-group18-sha512" },
    });
    assertFailure(ran, /^Unable to negotiate with 127\.0\.0\.1 port \d+: No common key exchange/);
  });

  await t.step("if an algorithm is unknown", async () => {
    const ran = await sshHere(server, ["true"], { config: { Ciphers: "rot13" } });
    assertFailure(ran, /^ssh: command-line line 0: Bad SSH2 cipher spec 'rot13'\.\n$/);
  });

  await t.step("if an option is unknown", async () => {
    const ran = await sshHere(server, ["true"], { config: { Nonsense: "1" } });
    assertFailure(ran, /^ssh: command-line: line 0: Bad configuration option: nonsense\n$/);
  });

  await t.step("if a subsystem is refused", async () => {
    const ran = await sshHere(server, ["nonsense"], { flags: ["-s"] });
    assertFailure(
      ran,
      /^ssh: The server refused "subsystem": it has no subsystem "\S+" for this user\n$/,
    );
  });
});

Deno.test("ssh fails in one line if commands are refused", async () => {
  await using server = await startServe([]);
  assertFailure(
    await sshHere(server, ["true"]),
    /^ssh: The server refused "exec": it runs no commands for this user\n$/,
  );
});

Deno.test("ssh fails in one line if the server dies", async () => {
  await using server = await startServe();
  const running = sshHere(server, ["kill -KILL $PPID; sleep 10"]);
  assertFailure(await running, /^ssh: The (server closed the connection|connection was lost)/);
});

Deno.test("ssh fails in one line if the server no longer answers", async () => {
  await using server = await startServe();
  const config = { ServerAliveInterval: 1, ServerAliveCountMax: 1 };
  const running = sshHere(server, ["kill -STOP $PPID; sleep 10"], { config });
  assertFailure(await running, /^ssh: The peer has not answered for \d+ ms\n$/);
  server.program.kill("SIGCONT");
});

Deno.test("ssh says nothing with -q", async () => {
  const ran = await sshHere(NOWHERE, ["true"], { flags: ["-q"] });
  assertEquals([ran.code, ran.stderr], [255, ""]);
});

for (
  const [name, args] of [
    ["a missing host", ["-v"]],
    ["an unknown flag", ["-J", "jump", "host"]],
    ["a missing value", ["host", "-p"]],
    ["a configuration file", ["-F", "config", "host"]],
    ["a destination that is a flag", ["--", "-oProxyCommand=x"]],
  ] as const
) {
  Deno.test(`ssh refuses ${name} in one line`, LOOKUP_LEAKS, async () => {
    assertFailure(await captured(main, ["ssh", ...args]), /^ssh: .+\n$/);
  });
}
