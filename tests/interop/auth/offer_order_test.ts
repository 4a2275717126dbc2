/** Compares the keys that connect() and OpenSSH's client offer with the same settings, and their order. */
import { assertEquals } from "@std/assert";
import { AuthError, connect, Keyring, listenAgent } from "@denossh/ssh";
import { generateKey, issueCertificate } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";
import { peerTest } from "../harness/peers.ts";
import { run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

const keys = {
  a: await generateKey("ed25519"),
  b: await generateKey("ecdsa-p256"),
  c: await generateKey("ed25519"),
  d: await generateKey("ecdsa-p384"),
  e: await generateKey("ed25519"),
};
type Name = keyof typeof keys;
const authority = await generateKey();
const certificate = (name: Name) =>
  issueCertificate(authority, keys[name].publicKey, {
    kind: "user",
    keyId: name,
    principals: ["me"],
  });

/** Settings, with paths relative to the folder of the keys, and the agent's keys in their order. */
interface Case {
  readonly settings: string;
  readonly agent?: readonly Name[];
}

const cases: Record<string, Case> = {
  "files in the order of the settings": { settings: "IdentityFile b\nIdentityFile a" },
  "an encrypted file": { settings: "IdentityFile locked\nIdentityFile a", agent: ["e"] },
  "an encrypted file that only the agent can use": {
    settings: "IdentityFile b\nIdentityFile locked\nIdentitiesOnly yes",
    agent: ["d", "e"],
  },
  "keys of the agent that are named, others, and files": {
    settings: "IdentityFile a\nIdentityFile b\nIdentityFile c",
    agent: ["d", "c", "e", "b"],
  },
  "IdentitiesOnly": {
    settings: "IdentitiesOnly yes\nIdentityFile a\nIdentityFile c.pub\nIdentityFile b",
    agent: ["d", "c", "b"],
  },
  "CertificateFile": {
    settings: "CertificateFile b-certificate\nIdentityFile a\nIdentityFile b",
    agent: ["c", "b"],
  },
  "files that cannot be used": {
    settings: "IdentityFile missing\nIdentityFile empty\nIdentityFile folder\nIdentityFile a",
  },
  "PubkeyAcceptedAlgorithms": {
    settings: "PubkeyAcceptedAlgorithms ecdsa-sha2-*\nIdentityFile a\nIdentityFile b",
    agent: ["e", "d"],
  },
  "no key at all": { settings: "IdentityFile none\nIdentityAgent none", agent: ["a"] },
};

await peerTest(["ssh"], "connect() offers the same keys as ssh, in the same order", async (t) => {
  await using world = await offerWorld();
  for (const [name, each] of Object.entries(cases)) {
    await t.step(name, async () => {
      const { ssh, ours } = await world.offers(each);
      assertEquals(ours, ssh);
    });
  }
});

await peerTest(
  ["ssh"],
  "connect() offers the certificate of a key file before the key",
  async () => {
    await using world = await offerWorld();
    await world.write("a-cert.pub", `${await certificate("a")}\n`);
    await world.write("c.pub", `${await certificate("c")}\n`);
    const { ssh, ours } = await world.offers({ settings: "IdentityFile a\nIdentityFile c" });
    assertEquals(ours, ["a certificate", "a", "c certificate", "c"]);
    // ssh offers the key first, and no key if KEY.pub is a certificate of it.
    assertEquals(ssh, ["a", "a certificate", "c certificate"]);
  },
);

/** A server that accepts no key, and key files in a folder. */
async function offerWorld() {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  for (const name of ["a", "b", "c"] as const) {
    await folder.write(name, keys[name].export());
    await folder.write(`${name}.pub`, `${keys[name].publicKey}\n`);
  }
  const locked = keys.e.export({ passphrase: "secret", rounds: 1 });
  await folder.write("locked", locked);
  await folder.write("empty", "");
  await Deno.mkdir(folder.join("folder"), { mode: 0o700 });
  await folder.write("b-certificate", `${await certificate("b")}\n`);
  const hostKey = await generateKey();
  let offered: string[] = [];
  const server = stack.use(serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    maxAuthTries: 100,
    penalties: false,
    auth: {
      publicKey: (_user, key) => {
        const fingerprint = key.fingerprint();
        const name = Object.keys(keys)
          .find((name) => keys[name as Name].publicKey.fingerprint() === fingerprint);
        offered.push(`${name}${key.certificate ? " certificate" : ""}`);
        return false;
      },
    },
  }));
  const { port } = server.addr as Deno.NetAddr;
  await folder.write("known_hosts", `[127.0.0.1]:${port} ${hostKey.publicKey}\n`);
  const parts = stack.move();

  async function offers({ settings, agent = [] }: Case) {
    using keyring = new Keyring();
    for (const name of agent) {
      // A wrapper, since the keyring wipes its keys at the end.
      const { publicKey, sign } = keys[name];
      keyring.add({ publicKey, sign: sign.bind(keys[name]) });
    }
    await using listener = await listenAgent(keyring);
    const path = (line: string) =>
      line.replace(/^(IdentityFile|CertificateFile) (?!none)/, `$1 ${folder.path}/`);
    const config = await folder.write(
      "config",
      [
        ...settings.split("\n").map(path),
        "HostName 127.0.0.1",
        `Port ${port}`,
        "User me",
        "BatchMode yes",
        `IdentityAgent ${listener.path}`,
        `UserKnownHostsFile ${folder.path}/known_hosts`,
        "GlobalKnownHostsFile /dev/null",
        "UpdateHostKeys no",
        "PreferredAuthentications publickey",
      ].join("\n"),
    );
    offered = [];
    const ran = await run("ssh", ["-F", config, "host", "true"]);
    assertEquals(ran.code, 255, ran.stderr);
    const ssh = offered;
    offered = [];
    const error = await connect("host", { config }).then(() => null, (error) => error);
    if (!(error instanceof AuthError)) throw error ?? new Error("The login succeeded");
    return { ssh, ours: offered };
  }

  return {
    offers,
    write: folder.write,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
