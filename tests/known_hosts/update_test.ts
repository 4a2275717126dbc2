/** Updates of known host keys: hostkeys-00@openssh.com between our two roles. */
import { assert, assertEquals } from "@std/assert";
import {
  type AlgorithmOptions,
  type HostKeyPolicy,
  knownHosts,
  type KnownHostsOptions,
} from "@denossh/ssh";
import { generateKey, type PrivateKey, type PublicKey, type Signer } from "@denossh/ssh/keys";
import { KnownHosts } from "@denossh/ssh/known-hosts";
import { connectedPair } from "@denossh/ssh/testing";
import { tempFolder } from "../support/temp.ts";

const [first, second, third] = await Promise.all(
  (["ed25519", "ecdsa-p256", "ed25519"] as const).map((type) => generateKey(type)),
) as [PrivateKey, PrivateKey, PrivateKey];

const lineOf = (key: PublicKey, host = "localhost") => KnownHosts.line(host, 22, key) + "\n";

/** The file after a client with `text` has connected to a server with these keys. */
async function learned(
  text: string,
  hostKeys: readonly Signer[],
  options: KnownHostsOptions = { update: true },
  algorithms: AlgorithmOptions = {},
): Promise<string> {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", text);
  const known = knownHosts(path, options);
  const over = Promise.withResolvers<void>();
  const policy: HostKeyPolicy = {
    ...known,
    update: async (...args) => {
      try {
        await known.update?.(...args);
      } catch {
        // The file is not changed.
      } finally {
        over.resolve();
      }
    },
  };
  await using _pair = await connectedPair({
    serve: { hostKeys },
    connect: { hostname: "localhost", hostKeys: policy, algorithms },
  });
  await over.promise;
  return await Deno.readTextFile(path);
}

Deno.test("A client adds the keys that a server proves, and removes missing ones", async () => {
  const before = `# mine\n${lineOf(first.publicKey)}${lineOf(third.publicKey)}`;
  const after = `# mine\n${lineOf(first.publicKey)}${lineOf(second.publicKey)}`;
  assertEquals(await learned(before, [first, second]), after);
});

Deno.test("A client adds no keys that its host key algorithms exclude, and removes known ones", async () => {
  const algorithms = { hostKey: "ssh-ed25519" };
  const before = lineOf(first.publicKey) + lineOf(second.publicKey);
  const pruned = await learned(before, [first, second], { update: true }, algorithms);
  assertEquals(pruned, lineOf(first.publicKey));
  assertEquals(await learned(pruned, [first, second], { update: true }, algorithms), pruned);
  assertEquals(await learned(before, [first, second], { update: true }, {}), before);
});

Deno.test("A client adds nothing by default", async () => {
  const before = lineOf(first.publicKey);
  assertEquals(await learned(before, [first, second], {}), before);
  assertEquals(await learned(before, [first, second], { update: () => false }), before);
});

Deno.test("An added key is hashed if the known ones are, or if configured", async () => {
  const hashed = KnownHosts.line("localhost", 22, first.publicKey, { hash: true }) + "\n";
  for (const [text, hash] of [[hashed, false], [lineOf(first.publicKey), true]] as const) {
    const after = await learned(text, [first, second], { update: true, hash });
    assert(after.slice(text.length).startsWith("|1|"), after);
  }
});

const untouched: [string, string][] = [
  ["a pattern", `local* ${first.publicKey}\n`],
  ["several names", `localhost,other ${first.publicKey}\n`],
  ["an authority", `@cert-authority localhost ${third.publicKey}\n${lineOf(first.publicKey)}`],
];
for (const [name, text] of untouched) {
  Deno.test(`A server's announcement changes no lines with ${name}`, async () => {
    assertEquals(await learned(text, [first, second]), text);
  });
}

Deno.test("A revoked key is not added", async () => {
  const text = `${lineOf(first.publicKey)}@revoked * ${second.publicKey}\n`;
  assertEquals(await learned(text, [first, second]), text);
});

Deno.test("A key of an unknown type is not removed", async () => {
  const text = `${lineOf(first.publicKey)}localhost ssh-new AAAAB3NzaC1uZXc=\n`;
  const after = await learned(text, [first, second]);
  assertEquals(after, text + lineOf(second.publicKey));
});

Deno.test("No key is added if the server cannot prove one", async () => {
  const text = lineOf(first.publicKey) + lineOf(third.publicKey);
  const liar: Signer = {
    publicKey: second.publicKey,
    sign: (_algorithm, data) => first.sign("ssh-ed25519", data),
  };
  const broken: Signer = {
    publicKey: second.publicKey,
    sign: () => Promise.reject(new Error("no token")),
  };
  for (const signer of [liar, broken]) {
    assertEquals(await learned(text, [first, signer]), text);
  }
});
