/** Settings of configuration files, applied with a real server by both `cli ssh -F` and `connect`. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connect, ConnectError, HostKeyError } from "../../../mod.ts";
import { CLI, cli, startCli } from "../../cli/world.ts";
import { both, world } from "./world.ts";
import { freePort } from "../../support/free_port.ts";
import { keyFile } from "../harness/keys.ts";
import { peerTest } from "../harness/peers.ts";
import { Program } from "../../support/program.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

await peerTest(
  ["sshd"],
  "An alias leads to its host, port, user, key and known hosts",
  async () => {
    await using place = await world(() => "");
    assertEquals(await both(place, "somewhere", "echo here"), ["here", "here"]);
    await using host = await place.connect("somewhere");
    assertEquals(host.info.host, { hostname: "127.0.0.1", port: place.server.port });
    assertEquals(host.settings?.IdentitiesOnly, true);
  },
);

await peerTest(["sshd"], "Options in code override the file", async () => {
  await using place = await world(() => "");
  const bad = { config: place.file, hostKeys: () => false };
  await assertRejects(() => connect("somewhere", bad), HostKeyError);
});

await peerTest(["sshd"], "ProxyJump uses aliases, each with its own settings", async () => {
  await using place = await world((server) => `
    Host inner
      HostName localhost
      HostKeyAlias [127.0.0.1]:${server.port}
      ProxyJump gate,gate2
    Host gate2
      HostKeyAlias [127.0.0.1]:${server.port}
      HostName localhost
    Host gate
      SetEnv X_UNUSED=1
  `);
  assertEquals(await both(place, "inner", "echo inside"), ["inside", "inside"]);
});

await peerTest(["sshd"], "A loop of jump hosts is refused", async () => {
  await using place = await world(() => `
    Host a
      HostName a.invalid
      ProxyJump b
    Host b
      HostName b.invalid
      ProxyJump a
  `);
  const { code, stderr } = await place.ssh("a", "true");
  assertEquals(code, 255);
  assertStringIncludes(stderr, "jump hosts lead to each other");
  await assertRejects(() => place.connect("a"), Error, "jump hosts lead to each other");
});

await peerTest(["sshd", "ssh"], "ProxyCommand carries the connection", async () => {
  await using place = await world((server) => `
    Match host behind !exec "test -n '%r' -a '%p' = '1'"
      HostKeyAlias [127.0.0.1]:${server.port}
      ProxyCommand ssh -F none -i ${server.identity} -o UserKnownHostsFile=${server.knownHosts} \
-p ${server.port} -W 127.0.0.1:%p %r@127.0.0.1
    Host broken
      ProxyCommand sh -c 'echo not found >&2; exit 3'
  `);
  const lines = await Deno.readTextFile(place.file);
  await Deno.writeTextFile(place.file, lines.replace("Host *", "Host !behind *"));
  await Deno.writeTextFile(
    place.file,
    `${await Deno.readTextFile(place.file)}
    Host behind
      Port ${place.server.port}
      User ${place.server.user}
      IdentityFile ${place.server.identity}
      UserKnownHostsFile ${place.server.knownHosts}
      UpdateHostKeys no
    `,
  );
  assertEquals(await both(place, "behind", "echo through"), ["through", "through"]);
  const { code, stderr } = await place.ssh("broken", "true");
  assertEquals(code, 255);
  assertStringIncludes(stderr, "not found");
});

await peerTest(["sshd", "ssh"], "OpenSSH works with our ssh as its ProxyCommand", async () => {
  await using place = await world(() => "");
  const proxy = `${CLI.join(" ")} ssh -F ${place.file} -W 127.0.0.1:${place.server.port} gate`;
  const { text } = await must("ssh", [
    "-F",
    place.file,
    "-o",
    `ProxyCommand=${proxy}`,
    "x",
    "echo y",
  ]);
  assertEquals(text, "y\n");
});

await peerTest(["sshd"], "Match exec, tokens and Include select settings", async () => {
  await using place = await world((server, folder) => `
    Include ${folder}/more
    Match exec "test %n = chosen"
      User ${server.user}
    Match originalhost other
      User nobody-of-that-name
  `);
  await place.folder.write("more", "Match exec \"test '%h' = chosen\"\n  SetEnv X_MORE=included\n");
  assertEquals(await both(place, "chosen", "echo $X_MORE"), ["included", "included"]);
  const { code, stderr } = await place.ssh("other", "true");
  assertEquals(code, 255);
  assertStringIncludes(stderr, "nobody-of-that-name@other: Permission denied");
});

await peerTest(["sshd"], "SetEnv and SendEnv reach the server", async () => {
  await using place = await world(() => `
    SetEnv X_ONE="1 and more" X_TWO=2
    SendEnv X_SENT_* -X_SENT_NOT
  `);
  Deno.env.set("X_SENT_A", "a");
  try {
    const command = 'echo "$X_ONE/$X_TWO/$X_SENT_A"';
    const wanted = "1 and more/2/a";
    assertEquals(await both(place, "any", command), [wanted, wanted]);
    await using host = await place.connect("any");
    assertEquals(await host.run("echo $X_TWO", { env: { X_TWO: "own" } }), "own");
  } finally {
    Deno.env.delete("X_SENT_A");
  }
});

await peerTest(
  ["sshd"],
  "RemoteCommand runs on the server, and LocalCommand on this machine",
  async () => {
    await using place = await world((_, folder) => `
    Host command
      RemoteCommand echo ran for %n as %r
      PermitLocalCommand yes
      LocalCommand echo %h %n %t > ${folder}/local
    Host subsystem
      SessionType subsystem
      RemoteCommand nonsense
  `);
    const ran = await place.ssh("command");
    assertEquals(
      [ran.code, ran.text],
      [0, `ran for command as ${place.server.user}\n`],
      ran.stderr,
    );
    const local = await Deno.readTextFile(place.folder.join("local"));
    assertEquals(local, "127.0.0.1 command ssh-ed25519\n");
    const both = await place.ssh("command", "another");
    assertStringIncludes(both.stderr, "Cannot execute command-line and remote command");
    const refused = await place.ssh("subsystem");
    assertStringIncludes(refused.stderr, 'refused "subsystem"');
  },
);

await peerTest(["sshd"], "LocalForward and SessionType none make a tunnel", async () => {
  const port = freePort();
  await using place = await world((server) => `
    Host tunnel
      SessionType none
      LocalForward ${port} 127.0.0.1:${server.port}
      LogLevel VERBOSE
      ExitOnForwardFailure yes
  `);
  await using ssh = startCli(["ssh", "-F", place.file, "tunnel"]);
  await ssh.waitFor(/local forwarding from/);
  using conn = await Deno.connect({ port });
  const bytes = new Uint8Array(8);
  await conn.read(bytes);
  assertEquals(new TextDecoder().decode(bytes), "SSH-2.0-");
});

await peerTest(
  ["sshd"],
  "forwardConfigured starts the tunnels of a file, of each kind",
  async () => {
    const port = freePort();
    await using place = await world((server, folder) => `
    Host tunnels
      LocalForward ${port} 127.0.0.1:${server.port}
      LocalForward ${folder}/%n.sock 127.0.0.1:${server.port}
      RemoteForward 0 127.0.0.1:${server.port}
      DynamicForward ${freePort()}
      LocalForward ${folder}/nowhere/%n.sock 127.0.0.1:${server.port}
    Host none
  `);
    await using host = await place.connect("tunnels");
    await using forwards = await host.forwardConfigured();
    const works = await Promise.all(
      forwards.tunnels.map(async ({ kind, forwarder }) => [kind, await forwarder?.check() ?? null]),
    );
    assertEquals(works, [
      ["local", true],
      ["local", true],
      ["local", null],
      ["remote", true],
      ["dynamic", true],
    ]);
    assert(forwards.tunnels[2]!.error instanceof Deno.errors.NotFound);
    using conn = await Deno.connect({ port });
    const bytes = new Uint8Array(8);
    await conn.read(bytes);
    assertEquals(new TextDecoder().decode(bytes), "SSH-2.0-");

    await using other = await place.connect("none");
    await using nothing = await other.forwardConfigured();
    assertEquals(nothing.tunnels, []);
  },
);

await peerTest(
  ["sshd"],
  "With ExitOnForwardFailure forwardConfigured starts all or none",
  async () => {
    const port = freePort();
    await using place = await world((_, folder) => `
    Host strict
      ExitOnForwardFailure yes
      LocalForward ${port} 127.0.0.1:1
      LocalForward ${folder}/nowhere/%n.sock 127.0.0.1:1
  `);
    await using host = await place.connect("strict");
    await assertRejects(
      () => host.forwardConfigured(),
      ConnectError,
      "Cannot start local forwarding",
    );
    Deno.listen({ port, hostname: "127.0.0.1" }).close(); // the port is closed again
  },
);

await peerTest(["sshd"], "A new host key is added to the configured file, hashed", async () => {
  await using place = await world((_, folder) => `
    Host new*
      UserKnownHostsFile ${folder}/%n_hosts
      StrictHostKeyChecking accept-new
      HashKnownHosts yes
      HostKeyAlias %n
    Host strict
      UserKnownHostsFile ${folder}/empty
      StrictHostKeyChecking yes
  `);
  assertEquals((await place.ssh("new1", "true")).code, 0);
  await using _host = await place.connect("new2");
  for (const name of ["new1", "new2"]) {
    assert((await Deno.readTextFile(place.folder.join(`${name}_hosts`))).startsWith("|1|"));
  }
  await assertRejects(() => place.connect("strict"), HostKeyError, "it is not in ");
});

await peerTest(["sshd"], "RevokedHostKeys refuses a known key", async () => {
  const { publicKey } = await keyFile("ed25519", "host");
  await using place = await world((_, folder) => `
    Host revoked
      RevokedHostKeys ${folder}/revoked
      HostKeyAlgorithms ssh-ed25519
    Host unreadable
      RevokedHostKeys ${folder}/missing
  `);
  await place.folder.write("revoked", `# these\n${publicKey}\n`);
  await assertRejects(() => place.connect("revoked"), HostKeyError, "revoked");
  assertEquals((await place.ssh("revoked", "true")).code, 255);
  await assertRejects(() => place.connect("unreadable"), Error, "RevokedHostKeys");
});

await peerTest(["sshd", "ssh-keygen"], "CertificateFile logs in with a certificate", async () => {
  await using folder = await tempFolder();
  const authority = await keyFile("ed25519", "authority");
  const user = await keyFile("ecdsa256", "certified");
  const path = await folder.write("key", await Deno.readTextFile(user.path), 0o600);
  await folder.write("key.pub", `${user.publicKey}\n`);
  const { text: name } = await must("id", ["-un"]);
  await must("ssh-keygen", [
    ...["-q", "-s", authority.path, "-I", "test", "-n", name.trim(), folder.join("key.pub")],
  ]);
  await Deno.rename(folder.join("key-cert.pub"), folder.join("certificate"));
  await using server = await startSshd({
    config: { TrustedUserCAKeys: `${authority.path}.pub` },
  });
  const text = (more: string) => `
    Host *
      HostName 127.0.0.1
      Port ${server.port}
      User ${server.user}
      IdentityFile ${path}
      IdentityAgent none
      UserKnownHostsFile ${server.knownHosts}
      UpdateHostKeys no
      BatchMode yes
      ${more}
  `;
  const plain = await folder.write("plain", text(""));
  assertEquals((await cli(["ssh", "-F", plain, "x", "true"])).code, 255);
  const config = await folder.write(
    "config",
    text(`CertificateFile ${folder.join("certificate")}`),
  );
  const ran = await cli(["ssh", "-F", config, "x", "echo", "certified"]);
  assertEquals([ran.code, ran.text], [0, "certified\n"], ran.stderr);
  await using host = await connect("x", { config });
  assertEquals(await host.run("echo certified"), "certified");
});

await peerTest(
  ["sshd"],
  "AddressFamily, BindAddress and Ciphers are applied",
  async () => {
    await using place = await world(() => `
    Host chosen
      AddressFamily inet
      BindAddress 127.0.0.7
      Ciphers aes256-ctr
      MACs umac-64@openssh.com,hmac-sha2-512-etm@openssh.com
      KexAlgorithms ^ecdh-sha2-nistp256
      Compression yes
      TCPKeepAlive no
      ConnectionAttempts 2
      ServerAliveInterval 30
      RekeyLimit 1G 1h
  `);
    assertEquals(await both(place, "chosen", "echo ${SSH_CLIENT%% *}"), ["127.0.0.7", "127.0.0.7"]);
    await using host = await place.connect("chosen");
    const { cipher, mac, kex } = host.info;
    assertEquals([cipher, mac, kex], [
      "aes256-ctr",
      "hmac-sha2-512-etm@openssh.com",
      "ecdh-sha2-nistp256",
    ]);
  },
);

await peerTest(
  ["sshd"],
  "A program with the read permission uses the user's own files",
  async () => {
    await using place = await world(() => "Host alias\n  SetEnv X_HOME=read\n");
    await Deno.mkdir(place.folder.join(".ssh"));
    await Deno.copyFile(place.file, place.folder.join(".ssh/config"));
    const program = `
    import { connect } from "@denossh/ssh";
    await using host = await connect("alias");
    console.log(await host.run("echo $X_HOME"));
  `;
    const path = await place.folder.write("program.ts", program);
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const flags = ["run", "--no-prompt", "--no-check", `--config=${config}`];
    const env = { HOME: place.folder.path, USER: place.server.user };
    const allowed = await must(Deno.execPath(), [
      ...[...flags, "--allow-net", "--allow-env", "--allow-read", path],
    ], { env });
    assertEquals(allowed.text, "read\n");
    // Without the permission nothing is read or prompted for: the alias is an ordinary host name.
    const { text } = await must(Deno.execPath(), [
      ...[...flags, "--allow-net", "--allow-env", "-"],
    ], {
      env,
      stdin: program.replace("await using", "try { await using") +
        "} catch (e) { console.log(e.name) }",
    });
    assertEquals(text, "NotCapable\n");
  },
);

await peerTest(["sshd"], "PubkeyAcceptedAlgorithms keeps a key from being used", async () => {
  await using place = await world(() => `
    Host rsa
      PubkeyAcceptedAlgorithms rsa-sha2-512
    Host mine
      PubkeyAcceptedAlgorithms +ssh-rsa
      VisualHostKey yes
      LogLevel INFO
  `);
  assertEquals((await place.ssh("rsa", "true")).code, 255);
  await assertRejects(() => place.connect("rsa"), Error, "no signature algorithm of ssh-ed25519");
  assertEquals(await both(place, "mine", "echo in"), ["in", "in"]);
  assertStringIncludes((await place.ssh("mine", "true")).stderr, "+--[ED25519 256]--+");
});

await peerTest(
  ["sshd"],
  "A socket of LocalForward is accessible only to the user, and may replace one",
  async () => {
    await using place = await world((server, folder) => `
    Host *
      SessionType none
      LogLevel VERBOSE
    Host open
      StreamLocalBindMask 0011
    Host again
      StreamLocalBindUnlink yes
    Host *
      LocalForward ${folder}/%n.sock 127.0.0.1:${server.port}
  `);
    for (const [alias, mode] of [["closed", 0o600], ["open", 0o766], ["again", 0o600]] as const) {
      const path = place.folder.join(`${alias}.sock`);
      if (alias === "again") await place.folder.write("again.sock", "in the way");
      await using ssh = startCli(["ssh", "-F", place.file, alias]);
      await ssh.waitFor(/local forwarding from/);
      const { mode: found, isSocket } = await Deno.stat(path);
      assertEquals([isSocket, found! & 0o777], [true, mode], alias);
    }
  },
);

await peerTest(
  ["sshd", "ssh-agent"],
  "AddKeysToAgent adds the used key to the agent",
  async () => {
    await using place = await world((_, folder) => `
    Host add
      IdentityAgent ${folder}/agent
      AddKeysToAgent 1h
    Host not
      IdentityAgent ${folder}/agent
  `);
    const socket = place.folder.join("agent");
    await using agent = new Program("ssh-agent", { args: ["-D", "-a", socket] });
    await agent.waitFor(/SSH_AUTH_SOCK/);
    const listed = async () =>
      (await run("ssh-add", ["-l"], { env: { SSH_AUTH_SOCK: socket } })).text;
    assertEquals((await place.ssh("not", "true")).code, 0);
    assertStringIncludes(await listed(), "no identities");
    const ran = await place.ssh("add", "true");
    assertEquals(ran.code, 0, ran.stderr);
    assertStringIncludes(await listed(), "ED25519");
    // From now on the agent signs, also for the module.
    assertEquals(await both(place, "add", "echo signed"), ["signed", "signed"]);
  },
);
