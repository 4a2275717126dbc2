/** Each credential alone, with a scripted server. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type AuthMethod,
  hostBased,
  interactive,
  none,
  password,
  publicKey,
  type Signer,
} from "@denossh/ssh";
import { generateKey, issueCertificate, withCertificate } from "@denossh/ssh/keys";
import { Grant, type ServerAuthPolicy } from "@denossh/ssh/server";
import { authenticateClient } from "../../lib/auth/client.ts";
import { LoginProgress, requiredLists } from "../../lib/auth/progress.ts";
import {
  cleanText,
  decodeAnswers,
  decodeChallenge,
  encodeAnswers,
  encodeChallenge,
} from "../../lib/auth/prompts.ts";
import { MAX_CLIENT_AUTH_ATTEMPTS, MAX_PROMPTS } from "../../lib/defaults.ts";
import { AuthError, ProtocolError } from "../../lib/errors.ts";
import {
  UserauthFailure,
  UserauthInfoRequest,
  UserauthPasswdChangereq,
} from "../../lib/wire/messages.ts";
import {
  HostBasedAuth,
  HostBasedSigned,
  PasswordAuth,
  PasswordChange,
  PublicKeyAuth,
  PublicKeyProbe,
} from "../../lib/wire/requests.ts";
import { dialogWith, FAILURE, SUCCESS } from "./fake_dialog.ts";
import { linkPair } from "./link_pair.ts";
import { testKey } from "../support/keys.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const ed25519 = await generateKey("ed25519");
const rsa = await testKey("rsa");
const authority = await generateKey("ed25519");
const certified = withCertificate(
  rsa,
  await issueCertificate(authority, rsa.publicKey, {
    kind: "user",
    keyId: "x",
    principals: ["me"],
  }),
);

/** The signature algorithm of a key, or the message of the AuthError. */
async function choice(
  key: Signer,
  accepted: string[] | null,
  algorithms?: string[],
): Promise<string> {
  const dialog = dialogWith([SUCCESS], { signatureAlgorithms: accepted });
  try {
    await publicKey(key, algorithms && { algorithms }).authenticate(dialog);
  } catch (error) {
    if (error instanceof AuthError) return plainMessage(error);
    throw error;
  }
  return PublicKeyAuth.decode(dialog.sent[0]!.data).algorithm;
}

const NOT_ACCEPTED = 'The server accepts no signature algorithm of a key "ssh-rsa"';
const choices: [Signer, string[] | null, string[] | undefined, string][] = [
  [rsa, null, undefined, "rsa-sha2-512"],
  [rsa, ["rsa-sha2-256", "rsa-sha2-512"], undefined, "rsa-sha2-512"],
  [rsa, ["ssh-ed25519", "rsa-sha2-256"], undefined, "rsa-sha2-256"],
  [rsa, ["ssh-rsa"], undefined, "ssh-rsa"],
  [rsa, ["ssh-rsa", "rsa-sha2-256"], undefined, "rsa-sha2-256"],
  [rsa, ["ssh-ed25519"], undefined, NOT_ACCEPTED],
  [rsa, [], undefined, NOT_ACCEPTED],
  [rsa, null, ["rsa-sha2-256"], "rsa-sha2-256"],
  [rsa, null, ["rsa-sha2-256", "rsa-sha2-512"], "rsa-sha2-512"],
  [rsa, ["rsa-sha2-512"], ["rsa-sha2-256", "ssh-rsa"], NOT_ACCEPTED],
  [rsa, ["ssh-rsa"], ["rsa-sha2-256", "rsa-sha2-512"], NOT_ACCEPTED],
  [rsa, ["ssh-rsa"], ["rsa-sha2-256", "ssh-rsa"], "ssh-rsa"],
  [rsa, null, ["ssh-ed25519"], 'No signature algorithm of a key "ssh-rsa" is allowed'],
  // With one algorithm the server's list is not needed.
  [ed25519, ["rsa-sha2-512"], undefined, "ssh-ed25519"],
  [rsa, ["ssh-ed25519"], ["rsa-sha2-256"], "rsa-sha2-256"],
  [certified, ["rsa-sha2-256"], undefined, "rsa-sha2-256-cert-v01@openssh.com"],
];
for (const [key, accepted, allowed, expected] of choices) {
  const { type } = key.publicKey;
  Deno.test(`A key ${type} that may use ${allowed} signs for a server of ${accepted} by ${expected}`, async () => {
    assertEquals(await choice(key, accepted, allowed), expected);
  });
}

Deno.test("Credentials that do not need the server's list are sent immediately", () => {
  const eager = (method: AuthMethod) => method.eager ?? false;
  assertEquals(eager(publicKey(ed25519)), true);
  assertEquals(eager(publicKey(rsa)), false);
  assertEquals(eager(publicKey(rsa, { algorithms: ["rsa-sha2-256"] })), true);
  assertEquals(eager(publicKey(rsa, { algorithms: [] })), false);
  assertEquals([password("x"), none()].map(eager), [true, true]);
  assertEquals([interactive(() => []), hostBased(rsa, { hostName: "", userName: "" })].map(eager), [
    false,
    false,
  ]);
});

Deno.test("A queried key signs only if the server accepts it", async () => {
  const refused = dialogWith([FAILURE]);
  assertEquals(await publicKey(ed25519, { probe: true }).authenticate(refused), FAILURE);
  assertEquals(refused.sent.length, 1);
  assertEquals(PublicKeyProbe.decode(refused.sent[0]!.data).signed, false);
  const unasked = dialogWith([SUCCESS]);
  assertEquals(await publicKey(ed25519).authenticate(unasked), SUCCESS);
  assertEquals(unasked.sent.length, 1);
});

Deno.test("A signer gets the host it signs for, and its error becomes an AuthError with the key's name", async () => {
  const told: unknown[] = [];
  const dialog = dialogWith();
  const signer: Signer = {
    publicKey: ed25519.publicKey,
    sign: (algorithm, data, options) => (told.push(options), ed25519.sign(algorithm, data)),
  };
  await publicKey(signer).authenticate(dialog);
  assertEquals(told, [{ signal: dialog.signal, host: dialog.host }]);
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const failing: Signer = { ...signer, sign: () => Promise.reject(new Error("broken")) };
  assertStrictEquals(
    await assertRejects(() => publicKey(failing).authenticate(dialogWith([], { signal }))),
    reason,
  );
  await assertRejects(() => publicKey(failing).authenticate(dialog), AuthError, "Cannot sign");
});

Deno.test("hostBased sends the host name with a trailing dot, and signs the user and the session", async () => {
  for (const hostName of ["build1", "build1."]) {
    const dialog = dialogWith();
    const slow: Signer = {
      publicKey: ed25519.publicKey,
      sign: async (algorithm, data) => await Promise.resolve(ed25519.sign(algorithm, data)),
    };
    const method = hostBased(slow, { hostName, userName: "ci" });
    assertEquals(method.name, "hostbased");
    assertEquals(await method.authenticate(dialog), SUCCESS);
    const { signature, ...request } = HostBasedAuth.decode(dialog.sent[0]!.data);
    assertEquals([request.hostName, request.userName], ["build1.", "ci"]);
    const signed = HostBasedSigned.encode({
      sessionId: dialog.sessionId,
      number: 50,
      user: "ann",
      service: "ssh-connection",
      method: "hostbased",
      ...request,
    });
    assert(ed25519.publicKey.verify("ssh-ed25519", signed, signature));
  }
});

const vouchers: [Signer, string[] | null, string | null][] = [
  [rsa, null, "rsa-sha2-512"],
  [rsa, ["rsa-sha2-256"], "rsa-sha2-256"],
  [rsa, ["ssh-ed25519"], null],
  [ed25519, ["rsa-sha2-256"], "ssh-ed25519"],
];
for (const [key, signatureAlgorithms, expected] of vouchers) {
  Deno.test(`hostBased with a key ${key.publicKey.type} and a server of ${signatureAlgorithms} uses ${expected}`, async () => {
    const dialog = dialogWith([SUCCESS], { signatureAlgorithms });
    const vouching = hostBased(key, { hostName: "a", userName: "b" }).authenticate(dialog);
    if (expected === null) {
      await assertRejects(() => vouching, AuthError, NOT_ACCEPTED);
      return;
    }
    await vouching;
    assertEquals(HostBasedAuth.decode(dialog.sent[0]!.data).algorithm, expected);
  });
}

Deno.test("A login's key is the last proved one, whatever methods follow", () => {
  const steps = ["keyboard-interactive", "publickey", "publickey", "password"];
  const progress = new LoginProgress("ann", [steps]);
  assertEquals(progress.succeed("keyboard-interactive", new Grant(), undefined), true);
  assertEquals(progress.login.key, undefined);
  assertEquals(progress.succeed("publickey", new Grant(), rsa.publicKey), true);
  assertEquals(progress.succeed("publickey", new Grant(), rsa.publicKey), false);
  assertEquals(progress.next, ["publickey"]);
  assertEquals(progress.succeed("publickey", new Grant(), ed25519.publicKey), true);
  assertEquals([progress.next, progress.done], [["password"], false]);
  assertEquals(progress.succeed("password", new Grant(), undefined), true);
  assertEquals([progress.done, progress.login.methods], [true, steps]);
  assertStrictEquals(progress.login.key, ed25519.publicKey);
});

Deno.test("A password is changed as often as the server asks, with the old and the new one", async () => {
  const demand = (prompt: string) => UserauthPasswdChangereq.encode({ prompt, language: "" });
  const dialog = dialogWith([demand("old\x07"), demand("weak"), SUCCESS]);
  const prompts: string[] = [];
  const change = (prompt: string) => Promise.resolve(`new${prompts.push(prompt)}`);
  assertEquals(await password("first", { change }).authenticate(dialog), SUCCESS);
  assertEquals(prompts, ["old", "weak"]);
  const [first, ...others] = dialog.sent.map(({ data }) => data);
  assertEquals(PasswordAuth.decode(first!), { change: false, password: "first" });
  assertEquals(others.map((data) => PasswordChange.decode(data)), [
    { change: true, password: "first", newPassword: "new1" },
    { change: true, password: "first", newPassword: "new2" },
  ]);
});

const challenge = (
  prompts: readonly { text: string; echo: boolean }[],
  name = "",
  instruction = "",
) => encodeChallenge({ name, instruction, prompts });

Deno.test("Questions are shown if there is anything to show, and answered by their number", async () => {
  const shown: unknown[] = [];
  const prompt = { text: "?", echo: true };
  const method = interactive((challenge) => {
    shown.push(challenge);
    return challenge.prompts.map(() => "!");
  });
  const rounds = [
    challenge([]),
    challenge([], "title"),
    challenge([], "", "words"),
    challenge([prompt, prompt]),
    SUCCESS,
  ];
  const dialog = dialogWith(rounds);
  assertEquals(await method.authenticate(dialog), SUCCESS);
  assertEquals(shown, [
    { name: "title", instruction: "", prompts: [] },
    { name: "", instruction: "words", prompts: [] },
    { name: "", instruction: "", prompts: [prompt, prompt] },
  ]);
  const counts = dialog.sent.slice(1).map(({ data }) => data);
  assertEquals(counts, [[], [], [], ["!", "!"]].map((answers) => encodeAnswers(answers)));
  for (const wrong of [[], ["a"], ["a", "b", "c"]]) {
    const answering = interactive(() => wrong).authenticate(
      dialogWith([challenge([prompt, prompt])]),
    );
    await assertRejects(() => answering, TypeError, `Got ${wrong.length} answers for 2 prompts`);
  }
});

Deno.test("64 prompts per request are the limit, and their count must match", () => {
  const ask = (count: number, prompts = count) => {
    const pairs = decodeBody(encodeChallenge({
      name: "",
      instruction: "",
      prompts: Array.from({ length: prompts }, () => ({ text: "?", echo: false })),
    }));
    return () => decodeChallenge(UserauthInfoRequest.encode({ ...pairs, count }));
  };
  assertEquals(ask(MAX_PROMPTS)().prompts.length, 64);
  assertThrows(ask(MAX_PROMPTS + 1), ProtocolError, "The server asks 65 questions at a time");
  assertThrows(ask(1, 2));
  assertThrows(ask(2, 1));

  function decodeBody(payload: Uint8Array) {
    return UserauthInfoRequest.decode(payload);
  }
});

Deno.test("Answers are read only if their number matches, without trailing bytes", () => {
  const two = encodeAnswers(["a", "b"]);
  assertEquals(decodeAnswers(two, 2), ["a", "b"]);
  assertEquals([decodeAnswers(two, 1), decodeAnswers(two, 3)], [null, null]);
  assertThrows(() => decodeAnswers(Uint8Array.of(...two, 0), 2));
  assertThrows(() => decodeAnswers(two.subarray(0, -1), 2));
});

Deno.test("The peer's texts keep their lines, and lose control characters", () => {
  assertEquals(cleanText("a\r\nb\rc\nd\n\n"), "a\nb\nc\nd\n\n");
  assertEquals(cleanText("\x1b[2J\u202eok\x9b"), "[2Jok");
  assertEquals(cleanText("x".repeat(1024)), "x".repeat(1024));
  assert(cleanText("x".repeat(1025)).length <= 1025);
  assert(cleanText("x".repeat(2000)).length < 1100);
  assertEquals(cleanText("x".repeat(11), { maxLine: 10 }).startsWith("x".repeat(10)), true);
  assert(!cleanText("x".repeat(20), { maxLine: 10 }).includes("x".repeat(11)));
});

/** The server's algorithms, as a credential gets them. */
async function heard(ours: string[] | undefined, theirs: string | null) {
  const { client, server } = linkPair();
  if (theirs !== null) client.extensions.set("server-sig-algs", new TextEncoder().encode(theirs));
  let found: readonly string[] | null = null;
  const method: AuthMethod = {
    name: "x",
    authenticate(dialog) {
      found = dialog.signatureAlgorithms;
      return dialog.request(new Uint8Array(0));
    },
  };
  const entering = authenticateClient(client, {
    user: "ann",
    methods: [method],
    ...(ours && { algorithms: ours }),
  });
  await server.receive();
  server.send(SUCCESS);
  await entering;
  return found;
}

const lists: [string[] | undefined, string | null, string[] | null][] = [
  [undefined, null, null],
  [undefined, "rsa-sha2-256,ssh-rsa,ssh-ed25519", ["rsa-sha2-256", "ssh-ed25519"]],
  [["rsa-sha2-256", "ssh-rsa"], "ssh-rsa,rsa-sha2-512", ["ssh-rsa"]],
  [["rsa-sha2-256"], "ssh-rsa", []],
  [["rsa-sha2-256", "ssh-ed25519"], null, ["rsa-sha2-256", "ssh-ed25519"]],
  // RFC 8332 §3.3: a server without server-sig-algs supports only SHA-1.
  [["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa", "ssh-ed25519"], null, ["ssh-rsa", "ssh-ed25519"]],
];
for (const [ours, theirs, expected] of lists) {
  Deno.test(`With our ${ours} and the server's ${theirs}, keys sign with ${expected}`, async () => {
    assertEquals(await heard(ours, theirs), expected);
  });
}

Deno.test("A client sends at most 64 messages in a login", async () => {
  const { client, server } = linkPair();
  const method: AuthMethod = {
    name: "x",
    async authenticate(dialog) {
      for (;;) await dialog.request(new Uint8Array(0));
    },
  };
  const entering = authenticateClient(client, { user: "ann", methods: [method] });
  const failed = assertRejects(() => entering, ProtocolError, "more than 64");
  for (let i = 0; i < MAX_CLIENT_AUTH_ATTEMPTS; i++) {
    await server.receive();
    server.send(FAILURE);
  }
  await failed;
  assertEquals(client.sent.length, 64);
});

/** The message of a login that the server refuses with these answers. */
async function refusal(
  methods: AuthMethod[],
  ...answers: { remaining: string[]; partial?: boolean }[]
): Promise<AuthError> {
  const { client, server } = linkPair();
  const entering = authenticateClient(client, { user: "ann\x07", methods });
  const failed = assertRejects(() => entering, AuthError);
  for (const { remaining, partial = false } of answers) {
    await server.receive();
    server.send(UserauthFailure.encode({ remaining, partial }));
  }
  return await failed;
}

Deno.test("A refused login names the methods tried, those left and the reason", async () => {
  const rejected = await refusal([password("x")], { remaining: ["publickey", "hostbased"] });
  assertEquals(
    plainMessage(rejected),
    'Cannot log in as "ann": tried password; the server rejected every one; ' +
      'it allows publickey, hostbased; give a credential that it allows with the option "auth"',
  );
  assertEquals([rejected.attempts, rejected.remaining, rejected.partial], [
    ["password"],
    ["publickey", "hostbased"],
    false,
  ]);
  const partial = await refusal([none(), password("x")], { remaining: ["password"] }, {
    remaining: ["otp"],
    partial: true,
  });
  assertEquals(
    plainMessage(partial),
    'Cannot log in as "ann": tried password; the server requires another method; it allows otp',
  );
  const nothing = await refusal([password("x")], { remaining: [] });
  assert(plainMessage(nothing).includes("it allows no other method; give"));
  const broken: AuthMethod = {
    name: "publickey",
    authenticate: () => Promise.reject(new AuthError("the token is gone")),
  };
  const later: AuthMethod = {
    name: "publickey",
    authenticate: () => Promise.reject(new AuthError("another reason")),
  };
  const failed = await refusal([broken, later]);
  assertEquals(
    plainMessage(failed),
    'Cannot log in as "ann": no credential could be used; the token is gone',
  );
  assertEquals(failed.attempts, ["publickey", "publickey"]);
  const mixed = await refusal([broken, password("x")], { remaining: ["publickey"] });
  assertEquals(
    plainMessage(mixed),
    'Cannot log in as "ann": tried password; the server rejected every one; it allows publickey; ' +
      'the token is gone; give a credential that it allows with the option "auth"',
  );
  assertEquals(plainMessage(failed.cause), "the token is gone");
});

Deno.test("Only refused methods are tried again", async () => {
  const order: string[] = [];
  const method = (name: string): AuthMethod => ({
    name,
    authenticate: (dialog) => (order.push(name), dialog.request(new Uint8Array(0))),
  });
  await refusal(
    [method("a"), method("b"), method("c")],
    { remaining: ["a", "b"] },
    { remaining: ["a", "b"], partial: true },
    { remaining: ["b", "d"] },
  );
  assertEquals(order, ["a", "b", "a"]);
});

const everything = {
  pty: true,
  agentForwarding: true,
  x11Forwarding: true,
  portForwarding: true,
  noTouchRequired: true,
  verifyRequired: true,
};
for (const name of Object.keys(everything) as (keyof typeof everything)[]) {
  const takesAway = name !== "verifyRequired";
  Deno.test(`Of two grants, ${takesAway ? "both must allow" : "one is enough to require"} ${name}`, () => {
    const of = (one: boolean, other: boolean) =>
      new Grant({ [name]: one }).and(new Grant({ [name]: other }))?.[name];
    assertEquals([of(true, true), of(false, false)], [true, false]);
    assertEquals([of(true, false), of(false, true)], takesAway ? [false, false] : [true, true]);
  });
}

Deno.test("A grant copies its options, and allows what they do not mention", () => {
  const environment: Record<string, string> = { A: "1" };
  const permitOpen = ["a:1"];
  const permitListen = ["1"];
  const grant = new Grant({ environment, permitOpen, permitListen });
  environment.A = "2";
  permitOpen.push("*:*");
  permitListen.push("*");
  assertEquals(
    [grant.environment, grant.permitOpen, grant.permitListen],
    [{ A: "1" }, ["a:1"], ["1"]],
  );
  assertEquals({ ...new Grant() }, {
    ...everything,
    command: undefined,
    environment: {},
    permitOpen: undefined,
    permitListen: undefined,
    noTouchRequired: false,
    verifyRequired: false,
  });
});

Deno.test("Two grants have one command, one environment, and the addresses that both have", () => {
  const none = new Grant();
  const one = new Grant({
    command: "a",
    environment: { A: "1", B: "1" },
    permitOpen: ["a:1", "b:2"],
    permitListen: ["1", "2"],
  });
  const other = new Grant({
    environment: { B: "2", C: "2" },
    permitOpen: ["b:2", "c:3"],
    permitListen: ["2", "3"],
  });
  const both = one.and(other)!;
  assertEquals(both.command, "a");
  assertEquals(other.and(one)!.command, "a");
  assertEquals(both.environment, { A: "1", B: "1" });
  const free = new Grant({ environment: { A: "1", B: "1" } }).and(other)!;
  assertEquals(free.environment, { A: "1", B: "1", C: "2" });
  assertEquals([both.permitOpen, both.permitListen], [["b:2"], ["2"]]);
  assertEquals([none.and(one)!.permitOpen, one.and(none)!.permitOpen], [
    ["a:1", "b:2"],
    ["a:1", "b:2"],
  ]);
  assertEquals(none.and(none)!.permitListen, undefined);
  assertEquals(one.and(new Grant({ command: "b" })), null);
  assertEquals(one.and(new Grant({ command: "a" }))!.command, "a");
});

const yes = () => true;
const policies: [string, ServerAuthPolicy, string | string[][]][] = [
  ["nothing", {}, "offers no method"],
  ["only a change of passwords", { passwordChange: yes }, "offers no method"],
  ["all", { none: yes, publicKey: yes, password: yes, interactive: yes, hostBased: yes }, [
    ["none"],
    ["publickey"],
    ["password"],
    ["keyboard-interactive"],
    ["hostbased"],
  ]],
  ["an empty list", { none: yes, required: [] }, "requires an empty list"],
  ["a list of an empty one", { none: yes, required: [[]] }, "requires an empty list"],
  ["one list", { none: yes, password: yes, required: ["none", "password"] }, [[
    "none",
    "password",
  ]]],
  ["two lists", { none: yes, password: yes, required: [["none"], ["password"]] }, [
    ["none"],
    ["password"],
  ]],
  ["what is not offered", { none: yes, required: ["password"] }, 'requires "password" without'],
  ["a method twice", { none: yes, required: ["none", "none"] }, 'requires "none" twice'],
  ["two keys", { publicKey: yes, required: ["publickey", "publickey"] }, [[
    "publickey",
    "publickey",
  ]]],
];
for (const [what, policy, expected] of policies) {
  Deno.test(`A policy of ${what} is ${typeof expected === "string" ? "refused" : "understood"}`, () => {
    if (typeof expected === "string") {
      assertThrows(() => requiredLists(policy), TypeError, expected);
    } else assertEquals(requiredLists(policy), expected);
  });
}

Deno.test("A login follows its lists of methods step by step, and keeps partial successes", () => {
  const lists = [["publickey", "publickey"], ["publickey", "password"], ["none"]];
  const progress = new LoginProgress("ann", lists);
  assertEquals([progress.next, progress.done], [["publickey", "none"], false]);
  assert(progress.succeed("publickey", new Grant({ pty: false }), ed25519.publicKey));
  assertEquals([progress.next, progress.done], [["publickey", "password"], false]);
  assert(!progress.succeed("publickey", new Grant(), ed25519.publicKey), "the same key again");
  assertEquals(progress.next, ["publickey", "password"]);
  assert(progress.succeed("publickey", new Grant({ command: "a" }), rsa.publicKey));
  assert(progress.done);
  const { user, methods, key, grant } = progress.login;
  assertEquals([user, methods], ["ann", ["publickey", "publickey"]]);
  assert(key?.equals(rsa.publicKey));
  assertEquals([grant.pty, grant.command], [false, "a"]);
  const refused = new LoginProgress("ann", [["publickey", "publickey"]]);
  assert(refused.succeed("publickey", new Grant({ command: "a" }), rsa.publicKey));
  assert(!refused.succeed("publickey", new Grant({ command: "b" }), ed25519.publicKey));
  assert(!refused.succeed("publickey", new Grant(), certified.publicKey), "its certificate");
  assertEquals([refused.done, refused.login.methods], [false, ["publickey"]]);
});
