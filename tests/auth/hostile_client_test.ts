import { assert, assertEquals, assertRejects } from "@std/assert";
import { FAILURE_MS, failureDelay, JITTER_MS, refusalTime } from "../../lib/auth/failure_delay.ts";
import { Grant } from "../../lib/auth/grant.ts";
import type { ServerAuthPolicy } from "../../lib/auth/policy.ts";
import { MAX_AUTH_STEPS } from "../../lib/defaults.ts";
import { ProtocolError, type SshError } from "../../lib/errors.ts";
import {
  generateKey,
  importPublicKey,
  issueCertificate,
  type PrivateKey,
  withCertificate,
} from "../../lib/keys/mod.ts";
import {
  UserauthFailure,
  UserauthInfoResponse,
  UserauthPkOk,
  UserauthRequest,
  UserauthSuccess,
} from "../../lib/wire/messages.ts";
import {
  HostBasedAuth,
  HostBasedSigned,
  InteractiveAuth,
  PasswordAuth,
  PasswordChange,
  PublicKeyAuth,
  PublicKeySigned,
} from "../../lib/wire/requests.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { FakeTime } from "../support/fake_time.ts";
import {
  exchange,
  keyRequest,
  type Lie,
  NOTHING,
  passwordRequest,
  probe,
  request,
  server,
  SESSION,
} from "./hand_made.ts";
import "../support/quick_refusals.ts";
import { testKey } from "../support/keys.ts";
import { plainMessage } from "../../lib/error_messages.ts";

async function refusedBy(login: Promise<unknown>): Promise<SshError & ProtocolError> {
  return await assertRejects(() => login, ProtocolError) as ProtocolError;
}

const ask: ServerAuthPolicy = { password: (_user, password) => password === "right" };

Deno.test("a SUCCESS sent by the client ends the connection (CVE-2018-10933)", async () => {
  for (const number of [52, 51, 53, 60, 61, 63, 79]) {
    const { client, sent, login } = server(ask);
    client.send(new Uint8Array([number]));
    assertEquals((await refusedBy(login)).disconnectReason, 2);
    assertEquals(sent.sent, []);
  }
});

Deno.test("another service than ssh-connection is refused", async () => {
  for (const service of ["ssh-userauth", "", "shell", "ssh-connection\0"]) {
    const { client, login } = server(ask);
    client.send(
      request("password", PasswordAuth.encode({ change: false, password: "right" }), { service }),
    );
    assertEquals((await refusedBy(login)).disconnectReason, 7);
  }
});

Deno.test("a malformed request ends the connection for every user name (CVE-2018-15473)", async () => {
  using key = await generateKey();
  const { blob } = key.publicKey;
  const whole = PublicKeyAuth.encode({
    signed: true,
    algorithm: "ssh-ed25519",
    publicKey: blob,
    signature: NOTHING,
  });
  const malformed: [string, Uint8Array][] = [
    ["password", NOTHING],
    ["password", new Uint8Array([0])],
    ["password", new Uint8Array([0, 255, 255, 255, 255])],
    ["password", new Uint8Array([1, 0, 0, 0, 0])],
    ["password", new Uint8Array([0, 0, 0, 0, 0, 9])],
    ["publickey", NOTHING],
    ["publickey", whole.subarray(0, -1)],
    ["publickey", new Uint8Array([...whole, 0])],
    ["keyboard-interactive", NOTHING],
  ];
  for (const user of ["known", "unknown"]) {
    for (const [method, data] of malformed) {
      const { client, sent, login } = server({
        password: (user) => user === "known",
        publicKey: (user) => user === "known",
        interactive: (user) => user === "known",
      });
      client.send(request(method, data, { user }));
      await refusedBy(login);
      assertEquals(sent.sent, []);
    }
  }
});

Deno.test("methods that are not offered are refused and count as attempts", async () => {
  const { client, login } = server(ask, { maxTries: 4 });
  const signed = { user: "ann" };
  for (const method of ["hostbased", "publickey", "keyboard-interactive"]) {
    assertEquals(await exchange(client, request(method, new Uint8Array(9), signed)), 51);
  }
  client.send(request("gssapi-with-mic"));
  assertEquals((await refusedBy(login)).disconnectReason, 14);
});

Deno.test("a second none counts as an attempt", async () => {
  const { client, login } = server(ask, { maxTries: 1 });
  assertEquals(await exchange(client, request("none")), 51);
  client.send(request("none"));
  assertEquals((await refusedBy(login)).disconnectReason, 14);
});

Deno.test("only the first none that the policy refuses is free", async () => {
  const { client, login } = server({ none: () => false }, { maxTries: 1 });
  assertEquals(await exchange(client, request("none")), 51);
  client.send(request("none"));
  await refusedBy(login);
});

Deno.test("key queries are limited though they do not count as failed attempts", async () => {
  using key = await generateKey();
  const { client, login } = server({ publicKey: () => true });
  let questions = 0;
  const flood = async () => {
    for (;;) {
      await exchange(client, probe("ssh-ed25519", key.publicKey.blob));
      questions++;
    }
  };
  await assertRejects(flood, ProtocolError);
  assertEquals((await refusedBy(login)).disconnectReason, 14);
  assert(questions <= 64);
});

Deno.test("PK_OK repeats the query, and is sent only if the policy accepts", async () => {
  using good = await generateKey();
  using bad = await generateKey();
  const { client } = server({ publicKey: (_user, key) => key.equals(good.publicKey) });
  client.send(probe("ssh-ed25519", good.publicKey.blob));
  const ok = UserauthPkOk.decode(await client.receive());
  assertEquals(ok, { algorithm: "ssh-ed25519", publicKey: good.publicKey.blob });
  assertEquals(await exchange(client, probe("ssh-ed25519", bad.publicKey.blob)), 51);
});

Deno.test("a key that was only queried has not logged in, and is not the login's key", async () => {
  using owned = await generateKey();
  using foreign = await generateKey();
  const { client, login } = server({ publicKey: () => true });
  assertEquals(await exchange(client, keyRequest(owned, { user: "bob" })), 51);
  assertEquals(await exchange(client, probe("ssh-ed25519", foreign.publicKey.blob)), 60);
  assertEquals(await exchange(client, keyRequest(owned)), 52);
  assert((await login).key?.equals(owned.publicKey));
});

Deno.test("any byte but 0 is true, so a request with it is signed, and not a query", async () => {
  using key = await generateKey();
  const { client, login } = server({ publicKey: () => true });
  const signed = UserauthRequest.decode(keyRequest(key));
  signed.data[0] = 2; // RFC 4251 §5
  assertEquals(await exchange(client, UserauthRequest.encode(signed)), 52);
  assert((await login).key?.equals(key.publicKey));
});

Deno.test("a signature over anything but this exact request is refused", async () => {
  using key = await generateKey();
  using other = await generateKey();
  const lies: Lie[] = [
    { sessionId: new Uint8Array(32) },
    { sessionId: SESSION.subarray(1) },
    { user: "root" },
    { service: "ssh-userauth" },
    { method: "hostbased" },
    { signed: false },
    { number: 51 },
    { algorithm: "rsa-sha2-256" },
    { publicKey: other.publicKey.blob },
  ];
  const { client, login } = server({ publicKey: () => true });
  for (const lie of lies) assertEquals(await exchange(client, keyRequest(key, lie)), 51);
  assertEquals(await exchange(client, keyRequest(key)), 52);
  await login;
});

Deno.test("a signature by another key is refused", async () => {
  using key = await generateKey();
  using thief = await generateKey();
  const { client } = server({ publicKey: () => true });
  const fields = { signed: true, algorithm: "ssh-ed25519", publicKey: key.publicKey.blob };
  const signature = thief.sign(
    "ssh-ed25519",
    PublicKeySigned.encode({
      ...fields,
      sessionId: SESSION,
      number: 50,
      user: "ann",
      service: "ssh-connection",
      method: "publickey",
    }),
  );
  const message = request("publickey", PublicKeyAuth.encode({ ...fields, signature }));
  assertEquals(await exchange(client, message), 51);
});

Deno.test("malformed signature blobs are refused without ending the connection", async () => {
  using key = await generateKey();
  const { client } = server({ publicKey: () => true });
  const blobs = [
    NOTHING,
    new Uint8Array(3),
    new Writer().text("ssh-ed25519").string(new Uint8Array(63)).take(),
    new Writer().text("ssh-ed25519").string(new Uint8Array(64)).take(),
    new Writer().text("ssh-ed25519").string(new Uint8Array(64)).u8(0).take(),
    new Writer().text("ssh-ed25519").u32(0xffffffff).take(),
    new Writer().text("ssh-rsa").string(new Uint8Array(64)).take(),
  ];
  const { blob: publicKey } = key.publicKey;
  for (const signature of blobs) {
    const fields = { signed: true, algorithm: "ssh-ed25519", publicKey, signature };
    assertEquals(await exchange(client, request("publickey", PublicKeyAuth.encode(fields))), 51);
  }
});

Deno.test("the algorithm must be accepted and be one of the key's type", async () => {
  using key = await generateKey();
  using rsa = await testKey("rsa");
  let consulted = 0;
  const policy: ServerAuthPolicy = { publicKey: () => ++consulted > 0 };
  const { client } = server(policy, { algorithms: ["rsa-sha2-256", "ssh-ed25519"] });
  const { blob } = key.publicKey;
  const refused: [string, Uint8Array][] = [
    ["ssh-rsa", rsa.publicKey.blob],
    ["rsa-sha2-512", rsa.publicKey.blob],
    ["ssh-ed25519", rsa.publicKey.blob],
    ["rsa-sha2-256", blob],
    ["ecdsa-sha2-nistp256", blob],
    ["ssh-dss", blob],
    ["ssh-ed25519-cert-v01@openssh.com", blob],
    ["ssh-ed25519", blob.subarray(1)],
    ["ssh-ed25519", NOTHING],
  ];
  for (const [algorithm, publicKey] of refused) {
    assertEquals(await exchange(client, probe(algorithm, publicKey)), 51);
  }
  // Signed with rsa-sha2-512, but the request names rsa-sha2-256.
  assertEquals(await exchange(client, keyRequest(rsa, {}, "rsa-sha2-256")), 51);
  assertEquals(consulted, 1);
  assertEquals(await exchange(client, probe("rsa-sha2-256", rsa.publicKey.blob)), 60);
});

Deno.test("a weak key is refused before the policy is asked", async () => {
  const weak = new Writer().text("ssh-rsa").mpint(new Uint8Array([1, 0, 1]))
    .mpint(new Uint8Array(128).fill(255)).take();
  let asked = 0; // a policy that throws would refuse, too
  const { client } = server({ publicKey: () => ++asked > 0 });
  assertEquals([await exchange(client, probe("rsa-sha2-512", weak)), asked], [51, 0]);
});

Deno.test("the policy is called in the same way for a good and a bad signature", async () => {
  using key = await generateKey();
  const seen: string[] = [];
  const { client } = server({ publicKey: (_user, offered) => seen.push(offered.type) < 0 });
  await exchange(client, keyRequest(key));
  await exchange(client, keyRequest(key, { user: "bob" }));
  await exchange(client, probe("ssh-ed25519", key.publicKey.blob));
  assertEquals(seen, ["ssh-ed25519", "ssh-ed25519", "ssh-ed25519"]);
});

Deno.test("partial success is lost when the user name changes", async () => {
  using key = await generateKey();
  const policy: ServerAuthPolicy = {
    ...ask,
    publicKey: () => true,
    required: ["publickey", "password"],
  };
  const { client, login } = server(policy);
  client.send(keyRequest(key));
  assertEquals(UserauthFailure.decode(await client.receive()), {
    remaining: ["password"],
    partial: true,
  });
  const refusal = { remaining: ["publickey"], partial: false };
  client.send(passwordRequest("right", "root"));
  assertEquals(UserauthFailure.decode(await client.receive()), refusal);
  // Back to the first user: its earlier success is lost, too.
  client.send(passwordRequest("right"));
  assertEquals(UserauthFailure.decode(await client.receive()), refusal);
  assertEquals(await exchange(client, keyRequest(key)), 51);
  assertEquals(await exchange(client, passwordRequest("right")), 52);
  assertEquals((await login).user, "ann");
  assertEquals((await login).methods, ["publickey", "password"]);
});

Deno.test("the same method twice does not count as two methods", async () => {
  const policy: ServerAuthPolicy = {
    ...ask,
    interactive: () => false,
    required: ["password", "keyboard-interactive"],
  };
  const { client } = server(policy);
  assertEquals(await exchange(client, passwordRequest("right")), 51);
  client.send(passwordRequest("right"));
  assertEquals(UserauthFailure.decode(await client.receive()), {
    remaining: ["keyboard-interactive"],
    partial: false,
  });
});

Deno.test("partial successes are limited", async () => {
  const policy: ServerAuthPolicy = {
    password: () => true,
    interactive: () => false,
    required: ["password", "keyboard-interactive"],
  };
  const { client, sent, login } = server(policy);
  for (let i = 0; i < MAX_AUTH_STEPS; i++) client.send(passwordRequest("right", `user${i}`));
  assertEquals((await refusedBy(login)).disconnectReason, 14);
  assertEquals(sent.sentNumbers, Array(MAX_AUTH_STEPS - 1).fill(51));
});

Deno.test("a policy accepts only with true: any other result, or an error, refuses", async () => {
  const answers: unknown[] = [undefined, null, 1, "yes", {}, [], { change: "x" }, false];
  for (const answer of answers) {
    const yes = () => answer as boolean;
    const { client } = server({ none: yes, password: yes, interactive: yes });
    assertEquals(await exchange(client, request("none")), 51);
    assertEquals(await exchange(client, passwordRequest("right")), 51);
    const data = InteractiveAuth.encode({ language: "", submethods: "" });
    assertEquals(await exchange(client, request("keyboard-interactive", data)), 51);
  }
  const fail = () => Promise.reject(new Error("database is down"));
  const { client } = server({ none: fail, password: fail });
  assertEquals(await exchange(client, request("none")), 51);
  assertEquals(await exchange(client, passwordRequest("right")), 51);
});

const interactive = request(
  "keyboard-interactive",
  InteractiveAuth.encode({ language: "en", submethods: "pam,bsdauth" }),
);

function answers(...texts: string[]): Uint8Array {
  const data = new Writer();
  for (const text of texts) data.text(text);
  return UserauthInfoResponse.encode({ count: texts.length, answers: data.take() });
}

const question = [{ text: "Code: ", echo: true }];

Deno.test("a wrong number of answers fails, whatever the policy returns", async () => {
  const { client } = server({
    interactive: (_user, ask) => ask(question).then(() => true, () => true),
  });
  for (const message of [answers(), answers("1", "2")]) {
    assertEquals(await exchange(client, interactive), 60);
    assertEquals(await exchange(client, message), 51);
  }
});

Deno.test("malformed answers end the connection", async () => {
  const malformed = [
    UserauthInfoResponse.encode({ count: 1, answers: NOTHING }),
    UserauthInfoResponse.encode({ count: 1, answers: new Uint8Array(9) }),
    UserauthInfoResponse.encode({ count: 1, answers: new Uint8Array([255, 255, 255, 255]) }),
    new Uint8Array([61]),
    new Uint8Array([52]),
  ];
  for (const message of malformed) {
    const { client, login } = server({
      interactive: (_user, ask) => ask(question).then(() => true, () => true),
    });
    assertEquals(await exchange(client, interactive), 60);
    client.send(message);
    await refusedBy(login);
  }
});

Deno.test("a count of four thousand million answers allocates nothing", async () => {
  const { client } = server({ interactive: async (_user, ask) => !!(await ask(question)) });
  assertEquals(await exchange(client, interactive), 60);
  const absurd = UserauthInfoResponse.encode({ count: 0xffffffff, answers: NOTHING });
  assertEquals(await exchange(client, absurd), 51);
});

Deno.test("a new request during keyboard-interactive abandons it without an answer", async () => {
  const errors: string[] = [];
  const { client, sent, login } = server({
    ...ask,
    async interactive(_user, ask) {
      for (let i = 0; i < 2; i++) {
        await ask(question).catch((error) => errors.push(plainMessage(error)));
      }
      return true;
    },
  });
  assertEquals(await exchange(client, interactive), 60);
  assertEquals(await exchange(client, interactive), 60);
  assertEquals(await exchange(client, passwordRequest("right")), 52);
  assertEquals(errors, [
    ...["The client did not answer the questions", "Cannot ask: the attempt is over"],
    ...["The client did not answer the questions", "Cannot ask: the attempt is over"],
  ]);
  assertEquals((await login).methods, ["password"]);
  assertEquals(sent.sentNumbers, [60, 60, 52]);
});

Deno.test("no message is lost if a policy decides before its question is answered", async () => {
  for (const word of [true, false]) {
    const decided = Promise.withResolvers<void>();
    const { client, sent } = server({
      ...ask,
      interactive(_user, ask) {
        ask(question);
        decided.resolve();
        return word;
      },
    });
    client.send(interactive);
    assertEquals((await client.receive())[0], 60);
    await decided.promise;
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(sent.sentNumbers, [60]);
    assertEquals(await exchange(client, answers("77")), word ? 52 : 51);
    if (!word) assertEquals(await exchange(client, passwordRequest("right")), 52);
  }
});

Deno.test("a policy cannot ask in parallel, too much, or after its attempt", async () => {
  const errors: string[] = [];
  const note = (error: Error) => void errors.push(plainMessage(error));
  let late = () => Promise.resolve<unknown>(null);
  const { client } = server({
    async interactive(_user, ask) {
      late = () => ask(question).catch(note);
      const first = ask(question);
      await ask(question).catch(note);
      await first;
      await ask(Array.from({ length: 65 }, () => question[0]!)).catch(note);
      return true;
    },
  });
  assertEquals(await exchange(client, interactive), 60);
  assertEquals(await exchange(client, answers("77")), 52);
  await late();
  assertEquals(errors, [
    "Cannot ask: the attempt waits for answers already",
    "Cannot ask more than 64 prompts in one challenge",
    "Cannot ask: the attempt is over",
  ]);
});

Deno.test("a password change needs the consent of the policy", async () => {
  const change = PasswordChange.encode({ change: true, password: "old", newPassword: "new" });
  const without = server({ password: () => true });
  assertEquals(await exchange(without.client, request("password", change)), 51);
  const seen: string[][] = [];
  const { client } = server({
    password: () => ({ change: "Expired" }),
    passwordChange: (...[user, before, now]) => seen.push([user, before, now]) > 1,
  });
  assertEquals(await exchange(client, passwordRequest("old")), 60);
  assertEquals(await exchange(client, request("password", change)), 51);
  assertEquals(await exchange(client, request("password", change)), 52);
  assertEquals(seen[0], ["ann", "old", "new"]);
});

Deno.test("no message follows success", async () => {
  const { client, sent, login } = server(ask);
  client.send(passwordRequest("right"));
  client.send(passwordRequest("right"));
  await login;
  assertEquals(sent.sentNumbers, [52]);
  assertEquals(sent.sent[0], UserauthSuccess.encode({}));
});

Deno.test("a refusal takes the minimum time, for known and unknown users alike", async () => {
  const known = server({ password: (user, password) => user === "ann" && password === "right" });
  using time = new FakeTime();
  for (const user of ["ann", "nobody"]) {
    const start = time.now;
    const answer = exchange(known.client, passwordRequest("wrong", user));
    assertEquals(await time.settle(answer), 51);
    assert(time.now - start >= FAILURE_MS, user);
  }
});

const delays: [string, ServerAuthPolicy, Uint8Array, boolean][] = [
  ["none where it is not offered", ask, request("none"), false],
  ["none that is offered", { none: () => false }, request("none"), true],
  ["a method that is not offered", ask, request("hostbased", new Uint8Array(9)), true],
  ["a method that is not known", ask, request("gssapi"), true],
];
for (const [what, policy, message, delayed] of delays) {
  Deno.test(`the refusal of ${what} is ${delayed ? "" : "not "}delayed`, async () => {
    using time = new FakeTime();
    const { client, sent } = server(policy);
    const answer = exchange(client, message);
    await time.advance(FAILURE_MS - 1);
    assertEquals(sent.sent.length, delayed ? 0 : 1);
    assertEquals(await time.settle(answer), 51);
  });
}

Deno.test("longer refusals are rounded up, so that all take similar times", () => {
  const users = Array.from({ length: 50 }, (_, i) => `user${i}`);
  for (const user of users) {
    const least = refusalTime(user, 0);
    assert(least >= FAILURE_MS && least <= FAILURE_MS + JITTER_MS);
    assertEquals(refusalTime(user, FAILURE_MS), least);
    assertEquals(refusalTime(user, 2 * least), 2 * least);
    assertEquals(refusalTime(user, 2 * least + 1), 4 * least);
    assertEquals(refusalTime(user, 3 * least), 4 * least);
    assert(refusalTime(user, 60_000) < 10_000); // the first that is due after 5 s
  }
  const times = users.map((user) => refusalTime(user, 0));
  assert(new Set(times).size > 40);
  assert(Math.max(...times) - Math.min(...times) > JITTER_MS / 2, "they differ by enough");
});

Deno.test("failureDelay ends immediately when the signal is aborted", async () => {
  using time = new FakeTime();
  const controller = new AbortController();
  const delay = failureDelay("ann", 2_400, controller.signal);
  controller.abort();
  await delay;
  await failureDelay("ann", 2_400, controller.signal);
  assertEquals(time.now, 0);
});

Deno.test("a policy that accepts no user, or requires a method that it does not offer, is an error", async () => {
  const policies: ServerAuthPolicy[] = [
    {},
    { banner: "hello" },
    { ...ask, required: [] },
    { ...ask, required: [[]] },
    { ...ask, required: [["password"], ["publickey"]] },
    { ...ask, required: ["publickey"] },
    { ...ask, required: ["password", "password"] },
  ];
  for (const policy of policies) {
    await assertRejects(() => server(policy).login, TypeError);
  }
});

Deno.test("a banner is sent once, before the first answer", async () => {
  const { client, sent } = server({ ...ask, banner: (user) => `Hello ${user}` });
  client.send(passwordRequest("wrong"));
  assertEquals((await client.receive())[0], 53);
  assertEquals((await client.receive())[0], 51);
  assertEquals(await exchange(client, passwordRequest("right")), 52);
  assertEquals(sent.sentNumbers, [53, 51, 52]);
});

Deno.test("public keys from the wire reach the policy without a comment", async () => {
  using key = await generateKey("ed25519", { comment: "me@home" });
  const { client, login } = server({
    publicKey: (_user, offered) =>
      offered.comment === "" && offered.equals(importPublicKey(key.publicKey.toString())),
  });
  assertEquals(await exchange(client, keyRequest(key)), 52);
  await login;
});

Deno.test("neither the same key nor its certificate counts as a second factor", async () => {
  using key = await generateKey();
  using authority = await generateKey();
  const certificate = await issueCertificate(authority, key.publicKey, {
    kind: "user",
    keyId: "ann",
    principals: ["ann"],
  });
  using another = await generateKey();
  const policy = { publicKey: () => true, required: ["publickey", "publickey"] };
  const { client, login } = server(policy);
  assertEquals(await exchange(client, keyRequest(key)), 51);
  assertEquals(await exchange(client, keyRequest(key)), 51);
  const certified = { ...withCertificate(key, certificate) } as PrivateKey;
  assertEquals(await exchange(client, keyRequest(certified, {}, certificate.type)), 51);
  assertEquals(await exchange(client, keyRequest(another)), 52);
  assertEquals((await login).methods, ["publickey", "publickey"]);
});

Deno.test("only true or a grant accepts a key", async () => {
  using key = await generateKey();
  const answers: unknown[] = [1, "yes", {}, { pty: true }, [], () => true, new Map()];
  for (const answer of answers) {
    const { client } = server({ publicKey: () => answer as boolean });
    assertEquals(await exchange(client, keyRequest(key)), 51);
  }
  const { client, login } = server({ publicKey: () => new Grant({ pty: false }) });
  assertEquals(await exchange(client, keyRequest(key)), 52);
  assertEquals((await login).grant.pty, false);
});

Deno.test("the restrictions of all factors apply, and different forced commands refuse", async () => {
  using key = await generateKey();
  const policy = (command: string): ServerAuthPolicy => ({
    publicKey: () => new Grant({ command: "uptime", permitOpen: ["a:1", "b:2"] }),
    password: () => new Grant({ command, pty: false, permitOpen: ["b:2", "c:3"] }),
    required: ["publickey", "password"],
  });
  const { client, login } = server(policy("uptime"));
  await exchange(client, keyRequest(key));
  assertEquals(await exchange(client, passwordRequest("right")), 52);
  const { grant } = await login;
  assertEquals([grant.command, grant.pty, grant.permitOpen], ["uptime", false, ["b:2"]]);
  const other = server(policy("date"));
  await exchange(other.client, keyRequest(key));
  assertEquals(await exchange(other.client, passwordRequest("right")), 51);
});

Deno.test("host-based authentication needs the host's signature over this session and user", async () => {
  using key = await generateKey();
  const seen: unknown[] = [];
  const { client, login } = server({
    hostBased: (user, shown, claim) => {
      seen.push([user, shown.fingerprint(), claim]);
      return true;
    },
  });
  const claim = {
    algorithm: "ssh-ed25519",
    hostKey: key.publicKey.blob,
    hostName: "h.",
    userName: "u",
  };
  const honest = {
    sessionId: SESSION,
    number: 50,
    user: "ann",
    service: "ssh-connection",
    method: "hostbased",
  };
  const lies = [{ sessionId: new Uint8Array(32) }, { user: "bob" }, { userName: "v" }, {
    method: "publickey",
  }, {}];
  for (const lie of lies) {
    const signed = HostBasedSigned.encode({ ...honest, ...claim, ...lie });
    const signature = key.sign("ssh-ed25519", signed);
    const data = HostBasedAuth.encode({ ...claim, signature });
    assertEquals(await exchange(client, request("hostbased", data)), lie === lies.at(-1) ? 52 : 51);
  }
  assertEquals(seen.at(-1), ["ann", key.publicKey.fingerprint(), { hostName: "h", userName: "u" }]);
  assertEquals((await login).methods, ["hostbased"]);
});
