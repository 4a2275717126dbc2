/**
 * Keys restricted to hosts (`ssh-add -h`), over one hop and two: our keyring permits OpenSSH's and our
 * programs exactly what ssh-agent permits.
 */
import { assertEquals } from "@std/assert";
import { connectAgent, type KeyDestination, Keyring, listenAgent } from "@denossh/ssh";
import { importPrivateKey, importPublicKey } from "@denossh/ssh/keys";
import { startSshAgent } from "./ssh_agent.ts";
import { cliSsh } from "../../cli/world.ts";
import { keyFile } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { peerTest } from "../harness/peers.ts";
import { must } from "../../support/run.ts";
import { type Sshd, startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

/** The logins that a restricted key permits. */
interface Verdict {
  /** Whether it logs in to A, to B, and from A to B with the agent forwarded. */
  readonly logins: string;
  /** Whether programs on A see it. */
  readonly seenOnA: boolean;
}

interface World extends AsyncDisposable {
  readonly a: Sshd;
  readonly b: Sshd;
  readonly knownHosts: string;
  /** The key file. */
  readonly key: string;
}

/** Two servers that accept the same key and have different host keys. */
async function twoHosts(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const { path: key, publicKey } = await keyFile("ecdsa256", "bound");
  const authorized = [publicKey];
  const a = stack.use(await startSshd({ hostKeys: ["ecdsa256", "ecdsa384"], authorized }));
  const b = stack.use(await startSshd({ hostKeys: ["ed25519"], authorized }));
  const known = await Promise.all([a, b].map((host) => Deno.readTextFile(host.knownHosts)));
  const knownHosts = await folder.write("known_hosts", known.join(""));
  const parts = stack.move();
  return { a, b, key, knownHosts, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

const nameOf = ({ port }: Sshd) => `[127.0.0.1]:${port}`;

/** Tries each way with OpenSSH's client, or with ours. */
async function judge(agent: string, world: World, client: "ssh" | "ours"): Promise<Verdict> {
  const { a, b, knownHosts } = world;
  const through = (host: Sshd, command: string, config: Record<string, string>) =>
    client === "ssh"
      ? runClient("ssh", host, [command], { config })
      : cliSsh(host, [command], { config });
  const logIn = async (host: Sshd) => {
    const config = { IdentityAgent: agent, IdentitiesOnly: "no", IdentityFile: "none" };
    return (await through(host, "echo in", config)).text === "in\n";
  };
  const hop = `ssh -F none -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${knownHosts} ` +
    `-o BatchMode=yes -o IdentityFile=none -p ${b.port} 127.0.0.1 echo in`;
  const onA = await through(a, `ssh-add -l; ${hop}`, {
    IdentityAgent: agent, // ssh forwards an agent only if it has one
    ForwardAgent: agent,
  });
  const ways = { A: await logIn(a), B: await logIn(b), "A>B": /^in$/m.test(onA.text) };
  return {
    logins: Object.entries(ways).filter(([, works]) => works).map(([way]) => way).join(" "),
    seenOnA: onA.text.includes("bound_ecdsa256"),
  };
}

/** Arguments of `ssh-add -h`, with hosts named A and B, and the logins that they permit. */
const cases: [string, string[], Verdict][] = [
  ["A alone", ["A"], { logins: "A", seenOnA: false }],
  ["A, and B from there", ["A", "A>USER@B"], { logins: "A A>B", seenOnA: true }],
  // The key may not be used for the hop to A, so not from A either.
  ["B from A, without A", ["A>B"], { logins: "", seenOnA: false }],
  ["another user of B from A", ["A", "A>else@B"], { logins: "A", seenOnA: true }],
  ["another user of A, and B", ["else*@A", "B"], { logins: "B", seenOnA: false }],
];

await peerTest(
  ["sshd", "ssh", "ssh-agent"],
  "A key from ssh-add -h is used exactly where ssh-agent permits it",
  async (t) => {
    await using world = await twoHosts();
    const { a, b } = world;
    for (const [name, destinations, expected] of cases) {
      await t.step(name, async () => {
        const names: Record<string, string> = { A: nameOf(a), B: nameOf(b), USER: a.user };
        const flags = destinations.flatMap((ways) => [
          "-h",
          ways.replace(/[A-Z]+/g, (name) => names[name]!),
        ]);
        const args = ["-q", "-H", world.knownHosts, ...flags, world.key];
        using keyring = new Keyring();
        await using listener = await listenAgent(keyring);
        await must("ssh-add", args, { env: { SSH_AUTH_SOCK: listener.path } });
        await using theirs = await startSshAgent();
        await must("ssh-add", args, { env: { SSH_AUTH_SOCK: theirs.path } });
        const verdicts = await Promise.all(
          [listener.path, theirs.path].map((path) => judge(path, world, "ssh")),
        );
        assertEquals(verdicts, [expected, expected]);
      });
    }
  },
);

await peerTest(
  ["sshd", "ssh", "ssh-agent"],
  "A key that we restrict to hosts is used only there, by our client and by OpenSSH's",
  async () => {
    await using world = await twoHosts();
    const { a, b } = world;
    const keysOf = (host: Sshd) =>
      Object.values(host.hostKeys).map(({ publicKey }) => importPublicKey(publicKey));
    const bastion = { hostname: "bastion", hostKeys: keysOf(a) };
    const inner = { hostname: "inner", hostKeys: keysOf(b), user: b.user };
    const destinations: KeyDestination[] = [{ to: bastion }, { from: bastion, to: inner }];
    using keyring = new Keyring();
    await using listener = await listenAgent(keyring);
    await using theirs = await startSshAgent();
    using key = importPrivateKey(await Deno.readTextFile(world.key));
    for (const path of [listener.path, theirs.path]) {
      await using client = await connectAgent(path);
      await client.add(key, { destinations });
      assertEquals(await judge(path, world, "ours"), { logins: "A A>B", seenOnA: true });
    }
  },
);
