import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AuthError,
  connect,
  Keyring,
  listenAgent,
  loadKey,
  none,
  publicKey,
  SftpError,
} from "@denossh/ssh";
import { generateKey, importPrivateKey } from "@denossh/ssh/keys";
import { localFiles, type ServeOptions, systemShell } from "@denossh/ssh/server";
import { ask, echo } from "./forward/world.ts";
import {
  example,
  exampleCommand,
  examplePermissions,
  type Home,
  homeFor,
  startExample,
} from "./support/example.ts";
import { type OurServer, startOurs } from "./support/ours.ts";
import { shellWithPrograms } from "./support/programs.ts";
import { run } from "./support/run.ts";
import { tempFolder } from "./support/temp.ts";

const root = new URL("../", import.meta.url);

const everything = { forward: { local: () => true, remote: () => true, agent: () => true } };

/** Our server, which allows everything, and a home. */
async function ourWorld(
  options: Partial<ServeOptions> = {},
): Promise<Home & { readonly server: OurServer }> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const handler = systemShell({ shell: await shellWithPrograms(folder) });
  const server = stack.use(await startOurs({ ...everything, ...options }, ["ed25519"], handler));
  const world = stack.use(await homeFor(server));
  const parts = stack.move();
  return { ...world, server, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** A server of an example, which has a new key. */
function anyone(port: string) {
  return {
    hostname: "127.0.0.1",
    port: Number(port),
    hostKeys: () => true,
    config: false as const,
  };
}

/** The files in `examples/` and `examples/edge/`; the demo has a separate test. */
function exampleFiles(): string[] {
  return ["", "edge/"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(`examples/${folder}`, root))].filter(({ isFile }) => isFile)
      .map(({ name }) => folder + name)
  );
}

Deno.test("Every program in examples/ is run here and listed in its README", async () => {
  const interop = [
    "attach",
    "sudo",
    "web_terminal",
    "examples",
    "edge_examples",
    "s3",
    "databases",
    "fleet",
  ].map((name) => `interop/${name}_test.ts`);
  const tests = ["examples_test.ts", "fleet/examples_test.ts", ...interop];
  const texts = await Promise.all(
    tests.map((path) => Deno.readTextFile(new URL(`tests/${path}`, root))),
  );
  const own = texts.join();
  const readme = await Deno.readTextFile(new URL("examples/README.md", root));
  const names = exampleFiles().filter((name) => name !== "README.md");
  assertEquals(names.filter((name) => !own.includes(`${name}"`)), []);
  const linked = [...readme.matchAll(/\]\(((?:edge\/)?[^)/]+)\)/g)].map((link) => link[1]!);
  assertEquals(linked.toSorted(), names.toSorted());
});

Deno.test("Every example names the permissions that it needs, which are never all", () => {
  // Excluded: one for another platform, and one that is imported.
  const others = ["s3_backend.ts", "edge/csv_worker.ts"];
  const programs = exampleFiles().filter((name) => name.endsWith(".ts") && !others.includes(name));
  const all = programs.filter((name) =>
    /^-A$|^--allow-all/m.test(examplePermissions(name).join("\n"))
  );
  assertEquals(all, []);
});

Deno.test("The examples of channels run", async (t) => {
  await using world = await ourWorld();
  const { target, env } = world;

  await t.step("channel_socket.ts", async () => {
    const { text } = await example("channel_socket.ts", [target], env);
    assertMatch(text, /^OVER THE WIRE\n.*nonexistent.*\nexit status 2\nChannel 0 "session 0"/s);
  });
  await t.step("channel_poll.ts", async () => {
    const { text } = await example("channel_poll.ts", [target], env);
    assertEquals(text.match(/exit status 0/g)?.length, 2);
  });
  await t.step("channel_files.ts", async () => {
    const { text } = await example("channel_files.ts", [target], env);
    assertEquals(text, "first: 5\nsecond: 6\ndone\n");
  });
  await t.step("channel_output.ts", async () => {
    const { text } = await example("channel_output.ts", [target], env);
    assertMatch(text, /^7 5000000 oops\n1\n2\n3\n\{.*success: true.*\}\nTimeoutError\n$/s);
  });
  await t.step("channel_custom.ts", async () => {
    const { text } = await example("channel_custom.ts", []);
    assertMatch(
      text,
      /^hello me\nan echo\n1970-01-01T00:00:00\.000Z\n.*Only echoes here \[channel-open\]\n$/,
    );
  });
  await t.step("channel_server.ts", async () => {
    await using server = startExample("channel_server.ts", ["0"]);
    const [, port] = await server.waitFor(/Listening on port (\d+)/);
    await using host = await connect({ ...anyone(port!), user: "me", auth: [none()] });
    assertEquals(await host.run("greet"), "hello me");
    assertEquals((await host.command("rm").output()).code, 127);
  });
  await t.step("transport_command.ts", async () => {
    const { port } = world.server;
    const cli = [Deno.execPath(), "run", "-A", new URL("lib/cli/main.ts", root).pathname];
    const relay = ["ssh", "-p", `${port}`, "-W", `127.0.0.1:${port}`, "tester@127.0.0.1"];
    const { text } = await example("transport_command.ts", [target, ...cli, ...relay], env);
    assertEquals(text.trim(), Deno.hostname());
  });
});

Deno.test("The examples of tunnels run", async (t) => {
  await using world = await ourWorld();
  const { target, env } = world;
  await using here = echo();
  await using web = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("from the inside"),
  );

  await t.step("forward_local.ts", async () => {
    await using program = startExample("forward_local.ts", [target, here.to], env);
    const [, port] = await program.waitFor(/127\.0\.0\.1:(\d+) leads to/);
    assertEquals(await ask(Number(port), "there and back"), "there and back");
  });
  await t.step("forward_remote.ts", async () => {
    await using program = startExample("forward_remote.ts", [target, "0"], env);
    const [, port] = await program.waitFor(/http:\/\/localhost:(\d+)\//);
    const headers = { connection: "close" };
    const answer = await fetch(`http://127.0.0.1:${port}/x`, { headers });
    assertEquals(await answer.text(), "You asked for /x\n");
  });
  await t.step("forward_listen.ts", async () => {
    await using program = startExample("forward_listen.ts", [target], env);
    const [, port] = await program.waitFor(/nc localhost (\d+)/);
    assertEquals(await ask(Number(port), "there and back"), "there and back");
  });
  await t.step("forward_fetch.ts", async () => {
    const url = `http://127.0.0.1:${web.addr.port}/`;
    const { text } = await example("forward_fetch.ts", [target, url], env);
    assertEquals(text, "200 from the inside\n");
  });
  await t.step("forward_jump.ts", async () => {
    const { text } = await example("forward_jump.ts", [target, "echo inside", target, target], env);
    assertEquals(text, "inside\n");
  });
  await t.step("tunnels.ts", async () => {
    await using program = startExample("tunnels.ts", [target, here.to], env);
    const [, port] = await program.waitFor(/127\.0\.0\.1:(\d+) -> \S+ up/);
    assertEquals(await ask(Number(port), "there and back"), "there and back");
    program.kill("SIGINT");
    await program.waitFor(/stopped/);
  });
});

Deno.test("The examples of agents run", async (t) => {
  await using world = await ourWorld();
  const { target, env, home } = world;
  const key = `${home}/.ssh/id_ed25519`;

  await t.step("agent_login.ts", async () => {
    using keyring = new Keyring();
    keyring.add(await loadKey(key));
    await using agent = await listenAgent(keyring);
    const own = { ...env, SSH_AUTH_SOCK: agent.path };
    const { text } = await example("agent_login.ts", [target, "echo in"], own);
    assertMatch(text, /^SHA256:\S+ .*\nin\n$/);
  });
  await t.step("agent_keyring.ts", async () => {
    const test = 'test -S "$SSH_AUTH_SOCK" && echo there';
    const { text } = await example("agent_keyring.ts", [key, "sh", "-c", test], env);
    assertEquals(text, "there\n");
  });
  await t.step("agent_forward.ts", async () => {
    const test = 'test -S "$SSH_AUTH_SOCK" && echo lent';
    const { text } = await example("agent_forward.ts", [target, test, key], env);
    assertEquals(text, "lent\n");
  });
  await t.step("agent_server.ts", async () => {
    await using server = startExample("agent_server.ts", ["0"]);
    const [, port] = await server.waitFor(/Listening on port (\d+)/);
    await using host = await connect({ ...anyone(port!), user: "me", auth: [none()] });
    using keyring = new Keyring();
    using lent = await loadKey(key);
    keyring.add(lent);
    const shown = await host.run("x", { forwardAgent: keyring });
    assert(shown.startsWith("ssh-ed25519 "), shown);
  });
});

Deno.test("The example of a bastion runs: allowed sessions are relayed, recorded and logged", async () => {
  await using folder = await tempFolder();
  await using world = await ourWorld();
  const { target, env } = world;
  using key = await generateKey();
  const keys = await folder.write("keys", `${key.publicKey}\n`);
  const args = ["0", folder.join("host_key"), keys, target, folder.join("recordings")];
  await using bastion = startExample("bastion.ts", args, env);
  const [, port] = await bastion.waitFor(/Listening on port (\d+)/);
  await using host = await connect({ ...anyone(port!), user: "ann", auth: [publicKey(key)] });
  assertEquals(await host.run("echo inside"), "inside");
  assertEquals((await host.command("rm -r /").output()).code, 126);
  await bastion.waitFor(/\{"user":"ann","program":"rm -r \/","code":126\}/);
  assert(bastion.log.includes('{"user":"ann","program":"echo inside","code":0}'), bastion.log);
  const [recording, ...others] = [...Deno.readDirSync(folder.join("recordings"))];
  assertEquals(others, []);
  const cast = await Deno.readTextFile(folder.join(`recordings/${recording!.name}`));
  assertStringIncludes(cast, '"o","inside\\n"');
});

Deno.test("The example of a chat room runs: members see each other's lines, at terminals and without", async () => {
  await using folder = await tempFolder();
  await using chat = startExample("chat.ts", ["0", folder.join("host_key")]);
  const [, port] = await chat.waitFor(/Listening on port (\d+)/);
  const join = (user: string) => connect({ ...anyone(port!), user, auth: [none()] });
  await using ann = await join("ann");
  await using bob = await join("bob\x1b[2J");
  await using typing = await ann.shell();
  await typing.expect("Welcome, ann. Here: nobody else.");
  await typing.expect("* ann came");
  await using piped = await bob.command("chat").spawn();
  await piped.expect("Here: ann.");
  await typing.expect("\r\x1b[K* bob[2J came\r\n");
  await typing.send("hello\r");
  await piped.expect("ann: hello\n");
  await piped.send("hi\x07 there\n");
  await typing.expect("bob[2J: hi there\r\n");
  await typing.send("\x03");
  assertEquals((await typing.status).code, 0);
  await piped.expect("* ann left");
});

Deno.test("The example of a drop-box runs: folders by user, a quota, and a log of changes", async () => {
  await using folder = await tempFolder();
  using key = await generateKey();
  await Deno.mkdir(folder.join("keys"));
  await folder.write("keys/ann", `${key.publicKey}\n`);
  const args = [folder.join("drops"), folder.join("keys"), "0", folder.join("host_key")];
  await using box = startExample("drop_box.ts", args);
  const [, port] = await box.waitFor(/Listening on port (\d+)/);
  const login = { ...anyone(port!), auth: [publicKey(key)] };
  await assertRejects(() => connect({ ...login, user: "bob" }), AuthError);
  await using host = await connect({ ...login, user: "ann" });
  await using sftp = await host.sftp();
  await sftp.writeTextFile("/report.txt", "all is well");
  await sftp.rename("/report.txt", "/final.txt");
  assertEquals(await Deno.readTextFile(folder.join("drops/ann/final.txt")), "all is well");
  const grow = () => sftp.truncate("/final.txt", 65 * 1024 * 1024);
  await assertRejects(grow, SftpError, "Disk quota exceeded");
  await box.waitFor(/"user":"bob","login":false/);
  await box.waitFor(/"user":"ann","request":"close","path":"\/[^"]+","target":null,"written":11,/);
  await box.waitFor(/"request":"(posix-)?rename","path":"\/report.txt","target":"\/final.txt",/);
});

Deno.test("The examples of keys run", async (t) => {
  await using folder = await tempFolder();
  using key = await generateKey("ecdsa-p256", { comment: "ann" });
  const file = await folder.write("key", key.export());

  await t.step("keys_certificates.ts", async () => {
    const { text } = await example("keys_certificates.ts", []);
    assertMatch(text, /^Hello ann\nNumber 7: .*publickey.*\n$/);
  });
  await t.step("keys_sign.ts", async () => {
    const release = await folder.write("release", "1.0.0");
    const signers = await folder.write("signers", `ann ${key.publicKey}\n`);
    await example("keys_sign.ts", ["sign", file, release]);
    const verified = await example("keys_sign.ts", ["verify", signers, "ann", release]);
    assertMatch(verified.text, /has a good signature by ann\n$/);
    await folder.write("release", "1.0.1");
    const args = exampleCommand("keys_sign.ts", ["verify", signers, "ann", release]);
    assertEquals((await run(Deno.execPath(), args)).code, 1);
  });
  await t.step("keys_convert.ts", async () => {
    const { text } = await example("keys_convert.ts", [file, "ppk"]);
    using same = importPrivateKey(text);
    assertEquals([same.comment, same.publicKey.equals(key.publicKey)], ["ann", true]);
  });
});

Deno.test("The examples of files run", async (t) => {
  await using world = await ourWorld();
  const { target, env, home, server } = world;
  await Deno.mkdir(`${home}/dist`);
  await Deno.writeTextFile(`${home}/dist/a.txt`, "hello");
  await Deno.writeFile(`${home}/dist/b.bin`, new Uint8Array(300_000));

  await t.step("sftp_sync.ts", async () => {
    const { text } = await example("sftp_sync.ts", [target, `${home}/dist`, "/app"], env);
    assertMatch(text, /2 files sent \(300005 bytes\), 0 unchanged\n$/);
    assertEquals(await Deno.readTextFile(`${server.root}/app/a.txt`), "hello");
  });
  await t.step("sftp_cores.ts", async () => {
    await Deno.mkdir(`${home}/dist/inner`);
    await Deno.writeTextFile(`${home}/dist/inner/c.txt`, "deep");
    const args = [target, `${home}/dist`, "/cores", "2"];
    assertEquals((await example("sftp_cores.ts", args, env)).text, "2 workers sent 300009 bytes\n");
    assertEquals(await Deno.readTextFile(`${server.root}/cores/inner/c.txt`), "deep");
    assertEquals((await Deno.stat(`${server.root}/cores/b.bin`)).size, 300_000);
    await Deno.remove(`${home}/dist/inner`, { recursive: true });
    // A worker that fails is the program's failure.
    const wrong = exampleCommand("sftp_cores.ts", [target, `${home}/dist`, "/no/such", "2"], env);
    const { code, stderr } = await run(Deno.execPath(), wrong, { env });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "/no/such");
  });
  await t.step("sftp_find.ts", async () => {
    const { text } = await example("sftp_find.ts", [target, "/app"], env);
    assertMatch(text, /^ +300000 .* \/app\/b\.bin\n +5 .* \/app\/a\.txt\n$/);
  });
  await t.step("sftp_backend.ts", async () => {
    await using backend = startExample("sftp_backend.ts", ["0"]);
    const [, port] = await backend.waitFor(/Listening on port (\d+)/);
    await using host = await connect({ ...anyone(port!), user: "me", auth: [none()] });
    await using sftp = await host.sftp();
    assertEquals(await sftp.readTextFile("/hello.txt"), "hello\n");
    const names = await Array.fromAsync(sftp.readDir("/"), ({ name }) => name);
    assertEquals(names, ["hello.txt", "numbers.csv"]);
  });
  await t.step("sftp_copy.ts", async () => {
    const args = [`${target}:/app`, `${target}:/copy`];
    const { text } = await example("sftp_copy.ts", args, env);
    assertEquals(text, "2 files, 300005 bytes\n");
  });
});

Deno.test("The example of a transfer that is resumed runs", async () => {
  await using world = await ourWorld({ sftp: localFiles({ root: "/" }) });
  const remote = `${world.home}/remote`;
  await Deno.writeFile(remote, new Uint8Array(100_000).fill(7));
  const local = `${world.home}/local`;
  const { text } = await example("sftp_resume.ts", [world.target, remote, local], world.env);
  assertEquals(text, "100000 bytes in attempt 1\n");
  assertEquals((await Deno.readFile(local)).length, 100_000);
});

Deno.test("The example of configuration files runs", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"));
  await folder.write(
    ".ssh/config",
    "Host db*\n  HostName %h.example.com\n  IdentityFile ~/.ssh/db\n  ProxyJump gate\n",
    0o600,
  );
  const { text } = await example("config_lookup.ts", ["db1"], { HOME: folder.path });
  assertStringIncludes(text, "at db1.example.com port 22\n");
  assertStringIncludes(text, `  with the key ${folder.path}/.ssh/db\n  through gate\n`);
});
