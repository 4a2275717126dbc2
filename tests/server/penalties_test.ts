import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuthError, connect, ConnectError, none, password, type SshError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions } from "@denossh/ssh/server";
import { networkOf } from "../../lib/auth/address_list.ts";
import { MAX_PENALIZED_SOURCES } from "../../lib/defaults.ts";
import { Penalties } from "../../lib/server/penalties.ts";

Deno.test("Penalties add up, and refuse from their least sum on until the time is up", () => {
  const penalties = new Penalties();
  penalties.add("192.0.2.1", "authFail", 0);
  penalties.add("192.0.2.1", "authFail", 0);
  assert(!penalties.refuses("192.0.2.1", 0));
  penalties.add("192.0.2.1", "authFail", 0);
  assert(penalties.refuses("192.0.2.1", 14_999));
  assert(!penalties.refuses("192.0.2.1", 15_000));
  assert(!penalties.refuses("192.0.2.2", 0));
  // Served: the next one counts from the beginning.
  penalties.add("192.0.2.1", "authFail", 20_000);
  assert(!penalties.refuses("192.0.2.1", 20_000));
});

Deno.test("Penalties end in bounded time, however many there are", () => {
  const penalties = new Penalties({ max: 30_000 });
  for (let i = 0; i < 100; i++) penalties.add("192.0.2.1", "graceExceeded", 0);
  assert(penalties.refuses("192.0.2.1", 29_999));
  assert(!penalties.refuses("192.0.2.1", 30_000));
});

Deno.test("Penalties are for networks, and some are exempt", () => {
  const penalties = new Penalties({ min: 0, exempt: "10.0.0.0/8,!10.0.0.1" });
  penalties.add("2001:db8::1", "noAuth", 0);
  assert(penalties.refuses("2001:db8::ffff:1", 0));
  assert(!penalties.refuses("2001:db8:0:1::1", 0));
  penalties.add("10.1.2.3", "noAuth", 0);
  penalties.add("10.0.0.1", "noAuth", 0);
  assertEquals([penalties.refuses("10.1.2.3", 0), penalties.refuses("10.0.0.1", 0)], [false, true]);
  assertEquals(networkOf("::ffff:192.0.2.1"), networkOf("192.0.2.1"));
});

Deno.test("Penalties remember a bounded number of sources, the latest ones", () => {
  const penalties = new Penalties({ min: 0 });
  const address = (at: number) => `10.${at >> 16 & 255}.${at >> 8 & 255}.${at & 255}`;
  for (let at = 0; at <= MAX_PENALIZED_SOURCES; at++) penalties.add(address(at), "noAuth", 0);
  assert(!penalties.refuses(address(0), 0));
  assert(penalties.refuses(address(1), 0));
  assert(penalties.refuses(address(MAX_PENALIZED_SOURCES), 0));
});

const hostKey = await generateKey();

function start(options: Partial<ServeOptions>) {
  return serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: { password: (_user, secret) => secret === "right" },
    ...options,
  });
}

function logIn(port: number, secret: string | null) {
  const auth = [secret === null ? none() : password(secret)];
  return connect({ hostname: "127.0.0.1", port, user: "me", auth, hostKeys: hostKey.publicKey });
}

/** Tries until the server does not even speak. */
async function keptOut(port: number, secret: string | null): Promise<number> {
  for (let tries = 0;; tries++) {
    const error = await assertRejects(() => logIn(port, secret)) as SshError;
    if (error instanceof ConnectError) return tries;
    assert(error instanceof AuthError);
  }
}

Deno.test("Who guesses passwords is kept out, and others with the same address too", async () => {
  const attempts: string[] = [];
  await using server = start({
    penalties: { authFail: 100_000, min: 150_000 },
    onAttempt: ({ method, accepted }) => attempts.push(`${method} ${accepted}`),
  });
  await (await logIn(server.addr.port, "right")).close();
  assert(await keptOut(server.addr.port, "wrong") >= 2);
  await assertRejects(() => logIn(server.addr.port, "right"), ConnectError);
  assertEquals(attempts.slice(0, 2), ["password true", "password false"]);
});

Deno.test("Who never tries to log in is kept out by and by", async () => {
  await using server = start({ penalties: { noAuth: 100_000, authFail: 0, min: 250_000 } });
  assert(await keptOut(server.addr.port, null) >= 3);
});

Deno.test("A source may have so many connections that are not logged in, and no more", async () => {
  await using server = start({ maxStartupsPerSource: 2 });
  const dial = () => Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const greeted = async (conn: Deno.Conn) => await conn.read(new Uint8Array(1)) === 1;
  using one = await dial();
  using two = await dial();
  assertEquals([await greeted(one), await greeted(two)], [true, true]);
  using three = await dial();
  assertEquals(await greeted(three).catch(() => false), false);
});
