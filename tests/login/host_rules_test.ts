/** Accepted host keys: by the caller's options, and by the rules of settings. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { acceptAnyHostKey, connectAgent, HostKeyError, Keyring, listenAgent } from "@denossh/ssh";
import { generateKey, issueCertificate, type PublicKey, RevocationList } from "@denossh/ssh/keys";
import { agentKeys, agentPath, socketPath } from "../../lib/login/agent_keys.ts";
import { withRules } from "../../lib/login/host_key_rules.ts";
import { hostKeyPolicy, type HostKeys, verifyHostKey } from "../../lib/login/host_keys.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import type { HostKeyPolicy } from "../../lib/known_hosts/host_key_policy.ts";
import { linkPair } from "../auth/link_pair.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { tempFolder } from "../support/temp.ts";
import { testKey } from "../support/keys.ts";

const host = { hostname: "db1", port: 22 };
const ours = await generateKey("ed25519");
const other = await generateKey("ecdsa-p256");
const authority = await generateKey("ed25519");
const key = ours.publicKey;
const certificate = await issueCertificate(authority, key, {
  kind: "host",
  keyId: "db1",
  principals: ["db1"],
});

/** Why a policy refuses a key; null if it accepts. */
async function refusal(policy: HostKeyPolicy, shown: PublicKey): Promise<HostKeyError | null> {
  try {
    await verifyHostKey(policy, host, shown);
    return null;
  } catch (error) {
    if (error instanceof HostKeyError) return error;
    throw error;
  }
}

const fingerprint = key.fingerprint();
const given: [string, HostKeys, readonly string[] | null][] = [
  ["the key", key, ["ssh-ed25519"]],
  ["its line", key.toString(), ["ssh-ed25519"]],
  ["its fingerprint", fingerprint, []],
  ["its fingerprint with padding", `${fingerprint}=`, []],
  ["several keys", [other.publicKey, key, key], ["ecdsa-sha2-nistp256", "ssh-ed25519"]],
  ["several texts", [other.publicKey.fingerprint(), `${key}`], ["ssh-ed25519"]],
];
for (const [what, keys, types] of given) {
  Deno.test(`A host key given as ${what} is the only accepted one`, async () => {
    const policy = hostKeyPolicy(keys);
    assertEquals(await refusal(policy, key), null);
    const error = await refusal(policy, (await generateKey()).publicKey);
    assertEquals(error?.reason, "changed");
    assert(error!.message.includes("it differs from the given one"));
    assertEquals(await policy.knownTypes!(host), types);
  });
}

Deno.test("A function or a policy decides alone, and only true accepts", async () => {
  const asked: unknown[] = [];
  const policy = hostKeyPolicy((...args) => asked.push(args.slice(0, 2)) > 0);
  assertEquals(await refusal(policy, key), null);
  assertEquals(asked, [[host, key]]);
  const mine: HostKeyPolicy = { verify: () => true };
  assertStrictEquals(hostKeyPolicy(mine), mine);
  assertEquals(await refusal(acceptAnyHostKey(), key), null);
  for (const answer of [false, 1, "yes", {}, undefined, null]) {
    const error = await refusal({ verify: () => answer as boolean }, key);
    assertEquals(error?.reason, "refused");
    assert(error!.message.includes("it was not accepted by what hostKeys has"));
  }
});

Deno.test("An error of a policy is a refusal with that cause", async () => {
  const cause = new Error("database is down");
  const error = await refusal({ verify: () => Promise.reject(cause) }, key);
  assertStrictEquals(error?.cause, cause);
  assert(error!.message.includes("the check of it failed"));
  const own = new HostKeyError("revoked", "db1", fingerprint, "gone");
  assertStrictEquals(await refusal({ verify: () => Promise.reject(own) }, key), own);
});

Deno.test("A policy is given the signal of the connection, with and without rules", async () => {
  const { signal } = new AbortController();
  const seen: (AbortSignal | undefined)[] = [];
  const policy: HostKeyPolicy = {
    verify: (_host, _key, options) => seen.push(options?.signal) > 0,
    knownTypes(_host, options) {
      seen.push(options?.signal);
      return [];
    },
  };
  for (const each of [policy, withRules(policy, {})]) {
    await verifyHostKey(each, host, key, { signal });
    await each.knownTypes!(host, { signal });
  }
  assertEquals(seen, Array(4).fill(signal));
});

const anybody: HostKeyPolicy = { verify: () => true };

/** Why the rules refuse a key, with a file of revoked ones. */
async function revokedBy(content: string | Uint8Array, shown: PublicKey) {
  await using folder = await tempFolder();
  const file = await folder.write("revoked", content);
  return await refusal(withRules(anybody, { RevokedHostKeys: [file] }), shown);
}

Deno.test("A list of keys revokes them and their certificates, and no others", async () => {
  const list = `# lost\n\n  ${other.publicKey}\n${key}  \n`;
  for (const shown of [key, certificate, other.publicKey]) {
    assertEquals((await revokedBy(list, shown))?.reason, "revoked");
  }
  assertEquals(await revokedBy(list, authority.publicKey), null);
  assertEquals(await revokedBy("", key), null);
  assertEquals((await revokedBy(`${certificate}\n`, certificate))?.reason, "revoked");
  // A line with a certificate applies to its key, which is stricter than ssh.
  assertEquals((await revokedBy(`${certificate}\n`, key))?.reason, "revoked");
});

Deno.test("A list of ssh-keygen revokes its entries, and a truncated one revokes everything", async () => {
  const list = RevocationList.of({ keys: [key] }).encode();
  assertEquals((await revokedBy(list, key))?.reason, "revoked");
  assertEquals(await revokedBy(list, other.publicKey), null);
  const cut = await revokedBy(list.slice(0, -1), other.publicKey);
  assertEquals(cut?.reason, "refused");
  assert(!cut!.message.includes("cannot be read"), cut!.message);
});

Deno.test("An unreadable or malformed list refuses every key", async () => {
  const noise = await revokedBy(`${other.publicKey}\nnoise\n`, key);
  assertEquals(noise?.reason, "refused");
  assert(noise!.message.includes("RevokedHostKeys"));
  const missing = withRules(anybody, { RevokedHostKeys: ["/nonexistent/revoked"] });
  const error = await refusal(missing, key);
  assertEquals(error?.reason, "refused");
  assert(error!.message.includes("it cannot be read"), error!.message);
  assert(error!.cause instanceof Deno.errors.NotFound);
});

Deno.test("The lists of all files are applied", async () => {
  await using folder = await tempFolder();
  const files = [
    await folder.write("one", `${other.publicKey}\n`),
    await folder.write("two", `${key}\n`),
  ];
  const policy = withRules(anybody, { RevokedHostKeys: files });
  const error = await refusal(policy, key);
  assert(error!.message.includes(`it is in ${files[1]}`), error!.message);
});

Deno.test("On loopback, too, rules refuse a revoked key and a signature that is not allowed", async () => {
  await using folder = await tempFolder();
  const revoked = await folder.write("revoked", `${key}\n`);
  const rules: [settings: LoginSettings, shown: PublicKey, reason: string][] = [
    [{ RevokedHostKeys: [revoked] }, key, "revoked"],
    [{ CASignatureAlgorithms: "ecdsa-sha2-nistp256" }, certificate, "refused"],
  ];
  for (const [settings, shown, reason] of rules) {
    const policy = withRules(anybody, { ...settings, NoHostAuthenticationForLocalhost: true });
    const error = await assertRejects(
      async () => await policy.verify({ hostname: "127.0.0.1", port: 22 }, shown),
      HostKeyError,
    );
    assertEquals(error.reason, reason);
  }
});

Deno.test("Rules pass on types and updates of the policy, if it has them", async () => {
  const updates: unknown[] = [];
  const policy: HostKeyPolicy = {
    verify: () => true,
    knownTypes: (at) => [at.hostname],
    update(...args) {
      updates.push(this, args);
    },
  };
  const ruled = withRules(policy, {});
  assertEquals(await ruled.knownTypes!(host), ["db1"]);
  const prove = () => Promise.resolve();
  await ruled.update!(host, key, [], prove);
  assertStrictEquals(updates[0], policy); // which may be an instance of a class
  assertEquals(updates.slice(1), [[host, key, [], prove]]);
  const bare = withRules(anybody, {});
  assertEquals([await bare.knownTypes!(host), bare.update], [[], undefined]);
});

Deno.test("RequiredRSASize applies only to RSA keys, by bits", async () => {
  using rsa = await testKey("rsa");
  for (const [bits, accepted] of [[2048, true], [2049, false]] as const) {
    const policy = withRules(anybody, { RequiredRSASize: bits });
    assertEquals(await refusal(policy, rsa.publicKey) === null, accepted);
    assertEquals(await refusal(policy, key), null);
  }
});

Deno.test("The first 32 keys of an agent are used, in its order", async () => {
  using keyring = new Keyring();
  const keys = await Promise.all(Array.from({ length: 33 }, () => generateKey("ed25519")));
  for (const each of keys) keyring.add(each);
  await using agent = await listenAgent(keyring);
  const found = await agentKeys({ IdentityAgent: agent.path });
  assertEquals(found.problem, null);
  const fingerprints = found.keys.map(({ publicKey }) => publicKey.fingerprint());
  assertEquals(fingerprints, keys.slice(0, 32).map(({ publicKey }) => publicKey.fingerprint()));
});

Deno.test("A key of the agent signs over a separate connection, bound to the host", async () => {
  using keyring = new Keyring();
  keyring.add(ours);
  await using agent = await listenAgent(keyring);
  const { keys: [signer] } = await agentKeys({ IdentityAgent: agent.path });
  const data = new Uint8Array(32);
  const signature = await signer!.sign("ssh-ed25519", data);
  assert(key.verify("ssh-ed25519", data, signature));
  const { client } = linkPair();
  const bound = await signer!.sign("ssh-ed25519", data, { host: client.host });
  assert(key.verify("ssh-ed25519", data, bound));
  const aborted = AbortSignal.abort(new Error("enough"));
  await assertRejects(async () => await signer!.sign("ssh-ed25519", data, { signal: aborted }));
  // The agent is contacted again for each signature.
  await using again = await connectAgent(agent.path);
  await again.removeAll();
  await assertRejects(async () => await signer!.sign("ssh-ed25519", data));
});

Deno.test("The agent's socket is a path or a variable, which may be empty", () => {
  using _env = fakeEnv({ SSH_AUTH_SOCK: "/run/usual", MINE: "/run/mine", EMPTY: "" });
  assertEquals(agentPath({}), "/run/usual");
  assertEquals(agentPath({ IdentityAgent: "SSH_AUTH_SOCK" }), "/run/usual");
  assertEquals(agentPath({ IdentityAgent: "$MINE" }), "/run/mine");
  assertEquals(agentPath({ IdentityAgent: "${MINE}" }), "/run/mine");
  assertEquals(agentPath({ IdentityAgent: "NONE" }), null);
  assertEquals(agentPath({ IdentityAgent: "$EMPTY" }), null);
  assertEquals(socketPath("x$MINE"), "x$MINE");
  assertEquals(socketPath("$MINE/x"), "$MINE/x");
});
