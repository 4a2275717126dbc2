/** Agents with OpenSSH: its agent with our client, its clients with our agent, and forwarding of both. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  agent,
  AuthError,
  connectAgent,
  Keyring,
  listenAgent,
  RequestDeniedError,
  SshError,
} from "@denossh/ssh";
import { importPrivateKey, importPublicKey, type PublicKey } from "@denossh/ssh/keys";
import type { ServeOptions } from "@denossh/ssh/server";
import { type CliClientOptions, cliSsh } from "../../cli/world.ts";
import { type SshAgent, startSshAgent } from "./ssh_agent.ts";
import { authority, certifiedKey } from "../harness/certificates.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { KEY_KINDS, keyFile, type KeyKind } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { connectTo, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { noise } from "../../support/random.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const lending: Partial<ServeOptions> = { forward: { agent: () => true } };
const LIST = "ssh-add -l; echo $?";
const data = new TextEncoder().encode("to sign");

/** Our keyring with the key that the harness's servers accept. */
async function userKeyring(kind: KeyKind = "ed25519"): Promise<Keyring> {
  const keyring = new Keyring();
  const { path } = await keyFile(kind, "user");
  keyring.add(importPrivateKey(await Deno.readTextFile(path)));
  return keyring;
}

async function agentWithUserKey(): Promise<SshAgent> {
  const server = await startSshAgent();
  await server.add((await keyFile("ed25519", "user")).path);
  return server;
}

await peerTest(["ssh-agent"], "ssh-agent's keys of every type list and sign", async () => {
  await using server = await startSshAgent();
  for (const kind of KEY_KINDS) await server.add((await keyFile(kind, "user")).path);
  await using client = await connectAgent(server.path);
  const keys = await client.identities();
  assertEquals(keys.map(({ publicKey }) => publicKey.comment), KEY_KINDS.map((k) => `user_${k}`));
  const data = noise(1000);
  for (const { publicKey, sign } of keys) {
    for (const algorithm of publicKey.algorithms) {
      assert(publicKey.verify(algorithm, data, await sign(algorithm, data)), algorithm);
    }
  }
});

await peerTest(["ssh-agent"], "ssh-agent can be locked, unlocked and emptied", async () => {
  await using server = await agentWithUserKey();
  await using client = await connectAgent(server.path);
  const [key] = await client.identities();
  await client.lock("sesame");
  assertEquals(await client.identities(), []);
  await assertRejects(() => client.unlock("guess"), RequestDeniedError);
  await client.unlock("sesame");
  await client.remove(key!.publicKey);
  await assertRejects(() => client.remove(key!.publicKey), RequestDeniedError);
  await server.add((await keyFile("rsa", "user")).path);
  await client.removeAll();
  assertEquals(await client.identities(), []);
});

await peerTest(
  ["ssh-agent"],
  "ssh-agent takes our keys of every type, with constraints",
  async () => {
    await using server = await startSshAgent();
    await using client = await connectAgent(server.path);
    const env = { SSH_AUTH_SOCK: server.path };
    for (const kind of KEY_KINDS) {
      const { path, publicKey } = await keyFile(kind, "user");
      using key = importPrivateKey(await Deno.readTextFile(path));
      await client.add(key, kind === "rsa" ? { lifetime: 3_600_000 } : {});
      assertStringIncludes((await must("ssh-add", ["-L"], { env })).text, publicKey);
      await must("ssh-add", ["-q", "-T", `${path}.pub`], { env });
    }
    using asking = importPrivateKey(
      await Deno.readTextFile((await keyFile("ed25519", "asking")).path),
    );
    await client.add(asking, { confirm: true });
    // There is no user to confirm.
    const [key] = (await client.identities()).slice(-1);
    assertEquals(key!.publicKey.comment, "asking_ed25519");
    await assertRejects(async () => await key!.sign("ssh-ed25519", data), RequestDeniedError);
  },
);

await peerTest(
  ["sshd", "ssh-agent"],
  "An ssh-agent key bound to one host logs in to that host only",
  async () => {
    await using server = await startSshd();
    await using keys = await startSshAgent();
    await must("ssh-add", [
      ...["-q", "-H", server.knownHosts!, "-h", `[127.0.0.1]:${server.port}`],
      (await keyFile("ed25519", "user")).path,
    ], { env: { SSH_AUTH_SOCK: keys.path } });
    await using host = await connectTo(server, { auth: [agent(keys.path)] });
    assertEquals(await host.run("echo in"), "in");
    // The servers of the harness share their keys, so this one gets another key.
    const stranger = (await keyFile("ed25519", "stranger")).path;
    const hostKey = importPrivateKey(await Deno.readTextFile(stranger));
    await using other = await startOurs({ hostKeys: [hostKey] });
    const options = { auth: [agent(keys.path)], hostKeys: hostKey.publicKey };
    await assertRejects(() => connectTo(other, options), AuthError);
    const config = { IdentityAgent: keys.path, IdentitiesOnly: "no", IdentityFile: "none" };
    assertEquals((await cliSsh(server, ["echo in"], { config })).text, "in\n");
  },
);

await peerTest(["ssh-agent"], "An ssh-agent that dies is an error", async () => {
  const server = await agentWithUserKey();
  await using client = await connectAgent(server.path);
  const [key] = await client.identities();
  await server[Symbol.asyncDispose]();
  await assertRejects(async () => await key!.sign("ssh-ed25519", new Uint8Array(1)));
});

for (const kind of KEY_KINDS) {
  await peerTest(
    ["sshd", "ssh-agent"],
    `Our client logs in with ssh-agent's ${kind} key`,
    async () => {
      await using server = await startSshd({ userKey: kind });
      await using keys = await startSshAgent();
      await keys.add((await keyFile("ecdsa256", "wrong")).path);
      await keys.add((await keyFile(kind, "user")).path);
      await using host = await connectTo(server, { auth: [agent(keys.path)] });
      assertEquals(await host.run("echo in"), "in");
    },
  );
}

await peerTest(["sshd", "ssh-agent"], "Our client finds ssh-agent by itself", async () => {
  await using server = await startSshd();
  await using keys = await agentWithUserKey();
  await using home = await tempFolder();
  const program = `
    import { connect, knownHosts } from "@denossh/ssh";
    await using host = await connect("${server.user}@127.0.0.1:${server.port}", {
      hostKeys: knownHosts("${server.knownHosts}"),
    });
    console.log(await host.run("echo in"));
  `;
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const ran = await must(Deno.execPath(), ["eval", "--config", config, program], {
    env: { HOME: home.path, SSH_AUTH_SOCK: keys.path, DENO_DIR: await denoDir() },
  });
  assertEquals(ran.text, "in\n");
});

await peerTest(
  ["sshd", "ssh-agent"],
  "sshd's sessions use the agent that we forward",
  async (t) => {
    await using server = await startSshd();
    await using keys = await agentWithUserKey();
    await using host = await connectTo(server);
    using keyring = await userKeyring();
    const cases = [
      ["ssh-agent", keys.path],
      ["a keyring", keyring],
      ["a handler", (channel: Parameters<Keyring["serve"]>[0]) => keyring.serve(channel)],
    ] as const;
    for (const [name, forwardAgent] of cases) {
      await t.step(name, async () => {
        assertStringIncludes(await host.run(LIST, { forwardAgent }), "user_ed25519 (ED25519)\n0");
        const hop = `ssh -F none -o StrictHostKeyChecking=yes -o UserKnownHostsFile=` +
          `${server.knownHosts} -o BatchMode=yes -p ${server.port} 127.0.0.1 echo hopped`;
        assertEquals(await host.run(hop, { forwardAgent }), "hopped");
      });
    }
    await t.step("not after the command has ended", async () => {
      // sshd keeps listening; our client refuses.
      const { stdout, success } = await host.command("ssh-add -l").output();
      assertEquals([success, stdout.length], [false, 0]);
    });
    await t.step("not without the option", async () => {
      await using another = await connectTo(server);
      assertEquals(await another.run(`${LIST} 2>/dev/null`), "2");
      assertEquals(await another.run("echo -n $SSH_AUTH_SOCK"), "");
    });
    await t.step("not to change a keyring", async () => {
      assertEquals(
        await host.run("ssh-add -D 2>/dev/null; echo $?", { forwardAgent: keyring }),
        "1",
      );
      assertEquals(keyring.identities().length, 1);
    });
    await t.step("in parallel", async () => {
      const lists = Array.from({ length: 8 }, () => host.run(LIST, { forwardAgent: keys.path }));
      for (const text of await Promise.all(lists)) assertStringIncludes(text, "user_ed25519");
    });
  },
);

await peerTest(["sshd"], "An sshd that forwards no agents refuses ours", async () => {
  await using server = await startSshd({ config: { AllowAgentForwarding: "no" } });
  await using host = await connectTo(server);
  using keyring = await userKeyring();
  await assertRejects(() => host.run(LIST, { forwardAgent: keyring }), RequestDeniedError);
  await using channel = await host.openSession();
  await assertRejects(() => host.forwardAgent(channel, keyring), RequestDeniedError);
  assert(channel.isOpen);
});

await peerTest(
  ["ssh", "ssh-agent"],
  "ssh -A forwards its agent to our server's commands",
  async (t) => {
    await using keys = await agentWithUserKey();
    const options = { flags: ["-A"], env: { SSH_AUTH_SOCK: keys.path } };
    const config = { IdentityAgent: "SSH_AUTH_SOCK" };
    await t.step("where the policy allows it", async () => {
      await using server = await startOurs(lending);
      const ran = await runClient("ssh", server, [`${LIST}; ls -ld $(dirname $SSH_AUTH_SOCK)`], {
        ...options,
        config,
      });
      assertStringIncludes(ran.text, "user_ed25519 (ED25519)\n0\ndrwx------");
      const path = await runClient("ssh", server, ["echo -n $SSH_AUTH_SOCK"], {
        ...options,
        config,
      });
      assert(path.text.startsWith("/"), path.text);
      await assertRejects(() => Deno.stat(path.text), Deno.errors.NotFound);
      await assertRejects(() => Deno.stat(path.text.replace(/\/[^/]+$/, "")), Deno.errors.NotFound);
      assertEquals(server.errors, []);
    });
    await t.step("not where it does not", async () => {
      await using server = await startOurs();
      const ran = await runClient("ssh", server, [`${LIST} 2>/dev/null`], { ...options, config });
      assertEquals(ran.text, "2\n");
    });
    await t.step("not unless it is asked to", async () => {
      await using server = await startOurs(lending);
      const ran = await runClient("ssh", server, [`${LIST} 2>/dev/null`], {
        env: options.env,
        config,
      });
      assertEquals(ran.text, "2\n");
    });
  },
);

await peerTest(
  ["ssh", "ssh-agent"],
  "The server's own agent is not offered to its clients",
  async () => {
    await using keys = await agentWithUserKey();
    await using server = await startOurs(lending);
    const before = Deno.env.get("SSH_AUTH_SOCK");
    Deno.env.set("SSH_AUTH_SOCK", keys.path);
    try {
      const ran = await runClient("ssh", server, [`${LIST} 2>/dev/null`]);
      assertEquals(ran.text, "2\n");
    } finally {
      if (before === undefined) Deno.env.delete("SSH_AUTH_SOCK");
      else Deno.env.set("SSH_AUTH_SOCK", before);
    }
  },
);

const evil: [string, readonly number[], boolean, string][] = [
  ["a length of 2^32 - 1", [255, 255, 255, 255], false, "4294967295 bytes"],
  ["SUCCESS for a list", [0, 0, 0, 1, 6], false, "Expected IDENTITIES_ANSWER"],
  ["half an answer, and hangs up", [0, 0, 0, 5, 12, 0], true, "in the middle of a message"],
  ["half an answer, and stops", [0, 0, 0, 5, 12, 0], false, "not answered within 100 ms"],
  ["nothing", [], false, "not answered within 100 ms"],
  ["nothing, and hangs up", [], true, "closed the connection"],
];
for (const [name, bytes, hangsUp, message] of evil) {
  Deno.test(`An agent's socket that answers ${name} is an error`, async () => {
    await using folder = await tempFolder();
    const path = folder.join("agent");
    using listener = Deno.listen({ transport: "unix", path });
    const served = (async () => {
      using conn = await listener.accept();
      await conn.read(new Uint8Array(64));
      await conn.write(Uint8Array.from(bytes));
      if (!hangsUp) await conn.read(new Uint8Array(64)).catch(() => null);
    })();
    await using client = await connectAgent(path, { timeout: 100 });
    await assertRejects(() => client.identities(), SshError, message);
    await served;
  });
}

await peerTest(["ssh-agent"], "ssh-add manages our keyring", async () => {
  using keyring = new Keyring({ confirm: () => true });
  await using listener = await listenAgent(keyring);
  const env = { SSH_AUTH_SOCK: listener.path };
  const add = (...args: string[]) => must("ssh-add", args, { env });
  assertEquals((await run("ssh-add", ["-l"], { env })).text, "The agent has no identities.\n");
  for (const kind of KEY_KINDS) await add("-q", (await keyFile(kind, "user")).path);
  const list = (await add("-L")).text.trim().split("\n");
  assertEquals(list, keyring.identities().map(({ publicKey }) => publicKey.toString()));
  // -T has the agent sign, and checks the signature: by SHA-1 with an RSA key, which we refuse.
  for (const kind of KEY_KINDS.filter((kind) => kind !== "rsa")) {
    await add("-q", "-T", `${(await keyFile(kind, "user")).path}.pub`);
  }
  await add("-q", "-d", (await keyFile("rsa", "user")).path);
  assertEquals(keyring.identities().length, KEY_KINDS.length - 1);
  await lockAndUnlock(env);
  await add("-q", "-c", "-t", "1h", (await keyFile("rsa", "user")).path);
  assertEquals(keyring.identities().length, KEY_KINDS.length);
  await add("-q", "-D");
  assertEquals(keyring.identities(), []);
});

await peerTest(
  ["sshd", "ssh-agent"],
  "Certificates log in through their agent and ours",
  async (t) => {
    await using folder = await tempFolder();
    const trusted = await folder.write(
      "authority.pub",
      `${(await authority()).publicKey}\n`,
      0o644,
    );
    await using server = await startSshd({
      config: { TrustedUserCAKeys: trusted, AuthorizedKeysFile: "none" },
    });
    for (const kind of KEY_KINDS) {
      const key = await certifiedKey(folder, "certified", { kind, principals: [server.user] });
      const certificate = importPublicKey(key.certificate);

      await t.step(`ssh-add gives our keyring a ${kind} key and its certificate`, async () => {
        using keyring = new Keyring();
        await using listener = await listenAgent(keyring);
        await must("ssh-add", ["-q", key.path], { env: { SSH_AUTH_SOCK: listener.path } });
        const blobs = keyring.identities().map(({ publicKey }) => publicKey);
        assertEquals(blobs.map(({ type }) => type), [
          certificate.certificate!.publicKey.type,
          certificate.type,
        ]);
        assert(blobs[1]!.equals(certificate));
        const only = (offered: PublicKey) => offered.certificate !== null;
        await using host = await connectTo(server, { auth: [agent(keyring, { only })] });
        assertEquals(await host.run("echo in"), "in");
        await logInAs(server, { IdentityAgent: listener.path });
      });

      await t.step(`our client gives ssh-agent a ${kind} key and its certificate`, async () => {
        await using keys = await startSshAgent();
        await using client = await connectAgent(keys.path);
        using own = importPrivateKey(await Deno.readTextFile(key.path));
        await client.add(own, { certificate });
        const [listed] = await client.identities();
        assert(listed!.publicKey.equals(certificate));
        await using host = await connectTo(server, { auth: [agent(keys.path)] });
        assertEquals(await host.run("echo in"), "in");
        await logInAs(server, { IdentityAgent: keys.path });
      });
    }
  },
);

/** `ssh` with only the agent's keys. */
async function logInAs(server: Endpoint, config: Record<string, string>): Promise<void> {
  const { identity: _, ...endpoint } = server;
  const ran = await runClient("ssh", endpoint, ["echo in"], {
    config: { ...config, IdentitiesOnly: "no", PubkeyAuthentication: "yes", BatchMode: "yes" },
  });
  assertEquals([ran.text, ran.stderr], ["in\n", ""]);
}

/** `ssh-add -x` and `-X`; a program answers their prompts. */
async function lockAndUnlock(env: Record<string, string>): Promise<void> {
  await using folder = await tempFolder();
  const asking = async (word: string) => ({
    ...env,
    SSH_ASKPASS: await folder.write(word, `#!/bin/sh\necho ${word}\n`, 0o700),
    SSH_ASKPASS_REQUIRE: "force",
    DISPLAY: "none",
  });
  const before = (await must("ssh-add", ["-L"], { env })).text;
  await must("ssh-add", ["-x"], { env: await asking("sesame") });
  assertEquals((await run("ssh-add", ["-L"], { env })).code, 1);
  assertEquals((await run("ssh-add", ["-X"], { env: await asking("guess") })).code, 1);
  await must("ssh-add", ["-X"], { env: await asking("sesame") });
  assertEquals((await must("ssh-add", ["-L"], { env })).text, before);
}

await peerTest(["sshd", "ssh"], "ssh logs in with the keys of our keyring", async (t) => {
  for (const kind of KEY_KINDS) await t.step(kind, () => logInWithKeyring(kind));
});

async function logInWithKeyring(kind: KeyKind): Promise<void> {
  await using server = await startSshd({ userKey: kind });
  using keyring = await userKeyring(kind);
  await using listener = await listenAgent(keyring);
  await logInAs(server, { IdentityAgent: listener.path });
}

async function denoDir(): Promise<string> {
  const ran = await must(Deno.execPath(), ["info", "--json"], { env: { NO_COLOR: "1" } });
  return JSON.parse(ran.text).denoDir;
}

await peerTest(
  ["sshd", "ssh-agent"],
  "Our ssh logs in with ssh-agent's keys and forwards it",
  async (t) => {
    await using folder = await tempFolder();
    await using server = await startSshd();
    await using keys = await startSshAgent();
    const user = await keyFile("ed25519", "user");
    for (const kind of ["ecdsa256", "rsa"] as const) {
      await keys.add(
        (await keyFile(kind, "wrong")).path,
      );
    }
    await keys.add(user.path);
    const config = { IdentityAgent: keys.path, IdentitiesOnly: "no", IdentityFile: "none" };
    const text = async (command: string, options: CliClientOptions) =>
      (await cliSsh(server, [command], { ...options, config: { ...config, ...options.config } }))
        .text;

    await t.step("by trying them", async () => assertEquals(await text("echo in", {}), "in\n"));
    await t.step("by the public half that IdentityFile names", async () => {
      const half = await folder.write("half.pub", `${user.publicKey}\n`);
      const only = { IdentitiesOnly: "yes", IdentityFile: half };
      assertEquals(await text("echo in", { config: only }), "in\n");
      assertEquals(await text("echo in", { config: { ...only, IdentityFile: "none" } }), "");
    });
    await t.step("-A forwards it, -a does not", async () => {
      assertStringIncludes(await text(LIST, { flags: ["-A"] }), "user_ed25519 (ED25519)\n0");
      assertEquals(await text(`${LIST} 2>/dev/null`, { flags: ["-a"] }), "2\n");
      assertEquals(await text(`${LIST} 2>/dev/null`, {}), "2\n");
    });
    await t.step("ForwardAgent takes a path and a variable", async () => {
      const env = { OTHER_AGENT: keys.path };
      const own = { IdentityAgent: "none", IdentityFile: user.path };
      for (const ForwardAgent of [keys.path, "$OTHER_AGENT"]) {
        const said = await text(LIST, { config: { ...own, ForwardAgent }, env });
        assertStringIncludes(said, "user_ed25519 (ED25519)\n0");
      }
    });
    await t.step("not to a host with a different key", async () => {
      const { publicKey } = await keyFile("ed25519", "wrong");
      const hosts = await folder.write("hosts", `[127.0.0.1]:${server.port} ${publicKey}\n`);
      const lax = { StrictHostKeyChecking: "no", UserKnownHostsFile: hosts };
      const said = await text(`${LIST} 2>/dev/null`, { flags: ["-A"], config: lax });
      assertEquals(said, "2\n");
    });
  },
);

await peerTest(["ssh-agent"], "Our ssh forwards its agent to our server", async () => {
  await using server = await startOurs(lending);
  await using keys = await agentWithUserKey();
  const config = { IdentityAgent: keys.path };
  const ran = await cliSsh(server, [LIST], { flags: ["-A"], config });
  assertStringIncludes(ran.text, "user_ed25519 (ED25519)\n0");
});
