/**
 * Malformed messages in both directions lead to an answer, a typed error or a disconnect, and to
 * nothing else.
 */
import { assert, assertInstanceOf } from "@std/assert";
import { connectAgent, Keyring, SshError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { ed25519Section } from "../../lib/keys/ed25519.ts";
import { encodeDestinations } from "../../lib/agent/destination.ts";
import { IdentitiesAnswer, SignRequest, SignResponse } from "../../lib/agent/protocol.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { keeping } from "../corpus/corpus.ts";
import { fuzzTest, LONG, mutate } from "../support/random.ts";
import { answering, framed, say } from "./world.ts";

const ROUNDS = 300 * LONG;

fuzzTest("Keyring answers malformed requests and serves the next", async (random) => {
  using keyring = new Keyring();
  const key = await generateKey();
  keyring.add(key);
  const add = new Writer().u8(25).bytes(ed25519Section(new Uint8Array(32).fill(3))).text("added")
    .u8(1).u32(60).take();
  const destinations = encodeDestinations([
    { to: { hostname: "a", hostKeys: [key.publicKey], authorities: [key.publicKey] } },
    {
      from: { hostname: "a", hostKeys: [key.publicKey] },
      to: { hostname: "b", hostKeys: [key.publicKey] },
    },
  ]);
  const bound = new Writer().bytes(add).u8(255).text("restrict-destination-v00@openssh.com")
    .string(destinations).take();
  const sign = SignRequest.encode({ key: key.publicKey.blob, data: add, flags: 0 });
  for (let i = 0; i < ROUNDS; i++) {
    const request = mutate([add, bound, sign][random(3)]!, random);
    // Skips empty messages, which end the connection, and locks, which are valid and block the rest.
    if (request.length === 0 || request[0] === 22) continue;
    await keeping("agent_requests", request, async () => {
      const answer = await say(keyring, framed(...request), 5);
      assert([5, 6, 12, 14].includes(answer[4]!), `${answer}`);
    });
  }
});

fuzzTest("An agent's malformed answers are typed errors", async (random) => {
  const key = (await generateKey()).publicKey;
  const keys = new Writer().string(key.blob).text("me@home").take();
  const list = IdentitiesAnswer.encode({ count: 1, keys });
  const signature = new Writer().text("ssh-ed25519").string(new Uint8Array(64)).take();
  const signed = SignResponse.encode({ signature });
  for (let i = 0; i < ROUNDS; i++) {
    const [one, other] = [mutate(list, random), mutate(signed, random)];
    for (const [answer, lists] of [[one, true], [other, false]] as const) {
      await using agent = await connectAgent(answering(framed(...answer)), { timeout: 5_000 });
      const request: Promise<unknown> = lists
        ? agent.identities()
        : agent.sign(key, "ssh-ed25519", new Uint8Array(1));
      const error = await request.then(() => null, (error) => error);
      if (error !== null) assertInstanceOf(error, SshError);
    }
  }
});
