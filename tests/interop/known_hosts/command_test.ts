/** KnownHostsCommand: `cli ssh` and `connect` run it like `ssh`, and trust the same keys. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Client, connect, HostKeyError, loadKey, publicKey } from "@denossh/ssh";
import { cliSsh } from "../../cli/world.ts";
import { keyFile } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { type OurServer, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { tempFolder } from "../../support/temp.ts";

/** Connects with settings in a file, which alone decide about trust. */
async function connectWith(server: OurServer, lines: readonly string[]): Promise<Client> {
  await using folder = await tempFolder();
  const config = await folder.write("config", `Host h\n${lines.join("\n")}\n`);
  const auth = [publicKey(await loadKey(server.identity!))];
  return await connect({ ...{ hostname: "h", user: server.user, auth }, config });
}

/** Which clients accept the key, and the arguments of their calls. */
async function verdicts(
  server: OurServer,
  command: string,
  options: { calls?: string; knownHosts?: string; algorithms?: string } = {},
): Promise<{ verdicts: boolean[]; calls: string[]; errors: string[] }> {
  const { calls, knownHosts = "/dev/null", algorithms } = options;
  const config = {
    UserKnownHostsFile: knownHosts,
    StrictHostKeyChecking: "yes",
    KnownHostsCommand: command,
    ...algorithms !== undefined && { HostKeyAlgorithms: algorithms },
  };
  const settings = { ...config, HostName: "127.0.0.1", Port: server.port };
  const flags = ["-o", "LogLevel=ERROR"];
  const env = { KEYS: "from here" };
  const found: boolean[] = [];
  const called: string[] = [];
  const errors: string[] = [];
  const ways = [
    () => runClient("ssh", server, ["true"], { config, flags, env }),
    () => cliSsh(server, ["true"], { config, flags, env }),
    async () => {
      const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
      try {
        await (await connectWith(server, lines)).close();
        return { code: 0, stderr: "" };
      } catch (error) {
        return { code: 255, stderr: (error as Error).message };
      }
    },
  ];
  for (const way of ways) {
    if (calls !== undefined) await Deno.writeTextFile(calls, "");
    const { code, stderr } = await way();
    found.push(code === 0);
    errors.push(stderr);
    if (calls !== undefined) called.push(await Deno.readTextFile(calls));
  }
  return { verdicts: found, calls: called, errors };
}

const right = await keyFile("ed25519", "host");
const wrong = await keyFile("ed25519", "other");

await peerTest(["ssh"], "KnownHostsCommand is called as ssh calls it", async () => {
  await using server = await startOurs();
  await using folder = await tempFolder();
  const calls = folder.join("calls");
  const program = await folder.write("keys", `#!/bin/sh\nprintf '%s\\n' "$@" >> ${calls}\n`, 0o700);
  Deno.env.set("KEYS", "from here");
  try {
    const words = `%I %H %t %f %K %h %n %p %r 100%%h "two %I words" '' # a\\ b $\{KEYS}`;
    const { verdicts: found, calls: called } = await verdicts(server, `${program} ${words}`, {
      calls,
    });
    assertEquals(found, [false, false, false]); // it prints nothing
    const [theirs, ours, connected] = called;
    assertStringIncludes(theirs!, "ORDER\n");
    assertStringIncludes(theirs!, `${right.publicKey.split(" ")[1]}\n`);
    assertStringIncludes(theirs!, "two HOSTNAME words\n");
    // 9.2 omits the port in the first call's %H, and so never finds the line of such a host.
    const named = theirs!.replace("ORDER\n127.0.0.1\n", `ORDER\n[127.0.0.1]:${server.port}\n`);
    assertEquals(ours, named);
    // %n, the given name, differs there.
    assertEquals(connected, named.replaceAll("\n127.0.0.1\n127.0.0.1\n", "\n127.0.0.1\nh\n"));
  } finally {
    Deno.env.delete("KEYS");
  }
});

await peerTest(
  ["ssh"],
  "KnownHostsCommand is called for the key order when ssh calls it",
  async () => {
    await using server = await startOurs();
    await using folder = await tempFolder();
    const calls = folder.join("calls");
    const program = await folder.write("keys", `#!/bin/sh\necho "$@" >> ${calls}\n`, 0o700);
    for (
      const [algorithms, expected] of [
        ["ssh-ed25519", "HOSTNAME\n"],
        ["^ssh-ed25519", "HOSTNAME\n"],
        ["+ssh-rsa", "ORDER\nHOSTNAME\n"],
        ["-ssh-rsa", "ORDER\nHOSTNAME\n"],
      ] as const
    ) {
      const { calls: called } = await verdicts(server, `${program} %I`, { calls, algorithms });
      assertEquals(called, [expected, expected, expected], algorithms);
    }
  },
);

await peerTest(["ssh"], "The output of KnownHostsCommand is trusted as by ssh", async (t) => {
  await using server = await startOurs();
  await using folder = await tempFolder();
  const here = `[127.0.0.1]:${server.port}`;
  const file = await folder.write("known_hosts", `${here} ${right.publicKey}\n`);
  const print = (text: string, after = "") => `#!/bin/sh\ncat <<'EOF'\n${text}\nEOF\n${after}\n`;
  const rows: [string, string, string | undefined, boolean][] = [
    ["the key", print(`${here} ${right.publicKey}`), undefined, true],
    ["the key, for no port", print(`127.0.0.1 ${right.publicKey}`), undefined, false],
    ["another host's key", print(`db1 ${right.publicKey}`), undefined, false],
    ["a wrong key", print(`${here} ${wrong.publicKey}`), undefined, false],
    ["a wrong key beside a right one in the file", print(`${here} ${wrong.publicKey}`), file, true],
    ["that the file's key is revoked", print(`@revoked * ${right.publicKey}`), file, false],
    ["the key, and fails", print(`${here} ${right.publicKey}`, "exit 3"), file, false],
    ["no list of hosts", print("\0\x01\xff no\n\n# such list"), file, true],
  ];
  for (const [name, script, knownHosts, expected] of rows) {
    await t.step(name, async () => {
      const program = await folder.write("keys", script, 0o700);
      const options = knownHosts === undefined ? {} : { knownHosts };
      const { verdicts: found, errors } = await verdicts(server, program, options);
      assertEquals(found, [expected, expected, expected], errors.join("\n"));
    });
  }
});

await peerTest(["ssh"], "A KnownHostsCommand that cannot be run is reported", async (t) => {
  await using server = await startOurs();
  await using folder = await tempFolder();
  const file = await folder.write("hosts", `[127.0.0.1]:${server.port} ${right.publicKey}\n`);
  const rows: [string, string, boolean, string][] = [
    ["that is not there", folder.join("nowhere"), true, "cannot be run"],
    ["without a path", "cat /dev/null", true, "path is not absolute"],
    ["with a token that there is none of", "/bin/cat %Z", false, "%Z"],
  ];
  for (const [name, command, goesOn, message] of rows) {
    await t.step(name, async () => {
      const { verdicts: found, errors } = await verdicts(server, command, { knownHosts: file });
      // A program has no place for a warning, so there it is an error.
      assertEquals(found, [goesOn, goesOn, false], errors.join("\n"));
      for (const said of errors.slice(1)) assertStringIncludes(said, message);
    });
  }
});

Deno.test("A key that KnownHostsCommand does not know is refused with its name", async () => {
  await using server = await startOurs();
  await using folder = await tempFolder();
  const line = `[127.0.0.1]:${server.port} ${wrong.publicKey}`;
  const program = await folder.write("keys", `#!/bin/sh\necho "${line}"\n`, 0o700);
  const lines = [`HostName 127.0.0.1`, `Port ${server.port}`, `KnownHostsCommand ${program}`];
  await assertRejects(
    () => connectWith(server, lines),
    HostKeyError,
    "differs from the one in the output of KnownHostsCommand line 1",
  );
});
