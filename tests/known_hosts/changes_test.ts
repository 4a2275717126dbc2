/** UpdateHostKeys: how a file changes with the keys that a host announces, and when it does not. */
import { assertEquals, assertRejects } from "@std/assert";
import { generateKey, issueCertificate, type PublicKey } from "@denossh/ssh/keys";
import {
  type HostKeyChanges,
  KnownHosts,
  knownHosts,
  type KnownHostsOptions,
} from "@denossh/ssh/known-hosts";
import { tempFolder } from "../support/temp.ts";

const pairs = await Promise.all(Array.from({ length: 4 }, () => generateKey("ed25519")));
const [shown, added, gone, authority] = pairs.map(({ publicKey }) => publicKey) as [
  PublicKey,
  PublicKey,
  PublicKey,
  PublicKey,
];
const options = { kind: "host", keyId: "db1", principals: ["db1"] } as const;
const certificate = await issueCertificate(pairs[3]!, shown, options);

const line = (key: PublicKey, port = 22) => `${KnownHosts.line("db1", port, key)}\n`;

interface Case {
  text: string;
  shown?: PublicKey;
  announced: PublicKey[];
  port?: number;
  update?: KnownHostsOptions["update"];
}

/** The file after an update, and the keys that had to be proved. */
async function updated(
  { text, announced, port = 22, update = true, ...rest }: Case,
  prove: () => Promise<void> = () => Promise.resolve(),
): Promise<{ after: string; proved: PublicKey[][] }> {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", text);
  const policy = knownHosts([path, folder.join("second")], { update });
  const proved: PublicKey[][] = [];
  await policy.update!({ hostname: "db1", port }, rest.shown ?? shown, announced, async (keys) => {
    proved.push([...keys]);
    await prove();
  });
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["hosts"]);
  return { after: await Deno.readTextFile(path), proved };
}

Deno.test("A new key is proved, then added; a missing one is removed", async () => {
  const text = line(shown) + line(gone);
  assertEquals(await updated({ text, announced: [added, shown] }), {
    after: line(shown) + line(added),
    proved: [[added]],
  });
});

Deno.test("No proof is needed if keys are only removed", async () => {
  const text = line(shown) + line(gone);
  assertEquals(await updated({ text, announced: [shown] }), { after: line(shown), proved: [] });
});

Deno.test("Keys of another port or host do not count as this host's", async () => {
  const others = `db2 ${gone}\n${line(gone, 2222)}`;
  const { after } = await updated({ text: others + line(shown), announced: [shown, added] });
  assertEquals(after, others + line(shown) + line(added));
  const ported = await updated({
    text: line(shown, 2222) + line(gone),
    announced: [shown, added],
    port: 2222,
  });
  assertEquals(ported.after, line(shown, 2222) + line(gone) + line(added, 2222));
});

const nothing: [name: string, Case][] = [
  ["the key that was shown is not in the file", { text: line(gone), announced: [shown, added] }],
  ["the file knows nothing of the host", { text: `db2 ${shown}\n`, announced: [shown, added] }],
  ["the key that was shown is known for another port", {
    text: line(shown),
    announced: [shown, added],
    port: 2222,
  }],
  ["the key that was shown is not announced", { text: line(shown), announced: [added] }],
  ["the host announces nothing", { text: line(shown) + line(gone), announced: [] }],
  ["a certificate was shown", {
    text: line(shown),
    shown: certificate,
    announced: [shown, added],
  }],
  ["a certificate was shown that stands in the file", {
    text: `db1 ${certificate}\n`,
    shown: certificate,
    announced: [certificate, added],
  }],
  ["an authority vouches for the host", {
    text: `${line(shown)}@cert-authority *1 ${authority}\n`,
    announced: [shown, added],
  }],
  ["a wildcard stands for the host", {
    text: `${line(shown)}db* ${gone}\n`,
    announced: [shown, added],
  }],
  ["a line is about two hosts", {
    text: `${line(shown)}db1,db2 ${gone}\n`,
    announced: [shown, added],
  }],
  ["the keys are those that are known", {
    text: line(shown) + line(gone),
    announced: [gone, shown],
  }],
  ["a revoked key is not announced", {
    text: `${line(shown)}@revoked db1 ${gone}\n`,
    announced: [shown],
  }],
  ["the only new key is revoked", {
    text: `${line(shown)}@revoked * ${added}\n`,
    announced: [shown, added],
  }],
];
for (const [name, given] of nothing) {
  Deno.test(`A file is not changed, and nothing is proved, if ${name}`, async () => {
    const asked: HostKeyChanges[] = [];
    const update = (_host: unknown, changes: HostKeyChanges) => asked.push(changes) > 0;
    assertEquals(await updated({ ...given, update }), { after: given.text, proved: [] });
    assertEquals(asked, []);
  });
}

Deno.test("An authority or a wildcard for other hosts changes nothing", async () => {
  const text = `@cert-authority web* ${authority}\nweb* ${gone}\n@revoked * ${gone}\n${
    line(shown)
  }`;
  const { after } = await updated({ text, announced: [shown, added, gone] });
  assertEquals(after, text + line(added));
});

Deno.test("If a key is not proved, the whole update changes nothing", async () => {
  const text = line(shown) + line(gone);
  await using folder = await tempFolder();
  const path = await folder.write("hosts", text);
  const asked: HostKeyChanges[] = [];
  const policy = knownHosts(path, { update: (_host, changes) => asked.push(changes) > 0 });
  const lie = () => Promise.reject(new Error("not proved"));
  await assertRejects(
    async () => await policy.update!({ hostname: "db1", port: 22 }, shown, [shown, added], lie),
    Error,
    "not proved",
  );
  assertEquals([await Deno.readTextFile(path), asked], [text, []]);
});

Deno.test("A function is called with the new and the removed keys, and awaited", async () => {
  const asked: HostKeyChanges[] = [];
  const text = line(shown) + line(gone);
  for (const answer of [false, true]) {
    const { after } = await updated({
      ...{ text, announced: [shown, added] },
      update: (host, changes) => {
        assertEquals(host, { hostname: "db1", port: 22 });
        asked.push(changes);
        return Promise.resolve(answer);
      },
    });
    assertEquals(after, answer ? line(shown) + line(added) : text);
  }
  const names = asked.map(({ added, removed }) => [...added, ...removed].map(String));
  assertEquals(names, [[added, gone].map(String), [added, gone].map(String)]);
});

Deno.test("Without the option there is no update to call", () => {
  assertEquals("update" in knownHosts("hosts"), false);
  assertEquals("update" in knownHosts("hosts", { update: false }), false);
  assertEquals("update" in knownHosts("hosts", { update: true }), true);
});
