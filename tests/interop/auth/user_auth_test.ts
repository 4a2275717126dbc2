/** Certificates of users, options of authorized_keys and several factors have OpenSSH's results. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AuthError,
  hostBased,
  Keyring,
  listenAgent,
  loadKey,
  none,
  password,
  publicKey,
} from "@denossh/ssh";
import { generateKey, importPublicKey, withCertificate } from "@denossh/ssh/keys";
import { authorizedKeys, Grant, type ServeOptions } from "@denossh/ssh/server";
import {
  authority,
  type CertifiedKey,
  certifiedKey,
  type CertifyOptions,
} from "../harness/certificates.ts";
import { countingServer } from "../../support/counting_server.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { KEY_KINDS, keyFile } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { connectTo, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { must } from "../../support/run.ts";
import { startDropbear } from "../harness/dropbear.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const me = (await must("id", ["-un"])).text.trim();

/** Whether `ssh` logs in with a key that has a certificate, and with that alone. */
async function letsIn(server: Endpoint, key: CertifiedKey): Promise<boolean> {
  const config = { CertificateFile: `${key.path}-cert.pub` };
  const ran = await runClient("ssh", { ...server, identity: key.path }, ["true"], { config });
  assert(ran.code === 0 || ran.stderr.includes("Permission denied"), ran.stderr);
  return ran.code === 0;
}

/** Whether our client does. */
async function letsUsIn(server: Endpoint, key: CertifiedKey): Promise<boolean> {
  const signer = withCertificate(await loadKey(key.path), importPublicKey(key.certificate));
  try {
    await using _host = await connectTo(server, { auth: [publicKey(signer)] });
    return true;
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    return false;
  }
}

const certificates: Record<string, [boolean, CertifyOptions]> = {
  "for the user": [true, { principals: [me] }],
  "for several users": [true, { principals: ["nobody", me] }],
  "from here": [true, { principals: [me], options: ["source-address=127.0.0.0/8,10.0.0.0/8"] }],
  "for another user": [false, { principals: ["nobody"] }],
  "for a pattern": [false, { principals: ["*"] }],
  "for nobody in particular": [false, {}],
  "that has expired": [false, { principals: [me], validity: "-2w:-1w" }],
  "that is not valid yet": [false, { principals: [me], validity: "+1w:+2w" }],
  "of a host": [false, { principals: [me], host: true }],
  "from elsewhere": [false, { principals: [me], options: ["source-address=10.0.0.0/8"] }],
  "with an unknown critical option": [
    false,
    { principals: [me], options: ["critical:dance@example.com=tango"] },
  ],
  "with an unknown extension": [
    true,
    { principals: [me], options: ["extension:dance@example.com=tango"] },
  ],
};

await peerTest(["sshd"], "Our client finds the certificate beside the user's key", async () => {
  await using folder = await tempFolder();
  const trusted = await folder.write("ca.pub", `${(await authority()).publicKey}\n`, 0o644);
  const config = { TrustedUserCAKeys: trusted, AuthorizedKeysFile: "none" };
  await using server = await startSshd({ config });
  const key = await certifiedKey(folder, "login", { principals: [me] });
  await Deno.mkdir(folder.join(".ssh"));
  await Deno.rename(key.path, folder.join(".ssh/id_ed25519"));
  await Deno.rename(`${key.path}-cert.pub`, folder.join(".ssh/id_ed25519-cert.pub"));
  const program = `
    import { connect, knownHosts } from "@denossh/ssh";
    await using host = await connect("${me}@127.0.0.1:${server.port}", {
      hostKeys: knownHosts("${server.knownHosts}"),
    });
    console.log(await host.run("echo in"));
  `;
  const deno = new URL("../../../deno.json", import.meta.url).pathname;
  const ran = await must(Deno.execPath(), ["eval", "--config", deno, program], {
    env: { HOME: folder.path, SSH_AUTH_SOCK: "", DENO_DIR: await denoDir() },
  });
  assertEquals(ran.text, "in\n");
});

async function denoDir(): Promise<string> {
  const ran = await must(Deno.execPath(), ["info", "--json"], { env: { NO_COLOR: "1" } });
  return JSON.parse(ran.text).denoDir;
}

/** An authorized_keys file that an sshd and our server read at each login. */
async function sharedFile(options: Partial<ServeOptions> = {}) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const file = await folder.write("authorized", "", 0o644);
  const config = { AuthorizedKeysFile: file, PermitUserEnvironment: "yes" };
  const sshd = stack.use(await startSshd({ config }));
  const own = stack.use(
    await startOurs({
      auth: { publicKey: authorizedKeys(file, { permitUserEnvironment: true }) },
      ...options,
    }),
  );
  const parts = stack.move();
  return {
    servers: { sshd, ours: { ...own, user: me } },
    write: (text: string) => Deno.writeTextFile(file, text),
    /** Authorizes the harness's user key, with options. */
    async allow(options: string) {
      const { publicKey } = await keyFile("ed25519", "user");
      await Deno.writeTextFile(file, `${options} ${publicKey}\n`.trimStart());
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

await peerTest(["ssh", "sshd"], "We judge a user's certificate as sshd does", async (t) => {
  await using folder = await tempFolder();
  const ca = await authority();
  const trusted = await folder.write("ca.pub", `${ca.publicKey}\n`, 0o644);
  const config = { TrustedUserCAKeys: trusted, AuthorizedKeysFile: "none" };
  await using sshd = await startSshd({ config });
  const authorities = [importPublicKey(ca.publicKey)];
  await using started = await startOurs({
    auth: { publicKey: authorizedKeys(() => null, { authorities }) },
  });
  const ours = { ...started, user: me };
  for (const [name, [good, options]] of Object.entries(certificates)) {
    await t.step(`one ${name}`, async () => {
      const key = await certifiedKey(folder, "login", options);
      const verdicts = { sshd: await letsIn(sshd, key), ours: await letsIn(ours, key) };
      assertEquals(verdicts, { sshd: good, ours: good });
    });
  }
  await t.step("one by another authority", async () => {
    const stranger = await keyFile("ecdsa256", "authority");
    const key = await certifiedKey(folder, "login", { principals: [me], authority: stranger });
    for (const server of [sshd, ours]) {
      assertEquals([await letsIn(server, key), await letsUsIn(server, key)], [false, false]);
    }
  });
  await t.step("one signed by SHA-1", async () => {
    const rsa = await keyFile("rsa", "authority");
    await Deno.writeTextFile(trusted, `${rsa.publicKey}\n`);
    await using weak = await startOurs({
      auth: {
        publicKey: authorizedKeys(() => null, { authorities: [importPublicKey(rsa.publicKey)] }),
      },
    });
    const by = { principals: [me], authority: rsa };
    for (const [algorithm, good] of [["rsa-sha2-512", true], ["ssh-rsa", false]] as const) {
      const key = await certifiedKey(folder, "login", { ...by, algorithm });
      assertEquals([await letsIn(sshd, key), await letsIn({ ...weak, user: me }, key)], [
        good,
        good,
      ]);
    }
    await Deno.writeTextFile(trusted, `${ca.publicKey}\n`);
  });
  for (const kind of KEY_KINDS) {
    await t.step(`one of a key of type ${kind}`, async () => {
      const key = await certifiedKey(folder, "login", { kind, principals: [me] });
      assertEquals([await letsIn(ours, key), await letsUsIn(ours, key)], [true, true]);
      assertEquals(await letsUsIn(sshd, key), true);
    });
  }
});

await peerTest(["ssh", "sshd"], "cert-authority lines work as in sshd", async (t) => {
  await using shared = await sharedFile();
  await using folder = await tempFolder();
  const ca = (await authority()).publicKey;
  const own = await certifiedKey(folder, "login", { principals: [me] });
  const staff = await certifiedKey(folder, "login", { principals: ["staff", "others"] });
  const cases: [string, CertifiedKey, boolean][] = [
    [`cert-authority ${ca}`, own, true],
    [`cert-authority ${ca}`, staff, false],
    [`cert-authority,principals="wheel,staff" ${ca}`, staff, true],
    [`cert-authority,principals="wheel" ${ca}`, staff, false],
    [`cert-authority,principals="staff" ${ca}`, own, false],
    [`cert-authority,from="10.0.0.0/8" ${ca}`, own, false],
    [`${ca}`, own, false],
  ];
  for (const [line, key, good] of cases) {
    await t.step(
      `${line.split(" ")[0]} for ${key === own ? "the user" : "the staff"}`,
      async () => {
        await shared.write(`${line}\n`);
        const { sshd, ours } = shared.servers;
        assertEquals([await letsIn(sshd, key), await letsIn(ours, key)], [good, good]);
      },
    );
  }
});

const lineOptions: [string, string, string][] = [
  ['command="echo forced"', "echo asked", "forced"],
  ['command="echo \\"$SSH_ORIGINAL_COMMAND\\""', "echo asked", "echo asked"],
  ['command="echo a,b"', "x", "a,b"],
  ['environment="COLOUR=blue",environment="SIZE=a=b"', "echo $COLOUR $SIZE", "blue a=b"],
  ['from="127.0.0.1"', "echo in", "in"],
  ['from="10.0.0.0/8,127.0.0.0/8"', "echo in", "in"],
  ['from="10.0.0.0/8"', "echo in", "refused"],
  ['from="*,!127.0.0.1"', "echo in", "refused"],
  ['expiry-time="20200101Z"', "echo in", "refused"],
  ['expiry-time="20990101"', "echo in", "in"],
  ["restrict", "echo in", "in"],
  ["no-pty,no-port-forwarding", "echo in", "in"],
  ["cert-authority", "echo in", "refused"],
  ["unknown-option", "echo in", "refused"],
  ['command="unfinished', "echo in", "refused"],
];
await peerTest(["ssh", "sshd"], "Options of authorized_keys work as in sshd", async (t) => {
  await using shared = await sharedFile();
  for (const [options, command, expected] of lineOptions) {
    await t.step(options, async () => {
      await shared.allow(options);
      for (const [name, server] of Object.entries(shared.servers)) {
        const ran = await runClient("ssh", server, [command]);
        assertEquals(ran.code === 255 ? "refused" : ran.text.trim(), expected, name);
      }
    });
  }
});

await peerTest(["ssh", "sshd"], "authorized_keys restricts tunnels as in sshd", async (t) => {
  using counting = countingServer();
  const { port } = counting;
  await using shared = await sharedFile({ forward: { local: () => true } });
  const cases: [string, boolean][] = [
    ["", true],
    ["restrict", false],
    ["restrict,port-forwarding", true],
    ["no-port-forwarding", false],
    [`permitopen="127.0.0.1:${port}"`, true],
    ['permitopen="127.0.0.1:*"', true],
    [`permitopen="localhost:${port}"`, false],
    [`permitopen="127.0.0.1:1",permitopen="127.0.0.1:${port}"`, true],
    ['permitopen="127.0.0.1:1"', false],
  ];
  for (const [options, good] of cases) {
    await t.step(options || "without options", async () => {
      await shared.allow(options);
      // -W connects ssh's standard streams to the address.
      const flags = ["-W", `127.0.0.1:${port}`];
      for (const [name, server] of Object.entries(shared.servers)) {
        const ran = await runClient("ssh", server, [], { flags, stdin: "hello" });
        assertEquals(ran.text === "5 bytes", good, `${name} ${ran.stderr}`);
      }
    });
  }
});

await peerTest(["ssh", "sshd"], "authorized_keys restricts listening as in sshd", async (t) => {
  await using shared = await sharedFile({ forward: { remote: () => true } });
  const cases: [string, boolean][] = [
    ["", true],
    ["restrict", false],
    ['permitlisten="localhost:*"', true],
    ['permitlisten="*:*"', true],
    ['permitlisten="127.0.0.2:*"', false],
    ['permitlisten="1"', false],
  ];
  for (const [options, good] of cases) {
    await t.step(options || "without options", async () => {
      await shared.allow(options);
      const flags = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"];
      for (const [name, server] of Object.entries(shared.servers)) {
        const ran = await runClient("ssh", server, ["echo in"], { flags });
        assertEquals(ran.text, good ? "in\n" : "", `${name} ${ran.stderr}`);
      }
    });
  }
});

await peerTest(
  ["ssh"],
  "ssh gets no terminal and forwards no agent if its key may not",
  async () => {
    using keyring = new Keyring();
    await using agent = await listenAgent(keyring);
    const ask = async (agentForwarding: boolean, ...flags: string[]) => {
      await using server = await startOurs({
        auth: { publicKey: () => new Grant({ pty: false, agentForwarding }) },
        forward: { agent: () => true },
        pty: true,
      });
      const config = { IdentityAgent: agent.path };
      return await runClient("ssh", server, ["echo agent=$SSH_AUTH_SOCK"], { flags, config });
    };
    assertStringIncludes((await ask(false, "-tt")).stderr, "PTY allocation request failed");
    assertEquals((await ask(false, "-A")).text, "agent=\n");
    assertMatch((await ask(true, "-A")).text, /^agent=\/.+\n$/, "the same ssh lends it");
  },
);

await peerTest(["ssh"], "ssh logs in with several factors", async () => {
  const allowed = importPublicKey((await keyFile("ed25519", "user")).publicKey);
  const auth: ServeOptions["auth"] = {
    publicKey: (_user, key) => key.equals(allowed),
    password: (_user, secret) => secret === "sesame",
    interactive: async (_user, ask) => {
      const [first] = await ask([{ text: "First: ", echo: false }]);
      const [second] = await ask([{ text: "Second: ", echo: true }]);
      return first === "one" && second === "two";
    },
    required: [["publickey", "keyboard-interactive"], ["publickey", "password"]],
  };
  await using server = await startOurs({ auth });
  const config = { BatchMode: "no" };
  const run = (answers: string[], methods: string) =>
    runClient("ssh", { ...server, answers }, ["echo in"], {
      config: { ...config, PreferredAuthentications: methods },
    });
  assertEquals((await run(["one", "two"], "publickey,keyboard-interactive")).text, "in\n");
  assertEquals((await run(["sesame"], "publickey,password")).text, "in\n");
  assertEquals((await run(["sesame"], "password")).text, "");
  assertEquals((await run(["one", "three"], "publickey,keyboard-interactive")).text, "");
});

await peerTest(["sshd"], "Our client satisfies sshd's AuthenticationMethods", async () => {
  await using server = await startSshd({
    login: "password",
    config: { AuthenticationMethods: "publickey,password publickey,publickey" },
  });
  const key = publicKey(await loadKey(server.identity));
  await using host = await connectTo(server, { auth: [key, password(server.password!)] });
  assertEquals(await host.run("echo in"), "in");
  const wrong = [key, password("wrong")];
  const error = await connectTo(server, { auth: wrong }).catch((error) => error);
  assert(error instanceof AuthError);
  assertEquals(error.partial, true);
});

await peerTest(
  ["sshd", "root"],
  "sshd accepts host-based authentication by our client",
  async (t) => {
    await using server = await startSshd({
      login: "password",
      config: {
        HostbasedAuthentication: "yes",
        HostbasedUsesNameFromPacketOnly: "yes",
        IgnoreRhosts: "no",
      },
    });
    const write = (name: string, text: string) =>
      Deno.writeTextFile(`${server.folder}/${name}`, text, { mode: 0o644 });
    await Deno.mkdir(`${server.folder}/.ssh`, { mode: 0o755 });
    for (const kind of KEY_KINDS) {
      const hostKey = await keyFile(kind, "vouching");
      await write(".ssh/known_hosts", `here.example ${hostKey.publicKey}\n`);
      await write(".shosts", "here.example me\n");
      const method = async (hostName: string, userName: string) =>
        hostBased(await loadKey(hostKey.path), { hostName, userName });
      await t.step(`by a key of type ${kind}`, async () => {
        const auth = [await method("here.example", "me")];
        await using host = await connectTo(server, { auth });
        assertEquals(await host.run("echo in"), "in");
      });
      for (const [host, user] of [["there.example", "me"], ["here.example", "you"]]) {
        await t.step(`not for ${user} at ${host}, by ${kind}`, async () => {
          const error = await connectTo(server, { auth: [await method(host!, user!)] }).catch((e) =>
            e
          );
          assert(error instanceof AuthError);
        });
      }
    }
  },
);

await peerTest(
  ["ssh", "root", "own-machine"],
  "Our server accepts host-based authentication by ssh",
  async () => {
    const settings = "/etc/ssh/ssh_config.d/denossh-test.conf";
    await must("ssh-keygen", ["-A"]); // those that are missing
    const keyPath = "/etc/ssh/ssh_host_ed25519_key.pub";
    const hostKey = importPublicKey(await Deno.readTextFile(keyPath));
    const claims: string[] = [];
    const auth: ServeOptions["auth"] = {
      hostBased: (_user, key, { hostName, userName }) => {
        claims.push(`${userName} at ${hostName}`);
        return key.equals(hostKey);
      },
    };
    await using server = await startOurs({ auth });
    // ssh-keysign signs only if the system's ssh_config enables it.
    await Deno.writeTextFile(settings, "EnableSSHKeysign yes\n");
    try {
      const config = {
        HostbasedAuthentication: "yes",
        HostbasedAcceptedAlgorithms: "ssh-ed25519",
        PreferredAuthentications: "hostbased",
      };
      const ran = await runClient("ssh", server, ["echo in"], { config });
      assertEquals([ran.text, ran.stderr], ["in\n", ""]);
      assertEquals(claims.length, 1);
      assert(claims[0]!.startsWith(`${me} at `) && !claims[0]!.endsWith("."), claims[0]);
    } finally {
      await Deno.remove(settings);
    }
  },
);

await peerTest(["ssh"], "ssh gets the same answers for known and unknown users", async () => {
  using other = await generateKey();
  const line = `${other.publicKey}\n`;
  const textOf = (user: string) => user === "ann" ? line : null;
  await using server = await startOurs({ auth: { publicKey: authorizedKeys(textOf) } });
  const said = async (user: string) => {
    const ran = await runClient("ssh", { ...server, user }, ["true"], { flags: ["-v"] });
    return ran.stderr.split("\n").filter((line) => line.includes("uthenticat"))
      .map((line) => line.replaceAll(user, "USER"));
  };
  assertEquals(await said("ann"), await said("nobody-at-all"));
});

await peerTest(["ssh", "sshd"], "MaxAuthTries counts ssh's keys as sshd does", async () => {
  await using theirs = await startSshd({ config: { MaxAuthTries: 3 } });
  await using ours = await startOurs({ maxAuthTries: 3 });
  const wrong = await Promise.all([1, 2, 3].map((number) => keyFile("ed25519", `wrong${number}`)));
  const right = await keyFile("ed25519", "user");
  const flagsOf = (keys: readonly { path: string }[]) => keys.flatMap(({ path }) => ["-i", path]);
  const said = async (server: Endpoint, wrongOnes: number) => {
    const keys = [...wrong.slice(0, wrongOnes), right];
    const endpoint = { ...server, identity: keys[0]!.path };
    const ran = await runClient("ssh", endpoint, ["echo in"], { flags: flagsOf(keys.slice(1)) });
    return [ran.text, ran.stderr.replaceAll(`${server.port}`, "PORT").split("\n")[0]];
  };
  for (const [wrongOnes, gets] of [[1, true], [2, true], [3, false]] as const) {
    const answers = [await said(theirs, wrongOnes), await said(ours, wrongOnes)];
    assertEquals(answers.map(([text]) => text === "in\n"), [gets, gets], `${answers}`);
    if (!gets) { for (const [, line] of answers) assertStringIncludes(line!, "Too many auth"); }
  }
});

await peerTest(
  ["sshd"],
  "sshd accepts none for a user without a password, before our key",
  async () => {
    const config = { PermitEmptyPasswords: "yes" };
    await using server = await startSshd({ login: "password", config });
    await must("passwd", ["-d", server.user]);
    using key = await generateKey();
    await using host = await connectTo(server, { auth: [none(), publicKey(key)] });
    // Requests sent with "none" arrive after the success; sshd rejects them as unknown.
    assertEquals(await host.run("echo in"), "in");
    assertMatch(server.log, /Accepted none for/);
  },
);

await peerTest(["dropbear", "root"], "Dropbear accepts none and a key in one flight", async () => {
  await using server = await startDropbear({ flags: ["-B"] });
  const auth = [none(), publicKey(await loadKey(server.identity!))];
  {
    await using host = await connectTo(server, { auth });
    assertEquals(await host.run("echo by key"), "by key");
  }
  await must("passwd", ["-d", server.user]);
  await using host = await connectTo(server, { auth });
  assertEquals(await host.run("echo by none"), "by none");
  assertMatch(server.log, /blank password/);
});

await peerTest(
  ["sshd"],
  "The error for a key that sshd refuses names its file and the allowed methods",
  async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    using key = await generateKey("ecdsa-p256", { comment: "work" });
    const path = await folder.write("id_work", key.export());
    const methods = { auth: [none(), publicKey(await loadKey(path), { source: path })] };
    const { message } = await assertRejects(() => connectTo(server, methods), AuthError);
    assertEquals(
      message,
      `Cannot log in as "${server.user}" on [127.0.0.1]:${server.port}: tried key "${path}" ` +
        `(ECDSA ${key.publicKey.fingerprint()}); the server rejected every one; it allows publickey; ` +
        "check the user name, and that authorized_keys on the server has the key [auth]",
    );
  },
);
