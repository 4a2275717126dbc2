/** The server's side of a login: delays, costly work, and the time after its end. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FAILURE_MS } from "../../lib/auth/failure_delay.ts";
import { type AuthAttempt, checkPolicy } from "../../lib/auth/server.ts";
import {
  QUICK_CERTIFICATE_BYTES,
  QUICK_SIGNATURE_BYTES,
  STRANGERS_RSA_BITS,
} from "../../lib/defaults.ts";
import { ParsedPublicKey } from "../../lib/keys/parsed_key.ts";
import { strangersWork } from "../../lib/transport/work_share.ts";
import { UserauthFailure, UserauthInfoResponse } from "../../lib/wire/messages.ts";
import { HostBasedAuth, InteractiveAuth, PublicKeyAuth } from "../../lib/wire/requests.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { testKey } from "../support/keys.ts";
import { exchange, passwordRequest, request, server } from "./hand_made.ts";
import "../support/quick_refusals.ts";

const interactive = request(
  "keyboard-interactive",
  InteractiveAuth.encode({ language: "", submethods: "" }),
);

Deno.test("checkPolicy refuses a policy that accepts no user", () => {
  checkPolicy({ none: () => true });
  assertThrows(() => checkPolicy({ banner: "hello" }), TypeError);
});

Deno.test("a request that abandons questions is decided once", async () => {
  const seen: string[] = [];
  const { client, sent } = server({
    password: (_user, password) => (seen.push(password), password === "right"),
    interactive: async (_user, ask) => (await ask([{ text: "Code: ", echo: true }]), true),
  });
  assertEquals(await exchange(client, interactive), 60);
  assertEquals(await exchange(client, passwordRequest("wrong")), 51);
  assertEquals(await exchange(client, passwordRequest("right")), 52);
  assertEquals(seen, ["wrong", "right"]);
  assertEquals(sent.sentNumbers, [60, 51, 52]);
});

Deno.test("none is not among the methods that can continue", async () => {
  const { client } = server({ none: () => false, password: () => false });
  client.send(request("none"));
  assertEquals(UserauthFailure.decode(await client.receive()).remaining, ["password"]);
});

Deno.test("a request that has arrived is not decided after the end of the login", async () => {
  const verdict = Promise.withResolvers<boolean>();
  const asked: string[] = [];
  const { signal, abort } = aborting();
  const { client, sent, login } = server({
    password: (_user, password) => (asked.push(password), verdict.promise),
  }, { signal });
  client.send(passwordRequest("first"));
  client.send(passwordRequest("second"));
  abort();
  await assertRejects(() => login, DOMException, "the end");
  verdict.resolve(false);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals([asked, sent.sent], [["first"], []]);
});

Deno.test("a refusal takes its time from the client's last message on, however late that comes", async () => {
  using time = new FakeTime();
  const { client } = server({
    password: () => false,
    interactive: async (_user, ask) => (await ask([{ text: "Code: ", echo: true }]), false),
  });
  const refusalOf = async (message: Uint8Array) => {
    await time.advance(60_000);
    const start = time.now;
    assertEquals(await time.settle(exchange(client, message)), 51);
    return time.now - start;
  };
  const least = await refusalOf(passwordRequest("wrong"));
  assert(least >= FAILURE_MS);
  assertEquals(await refusalOf(passwordRequest("wrong")), least);
  assertEquals(await time.settle(exchange(client, interactive)), 60);
  const answers = new Writer().text("77").take();
  assertEquals(await refusalOf(UserauthInfoResponse.encode({ count: 1, answers })), least);
});

/** Work of strangers that waits until the end of the test lets it run. */
function heldWork() {
  const turn = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const restore = replaced(strangersWork, "run", async (work) => {
    asked.resolve();
    await turn.promise;
    return work();
  });
  return { asked: asked.promise, begin: turn.resolve, [Symbol.dispose]: restore[Symbol.dispose] };
}

const rsa = (await testKey("rsa")).publicKey;
const costly: [what: string, message: Uint8Array][] = [
  ["a long signature", signedBy(rsa.blob, 600)],
  [
    "a long certificate",
    signedBy(new Uint8Array(4096), 1),
  ],
];
for (const [what, message] of costly) {
  Deno.test(`${what} that waits its turn costs nothing after the end of the login`, async () => {
    using work = heldWork();
    let verified = 0;
    using _verify = replaced(ParsedPublicKey.prototype, "verify", () => ++verified < 0);
    let asked = 0;
    const attempts: AuthAttempt[] = [];
    const { signal, abort } = aborting();
    const { client, sent, login } = server({ publicKey: () => ++asked > 0 }, {
      signal,
      onAttempt: (attempt) => void attempts.push(attempt),
    });
    client.send(message);
    await work.asked;
    abort();
    await assertRejects(() => login, DOMException, "the end");
    work.begin();
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals([verified, attempts, sent.sent], [0, [], []]);
    assertEquals(asked, what === "a long signature" ? 1 : 0);
  });
}

const held: [what: string, message: Uint8Array, held: boolean][] = [
  ["a usual signature", signedBy(rsa.blob, QUICK_SIGNATURE_BYTES), false],
  ["a longer signature", signedBy(rsa.blob, QUICK_SIGNATURE_BYTES + 1), true],
  ["a usual signature of a host", signedByHost(rsa.blob, QUICK_SIGNATURE_BYTES), false],
  ["a longer signature of a host", signedByHost(rsa.blob, QUICK_SIGNATURE_BYTES + 1), true],
  ["a usual certificate", signedBy(new Uint8Array(QUICK_CERTIFICATE_BYTES), 1), false],
  ["a longer certificate", signedBy(new Uint8Array(QUICK_CERTIFICATE_BYTES + 1), 1), true],
];
for (const [what, message, isHeld] of held) {
  Deno.test(`${what} ${isHeld ? "waits its turn" : "is verified at once"}`, async () => {
    using work = heldWork();
    const { client, sent } = server({ publicKey: () => true, hostBased: () => true });
    const answer = exchange(client, message);
    if (isHeld) {
      await work.asked;
      assertEquals(sent.sent, []);
      work.begin();
    }
    assertEquals(await answer, 51);
  });
}

Deno.test("a host whose key cannot be read is refused before the policy is asked", async () => {
  let asked = 0;
  const { client } = server({ hostBased: () => ++asked > 0 });
  assertEquals(await exchange(client, signedByHost(new Uint8Array(9), 9)), 51);
  assertEquals(asked, 0);
});

const longest: [bits: number, accepted: boolean, verified: number][] = [
  [STRANGERS_RSA_BITS, false, 1],
  [STRANGERS_RSA_BITS, true, 1],
  [STRANGERS_RSA_BITS + 1, false, 0],
  [STRANGERS_RSA_BITS + 1, true, 1],
];
for (const [bits, accepted, count] of longest) {
  const [what, how] = [accepted ? "an accepted" : "a refused", count > 0 ? "is" : "is not"];
  Deno.test(`a signature of ${what} key of ${bits} bits ${how} verified`, async () => {
    const blob = rsaBlob(bits);
    for (const message of [signedBy(blob, 600), signedByHost(blob, 600)]) {
      let verified = 0;
      using _verify = replaced(ParsedPublicKey.prototype, "verify", () => ++verified < 0);
      const { client } = server({ publicKey: () => accepted, hostBased: () => accepted });
      assertEquals(await exchange(client, message), 51);
      assertEquals(verified, count);
    }
  });
}

function aborting() {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: () => controller.abort(new DOMException("the end", "AbortError")),
  };
}

/** A request with a key and a wrong signature of this many bytes. */
function signedBy(publicKey: Uint8Array, bytes: number): Uint8Array {
  const fields = { algorithm: "rsa-sha2-512", publicKey, signature: new Uint8Array(bytes) };
  return request("publickey", PublicKeyAuth.encode({ signed: true, ...fields }));
}

function signedByHost(hostKey: Uint8Array, bytes: number): Uint8Array {
  const fields = { hostName: "h", userName: "u", signature: new Uint8Array(bytes) };
  return request(
    "hostbased",
    HostBasedAuth.encode({ algorithm: "rsa-sha2-512", hostKey, ...fields }),
  );
}

/** A public key of this many bits, which is never used to verify. */
function rsaBlob(bits: number): Uint8Array {
  const modulus = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
  modulus[0] = 0xff >> (8 * modulus.length - bits);
  return new Writer().text("ssh-rsa").mpint(new Uint8Array([1, 0, 1])).mpint(modulus).take();
}
