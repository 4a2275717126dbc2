/** The examples of fleets, and of work on many hosts. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect, knownHosts, loadKey, publicKey } from "@denossh/ssh";
import { generateKey, importPublicKey, withCertificate } from "@denossh/ssh/keys";
import { authorizedKeys, localFiles, type ServeOptions, systemShell } from "@denossh/ssh/server";
import { example, exampleCommand, type Home, homeFor } from "../support/example.ts";
import { noise, type OurServer, sha256, startOurs } from "../support/ours.ts";
import { run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";

/** Our server, which runs commands, and the home of a user that it accepts. */
async function ourWorld(
  options: Partial<ServeOptions> = {},
): Promise<Home & { readonly server: OurServer }> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    await startOurs(options, ["ed25519"], systemShell({ shell: "/bin/sh" })),
  );
  const home = stack.use(await homeFor(server));
  const parts = stack.move();
  return { ...home, server, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** Hosts of a fleet that are users of one server. */
function usersAt({ port }: OurServer, users: readonly string[]): string[] {
  return users.map((user) => `${user}@127.0.0.1:${port}`);
}

Deno.test("The example of a rolling restart runs, and stops at a host that does not come back", async () => {
  await using folder = await tempFolder();
  await using world = await ourWorld();
  const hosts = usersAt(world.server, ["ann", "bob", "cat"]);
  // The first check fails, as for a service that starts slowly.
  const check = `cd ${folder.path} && test -e up || { : > up; exit 1; }`;
  const restart = `echo restarted >> ${folder.join("log")}`;
  const good = await example("fleet_restart.ts", ["2", restart, check, ...hosts], world.env);
  assertEquals(good.text.match(/ ok .* restarted$/gm)?.length, 3);
  assertEquals(good.text.match(/^host /gm)?.length, 2);
  const bad = await run(
    Deno.execPath(),
    exampleCommand("fleet_restart.ts", ["1", `${restart}; exit 5`, check, ...hosts], world.env),
    { env: world.env },
  );
  assertEquals([bad.code, bad.text.match(/^\S+ +failed +1 /gm)?.length], [1, 1]);
  assertEquals(bad.stderr, `Stopped; not restarted: ${hosts[1]} ${hosts[2]}\n`);
  const log = await Deno.readTextFile(folder.join("log"));
  assertEquals(log, "restarted\n".repeat(4));
});

Deno.test("The example of facts runs: JSON of all hosts, including unreachable ones", async () => {
  const answers: Record<string, string> = {
    "uname -srm": "Linux 6.1 x86_64\n",
    "getconf _NPROCESSORS_ONLN": "4\n",
    "cat /proc/loadavg": "0.50 0.40 0.30 1/100 999\n",
    "df -Pk /": "Filesystem 1024-blocks Used\n/dev/sda1 1000 600 400 60% /\n",
    who: "",
  };
  await using server = await startOurs({}, ["ed25519"], (session) => {
    return session.print(answers[session.command!]!);
  });
  await using world = await homeFor(server);
  const args = exampleCommand("fleet_facts.ts", [world.target, "me@127.0.0.1:1"], world.env);
  const { code, text } = await run(Deno.execPath(), args, { env: world.env });
  const [first, second] = JSON.parse(text);
  const { system, cores, load, disk, users, ssh } = first.value;
  assertEquals([first.host, system, cores, load, disk, users], [
    world.target,
    "Linux 6.1 x86_64",
    4,
    0.5,
    { kilobytes: 1000, used: 600 },
    0,
  ]);
  assertMatch(ssh.hostKey, /^SHA256:/);
  assertEquals([code, second.success, second.error.code], [1, false, "connect"]);
});

Deno.test("The example of a deployment runs: a link is switched, and back if the check fails", async (t) => {
  await using folder = await tempFolder();
  await using world = await ourWorld({ sftp: localFiles({ root: "/" }) });
  const base = folder.join("srv");
  await Deno.mkdir(folder.join("dist"));
  const deploy = async (version: string, check: string) => {
    await folder.write("dist/version", version);
    const args = exampleCommand(
      "deploy.ts",
      [folder.join("dist"), base.slice(1), check, world.target], // relative to the home folder, /
      world.env,
    );
    return await run(Deno.execPath(), args, { env: world.env });
  };
  const check = `test -s ${base}/current/version`;
  const served = () => Deno.readTextFile(`${base}/current/version`);
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

  await t.step("a first one whose check fails leaves nothing", async () => {
    const { code, stderr } = await deploy("0.1", `${check}; exit 7`);
    assertStringIncludes(stderr, `${world.target}: not deployed: Command "test`);
    assertEquals([code, names(base), names(`${base}/releases`)], [1, ["releases"], []]);
  });

  const others = ["v1", "v2", "v3", "v4", "v5"];
  // Of a clock that was ahead.
  const ahead = ["1", "2", "3", "4", "5"].map((day) => `2999010${day}000000`);
  for (const name of [...others, ...ahead]) await Deno.mkdir(`${base}/releases/${name}`);

  await t.step("the new one is kept, and the newest of the others", async () => {
    const { code, stderr } = await deploy("1.0", check);
    assertEquals([code, await served()], [0, "1.0"], stderr);
    const [fresh, ...kept] = names(`${base}/releases`);
    assertEquals(kept, [...ahead.slice(2), ...others]);
    assertEquals(await Deno.readLink(`${base}/current`), `releases/${fresh}`);
    await Deno.rename(`${base}/releases/${fresh}`, `${base}/releases/20200101000000`);
    await Deno.remove(`${base}/current`);
    await Deno.symlink("releases/20200101000000", `${base}/current`);
  });

  await t.step("one whose check fails is removed", async () => {
    const before = names(`${base}/releases`);
    const { code, stderr } = await deploy("2.0", `${check}; exit 7`);
    assertStringIncludes(stderr, `${world.target}: not deployed: Command "test`);
    assertEquals([code, await served(), names(`${base}/releases`)], [1, "1.0", before]);
  });

  await t.step("the one before is kept", async () => {
    const { code, stderr } = await deploy("3.0", check);
    assertEquals([code, await served()], [0, "3.0"], stderr);
    const [before, fresh, ...kept] = names(`${base}/releases`);
    assertEquals([before, kept], ["20200101000000", [...ahead.slice(2), ...others]]);
    assertEquals(await Deno.readLink(`${base}/current`), `releases/${fresh}`);
  });
});

Deno.test("The example of a new key runs: the new key is tried before the old one is removed", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
  const authorized = folder.join(".ssh/authorized_keys");
  await using world = await ourWorld({
    sftp: localFiles({ root: folder.path }),
    auth: { publicKey: authorizedKeys(authorized) },
  });
  const key = `${world.home}/.ssh/id_ed25519`;
  using old = await loadKey(key);
  await Deno.writeTextFile(authorized, `# ours\n${old.publicKey} me\n`, { mode: 0o600 });
  const { text } = await example("keys_rotate.ts", [key, world.target], world.env);
  assertEquals(text, "1 of 1 hosts have the new key\n");
  using fresh = await loadKey(key);
  const line = (await Deno.readTextFile(`${key}.pub`)).trim();
  assertEquals([line.startsWith(`${fresh.publicKey}`), fresh.publicKey.equals(old.publicKey)], [
    true,
    false,
  ]);
  assertEquals(await Deno.readTextFile(authorized), `# ours\n${line}\n`);
  // An unreachable host keeps the old key, and so does the client.
  const away = await run(
    Deno.execPath(),
    exampleCommand("keys_rotate.ts", [key, "me@127.0.0.1:1"], world.env),
    { env: world.env },
  );
  assertEquals([away.code, away.text], [1, "0 of 1 hosts have the new key\n"]);
  using kept = await loadKey(key);
  assert(kept.publicKey.equals(fresh.publicKey));
});

Deno.test("The example of keys for a day runs: the hosts trust only the authority", async () => {
  await using folder = await tempFolder();
  using authority = await generateKey();
  const file = await folder.write("authority", authority.export());
  const auth = {
    publicKey: authorizedKeys(() => null, { authorities: [authority.publicKey] }),
  };
  await using server = await startOurs({ auth }, ["ed25519"], (it) => it.print(`${it.user}\n`));
  await using world = await homeFor(server);
  const day = `${world.home}/.ssh/id_day`;
  const host = `127.0.0.1:${server.port}`;
  const { text } = await example("keys_issue.ts", [file, "ann", day, host], world.env);
  assertMatch(text, / ok .* ann\n$/);
  const certificate = importPublicKey(await Deno.readTextFile(`${day}-cert.pub`));
  await using client = await connect(`ann@${host}`, {
    auth: [publicKey(withCertificate(await loadKey(day), certificate))],
    hostKeys: knownHosts(server.knownHosts),
  });
  assertEquals(await client.run("id -un"), "ann");
});

Deno.test("The example of a pipeline runs: fetch to SFTP, SFTP to gzip to HTTP PUT", async () => {
  await using world = await ourWorld();
  const bytes = noise(3_000_000);
  const put = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  await using web = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      if (request.method === "GET") return new Response(bytes);
      const whole = request.body!.pipeThrough(new DecompressionStream("gzip"));
      put.resolve(new Uint8Array(await new Response(whole).arrayBuffer()));
      return new Response();
    },
  );
  const url = `http://127.0.0.1:${web.addr.port}/dump`;
  const remote = `${world.target}:/dump`;
  const down = await example("sftp_pipeline.ts", [url, remote], world.env);
  assertEquals(down.text, "3000000 bytes fetched\n");
  const hash = await sha256(bytes);
  assertEquals(await sha256(await Deno.readFile(`${world.server.root}/dump`)), hash);
  const up = await example("sftp_pipeline.ts", [remote, url], world.env);
  assertMatch(up.text, /^\d+ bytes sent\n$/);
  assertEquals(await sha256(await put.promise), hash);
});
