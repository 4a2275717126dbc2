import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  ClosedError,
  connectAgent,
  ConnectError,
  Keyring,
  ProtocolError,
  RequestDeniedError,
  SshError,
} from "@denossh/ssh";
import { generateKey, importPublicKey, issueCertificate, type PublicKey } from "@denossh/ssh/keys";
import { encodeSignature } from "../../lib/keys/signature.ts";
import { IdentitiesAnswer, SignResponse } from "../../lib/agent/protocol.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { answering, framed, silentAgent } from "./world.ts";
import { testKey } from "../support/keys.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const FAILURE = framed(5);
const SUCCESS = framed(6);
const KEY = importPublicKey(
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea me@home",
);
const data = new TextEncoder().encode("to sign");

Deno.test("An agent's keys sign by each of their algorithms", async () => {
  using keyring = new Keyring();
  for (const type of ["ed25519", "ecdsa-p256", "ecdsa-p384", "rsa"] as const) {
    keyring.add(await testKey(type, type));
  }
  await using agent = await connectAgent(keyring);
  const keys = await agent.identities();
  assertEquals(keys.map(({ publicKey }) => publicKey.comment).length, 4);
  for (const { publicKey, sign } of keys) {
    for (const algorithm of publicKey.algorithms) {
      assert(publicKey.verify(algorithm, data, await sign(algorithm, data)), algorithm);
    }
  }
});

Deno.test("Parallel requests to an agent get the matching answers", async () => {
  using keyring = new Keyring();
  keyring.add(await generateKey("ed25519"));
  await using agent = await connectAgent(keyring);
  const [key] = await agent.identities();
  const texts = Array.from({ length: 20 }, (_, i) => new TextEncoder().encode(`${i}`));
  const signatures = await Promise.all(texts.map((text) => key!.sign("ssh-ed25519", text)));
  for (const [i, signature] of signatures.entries()) {
    assert(key!.publicKey.verify("ssh-ed25519", texts[i]!, signature));
  }
});

Deno.test("A key of an agent does not sign by another type's algorithm", async () => {
  await using agent = await connectAgent(answering(FAILURE));
  await assertRejects(() => agent.sign(KEY, "rsa-sha2-512", data), TypeError, "cannot sign");
});

Deno.test("An agent's refusal is an error and keeps the connection open", async () => {
  await using agent = await connectAgent(answering(FAILURE));
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(
      () => agent.sign(KEY, "ssh-ed25519", data),
      RequestDeniedError,
    );
    assertEquals(plainMessage(error), `The agent refused to sign with ${KEY.fingerprint()}`);
  }
});

Deno.test("Every command that an agent refuses rejects, and says which", async () => {
  await using agent = await connectAgent(answering(FAILURE));
  using key = await generateKey();
  const commands: [what: string, command: () => Promise<void>][] = [
    ["add the key", () => agent.add(key)],
    ["remove the key", () => agent.remove(KEY)],
    ["remove its keys", () => agent.removeAll()],
    ["lock", () => agent.lock("secret")],
    ["unlock", () => agent.unlock("secret")],
  ];
  for (const [what, command] of commands) {
    const error = await assertRejects(command, RequestDeniedError);
    assertEquals(plainMessage(error), `The agent refused to ${what}`);
  }
});

Deno.test("Keys that are not supported are left out of an agent's list", async () => {
  const keys = new Writer().string(new Writer().text("ssh-unheard-of").take()).text("strange")
    .string(KEY.blob).text("mine\x1b[31m");
  const list = IdentitiesAnswer.encode({ count: 2, keys: keys.take() });
  await using agent = await connectAgent(answering(framed(...list)));
  const found = await agent.identities();
  assertEquals(found.map(({ publicKey }) => publicKey.comment), ["mine[31m"]);
});

const hostile: [string, Uint8Array, typeof ProtocolError | typeof ConnectError, string][] = [
  ["a length of 2^32 - 1", new Uint8Array(4).fill(0xff), ProtocolError, "4294967295 bytes"],
  ["a length of 256 KiB + 1", Uint8Array.of(0, 4, 0, 1), ProtocolError, "262145 bytes"],
  ["an empty message", framed(), ProtocolError, "0 bytes"],
  ["SUCCESS for a list", SUCCESS, ProtocolError, "Expected IDENTITIES_ANSWER, got 6"],
  ["a FAILURE with trailing bytes", framed(5, 0), ProtocolError, "trailing bytes"],
  ["more keys than there are", framed(12, 0, 0, 0, 2), ProtocolError, "ends too early"],
  ["2^32 - 1 keys", framed(12, 255, 255, 255, 255), ProtocolError, "4294967295 keys"],
  ["fewer keys than there are", framed(12, 0, 0, 0, 0, 0), ProtocolError, "trailing bytes"],
  ["a key beyond the message", framed(12, 0, 0, 0, 1, 0, 0, 9), ProtocolError, "ends too early"],
];
for (const [name, bytes, kind, message] of hostile) {
  Deno.test(`The client disconnects from an agent that answers with ${name}`, async () => {
    await using agent = await connectAgent(answering(bytes), { timeout: 5_000 });
    await assertRejects(() => agent.identities(), kind, message);
    const error = await assertRejects(() => agent.identities(), ClosedError);
    assert(error.cause instanceof kind);
  });
}

for (
  const [name, bytes] of [["no answer", 0], ["half a length", 2], ["half an answer", 7]] as const
) {
  Deno.test(`An agent that hangs up after ${name} is an error`, async () => {
    const whole = framed(12, 0, 0, 0, 0);
    await using agent = await connectAgent(answering(whole.slice(0, bytes), { hangUp: true }));
    const error = await assertRejects(() => agent.identities(), SshError);
    assertEquals(error.code, bytes === 0 ? "connect" : "protocol");
  });
}

Deno.test("A silent agent fails pending and queued requests after the timeout", async () => {
  await using agent = await connectAgent(silentAgent(), { timeout: 50 });
  const first = agent.identities();
  const second = agent.identities();
  second.catch(() => {});
  const error = await assertRejects(() => first, ConnectError, "not answered within 50 ms");
  assertEquals(error.code, "timeout");
  await assertRejects(() => second, ClosedError);
});

Deno.test("An abort signal ends a request and its connection", async () => {
  const silent = silentAgent();
  await using agent = await connectAgent(silent);
  const reason = new Error("enough");
  const controller = new AbortController();
  const request = agent.identities({ signal: controller.signal });
  const waiting = agent.identities();
  waiting.catch(() => {});
  await silent.asked;
  controller.abort(reason);
  assertStrictEquals(await request.catch((error) => error), reason);
  await assertRejects(() => waiting, ClosedError);
  assertStrictEquals(
    await agent.identities({ signal: AbortSignal.abort(reason) }).catch((error) => error),
    reason,
  );
});

Deno.test("A signature by another algorithm than asked for is refused", async () => {
  const old = encodeSignature({ algorithm: "ssh-rsa", bytes: new Uint8Array(256) });
  const answer = framed(...SignResponse.encode({ signature: old }));
  await using agent = await connectAgent(answering(answer));
  await assertRejects(
    () => agent.sign(KEY, "ssh-ed25519", data),
    ProtocolError,
    'Agent signed with "ssh-rsa", not "ssh-ed25519"',
  );
});

Deno.test("Closing an agent's client ends pending requests", async () => {
  const silent = silentAgent();
  const agent = await connectAgent(silent);
  const request = agent.identities();
  request.catch(() => {});
  await silent.asked;
  agent.close();
  await assertRejects(() => request, ClosedError, "was closed");
});

Deno.test("Without SSH_AUTH_SOCK there is no agent", async () => {
  const path = Deno.env.get("SSH_AUTH_SOCK");
  Deno.env.delete("SSH_AUTH_SOCK");
  try {
    await assertRejects(() => connectAgent(), ConnectError, "SSH_AUTH_SOCK is not set");
  } finally {
    if (path !== undefined) Deno.env.set("SSH_AUTH_SOCK", path);
  }
});

Deno.test("A missing agent socket is an error with its path", async () => {
  await assertRejects(() => connectAgent("/nowhere/agent"), ConnectError, '"/nowhere/agent"');
});

Deno.test("A key added to an agent signs there, and keeps its constraints", async () => {
  const asked: string[] = [];
  using keyring = new Keyring({ confirm: (key) => asked.push(key.comment) > 0 });
  await using agent = await connectAgent(keyring);
  for (const type of ["ed25519", "ecdsa-p256", "rsa"] as const) {
    using key = await testKey(type, type);
    await agent.add(key, { confirm: true, lifetime: 3_600_000 });
  }
  const keys = await agent.identities();
  assertEquals(keys.map(({ publicKey }) => publicKey.comment), ["ed25519", "ecdsa-p256", "rsa"]);
  for (const { publicKey, sign } of keys) {
    const [algorithm] = publicKey.algorithms;
    assert(publicKey.verify(algorithm!, data, await sign(algorithm!, data)));
  }
  assertEquals(asked, ["ed25519", "ecdsa-p256", "rsa"]);
});

Deno.test("A lifetime that no constraint can say is the caller's error", async () => {
  using key = await generateKey();
  await using agent = await connectAgent(answering(SUCCESS));
  for (const lifetime of [-1000, NaN, 2 ** 32 * 1000]) {
    await assertRejects(() => agent.add(key, { lifetime }), RangeError, "Lifetime must be");
  }
});

Deno.test("An agent lists its extensions, or lacks the query", async () => {
  using keyring = new Keyring();
  await using agent = await connectAgent(keyring);
  assertEquals(await agent.extensions(), ["session-bind@openssh.com"]);
  await assertRejects(() => agent.extension("dance@example.com"), RequestDeniedError, "dance");
  await using older = await connectAgent(answering(framed(28)));
  await assertRejects(() => older.extensions(), RequestDeniedError);
});

const answers: [string, number[], string][] = [
  ["another extension's answer", [29, 0, 0, 0, 1, 120], 'the extension "x"'],
  ["half a list", [6, 0, 0, 0, 9, 1], "ends too early"],
  ["a list of keys", [12, 0, 0, 0, 0], "Expected EXTENSION_RESPONSE"],
  ["too many names", [6, ...new Array(4 * 257).fill(0)], "too many extensions"],
];
for (const [name, answer, message] of answers) {
  Deno.test(`An agent that answers a query by ${name} is an error`, async () => {
    await using agent = await connectAgent(answering(framed(...answer)));
    await assertRejects(() => agent.extensions(), ProtocolError, message);
  });
}

Deno.test("A certificate is added to an agent only with its own key", async () => {
  using authority = await generateKey();
  for (const type of ["ed25519", "ecdsa-p256", "rsa"] as const) {
    using key = await testKey(type, "mine");
    using other = await testKey(type);
    const certificate = (of: PublicKey) =>
      issueCertificate(authority, of, { kind: "user", keyId: "ann", principals: ["ann"] });
    using keyring = new Keyring();
    await using agent = await connectAgent(keyring);
    const own = await certificate(key.publicKey);
    await agent.add(key, { certificate: own });
    const [listed] = await agent.identities();
    assertEquals([listed!.publicKey.type, listed!.publicKey.comment], [own.type, "mine"]);
    const [algorithm] = own.algorithms;
    assert(own.verify(algorithm!, data, await listed!.sign(algorithm!, data)));

    const foreign = await certificate(other.publicKey);
    await assertRejects(() => agent.add(key, { certificate: foreign }), TypeError);
    await assertRejects(() => agent.add(key, { certificate: key.publicKey }), TypeError);
    assertEquals((await agent.identities()).length, 1);
  }
});
