import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  agent,
  AuthError,
  type AuthMethod,
  HostKeyError,
  Keyring,
  password,
  publicKey,
} from "@denossh/ssh";
import { generateKey, type PrivateKey } from "@denossh/ssh/keys";
import type { ServerAuthPolicy } from "@denossh/ssh/server";
import { type ConnectedPair, connectedPair } from "@denossh/ssh/testing";
import { answering, fakeAgent, framed, silentAgent } from "./world.ts";

/** A keyring of some new keys, and the keys. */
async function keyringOf(count: number): Promise<[Keyring, PrivateKey[]]> {
  const keyring = new Keyring();
  const keys: PrivateKey[] = [];
  for (let i = 0; i < count; i++) {
    const key = await generateKey("ed25519", { comment: `${i}` });
    keyring.add(key);
    keys.push(key);
  }
  return [keyring, keys];
}

function pairOf(
  auth: ServerAuthPolicy,
  methods: readonly AuthMethod[],
): Promise<ConnectedPair> {
  return connectedPair({ serve: { auth }, connect: { auth: methods } });
}

Deno.test("An agent's keys are offered in turn, and only the accepted one signs", async () => {
  const signed: string[] = [];
  const [holder, keys] = await keyringOf(4);
  using keyring = new Keyring({ confirm: (key) => signed.push(key.comment) > 0 });
  using _ = holder;
  for (const key of keys) keyring.add(key, { confirm: true });
  const offered: string[] = [];
  await using _pair = await pairOf({
    publicKey: (_user, key) => {
      offered.push(key.fingerprint());
      return key.equals(keys[2]!.publicKey);
    },
  }, [agent(keyring)]);
  assertEquals(new Set(offered).size, 3);
  assertEquals(signed, ["2"]);
});

Deno.test("Only the first few keys of an agent are offered", async () => {
  const [keyring] = await keyringOf(10);
  using _ = keyring;
  let offered = 0;
  const policy = {
    publicKey: () => {
      offered++;
      return false;
    },
  };
  const error = await assertRejects(() => pairOf(policy, [agent(keyring)]), AuthError);
  assertEquals([error.attempts, offered], [["publickey"], 5]);
  await assertRejects(() => pairOf(policy, [agent(keyring, { limit: 2 })]), AuthError);
  assertEquals(offered, 7);
});

Deno.test("The keys of an agent can be picked", async () => {
  const [keyring, keys] = await keyringOf(10);
  using _ = keyring;
  const mine = keys[9]!.publicKey;
  await using _pair = await pairOf(
    { publicKey: (_user, key) => key.equals(mine) },
    [agent(keyring, { only: (key) => key.equals(mine) })],
  );
});

Deno.test("An agent's key and another factor log in together", async () => {
  const [keyring, keys] = await keyringOf(3);
  using _ = keyring;
  await using _pair = await pairOf({
    publicKey: (_user, key) => key.equals(keys[1]!.publicKey),
    password: (_user, secret) => secret === "second",
    required: ["publickey", "password"],
  }, [agent(keyring), password("second")]);
});

Deno.test("Other credentials are tried when the agent fails", async () => {
  const key = await generateKey();
  using _ = key;
  using empty = new Keyring();
  const useless = [
    agent(empty),
    agent("/nowhere/agent"),
    agent(answering(new Uint8Array(0), { hangUp: true })),
    agent(answering(framed(6))),
    agent(answering(new Uint8Array(4).fill(0xff))),
    agent(silentAgent(), { timeout: 30 }),
  ];
  const policy: ServerAuthPolicy = {
    publicKey: (_user, other) => other.equals(key.publicKey),
  };
  for (const method of useless) {
    await using _pair = await pairOf(policy, [method, publicKey(key)]);
  }
  const error = await assertRejects(() => pairOf(policy, [agent("/nowhere/agent")]), AuthError);
  assert(error.message.includes('Cannot use the agent: Cannot connect to the agent at "/nowhere'));
});

Deno.test("An agent is not contacted for a refused host", async () => {
  const watched = fakeAgent(() => Promise.resolve());
  await assertRejects(
    () => connectedPair({ connect: { auth: [agent(watched)], hostKeys: () => false } }),
    HostKeyError,
  );
  assertEquals(watched.connections, 0);
});
