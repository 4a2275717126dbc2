/** Runs tables of attacks against our server and our client, a test for each row. */
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { acceptAnyHostKey, connect, type ConnectOptions, password, SshError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions, type SshServer } from "@denossh/ssh/server";
import { type Attack, attacksBy, carryOut } from "./attack.ts";
import { dialRaw, listenRaw } from "../support/raw_peer.ts";
import { within } from "../support/within.ts";

const SECRET = "correct horse";
/** Long enough for errors with OpenSSH's longest name lists; a peer must not fill a log. */
const LONGEST_MESSAGE = 16_384;

/** Our server, its errors, and a key that proves its identity. */
export interface Victim extends AsyncDisposable {
  /** The server. */
  readonly server: SshServer;
  /** The errors that connections ended with. */
  readonly errors: readonly unknown[];
  /** Waits until this many connections have ended with an error. */
  failed(count: number): Promise<void>;
  /** Logs in, runs a command and logs out. */
  serveCleanly(): Promise<void>;
}

/** Starts a server of ours on loopback. */
export async function startVictim(options: Partial<ServeOptions> = {}): Promise<Victim> {
  const hostKey = await generateKey("ed25519");
  const errors: unknown[] = [];
  let news = Promise.withResolvers<void>();
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    hostKeys: [hostKey],
    auth: { password: (user, secret) => user === "tester" && secret === SECRET },
    onError(error) {
      errors.push(error);
      news.resolve();
      news = Promise.withResolvers();
    },
    ...options,
  }, async (session) => {
    await session.print(`ran ${session.command}`);
    return 0;
  });
  const login = async () => {
    await using host = await connect(`tester@127.0.0.1:${server.addr.port}`, {
      auth: [password(SECRET)],
      hostKeys: hostKey.publicKey,
    });
    assertEquals(await host.run("this"), "ran this");
  };
  return {
    server,
    errors,
    async failed(count) {
      while (errors.length < count) await within(news.promise, "The server's complaint");
    },
    serveCleanly: () => within(login(), "A clean login"),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Registers a test for each row that a client can play, against our server. */
export function testServerAgainst(table: readonly Attack[], options?: Partial<ServeOptions>): void {
  for (const attack of attacksBy("client", table)) {
    Deno.test(`Our server withstands ${attack.name}`, async () => {
      await using victim = await startVictim(options);
      {
        await using peer = await dialRaw(victim.server.addr.port);
        await carryOut(attack, peer, "client");
      }
      await victim.failed(1);
      assertEquals(victim.errors.length, 1);
      assertTellsSafely(victim.errors[0]);
      await victim.serveCleanly();
    });
  }
}

/** Registers a test for each row that a server can play, against our client. */
export function testClientAgainst(
  table: readonly Attack[],
  options: Partial<ConnectOptions> = {},
): void {
  for (const attack of attacksBy("server", table)) {
    Deno.test(`Our client withstands ${attack.name}`, async () => {
      const done = new AbortController();
      const finished = new Error("The attack is over");
      const outcome = Promise.withResolvers<void>();
      await using server = listenRaw(async (peer) => {
        try {
          await carryOut(attack, peer, "server");
          outcome.resolve();
        } catch (error) {
          outcome.reject(error);
        }
        if (!attack.ends) done.abort(finished);
        await peer[Symbol.asyncDispose](); // else the client lingers for it
      });
      let asked = false;
      const connecting = connect(`tester@127.0.0.1:${server.port}`, {
        auth: [password(() => {
          asked = true;
          return SECRET;
        })],
        hostKeys: acceptAnyHostKey(),
        signal: done.signal,
        timeout: 5_000,
        ...options,
      });
      // Awaits both, so that neither rejection is unhandled.
      const [error] = await Promise.all([assertRejects(() => connecting), outcome.promise]);
      if (attack.ends) assertTellsSafely(error, attack.error);
      else assertEquals(error, finished);
      assert(!asked, "The client has asked for the password");
    });
  }
}

/** Checks the error of an ended connection: an SshError, and safe to print. */
function assertTellsSafely(error: unknown, pattern?: RegExp): void {
  assertInstanceOf(error, SshError);
  const { message } = error;
  assert(message.length > 0 && message.length < LONGEST_MESSAGE, `${message.length} characters`);
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x1f\x7f-\x9f]/.test(message), `Control characters in ${JSON.stringify(message)}`);
  if (pattern !== undefined) assertMatch(message, pattern);
}
