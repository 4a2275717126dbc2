import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Keyring, listenAgent, RequestDeniedError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { MSG } from "../../lib/wire/numbers.ts";
import { PublicKeySigned } from "../../lib/wire/requests.ts";
import { agentKeys, agentPath, socketPath } from "../../lib/login/agent_keys.ts";
import { tempFolder } from "../support/temp.ts";

/** An agent that accepts connections and never answers. */
async function silentAgent() {
  const folder = await tempFolder();
  const path = folder.join("agent");
  const listener = Deno.listen({ transport: "unix", path });
  return {
    path,
    accept: () => listener.accept(),
    async [Symbol.asyncDispose]() {
      listener.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("An agent that does not answer in time is a problem, not an error", async () => {
  await using agent = await silentAgent();
  const accepted = agent.accept();
  const { keys, problem } = await agentKeys({ IdentityAgent: agent.path }, { timeout: 1 });
  (await accepted).close();
  assertEquals(keys, []);
  assertMatch(problem!, /^Cannot use the agent: /);
});

Deno.test("An abort during a request to the agent rejects with its reason", async () => {
  await using agent = await silentAgent();
  const abort = new AbortController();
  const asked = agentKeys({ IdentityAgent: agent.path }, { signal: abort.signal });
  const rejected = assertRejects(() => asked, Error, "enough");
  using _conn = await agent.accept();
  abort.abort(new Error("enough"));
  await rejected;
});

Deno.test("An unreachable agent is a problem, no configured agent is not", async () => {
  const gone = await agentKeys({ IdentityAgent: "/nowhere/agent" });
  assert(gone.problem!.includes("/nowhere/agent"));
  assertEquals(await agentKeys({ IdentityAgent: "none" }), { keys: [], problem: null });
});

Deno.test("IdentityAgent names a socket, a variable, or nothing", () => {
  assertEquals(agentPath({ IdentityAgent: "none" }), null);
  assertEquals(agentPath({ IdentityAgent: "/run/agent" }), "/run/agent");
  assertEquals(agentPath({ IdentityAgent: "$NO_SUCH_VARIABLE_HERE" }), null);
  assertEquals(socketPath("${NO_SUCH_VARIABLE_HERE}"), null);
});

Deno.test("A key of an agent proves the server of its connection before it signs", async () => {
  using key = await generateKey();
  using hostKey = await generateKey();
  using keyring = new Keyring();
  keyring.add(key, { destinations: [{ to: { hostname: "db1", hostKeys: [hostKey.publicKey] } }] });
  await using listener = await listenAgent(keyring);
  const { keys: [signer] } = await agentKeys({ IdentityAgent: listener.path });
  const sessionId = new Uint8Array(32).fill(7);
  const data = PublicKeySigned.encode({
    ...{ sessionId, number: MSG.USERAUTH_REQUEST, user: "ann", service: "ssh-connection" },
    ...{ method: "publickey", signed: true, algorithm: "ssh-ed25519" },
    publicKey: key.publicKey.blob,
  });
  const signature = hostKey.sign("ssh-ed25519", sessionId);
  const host = { hostKey: hostKey.publicKey, sessionId, signature };
  const signed = await signer!.sign("ssh-ed25519", data, { host });
  assert(key.publicKey.verify("ssh-ed25519", data, signed));
  await assertRejects(async () => await signer!.sign("ssh-ed25519", data), RequestDeniedError);
});
