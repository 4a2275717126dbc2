/** Hosts on ports other than 22: matched by their own lines, or by those without a port. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { HostKeyError } from "@denossh/ssh";
import { generateKey, type PublicKey } from "@denossh/ssh/keys";
import { KnownHosts, knownHosts, type KnownHostsSource } from "@denossh/ssh/known-hosts";
import { tempFolder } from "../support/temp.ts";

using first = await generateKey("ed25519");
using second = await generateKey("ecdsa-p256");
const [key, other] = [first.publicKey, second.publicKey];

const bare = (key: PublicKey) => `${KnownHosts.line("db1", 22, key)}\n`;
const ported = (key: PublicKey) => `${KnownHosts.line("db1", 2222, key)}\n`;

/** The verdict of a policy with files of these texts on a key of db1. */
async function verdict(texts: string[], port: number, source?: KnownHostsSource): Promise<string> {
  await using folder = await tempFolder();
  const paths = await Promise.all(texts.map((text, at) => folder.write(`hosts${at}`, text)));
  const policy = knownHosts(paths, source && { source });
  try {
    assertEquals(await policy.verify({ hostname: "db1", port }, key), true);
    return "trusted";
  } catch (error) {
    assert(error instanceof HostKeyError);
    assertEquals(error.host, port === 22 ? "db1" : `[db1]:${port}`);
    return error.reason;
  }
}

const verdicts: [name: string, texts: string[], port: number, verdict: string][] = [
  ["the key of the port", [ported(key)], 2222, "trusted"],
  ["the key of port 22 where the port is unknown", [bare(key)], 2222, "trusted"],
  ["another key of port 22: the port stays unknown", [bare(other)], 2222, "unknown"],
  ["another key of the port, whatever port 22 has", [ported(other) + bare(key)], 2222, "changed"],
  ["the same from another file", [ported(other), bare(key)], 2222, "changed"],
  ["a key of the port, whatever port 22 has", [bare(other) + ported(key)], 2222, "trusted"],
  ["the key of another port", [ported(key)], 22, "unknown"],
  ["a key that port 22 has revoked", [`@revoked db1 ${key}\n${ported(key)}`], 2222, "revoked"],
  ["another key of port 22", [bare(other)], 22, "changed"],
  ["the key in one of two files", [bare(other), bare(key)], 22, "trusted"],
];
for (const [name, texts, port, expected] of verdicts) {
  Deno.test(`knownHosts on port ${port} returns ${expected} for ${name}`, async () => {
    assertEquals(await verdict(texts, port), expected);
  });
}

Deno.test("A source is equal to the files, except for names without a port", async () => {
  const source = (text: string): KnownHostsSource => ({
    name: "the inventory",
    find: () => Promise.resolve(KnownHosts.parse(text)),
  });
  assertEquals(await verdict([], 22, source(bare(key))), "trusted");
  assertEquals(await verdict([""], 22, source(bare(other))), "changed");
  assertEquals(await verdict([bare(other)], 22, source(bare(key))), "trusted");
  assertEquals(await verdict([bare(key)], 22, source(`@revoked * ${key}`)), "revoked");
  assertEquals(await verdict([""], 2222, source(ported(key))), "trusted");
  assertEquals(await verdict([bare(key)], 2222, source(ported(other))), "changed");
  assertEquals(await verdict([""], 2222, source(bare(key))), "unknown");
});

Deno.test("A source is called without a key, then with it, and is named in the error", async () => {
  const asked: (string | undefined)[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const source: KnownHostsSource = {
    name: "the inventory",
    find({ hostname, port }, shown, options) {
      asked.push(`${hostname} ${port} ${shown?.type}`);
      signals.push(options?.signal);
      return Promise.resolve(KnownHosts.parse(ported(other)));
    },
  };
  const policy = knownHosts([], { source });
  const host = { hostname: "db1", port: 2222 };
  const { signal } = new AbortController();
  assertEquals(await policy.knownTypes!(host, { signal }), ["ecdsa-sha2-nistp256"]);
  const error = await assertRejects(
    async () => await policy.verify(host, key, { signal }),
    HostKeyError,
  );
  assertStringIncludes(error.message, "the inventory line 1");
  assertEquals(asked, ["db1 2222 undefined", "db1 2222 ssh-ed25519"]);
  assertEquals(signals, [signal, signal]);
});

Deno.test("A failing source fails the check", async () => {
  const source = { name: "x", find: () => Promise.reject(new Error("no answer")) };
  const policy = knownHosts([], { source });
  const host = { hostname: "db1", port: 22 };
  await assertRejects(async () => await policy.verify(host, key), Error, "no answer");
  await assertRejects(async () => await policy.knownTypes!(host), Error, "no answer");
});

Deno.test("The types of a port are from its own lines, otherwise from those of port 22", async () => {
  await using folder = await tempFolder();
  const types = async (text: string, port: number) => {
    const path = await folder.write("hosts", text);
    return await knownHosts([path, folder.join("none")]).knownTypes!({ hostname: "db1", port });
  };
  const both = bare(other) + ported(key);
  assertEquals(await types(both, 22), ["ecdsa-sha2-nistp256"]);
  assertEquals(await types(both, 2222), ["ssh-ed25519"]);
  assertEquals(await types(both, 2223), ["ecdsa-sha2-nistp256"]);
  assertEquals(await types(ported(key), 22), []);
});
