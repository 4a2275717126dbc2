/** Sharing the connection of OpenSSH's `ssh -M` through its control socket. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Client,
  connect,
  ConnectError,
  type ConnectOptions,
  RequestDeniedError,
} from "@denossh/ssh";
import { cli, cliSsh, startCli } from "../cli/world.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { run } from "../support/run.ts";
import { Program } from "../support/program.ts";
import { noise } from "../support/random.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { target } from "../forward/world.ts";
import { peerTest, requirePeer } from "./harness/peers.ts";
import { type Sshd, startSshd } from "./harness/sshd.ts";

interface World extends AsyncDisposable {
  readonly server: Sshd;
  readonly folder: TempFolder;
  readonly master: Program;
  readonly path: string;
  /** Connects without a key or a known host, so only the login of the master can be used. */
  share(options?: ConnectOptions): Promise<Client>;
}

async function startMaster(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const server = stack.use(await startSshd());
  const path = folder.join("control");
  const flags = configFlags(server, { LogLevel: "DEBUG", ControlPath: path });
  const args = ["-M", "-N", ...flags, `${server.user}@${server.hostname}`];
  const master = stack.use(new Program(await requirePeer("ssh"), { args }));
  await master.waitFor(/Entering interactive session/);
  const { hostname, port, user } = server;
  const own = { hostname, port, user, auth: [], hostKeys: [], config: false } as const;
  const parts = stack.move();
  return {
    server,
    folder,
    master,
    path,
    share: (options) => connect({ ...own, controlPath: path, ...options }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

await peerTest(["ssh", "sshd"], "a client runs commands on a master's connection", async () => {
  await using world = await startMaster();
  {
    await using host = await world.share();
    assertEquals(host.info.shared, true);
    assertEquals(await host.run("echo one; cat", { stdin: { text: "two" } }), "one\ntwo");
    const { code } = await host.command("exit 7").output();
    assertEquals(code, 7);
    const numbers = Array.from({ length: 8 }, (_, i) => `${i}`);
    assertEquals(await Promise.all(numbers.map((i) => host.run(`echo ${i}`))), numbers);
  }
  // The master keeps running, and serves several clients in parallel.
  await using one = await world.share();
  await using two = await world.share();
  const ran = await Promise.all([one, two, one, two].map((host, i) => host.run(`echo ${i}`)));
  assertEquals(ran, ["0", "1", "2", "3"]);
});

await peerTest(
  ["ssh", "sshd"],
  "SFTP carries 8 MiB both ways on a master's connection",
  async () => {
    await using world = await startMaster();
    await using host = await world.share();
    await using sftp = await host.sftp();
    const sent = noise(8 * 1024 * 1024);
    const from = await world.folder.write("sent", sent);
    const notes: string[] = [];
    const onNote = (note: string) => void notes.push(note);
    await sftp.put(from, world.folder.join("there"), { channels: 3, onNote });
    // The master's other sessions are for other programs.
    assertEquals(notes[1], "One channel: there is no room for another session");
    await sftp.get(world.folder.join("there"), world.folder.join("back"));
    assertEquals(await Deno.readFile(world.folder.join("back")), sent);
  },
);

await peerTest(["ssh", "sshd"], "tunnels use a master's connection", async () => {
  await using world = await startMaster();
  await using host = await world.share();
  await using echo = target((conn) => conn.readable.pipeTo(conn.writable));
  await using tunnel = await host.forwardLocal({ from: { port: 0 }, to: `127.0.0.1:${echo.port}` });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: tunnel.addr.port });
  await conn.write(new TextEncoder().encode("through"));
  const into = new Uint8Array(16);
  const n = await conn.read(into);
  assertEquals(new TextDecoder().decode(into.subarray(0, n!)), "through");
});

await peerTest(
  ["ssh", "sshd"],
  "requests that a master does not share fail immediately",
  async () => {
    await using world = await startMaster();
    await using host = await world.share();
    await assertRejects(() => host.listen({ port: 0 }), RequestDeniedError, "controlPath: false");
    await assertRejects(() => host.request("keepalive@openssh.com"), RequestDeniedError);
    const session = await host.openSession();
    await assertRejects(() => host.forwardAgent(session), RequestDeniedError, "controlPath: false");
    await assertRejects(() => host.forwardX11(session), RequestDeniedError, "controlPath: false");
    await session.close();
    await assertRejects(() => host.rekey(), TypeError);
    assertEquals(await host.run("echo alive"), "alive");
  },
);

await peerTest(["ssh", "sshd"], "killing a master ends its clients", async () => {
  await using world = await startMaster();
  await using host = await world.share();
  const running = host.run("cat; sleep 600", { stdin: { text: "" } });
  const reading = host.command("cat").spawn().then((process) => process.status);
  await host.run("true");
  world.master.kill("SIGKILL");
  await assertRejects(() => running, ConnectError);
  await assertRejects(() => reading, ConnectError);
  await assertRejects(() => host.closed, ConnectError, "control master");
  // The socket's file remains: it is reported and ignored.
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  await assertRejects(() => world.share({ onNote }), Error);
  assertEquals(notes.length, 1);
  assertStringIncludes(notes[0]!, "does not answer: connecting without it");
});

await peerTest(
  ["ssh", "sshd"],
  "an alias with a ControlPath shares the same connection as ssh",
  async () => {
    await using world = await startMaster();
    const { hostname, port, user } = world.server;
    const config = await world.folder.write(
      "config",
      `Host alias\n  HostName ${hostname}\n  Port ${port}\n  User ${user}\n` +
        `  UserKnownHostsFile /dev/null\n  IdentityFile none\n  ControlPath ${world.folder.path}/con%%trol\n` +
        `  IdentityAgent none\n`,
    );
    await Deno.rename(world.path, world.folder.join("con%trol"));
    {
      await using host = await connect("alias", { config });
      assertEquals([host.info.shared, await host.run("echo shared")], [true, "shared"]);
    }
    for (const own of [{ auth: [] }, { hostKeys: [] }, { controlPath: false }] as const) {
      await assertRejects(() => connect("alias", { config, ...own }), Error);
    }
  },
);

await peerTest(["ssh", "sshd"], "the tools share a master's connection", async () => {
  await using world = await startMaster();
  const { identity: _, knownHosts: _hosts, ...stranger } = world.server;
  const config = { ControlPath: world.path, LogLevel: "VERBOSE", StrictHostKeyChecking: "yes" };
  // LocalCommand is left to the master, which has checked the host key.
  const local = { PermitLocalCommand: "yes", LocalCommand: "echo %f %t" };
  const ran = await cliSsh(stranger, ["echo ran; exit 3"], { config: { ...config, ...local } });
  assertEquals([ran.text, ran.code], ["ran\n", 3], ran.stderr);
  assertStringIncludes(ran.stderr, "Sharing the connection");
  const flags = configFlags(stranger, config);
  const file = await world.folder.write("file", "content");
  const place = `${world.server.user}@${world.server.hostname}`;
  const copied = await cli(["scp", ...flags, file, `${place}:${world.folder.join("copy")}`]);
  assertEquals(copied.code, 0, copied.stderr);
  assertEquals(await Deno.readTextFile(world.folder.join("copy")), "content");
  // The master would own its port, so a separate connection is needed, for which this client has no
  // credentials.
  const apart = await cliSsh(stranger, ["true"], { config, flags: ["-R", "1:localhost:1"] });
  assertEquals(apart.code, 255);
});

await peerTest(["ssh", "sshd"], "ssh -O queries a master", async () => {
  await using world = await startMaster();
  const ask = (command: string) =>
    cli(["ssh", "-F", "none", "-S", world.path, "-O", command, "nowhere.invalid"]);
  const checked = await ask("check");
  assertEquals([checked.code, checked.stderr], [0, `Master running (pid=${world.master.pid})\n`]);
  const stopped = await ask("stop");
  assertEquals([stopped.code, stopped.stderr], [0, "Stop listening request sent.\n"]);
  const gone = await ask("exit");
  assertEquals(gone.code, 255);
  assertStringIncludes(gone.stderr, "No such file or directory");
});

await peerTest(["ssh", "sshd"], "ssh -O exit ends a master", async () => {
  await using world = await startMaster();
  const asked = await cli(["ssh", "-F", "none", "-S", world.path, "-O", "exit", "nowhere.invalid"]);
  assertEquals([asked.code, asked.stderr], [0, "Exit request sent.\n"]);
  assert((await world.master.status).code !== null);
});

await peerTest(
  ["ssh", "sshd"],
  "a ControlPath is used only with the permissions for it",
  async () => {
    await using world = await startMaster();
    const { hostname, port, user } = world.server;
    await Deno.mkdir(world.folder.join(".ssh"));
    await world.folder.write(
      ".ssh/config",
      `Host alias\n  HostName ${hostname}\n  Port ${port}\n  User ${user}\n  ControlPath ${world.path}\n`,
    );
    const script = await world.folder.write(
      "script.ts",
      `import { connect } from "@denossh/ssh";
    await connect("alias").then(
      async (host) => {
        console.log("shared", await host.run("echo ran"));
        await host.close();
      },
      (error) => console.log(error.name),
    );`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const read = `--allow-read=${world.folder.path},/etc/ssh`;
    const tcp = `${hostname}:${port}`;
    for (
      const [grants, printed] of [
        [[read, `--allow-write=${world.path}`, "--allow-net"], "shared ran"],
        // It tries a separate login and fails for want of a host key; old versions need no permission
        // for unix sockets.
        [
          [read, `--allow-write=${world.path}`, `--allow-net=${tcp}`],
          await asksForSockets(world.folder) ? "HostKeyError" : "shared ran",
        ],
        [[read, "--allow-net"], "HostKeyError"],
      ] as const
    ) {
      const args = [
        "run",
        "--no-prompt",
        `--config=${config}`,
        "--allow-env=HOME",
        ...grants,
        script,
      ];
      const ran = await run(Deno.execPath(), args, { env: { HOME: world.folder.path } });
      assertEquals(ran.text.trim(), printed, ran.stderr);
    }
  },
);

await peerTest(["ssh", "sshd"], "a jump host is reached through its master", async () => {
  await using world = await startMaster();
  const { hostname, port, user, identity, knownHosts } = world.server;
  const config = await world.folder.write(
    "config",
    `Host bastion\n  ControlPath ${world.path}\n  IdentityFile none\n  UserKnownHostsFile /dev/null\n` +
      `Host inner\n  ProxyJump bastion\n  IdentityFile ${identity}\n  UserKnownHostsFile ${knownHosts}\n` +
      `Host *\n  HostName ${hostname}\n  Port ${port}\n  User ${user}\n  IdentityAgent none\n`,
  );
  await using host = await connect("inner", { config });
  assertEquals([host.info.shared, await host.run("echo inside")], [false, "inside"]);
});

async function asksForSockets(folder: TempFolder): Promise<boolean> {
  const code = 'Deno.permissions.querySync({ name: "net", host: "unix:/socket" });';
  const script = await folder.write("query.ts", code);
  return (await run(Deno.execPath(), ["run", "--no-prompt", "--no-config", script])).code === 0;
}

await peerTest(
  ["ssh", "sshd"],
  "OpenSSH's ssh queries our master, and connects separately when that shares no sessions",
  async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    const path = folder.join("control");
    const flags = configFlags(server, { LogLevel: "VERBOSE", ControlPath: path });
    const place = `${server.user}@${server.hostname}`;
    await using master = startCli(["ssh", "-M", "-N", ...flags, place]);
    await master.waitFor(/Entering interactive session/);
    const ssh = await requirePeer("ssh");
    const ask = (...args: string[]) => run(ssh, [...flags, ...args]);
    const checked = await ask("-O", "check", place);
    assertEquals([checked.code, checked.stderr], [0, `Master running (pid=${master.pid})\r\n`]);
    const ran = await ask(place, "echo ran; exit 3");
    assertEquals([ran.text, ran.code], ["ran\n", 3], ran.stderr);
    assertStringIncludes(ran.stderr, "this master does not share sessions");
    assertEquals((await ask("-O", "exit", place)).code, 0);
    assertEquals((await master.status).code, 0);
  },
);
