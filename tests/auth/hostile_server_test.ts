import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { authenticateClient, type ClientAuthOptions } from "../../lib/auth/client.ts";
import { type Challenge, interactive, none, password, publicKey } from "../../mod.ts";
import { MAX_BANNER, MAX_CLIENT_AUTH_ATTEMPTS } from "../../lib/defaults.ts";
import { AuthError, ProtocolError } from "../../lib/errors.ts";
import { generateKey, importPrivateKey } from "../../lib/keys/mod.ts";
import { requestService } from "../../lib/transport/service.ts";
import { keyFile } from "../support/keys.ts";
import {
  UserauthBanner,
  UserauthFailure,
  UserauthInfoRequest,
  UserauthInfoResponse,
  UserauthPasswdChangereq,
  UserauthPkOk,
  UserauthRequest,
  UserauthSuccess,
} from "../../lib/wire/messages.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { linkPair, type MemoryLink } from "./link_pair.ts";
import "../support/quick_refusals.ts";

const SUCCESS = UserauthSuccess.encode({});

/** A running client and a server that answers by a script, whatever it receives. */
async function against(
  script: readonly Uint8Array[],
  methods: ClientAuthOptions["methods"],
  options: Partial<ClientAuthOptions> = {},
): Promise<{ sent: MemoryLink; error: unknown }> {
  const { client, server } = linkPair();
  for (const message of script) server.send(message);
  const entered = authenticateClient(client, { user: "ann", methods, ...options });
  return { sent: client, error: await entered.then(() => null, (error) => error) };
}

function failure(remaining: string[], partial = false): Uint8Array {
  return UserauthFailure.encode({ remaining, partial });
}

function challenge(count: number, prompts: Uint8Array, name = ""): Uint8Array {
  return UserauthInfoRequest.encode({ name, instruction: "", language: "", count, prompts });
}

Deno.test("a SUCCESS in answer to a key query is not accepted", async () => {
  using key = await generateKey();
  const { error, sent } = await against([SUCCESS], [publicKey(key, { probe: true })]);
  assert(error instanceof ProtocolError);
  assertEquals(sent.sent.length, 1);
});

Deno.test("a PK_OK for another key or algorithm ends the connection", async () => {
  using key = await generateKey();
  using other = await generateKey();
  const answers = [
    { algorithm: "ssh-ed25519", publicKey: other.publicKey.blob },
    { algorithm: "ssh-rsa", publicKey: key.publicKey.blob },
  ];
  for (const answer of answers) {
    const script = [UserauthPkOk.encode(answer), SUCCESS];
    const { error, sent } = await against(script, [publicKey(key, { probe: true })]);
    assert(error instanceof ProtocolError);
    assertEquals(sent.sent.length, 1);
  }
});

Deno.test("a PK_OK may name the key type, or another of its algorithms", async () => {
  const { path } = await keyFile("rsa", "user");
  using key = importPrivateKey(await Deno.readTextFile(path));
  for (const algorithm of ["ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"]) {
    const ok = UserauthPkOk.encode({ algorithm, publicKey: key.publicKey.blob });
    const { error, sent } = await against([ok, SUCCESS], [publicKey(key, { probe: true })]);
    assertEquals([error, sent.sent.length], [null, 2]);
    assertStringIncludes(new TextDecoder("latin1").decode(sent.sent[1]), "rsa-sha2-512");
  }
});

Deno.test("a SERVICE_ACCEPT without a name accepts the requested service", async () => {
  for (const [payload, good] of [[[6], true], [[6, 0, 0, 0, 1, 65], false]] as const) {
    const { client, server } = linkPair();
    const service = requestService(client, "ssh-userauth");
    server.send(new Uint8Array(payload));
    assertEquals(await service.accepted().then(() => true, () => false), good);
  }
});

Deno.test("messages that a server may not send end the connection", async () => {
  const illegal = [
    new Uint8Array([50]),
    UserauthRequest.encode({ user: "a", service: "b", method: "c", data: new Uint8Array(0) }),
    UserauthInfoResponse.encode({ count: 0, answers: new Uint8Array(0) }),
    new Uint8Array([60]),
    new Uint8Array([79]),
    new Uint8Array([52, 0]),
    new Uint8Array([51]),
    failure(["password"]).subarray(0, -1),
    new Uint8Array([53]),
  ];
  using key = await generateKey();
  for (const message of illegal) {
    for (const method of [none(), password("secret"), publicKey(key), interactive(() => [])]) {
      const { error } = await against([message], [method]);
      assert(error instanceof ProtocolError, `${message} by ${method.name}: ${error}`);
    }
  }
});

Deno.test("a PASSWD_CHANGEREQ is refused during keyboard-interactive and publickey", async () => {
  using key = await generateKey();
  const demand = UserauthPasswdChangereq.encode({ prompt: "New password?", language: "" });
  for (const method of [none(), publicKey(key), interactive(() => [])]) {
    const { error } = await against([demand], [method]);
    assert(error instanceof ProtocolError);
  }
});

Deno.test("absurd numbers of prompts are refused before anything is allocated", async () => {
  const prompt = new Writer().text("?").bool(true).take();
  const many = new Writer();
  for (let i = 0; i < 65; i++) many.bytes(prompt);
  const absurd = [
    challenge(0xffffffff, new Uint8Array(0)),
    challenge(65, many.take()),
    challenge(2, prompt),
    challenge(0, prompt),
    challenge(1, new Uint8Array([255, 255, 255, 255])),
  ];
  for (const message of absurd) {
    const { error } = await against([message], [interactive(() => ["secret"])]);
    assert(error instanceof ProtocolError);
  }
});

Deno.test("prompts are stripped of control characters, and cut", async () => {
  const prompts = new Writer().text("\x1b]0;owned\x07Pass\u202eword:\n\x9b2J ").bool(false).take();
  const seen: Challenge[] = [];
  const method = interactive((asked) => (seen.push(asked), ["secret"]));
  const long = "x".repeat(1 << 16);
  await against([challenge(1, prompts, `\x1b[1m${long}`), SUCCESS], [method]);
  assertEquals(seen[0]?.prompts, [{ text: "]0;ownedPassword:\n2J ", echo: false }]);
  assert(seen[0]!.name.length < 2000);
});

Deno.test("the texts of a password change are stripped of control characters", async () => {
  let seen = "";
  const demand = UserauthPasswdChangereq.encode({ prompt: "\x1b[2JNew?", language: "" });
  const method = password("old", { change: (prompt) => (seen = prompt, "new") });
  const { error } = await against([demand, SUCCESS], [method]);
  assertEquals([error, seen], [null, "[2JNew?"]);
});

Deno.test("the client leaves a server that asks endlessly", async () => {
  const prompt = new Writer().text("?").bool(true).take();
  const endless = Array.from({ length: 100 }, () => challenge(1, prompt));
  const first = await against(endless, [interactive(() => ["secret"])]);
  assert(first.error instanceof ProtocolError);
  assertEquals(first.sent.sent.length, MAX_CLIENT_AUTH_ATTEMPTS);
  const demands = Array.from(
    { length: 100 },
    () => UserauthPasswdChangereq.encode({ prompt: "", language: "" }),
  );
  const second = await against(demands, [password("old", { change: () => "new" })]);
  assert(second.error instanceof ProtocolError);
});

Deno.test("endless partial success ends when every method has succeeded", async () => {
  const methods = [password("one"), interactive(() => []), password("two")];
  const script = Array.from(
    { length: 10 },
    () => failure(["password", "keyboard-interactive"], true),
  );
  const { error, sent } = await against(script, methods);
  assert(error instanceof AuthError);
  assertEquals(sent.sent.length, 3);
  assertEquals(error.partial, true);
});

Deno.test("banners are shown up to MAX_BANNER in total, in any number of messages", async () => {
  const lines = (count: number) => `${"x".repeat(99)}\n`.repeat(count);
  for (const count of [600, 64]) {
    const banner = UserauthBanner.encode({ text: lines(count), language: "" });
    const banners = Math.ceil(2 * MAX_BANNER / (100 * count));
    const shown: string[] = [];
    const { error } = await against(
      [...Array.from({ length: banners }, () => banner), failure(["password"]), banner, SUCCESS],
      [password("one"), password("two")],
      { onBanner: (text) => void shown.push(text) },
    );
    assertEquals(error, null);
    const text = shown.join("");
    assertEquals(text.length, MAX_BANNER);
    assertEquals(text, lines(MAX_BANNER / 100 + 1).slice(0, MAX_BANNER));
    assert(shown.every((part) => part !== ""));
  }
});

Deno.test("a banner does not count as an answer, and needs no listener", async () => {
  const banner = UserauthBanner.encode({ text: "hello", language: "" });
  const script = [banner, banner, failure(["password"]), banner, SUCCESS];
  const { error, sent } = await against(script, [password("one"), password("two")]);
  assertEquals([error, sent.sent.length], [null, 2]);
});

Deno.test("the server's method names are safe to print, and cut", async () => {
  const names = Array.from({ length: 2000 }, (_, i) => `method${i}@example.com`);
  const { error } = await against([failure(names)], [none()]);
  assert(error instanceof AuthError);
  assert(error.message.length < 500);
});

Deno.test("an error of the program's functions ends the login with that same error", async () => {
  const reason = new Error("cancelled by the user");
  const fail = () => Promise.reject(reason);
  const first = await against([SUCCESS], [password(fail)]);
  assertEquals([first.error, first.sent.sent], [reason, []]);
  const prompt = new Writer().text("?").bool(true).take();
  const second = await against([challenge(1, prompt), SUCCESS], [interactive(fail)]);
  assertEquals(second.error, reason);
  const banner = UserauthBanner.encode({ text: "hello", language: "" });
  const onBanner = () => {
    throw reason;
  };
  const third = await against([banner, SUCCESS], [none()], { onBanner });
  assertEquals(third.error, reason);
});

Deno.test("nothing secret is in an AuthError", async () => {
  const { error } = await against([failure(["password"])], [password("open sesame")]);
  assert(!Deno.inspect(error).includes("sesame"));
  const method = password("open sesame");
  assert(!Deno.inspect(method).includes("sesame"));
});

Deno.test("an aborted signal sends nothing at all", async () => {
  const { client } = linkPair();
  const signal = AbortSignal.abort(new Error("too late"));
  const entered = authenticateClient(client, { user: "ann", methods: [password("x")], signal });
  await assertRejects(() => entered, Error, "too late");
  assertEquals(client.sent, []);
});

Deno.test("any user name can be in the error safely", async () => {
  const { error } = await against([failure([])], [none()], { user: "a\x1b[2J\n\u0000b" });
  assert(error instanceof AuthError);
  assert(error.message.startsWith('Cannot log in as "a[2Jb"'));
});
