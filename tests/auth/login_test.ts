import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { authenticateClient, type ClientAuthOptions } from "../../lib/auth/client.ts";
import { type AuthMethod, interactive, none, password, publicKey } from "../../mod.ts";
import type { ServerAuthPolicy } from "../../lib/auth/policy.ts";
import type { AcceptedLogin } from "../../lib/auth/progress.ts";
import { authenticateServer, type ServerAuthOptions } from "../../lib/auth/server.ts";
import { AuthError, ProtocolError } from "../../lib/errors.ts";
import { type GeneratedKeyType, generateKey } from "../../lib/keys/mod.ts";
import type { Link } from "../../lib/transport/link.ts";
import { UserauthRequest } from "../../lib/wire/messages.ts";
import { HostBoundAuth, HostBoundProbe, HostBoundSigned } from "../../lib/wire/requests.ts";
import { linkPair } from "./link_pair.ts";
import "../support/quick_refusals.ts";
import { testKey } from "../support/keys.ts";
import { plainMessage } from "../../lib/error_messages.ts";

type World = Partial<ClientAuthOptions> & {
  policy: ServerAuthPolicy;
  server?: Partial<ServerAuthOptions>;
  extensions?: Record<string, string>;
};

/** Runs both roles with each other; the end of the client ends the server. */
async function logIn({ policy, server, extensions = {}, ...client }: World) {
  const pair = linkPair();
  for (const [name, value] of Object.entries(extensions)) {
    pair.client.extensions.set(name, new TextEncoder().encode(value));
  }
  const login = authenticateServer(pair.server, { policy, ...server });
  const ended = login.then(() => {}, (error) => pair.client.die(error));
  let error: unknown;
  try {
    await authenticateClient(pair.client, { user: "ann", methods: [], ...client });
  } catch (cause) {
    error = cause;
    pair.server.die(cause);
  }
  await ended;
  const result: AcceptedLogin | null = await login.catch(() => null);
  return { login: result, error, pair };
}

const ask: ServerAuthPolicy = { password: (_user, password) => password === "right" };

Deno.test("password logs in with the right password", async () => {
  const { login, pair } = await logIn({ policy: ask, methods: [password("right")] });
  assertEquals([login?.user, login?.methods], ["ann", ["password"]]);
  assertEquals(pair.client.sentNumbers, [50]);
  assertEquals(pair.server.sentNumbers, [52]);
});

Deno.test("password asks for the secret only when it is needed", async () => {
  let asked = 0;
  const secret = () => Promise.resolve(`right${++asked}`.slice(0, 5));
  const none: ServerAuthPolicy = { interactive: () => true, password: () => true };
  await logIn({ policy: none, methods: [interactive(() => []), password(secret)] });
  assertEquals(asked, 0);
  const { login } = await logIn({ policy: ask, methods: [password(secret)] });
  assertEquals(login?.methods, ["password"]);
  assertEquals(asked, 1);
});

Deno.test("AuthError names the methods tried and those that the server allows", async () => {
  using key = await generateKey();
  const policy: ServerAuthPolicy = { ...ask, publicKey: () => false };
  const methods = [publicKey(key), password("wrong"), interactive(() => [])];
  const { login, error } = await logIn({ policy, methods });
  assertEquals(login, null);
  assert(error instanceof AuthError);
  assertEquals(error.attempts, ["publickey", "password"]);
  assertEquals(error.remaining, ["publickey", "password"]);
  assertEquals(error.partial, false);
  const offered = `key ED25519 ${key.publicKey.fingerprint()}`;
  assertEquals(error.tried, [offered, "password"]);
  assertEquals(
    plainMessage(error),
    `Cannot log in as "ann": tried ${offered}, password; the server rejected every one; ` +
      "it allows publickey, password; " +
      "check the user name, and that authorized_keys on the server has the key",
  );
});

Deno.test("authenticateClient tries none when it has no method", async () => {
  const { login } = await logIn({ policy: { none: (user) => user === "ann" } });
  assertEquals([login?.user, login?.methods], ["ann", ["none"]]);
  const { error } = await logIn({ policy: ask });
  assert(error instanceof AuthError);
  assertEquals([error.attempts, error.remaining], [["none"], ["password"]]);
});

Deno.test("none and the first key share a round trip if the server ignores late requests", async () => {
  using key = await generateKey();
  const methods = [none(), publicKey(key, { probe: true }), password("right")];
  const policy: ServerAuthPolicy = { publicKey: () => true, password: () => true };
  const order = async (methods: AuthMethod[], policy: ServerAuthPolicy, pipelined = true) => {
    const pair = linkPair();
    const events: string[] = [];
    const link: Link = {
      sessionId: pair.client.sessionId,
      host: pair.client.host,
      extensions: pair.client.extensions,
      acknowledge: () => void events.push("acknowledged"),
      send(payload) {
        events.push(UserauthRequest.decode(payload).method);
        pair.client.send(payload);
      },
      async receive() {
        const payload = await pair.client.receive();
        events.push(`${payload[0]}`);
        return payload;
      },
    };
    const login = authenticateServer(pair.server, { policy });
    await authenticateClient(link, { user: "ann", methods, pipelined });
    await login;
    return events.join(" ");
  };
  const letsIn: ServerAuthPolicy = { none: () => true };
  assertEquals(await order(methods, policy), "none publickey 51 acknowledged 60 publickey 52");
  assertEquals(await order(methods, policy, false), "none 51 publickey 60 publickey 52");
  assertEquals(await order(methods, letsIn), "none publickey 52");
  assertEquals(await order(methods, letsIn, false), "none 52");
  // Sends secrets and asks questions only after the server has refused "none".
  assertEquals(await order([none(), password("right")], policy), "none 51 password 52");
  assertEquals(await order([publicKey(key)], policy), "publickey 52");
});

Deno.test("none still gets its answer if a credential cannot be sent", async () => {
  using key = await generateKey();
  const broken = {
    publicKey: key.publicKey,
    sign: () => Promise.reject(new Error("the agent is gone")),
  };
  const methods = [none(), publicKey(broken)];
  const { login } = await logIn({ policy: { none: () => true }, methods, pipelined: true });
  assertEquals(login?.methods, ["none"]);
  const { error } = await logIn({ policy: { publicKey: () => true }, methods, pipelined: true });
  assert(error instanceof AuthError);
  assertEquals(error.attempts, ["none", "publickey"]);
});

Deno.test("Nothing more is sent once none has succeeded", async () => {
  using key = await generateKey();
  const stubborn: AuthMethod = {
    ...publicKey(key),
    async authenticate(dialog) {
      await dialog.request(new Uint8Array(1)).catch(() => {});
      return await dialog.request(new Uint8Array(1)).catch(() => new Uint8Array([51]));
    },
  };
  const methods = [none(), stubborn];
  const { login, pair } = await logIn({ policy: { none: () => true }, methods, pipelined: true });
  assertEquals([login?.methods, pair.client.sent.length], [["none"], 2]);
});

Deno.test("authenticateClient skips methods that the server does not allow", async () => {
  using key = await generateKey();
  let signed = 0;
  const counted = {
    publicKey: key.publicKey,
    sign: (algorithm: string, data: Uint8Array) => (signed++, key.sign(algorithm, data)),
  };
  const methods = [none(), publicKey(counted), password("right")];
  const { login } = await logIn({ policy: ask, methods });
  assertEquals(login?.methods, ["password"]);
  assertEquals(signed, 0);
});

for (const type of ["ed25519", "ecdsa-p256", "ecdsa-p384", "rsa"] as GeneratedKeyType[]) {
  for (const probe of [false, true]) {
    const how = probe ? "after asking" : "straight away";
    Deno.test(`publicKey logs in by a key of type ${type}, ${how}`, async () => {
      using key = await testKey(type);
      const { login, pair } = await logIn({
        policy: { publicKey: (user, offered) => user === "ann" && offered.equals(key.publicKey) },
        methods: [publicKey(key, { probe })],
      });
      assertEquals(login?.methods, ["publickey"]);
      assert(login?.key?.equals(key.publicKey));
      assertEquals(pair.server.sentNumbers, probe ? [60, 52] : [52]);
    });
  }
}

Deno.test("publicKey queries before signing only if configured, and then signs only accepted keys", async () => {
  using key = await generateKey();
  const unwilling = {
    publicKey: key.publicKey,
    sign: () => {
      throw new Error("must not sign");
    },
  };
  const methods = [publicKey(unwilling, { probe: true })];
  const { error } = await logIn({ policy: { publicKey: () => false }, methods });
  assert(error instanceof AuthError);
  assertEquals(error.cause, undefined);
});

Deno.test("the next method is tried if publicKey cannot sign", async () => {
  using key = await generateKey();
  const broken = {
    publicKey: key.publicKey,
    sign: () => Promise.reject(new Error("agent refused")),
  };
  const policy: ServerAuthPolicy = { ...ask, publicKey: () => true };
  const { login } = await logIn({ policy, methods: [publicKey(broken), password("right")] });
  assertEquals(login?.methods, ["password"]);
  const { error } = await logIn({ policy, methods: [publicKey(broken)] });
  assert(error instanceof AuthError);
  assertStringIncludes(
    plainMessage(error),
    `Cannot sign with the key ${key.publicKey.fingerprint()}`,
  );
});

Deno.test("publicKey chooses an RSA signature by server-sig-algs", async () => {
  using key = await testKey("rsa");
  const tried: string[] = [];
  const counted = {
    publicKey: key.publicKey,
    sign: (algorithm: string, data: Uint8Array) => {
      tried.push(algorithm);
      return key.sign(algorithm, data);
    },
  };
  const policy: ServerAuthPolicy = { publicKey: () => true };
  const methods = [publicKey(counted)];
  await logIn({ policy, methods });
  await logIn({ policy, methods, extensions: { "server-sig-algs": "rsa-sha2-256,ssh-rsa" } });
  assertEquals(tried, ["rsa-sha2-512", "rsa-sha2-256"]);
  const { error } = await logIn({
    policy,
    methods,
    extensions: { "server-sig-algs": "ssh-rsa" },
  });
  assert(error instanceof AuthError);
  assertStringIncludes(plainMessage(error), 'accepts no signature algorithm of a key "ssh-rsa"');
});

Deno.test("publicKey offers an Ed25519 key to a server that leaves it out of its list", async () => {
  using key = await generateKey();
  const { login } = await logIn({
    policy: { publicKey: () => true },
    methods: [publicKey(key)],
    extensions: { "server-sig-algs": "rsa-sha2-256,rsa-sha2-512" },
  });
  assertEquals(login?.methods, ["publickey"]);
});

Deno.test("several keys are tried in order", async () => {
  using first = await generateKey();
  using second = await generateKey();
  const { login } = await logIn({
    policy: { publicKey: (_user, key) => key.equals(second.publicKey) },
    methods: [publicKey(first), publicKey(second, { probe: true })],
  });
  assert(login?.key?.equals(second.publicKey));
});

Deno.test("interactive handles several rounds", async () => {
  const seen: unknown[] = [];
  const { login } = await logIn({
    policy: {
      async interactive(user, ask) {
        const [pin] = await ask([{ text: "PIN: ", echo: false }], { name: "Step 1" });
        const [code, colour] = await ask([
          { text: "Code: ", echo: true },
          { text: "Colour: ", echo: true },
        ], { instruction: "Look at your token" });
        return user === "ann" && pin === "1234" && code === "77" && colour === "blue";
      },
    },
    methods: [
      interactive(({ name, instruction, prompts }) => {
        seen.push(name, instruction);
        return prompts.map(({ text }) =>
          ({ "PIN: ": "1234", "Code: ": "77", "Colour: ": "blue" })[text] ?? ""
        );
      }),
    ],
  });
  assertEquals(login?.methods, ["keyboard-interactive"]);
  assertEquals(seen, ["Step 1", "", "", "Look at your token"]);
});

Deno.test("interactive answers a challenge without prompts by itself", async () => {
  const shown: string[] = [];
  const { login } = await logIn({
    policy: {
      async interactive(_user, ask) {
        await ask([]);
        await ask([], { instruction: "Welcome back" });
        return true;
      },
    },
    methods: [interactive(({ instruction }) => (shown.push(instruction), ["too", "many"]))],
  });
  assertEquals(login?.methods, ["keyboard-interactive"]);
  assertEquals(shown, ["Welcome back"]);
});

Deno.test("interactive with the wrong number of answers is the caller's error", async () => {
  const { error } = await logIn({
    policy: { interactive: async (_user, ask) => (await ask([{ text: "?", echo: true }]), true) },
    methods: [interactive(() => [])],
  });
  assert(error instanceof TypeError);
});

Deno.test("an expired password is changed", async () => {
  let stored = "old";
  const policy: ServerAuthPolicy = {
    password: (_user, password) => password === stored && { change: "Expired. New one?" },
    passwordChange(_user, old, fresh) {
      if (old !== stored) return false;
      if (fresh.length < 8) return { change: "Too short. New one?" };
      stored = fresh;
      return true;
    },
  };
  const words: string[] = [];
  const change = (prompt: string) => {
    words.push(prompt);
    return words.length === 1 ? "short" : "long enough";
  };
  const { login } = await logIn({ policy, methods: [password("old", { change })] });
  assertEquals(login?.methods, ["password"]);
  assertEquals(words, ["Expired. New one?", "Too short. New one?"]);
  assertEquals(stored, "long enough");
});

Deno.test("the next method is tried if an expired password cannot be changed", async () => {
  const policy: ServerAuthPolicy = {
    password: () => ({ change: "Expired" }),
    passwordChange: () => true,
    interactive: () => true,
  };
  const methods = [password("old"), interactive(() => [])];
  const { login } = await logIn({ policy, methods });
  assertEquals(login?.methods, ["keyboard-interactive"]);
  const { error } = await logIn({ policy, methods: [password("old")] });
  assert(error instanceof AuthError);
  assertStringIncludes(plainMessage(error), "must be changed");
});

Deno.test("a demand for a new password counts as a refusal without a changePassword function", async () => {
  const policy: ServerAuthPolicy = { password: () => ({ change: "Expired" }) };
  const { login, error } = await logIn({ policy, methods: [password("old")] });
  assertEquals(login, null);
  assert(error instanceof AuthError);
});

Deno.test("required methods must all succeed, one after the other", async () => {
  using key = await generateKey();
  const policy: ServerAuthPolicy = {
    ...ask,
    publicKey: () => true,
    required: ["publickey", "password"],
  };
  const both = [publicKey(key), password("right")];
  for (const [methods, answers] of [[both, [51, 52]], [both.toReversed(), [51, 51, 52]]] as const) {
    const { login, pair } = await logIn({ policy, methods });
    assertEquals(login?.methods, ["publickey", "password"]);
    assertEquals(pair.server.sentNumbers, [...answers]);
  }
  const { login, error } = await logIn({ policy, methods: [publicKey(key), password("wrong")] });
  assertEquals(login, null);
  assert(error instanceof AuthError);
  assertEquals([error.partial, error.remaining], [true, ["password"]]);
});

Deno.test("one of several lists of methods is enough", async () => {
  using key = await generateKey();
  const policy: ServerAuthPolicy = {
    ...ask,
    publicKey: () => true,
    interactive: async (_user, ask) => (await ask([{ text: "Code: ", echo: true }]))[0] === "42",
    required: [["publickey", "password"], ["publickey", "keyboard-interactive"], ["password"]],
  };
  const code = interactive(() => ["42"]);
  const ways: [AuthMethod[], string[] | undefined][] = [
    [[publicKey(key), password("right")], ["publickey", "password"]],
    [[publicKey(key), code], ["publickey", "keyboard-interactive"]],
    [[password("right")], ["password"]],
    [[code], undefined],
    [[publicKey(key)], undefined],
  ];
  for (const [methods, expected] of ways) {
    const { login } = await logIn({ policy, methods });
    assertEquals(login?.methods, expected);
  }
});

Deno.test("a method refused earlier is tried again after partial success", async () => {
  using key = await generateKey();
  let keyShown = false;
  const { login } = await logIn({
    policy: {
      publicKey: () => keyShown = true,
      password: () => keyShown,
      required: ["publickey", "password"],
    },
    methods: [password("right"), publicKey(key)],
  });
  assertEquals(login?.methods, ["publickey", "password"]);
});

Deno.test("the banner is stripped of control characters", async () => {
  const banners: string[] = [];
  const policy: ServerAuthPolicy = {
    ...ask,
    banner: (user) => `Hello ${user}\r\n\x1b[31mAuthorized\x07 use only\u202e\n`,
  };
  const methods = [password("wrong"), password("right")];
  const onBanner = (text: string) => banners.push(text);
  const { login } = await logIn({ policy, methods, onBanner });
  assertEquals(login?.methods, ["password"]);
  assertEquals(banners, ["Hello ann\n[31mAuthorized use only\n"]);
});

Deno.test("onAttempt gets every decided attempt and errors of the policy", async () => {
  using key = await generateKey();
  const attempts: unknown[] = [];
  await logIn({
    policy: {
      ...ask,
      publicKey: () => {
        throw new Error("database is down");
      },
    },
    methods: [publicKey(key), password("right")],
    server: {
      onAttempt: ({ method, accepted, key: tried, error }) =>
        attempts.push([method, accepted, tried?.equals(key.publicKey), String(error)]),
    },
  });
  assertEquals(attempts, [
    ["publickey", false, true, "Error: database is down"],
    ["password", true, undefined, "undefined"],
  ]);
});

Deno.test("too many failures end the connection with reason 14", async () => {
  const methods = Array.from({ length: 9 }, () => password("wrong"));
  const { error, pair } = await logIn({ policy: ask, methods, server: { maxTries: 3 } });
  assert(error instanceof ProtocolError);
  assertEquals(error.disconnectReason, 14);
  assertEquals(pair.server.sentNumbers, [51, 51]);
});

Deno.test("a first none does not count as a failed attempt, a second one does", async () => {
  const { error, pair } = await logIn({
    policy: ask,
    methods: [none(), password("wrong")],
    server: { maxTries: 1 },
  });
  assert(error instanceof ProtocolError);
  assertEquals(pair.server.sentNumbers, [51]);
});

Deno.test("abort ends both roles with the signal's reason", async () => {
  const pair = linkPair();
  const client = new AbortController();
  const server = new AbortController();
  const reason = new Error("enough");
  const waiting = Promise.withResolvers<boolean>();
  const login = authenticateServer(pair.server, {
    policy: { password: () => waiting.promise },
    signal: server.signal,
  });
  const entered = authenticateClient(pair.client, {
    user: "ann",
    methods: [password("right")],
    signal: client.signal,
  });
  client.abort(reason);
  server.abort(reason);
  assertEquals(await entered.catch((error) => error), reason);
  assertEquals(await login.catch((error) => error), reason);
  waiting.resolve(true);
  await waiting.promise;
  pair.client.die(reason);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(pair.server.sent, []);
});

Deno.test("a password that is typed after the abort is not sent", async () => {
  const pair = linkPair();
  const controller = new AbortController();
  const typed = Promise.withResolvers<string>();
  const entered = authenticateClient(pair.client, {
    user: "ann",
    methods: [password(() => typed.promise)],
    signal: controller.signal,
  });
  controller.abort();
  await assertRejects(() => entered, DOMException);
  typed.resolve("right");
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(pair.client.sent, []);
});

Deno.test("a connection that dies ends both roles with its error", async () => {
  const pair = linkPair();
  const reason = new Error("reset");
  const login = authenticateServer(pair.server, { policy: ask });
  const entered = authenticateClient(pair.client, {
    user: "ann",
    methods: [interactive(() => [])],
  });
  pair.client.die(reason);
  pair.server.die(reason);
  assertEquals(await entered.catch((error) => error), reason);
  assertEquals(await login.catch((error) => error), reason);
});

for (const probe of [false, true]) {
  const how = probe ? "after asking" : "straight away";
  Deno.test(`publicKey names the server's host key if the server supports it, ${how}`, async () => {
    using key = await generateKey();
    const { login, pair } = await logIn({
      policy: { publicKey: () => true },
      methods: [publicKey(key, { probe })],
      extensions: { "publickey-hostbound@openssh.com": "0" },
    });
    assertEquals(login?.methods, ["publickey"]);
    for (const sent of pair.client.sent) {
      const { method, data } = UserauthRequest.decode(sent);
      assertEquals(method, "publickey-hostbound-v00@openssh.com");
      const bound = data[0] === 0 ? HostBoundProbe.decode(data) : HostBoundAuth.decode(data);
      assertEquals(bound.hostKey, pair.client.host.hostKey.blob);
    }
  });
}

Deno.test("a key request that is bound to another host is refused", async () => {
  using key = await generateKey();
  using other = await generateKey();
  const pair = linkPair();
  const login = authenticateServer(pair.server, { policy: { publicKey: () => true } });
  login.catch(() => {});
  const { sessionId } = pair.client;
  const method = "publickey-hostbound-v00@openssh.com";
  const send = (hostKey: Uint8Array, signedFor = hostKey) => {
    const request = { signed: true, algorithm: "ssh-ed25519", publicKey: key.publicKey.blob };
    const session = { sessionId, number: 50, user: "ann", service: "ssh-connection", method };
    const bytes = HostBoundSigned.encode({ ...session, ...request, hostKey: signedFor });
    const signature = key.sign("ssh-ed25519", bytes);
    const data = HostBoundAuth.encode({ ...request, hostKey, signature });
    const { user, service } = session;
    pair.client.send(UserauthRequest.encode({ user, service, method, data }));
    return pair.client.receive();
  };
  const ours = pair.client.host.hostKey.blob;
  assertEquals((await send(other.publicKey.blob))[0], 51);
  assertEquals((await send(ours, other.publicKey.blob))[0], 51);
  assertEquals((await send(ours))[0], 52);
  assertEquals((await login).methods, ["publickey"]);
});
