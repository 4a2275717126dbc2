import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectAgent, Keyring, listenAgent, RequestDeniedError } from "@denossh/ssh";
import { generateKey, type PublicKey } from "@denossh/ssh/keys";
import type { Signer } from "@denossh/ssh";
import { memoryPair } from "@denossh/ssh/testing";
import { type KeyHolder, serveAgent } from "../../lib/agent/serve.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { tempFolder } from "../support/temp.ts";
import { ed25519Section } from "../../lib/keys/ed25519.ts";
import { SignRequest } from "../../lib/agent/protocol.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { FakeTime } from "../support/fake_time.ts";
import { comments, framed, say } from "./world.ts";
import { testKey } from "../support/keys.ts";

const data = new TextEncoder().encode("to sign");
const FAILURE = framed(5);
const SUCCESS = framed(6);

/** ADD_IDENTITY, or ADD_ID_CONSTRAINED if there are constraints. */
function adding(comment: string, constraints?: readonly number[]): Uint8Array {
  const writer = new Writer().u8(constraints ? 25 : 17)
    .bytes(ed25519Section(new Uint8Array(32).fill(7))).text(comment);
  return framed(...writer.bytes(Uint8Array.from(constraints ?? [])).take());
}

Deno.test("Keyring holds private keys only", async () => {
  const { publicKey } = await generateKey();
  using keyring = new Keyring();
  for (const key of [publicKey, undefined, "/home/ann/.ssh/id_ed25519"]) {
    assertThrows(() => keyring.add(key as never), TypeError, "add() needs a private key, not");
  }
  assertEquals(keyring.identities(), []);
});

Deno.test("Keyring lists, replaces and forgets keys, and wipes what it forgets", async () => {
  const key = await generateKey("ed25519", { comment: "one" });
  const other = await generateKey("ed25519", { comment: "two" });
  using keyring = new Keyring();
  keyring.add(key);
  keyring.add(other);
  keyring.add(key);
  assertEquals(await comments(keyring), ["two", "one"]);
  assert(key.sign("ssh-ed25519", data).length > 0);
  assertEquals(keyring.remove(key.publicKey), true);
  assertEquals(keyring.remove(key.publicKey), false);
  assertThrows(() => key.sign("ssh-ed25519", data));
  keyring.clear();
  assertEquals(keyring.identities(), []);
  assertThrows(() => other.sign("ssh-ed25519", data));
});

Deno.test("Keyring forgets a key at the end of its lifetime", async () => {
  using time = new FakeTime();
  using keyring = new Keyring();
  const key = await generateKey();
  let wiped = false;
  keyring.add({
    publicKey: key.publicKey,
    sign: (algorithm, data) => key.sign(algorithm, data),
    [Symbol.dispose]: () => void (wiped = true),
  }, { lifetime: 20 });
  const [held] = keyring.identities();
  await time.advance(19);
  assertEquals([keyring.identities().length, wiped], [1, false]);
  await time.advance(1);
  assertEquals(wiped, true);
  assertEquals(keyring.identities(), []);
  await assertRejects(async () => await held!.sign("ssh-ed25519", data), RequestDeniedError);
  assertThrows(() => keyring.add(key, { lifetime: NaN }), RangeError);
});

Deno.test("Keyring keeps a key for a lifetime that is longer than a timer can be", async () => {
  using time = new FakeTime();
  using keyring = new Keyring();
  keyring.add(await generateKey(), { lifetime: 2 ** 31 + 1000 });
  await time.advance(2 ** 31 + 999);
  assertEquals(keyring.identities().length, 1);
  await time.advance(1);
  assertEquals(keyring.identities(), []);
});

Deno.test("Keyring does not sign if it was locked, or the key removed, during the confirmation", async () => {
  for (const change of ["lock", "remove"] as const) {
    using key = await generateKey();
    using keyring: Keyring = new Keyring({
      confirm: ({ blob }) => change === "lock" ? keyring.lock("sesame") : keyring.remove({ blob }),
    });
    keyring.add({ publicKey: key.publicKey, sign: key.sign.bind(key) }, { confirm: true });
    const [signer] = keyring.identities();
    await assertRejects(async () => await signer!.sign("ssh-ed25519", data), RequestDeniedError);
  }
});

Deno.test("Keyring asks for confirmation before a key with that constraint signs", async () => {
  const asked: string[] = [];
  let answer: unknown = true;
  using keyring = new Keyring({
    confirm: (key) => {
      asked.push(key.comment);
      return answer as boolean;
    },
  });
  keyring.add(await generateKey("ed25519", { comment: "deploy" }), { confirm: true });
  await using agent = await connectAgent(keyring);
  const [key] = await agent.identities();
  await key!.sign("ssh-ed25519", data);
  for (answer of [false, undefined, "yes"]) {
    await assertRejects(async () => await key!.sign("ssh-ed25519", data), RequestDeniedError);
  }
  assertEquals(asked, ["deploy", "deploy", "deploy", "deploy"]);
});

Deno.test("Keyring refuses keys that need confirmation if it has no confirm function", async () => {
  using keyring = new Keyring();
  using key = await generateKey();
  assertThrows(() => keyring.add(key, { confirm: true }), RequestDeniedError);
  assertEquals(await say(keyring, adding("by wire", [2])), FAILURE);
});

Deno.test("Keyring refuses everything while it is locked", async () => {
  using keyring = new Keyring();
  using another = await generateKey();
  keyring.add(await generateKey());
  const [key] = keyring.identities();
  await using agent = await connectAgent(keyring);
  await agent.lock("sesame");
  await assertRejects(() => agent.lock("again"), RequestDeniedError);
  assertEquals(await agent.identities(), []);
  await assertRejects(() => agent.sign(key!.publicKey, "ssh-ed25519", data), RequestDeniedError);
  await assertRejects(async () => await key!.sign("ssh-ed25519", data), RequestDeniedError);
  await assertRejects(() => agent.remove(key!.publicKey), RequestDeniedError);
  await assertRejects(() => agent.removeAll(), RequestDeniedError);
  assertThrows(() => keyring.add(another), RequestDeniedError);
  assertEquals(await say(keyring, adding("by wire")), FAILURE);
  await assertRejects(() => agent.unlock("guess"), RequestDeniedError);
  await agent.unlock("sesame");
  assertEquals((await agent.identities()).length, 1);
  assertEquals(await keyring.unlock("sesame"), false);
});

Deno.test("Keyring answers each wrong passphrase later than the one before", async () => {
  using time = new FakeTime();
  using keyring = new Keyring();
  keyring.lock("sesame");
  const answers: number[] = [];
  const guess = async (passphrase: string) => {
    assertEquals(await keyring.unlock(passphrase), false);
    answers.push(time.now);
  };
  await time.settle(Promise.all([guess("a"), guess("b")]));
  assertEquals(answers, [100, 300]);
  assertEquals(await keyring.unlock("sesame"), true);
  keyring.lock("sesame");
  await time.settle(guess("c"));
  assertEquals(answers, [100, 300, 400]); // a new lock begins anew
});

Deno.test("Keyring accepts keys over the wire, with the constraints that it knows", async () => {
  using keyring = new Keyring({ confirm: () => true });
  assertEquals(await say(keyring, adding("plain")), SUCCESS);
  assertEquals(await comments(keyring), ["plain"]);
  assertEquals(await say(keyring, adding("bound", [1, 0, 0, 0, 60, 2])), SUCCESS);
  assertEquals(await comments(keyring), ["bound"]);
  const [key] = keyring.identities();
  assert(key!.publicKey.verify("ssh-ed25519", data, await key!.sign("ssh-ed25519", data)));
  await assertRejects(async () => await key!.sign("rsa-sha2-512", data), TypeError);
});

Deno.test("Keyring holds a bounded number of keys", async () => {
  using keyring = new Keyring();
  for (let i = 0; i < 100; i++) keyring.add(await generateKey());
  using more = await generateKey();
  assertThrows(() => keyring.add(more), RequestDeniedError, "full");
  await using agent = await connectAgent(keyring);
  assertEquals((await agent.identities()).length, 100);
});

Deno.test("Keyring answers with 256 KiB at most", async () => {
  const { blob } = (await generateKey()).publicKey;
  const rest = 1 + 4 + 4 + blob.length + 4; // type, count, and the lengths of key and comment
  const listed = async (length: number) => {
    using keyring = new Keyring();
    const publicKey = { blob, comment: "x".repeat(length - rest) } as PublicKey;
    keyring.add({ publicKey, sign: () => Promise.reject(new Error("not asked for")) });
    await using agent = await connectAgent(keyring);
    return (await agent.identities()).length;
  };
  assertEquals(await listed(256 * 1024), 1);
  await assertRejects(() => listed(256 * 1024 + 1), RequestDeniedError);
});

const unknown = new Writer().u8(25).bytes(ed25519Section(new Uint8Array(32).fill(7))).text("x")
  .u8(255).text("restrict-destination-v00@openssh.com").string(new Uint8Array(3)).take();
const refused: [string, Uint8Array][] = [
  ["an unknown request", framed(99)],
  ["an extension", framed(27, 0, 0, 0, 1, 113)],
  ["a list with trailing bytes", framed(11, 0)],
  ["a signature by a key that is not there", framed(13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  ["a truncated signature request", framed(13, 0, 0, 0, 9)],
  ["a key of an unknown type", framed(17, 0, 0, 0, 1, 120)],
  ["a truncated key", adding("x").with(3, 40).slice(0, 44)],
  ["an unknown constraint", framed(...unknown)],
  ["a removal of an unknown key", framed(18, 0, 0, 0, 0)],
  ["an unlock when nothing is locked", framed(23, 0, 0, 0, 0)],
];
for (const [name, bytes] of refused) {
  Deno.test(`Keyring refuses ${name}, and continues`, async () => {
    using keyring = new Keyring();
    const list = framed(11);
    const both = Uint8Array.from([...bytes, ...list]);
    const answers = await say(keyring, both, FAILURE.length + 9);
    assertEquals(answers, Uint8Array.from([...FAILURE, ...framed(12, 0, 0, 0, 0)]));
  });
}

Deno.test("Keyring does not sign by SHA-1, nor by flags that it does not know", async () => {
  using keyring = new Keyring();
  const key = await testKey("rsa");
  keyring.add(key);
  for (const flags of [0, 1, 6, 8]) {
    const request = SignRequest.encode({ key: key.publicKey.blob, data, flags });
    assertEquals(await say(keyring, framed(...request), 5), FAILURE);
  }
});

for (
  const [name, bytes] of [
    ["a length of 2^32 - 1", new Uint8Array(4).fill(0xff)],
    ["an empty message", framed()],
    ["half a message", framed(11).slice(0, 3)],
  ] as const
) {
  Deno.test(`Keyring hangs up on ${name}`, async () => {
    using keyring = new Keyring();
    assertEquals(await say(keyring, bytes), new Uint8Array(0));
  });
}

Deno.test("A client on another machine may only list and sign", async () => {
  using keyring = new Keyring();
  keyring.add(await generateKey());
  await using agent = await connectAgent({
    connect: () => keyring.connect({ forwarded: true }),
  });
  const [key] = await agent.identities();
  await key!.sign("ssh-ed25519", data);
  await assertRejects(() => agent.remove(key!.publicKey), RequestDeniedError);
  await assertRejects(() => agent.removeAll(), RequestDeniedError);
  await assertRejects(() => agent.lock("mine now"), RequestDeniedError);
  assertEquals(keyring.identities().length, 1);
});

Deno.test("listenAgent serves many clients on a private socket, which close removes", async () => {
  using keyring = new Keyring();
  keyring.add(await generateKey("ed25519", { comment: "here" }));
  const listener = await listenAgent(keyring);
  const { path } = listener;
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  assertEquals((await Deno.stat(path.replace(/\/[^/]+$/, ""))).mode! & 0o777, 0o700);
  const lists = Array.from({ length: 100 }, () => comments(path));
  assertEquals((await Promise.all(lists)).flat().length, 100);
  await using idle = await connectAgent(path);
  await listener.close();
  await assertRejects(() => idle.identities());
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  await assertRejects(() => Deno.stat(path.replace(/\/[^/]+$/, "")), Deno.errors.NotFound);
});

Deno.test("listenAgent accepts a given path", async () => {
  await using folder = await tempFolder();
  const path = folder.join("agent");
  using keyring = new Keyring();
  {
    await using listener = await listenAgent(keyring, { path });
    assertEquals(listener.path, path);
    assertEquals(await comments(path), []);
    await assertRejects(() => listenAgent(keyring, { path }), Deno.errors.AddrInUse);
  }
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  assert((await Deno.stat(folder.path)).isDirectory);
});

Deno.test("listenAgent hangs up when its agent cannot be reached, and keeps listening", async () => {
  using keyring = new Keyring();
  let broken = true;
  await using listener = await listenAgent({
    connect: () => broken ? Promise.reject(new Error("away")) : keyring.connect(),
  });
  await assertRejects(() => comments(listener.path));
  broken = false;
  assertEquals(await comments(listener.path), []);
});

Deno.test("A key that an agent does not take is disposed", async () => {
  let given: (Signer & Disposable) | null = null;
  const holder = {
    identities: () => [],
    add(key: Signer & Disposable) {
      given = key;
      throw new Error("full");
    },
  } as unknown as KeyHolder;
  const [near, far] = memoryPair();
  const serving = serveAgent(streamSocket(far), holder, false).catch(() => {}); // the client leaves
  {
    await using agent = await connectAgent({ connect: () => Promise.resolve(near) });
    using key = await generateKey();
    await assertRejects(() => agent.add(key), RequestDeniedError);
  }
  await serving;
  // Its secret is gone.
  const { publicKey, sign } = given! as Signer;
  const signature = await Promise.resolve(sign("ssh-ed25519", data)).catch(() => null);
  assert(signature === null || !publicKey.verify("ssh-ed25519", data, signature));
});
