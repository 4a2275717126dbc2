/** Passwords and answers are wiped from all byte arrays after the decision, on both sides. */
import { assertEquals, assertRejects } from "@std/assert";
import { type AuthMethod, interactive, password } from "@denossh/ssh";
import type { ServerAuthPolicy } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { MemoryWatch } from "../support/memory_watch.ts";

const RIGHT = "correct horse battery";
const NEW = "staple for the new year";
const WRONG = "wrong cow accumulator";

async function left(method: AuthMethod, auth: ServerAuthPolicy, welcome = true): Promise<number> {
  const secrets = [RIGHT, NEW, WRONG].map((text) => new TextEncoder().encode(text));
  using watch = new MemoryWatch();
  const login = async () => {
    const trace = () => {};
    const [connect, serve] = [{ auth: [method], trace }, { auth, trace }];
    await using _pair = await connectedPair({ connect, serve });
  };
  if (welcome) await login();
  else await assertRejects(login);
  return secrets.map((secret) => watch.count(secret)).reduce((sum, count) => sum + count);
}

// Messages decoded for a trace are wiped, too: all tests trace.
Deno.test("A password is wiped, accepted or refused", async () => {
  const auth: ServerAuthPolicy = { password: (_user, given) => given === RIGHT };
  assertEquals(await left(password(RIGHT), auth), 0);
  assertEquals(await left(password(WRONG), auth, false), 0);
});

Deno.test("A password is wiped if the policy fails", async () => {
  const auth: ServerAuthPolicy = { password: () => Promise.reject(new Error("no database")) };
  assertEquals(await left(password(WRONG), auth, false), 0);
});

Deno.test("A password is wiped if the server does not offer passwords", async () => {
  const auth: ServerAuthPolicy = { publicKey: () => false };
  assertEquals(await left(password(WRONG), auth, false), 0);
});

Deno.test("A new password and the old one are wiped", async () => {
  const auth: ServerAuthPolicy = {
    password: () => ({ change: "It has expired" }),
    passwordChange: (_user, before, after) => before === RIGHT && after === NEW,
  };
  assertEquals(await left(password(RIGHT, { change: () => NEW }), auth), 0);
});

Deno.test("Answers are wiped, accepted or refused, and of a wrong number", async () => {
  const auth: ServerAuthPolicy = {
    interactive: async (_user, ask) =>
      (await ask([{ text: "Password: ", echo: false }]))[0] === RIGHT,
  };
  assertEquals(await left(interactive(() => [RIGHT]), auth), 0);
  assertEquals(await left(interactive(() => [WRONG]), auth, false), 0);
});
