/** Host keys are trusted only for `true`, since policies may be written in JavaScript. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { HostKeyError, type HostKeyPolicy } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { KnownHosts, knownHosts } from "@denossh/ssh/known-hosts";
import { hostKeyPolicy, type HostKeys, verifyHostKey } from "../../lib/login/host_keys.ts";
import { withRules } from "../../lib/login/host_key_rules.ts";
import { tempFolder } from "../support/temp.ts";

using keyPair = await generateKey("ed25519");
using otherPair = await generateKey("ed25519");
const [key, other] = [keyPair.publicKey, otherPair.publicKey];
const host = { hostname: "db1", port: 22 };

/** Truthy values, and texts that look true. */
const ALMOST: unknown[] = [1, "true", "yes", {}, [], new Boolean(true), () => true, Symbol("true")];
const NO: unknown[] = [false, undefined, null, 0, "", NaN];
const ANSWERS: [name: string, answer: () => unknown][] = [...ALMOST, ...NO].flatMap((value) => [
  [`${typeof value} ${JSON.stringify(value)}`, () => value],
  [`a promise of ${typeof value} ${JSON.stringify(value)}`, () => Promise.resolve(value)],
]);

for (const [name, answer] of ANSWERS) {
  Deno.test(`A host key is refused for anything but true: ${name}`, async () => {
    const verify = answer as HostKeyPolicy["verify"];
    const ways: HostKeys[] = [verify, { verify }, withRules({ verify }, {})];
    for (const way of ways) {
      const error = await assertRejects(
        () => verifyHostKey(hostKeyPolicy(way), host, key),
        HostKeyError,
      );
      assertEquals(error.reason, "refused");
    }
  });

  Deno.test(`A file is not changed for anything but true: ${name}`, async () => {
    await using folder = await tempFolder();
    const text = KnownHosts.line("db1", 22, key) + "\n";
    const path = await folder.write("hosts", text);
    const policy = knownHosts(path, {
      unknown: answer as () => boolean,
      update: answer as () => boolean,
    });
    const error = await assertRejects(
      async () => await policy.verify({ hostname: "db2", port: 22 }, key),
      HostKeyError,
    );
    assertEquals(error.reason, "unknown");
    await policy.update!(host, key, [key, other], () => Promise.resolve());
    assertEquals(await Deno.readTextFile(path), text);
  });
}

Deno.test("A truthy option adds no key, but is refused", () => {
  for (const unknown of [true, "yes", "Add", 1, {}]) {
    assertThrows(
      () => knownHosts("hosts", { unknown: unknown as "add" }),
      TypeError,
      "unknown must",
    );
  }
});

Deno.test("A new key is learned with its port, in the first of several files", async () => {
  await using folder = await tempFolder();
  const files = ["first", "second"].map((name) => folder.join(name));
  const policy = knownHosts(files, { unknown: "add" });
  assertEquals(await policy.verify({ hostname: "db1", port: 2222 }, key), true);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["first"]);
  const line = KnownHosts.line("db1", 2222, key);
  assertEquals(await Deno.readTextFile(files[0]!), `${line}\n`);
});

for (const answer of [() => true, () => Promise.resolve(true)]) {
  Deno.test(`A host key is accepted and learned for true: ${answer}`, async () => {
    await using folder = await tempFolder();
    const path = folder.join("hosts");
    await verifyHostKey(hostKeyPolicy(answer), host, key);
    const policy = knownHosts(path, { unknown: answer, update: answer });
    assertEquals(await policy.verify(host, key), true);
    await policy.update!(host, key, [key, other], () => Promise.resolve());
    const lines = [key, other].map((key) => KnownHosts.line("db1", 22, key) + "\n");
    assertEquals(await Deno.readTextFile(path), lines.join(""));
  });
}
