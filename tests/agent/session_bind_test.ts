/** session-bind tells the agent the host of a session; the agent requires a proof. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  agent,
  type AgentConnectOptions,
  connectAgent,
  type HostProof,
  Keyring,
  RequestDeniedError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { type ByteStreams, connectedPair } from "@denossh/ssh/testing";
import { Extension, SESSION_BIND, SessionBind } from "../../lib/agent/protocol.ts";
import { readBinding } from "../../lib/agent/session_bind.ts";
import { testKey } from "../support/keys.ts";
import { silentAgent } from "./world.ts";

async function proof(options: { seed?: number } = {}): Promise<HostProof> {
  const key = await generateKey("ed25519");
  const sessionId = new Uint8Array(32).fill(options.seed ?? 1);
  return { hostKey: key.publicKey, sessionId, signature: key.sign("ssh-ed25519", sessionId) };
}

/** A keyring that records its requests. */
class Overheard extends Keyring {
  readonly said: Uint8Array[] = [];

  override async connect(options: AgentConnectOptions = {}): Promise<ByteStreams> {
    const { readable, writable } = await super.connect(options);
    const tap = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        this.said.push(chunk.slice());
        controller.enqueue(chunk);
      },
    });
    tap.readable.pipeTo(writable).catch(() => {});
    return { readable, writable: tap.writable };
  }

  /** The session-bind messages; each message arrives as one chunk. */
  get bindings(): ReturnType<typeof SessionBind.decode>[] {
    return this.said.filter((chunk) => chunk[4] === 27).map((chunk) => {
      const { name, contents } = Extension.decode(chunk.subarray(4));
      assertEquals(name, SESSION_BIND);
      return SessionBind.decode(contents);
    });
  }
}

Deno.test("A login with an agent's key tells the agent the host", async () => {
  using keyring = new Overheard();
  const key = await generateKey();
  keyring.add(key);
  await using pair = await connectedPair({
    serve: { auth: { publicKey: (_user, offered) => offered.equals(key.publicKey) } },
    connect: { auth: [agent(keyring)] },
  });
  const [binding, ...more] = keyring.bindings;
  assertEquals(more, []);
  const { hostKey } = pair.host.info;
  assertEquals([binding!.hostKey, binding!.forwarding], [hostKey.blob, false]);
  assert(hostKey.verify("ssh-ed25519", binding!.sessionId, binding!.signature));
});

Deno.test("Forwarding an agent tells the agent the host", async () => {
  using keyring = new Overheard();
  await using pair = await connectedPair({
    serve: { forward: { agent: () => true } },
    handler: async (session) => {
      await using client = await connectAgent(session.agent!);
      await session.print(`${(await client.identities()).length}`);
    },
  });
  assertEquals(await pair.host.run("count", { forwardAgent: keyring }), "0");
  const [binding] = keyring.bindings;
  assertEquals([binding!.hostKey, binding!.forwarding], [pair.host.info.hostKey.blob, true]);
});

Deno.test("A keyring accepts a session only with the host's signature", async () => {
  using keyring = new Keyring();
  await using client = await connectAgent(keyring);
  const honest = await proof();
  const lies: HostProof[] = [
    { ...honest, sessionId: new Uint8Array(32) },
    { ...honest, hostKey: (await generateKey()).publicKey },
  ];
  for (const lie of lies) {
    await assertRejects(() => client.bindSession(lie), RequestDeniedError);
  }
  await client.bindSession(honest);
  await client.bindSession(honest);
  // A connection bound to one host must not be used for another.
  await assertRejects(async () => client.bindSession(await proof({ seed: 2 })), RequestDeniedError);
});

Deno.test("A connection bound as forwarded may only list and sign", async () => {
  using keyring = new Keyring();
  keyring.add(await generateKey());
  await using client = await connectAgent(keyring);
  for (let seed = 1; seed <= 16; seed++) {
    await client.bindSession(await proof({ seed }), { forwarding: true });
  }
  assertEquals((await client.identities()).length, 1);
  await assertRejects(() => client.removeAll(), RequestDeniedError);
  await assertRejects(async () => client.bindSession(await proof()), RequestDeniedError);
});

Deno.test("Aborting a login ends its request to the agent", async () => {
  const watched = silentAgent();
  const controller = new AbortController();
  const pair = connectedPair({
    serve: { auth: { publicKey: () => true } },
    connect: { auth: [agent(watched, { timeout: 0 })], signal: controller.signal },
  });
  await watched.asked;
  controller.abort(new Error("enough"));
  await assertRejects(() => pair, Error, "enough");
});

Deno.test("A session is proved by an algorithm that is safe alone", async () => {
  const rsa = await testKey("rsa");
  const sessionId = new Uint8Array(32).fill(7);
  const bound = async (algorithm: string) => {
    const signature = await rsa.sign(algorithm, sessionId);
    const fields = { hostKey: rsa.publicKey.blob, sessionId, signature, forwarding: false };
    return readBinding(SessionBind.encode(fields)) !== null;
  };
  assertEquals([await bound("rsa-sha2-256"), await bound("ssh-rsa")], [true, false]);
});
