/** Broken messages in both directions: an answer, a typed error or the end, and never anything else. */
import { assert, assertInstanceOf } from "@std/assert";
import { connectAgent, Keyring, SshError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { ed25519Section } from "../../lib/keys/ed25519.ts";
import { encodeDestinations } from "../../lib/agent/destination.ts";
import { IdentitiesAnswer, SignRequest, SignResponse } from "../../lib/agent/protocol.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { answering, framed, say } from "./world.ts";

const ROUNDS = 300;

/** The same numbers for the same seed, below `limit`. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}

/** Some bytes changed, and perhaps cut or lengthened. */
function broken(message: Uint8Array, next: (limit: number) => number): Uint8Array {
  const bytes = [...message];
  for (let flips = next(4); flips >= 0; flips--) bytes[next(bytes.length)] = next(256);
  if (next(3) === 0) bytes.length = 1 + next(bytes.length);
  if (next(5) === 0) bytes.push(next(256));
  return Uint8Array.from(bytes);
}

Deno.test("Keyring answers broken requests and goes on", async () => {
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
  const next = numbers(1);
  for (let i = 0; i < ROUNDS; i++) {
    const request = broken([add, bound, sign][next(3)]!, next);
    if (request[0]! === 22) continue; // a lock is nothing broken, and would end the rest
    const answer = await say(keyring, framed(...request), 5);
    assert([5, 6, 12, 14].includes(answer[4]!), `${request}: ${answer}`);
  }
});

Deno.test("An agent's broken answers are typed errors", async () => {
  const key = (await generateKey()).publicKey;
  const keys = new Writer().string(key.blob).text("me@home").take();
  const list = IdentitiesAnswer.encode({ count: 1, keys });
  const signature = new Writer().text("ssh-ed25519").string(new Uint8Array(64)).take();
  const signed = SignResponse.encode({ signature });
  const next = numbers(2);
  for (let i = 0; i < ROUNDS; i++) {
    const [one, other] = [broken(list, next), broken(signed, next)];
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
