/** The time limit and the signal of `connect()` apply to everything that it waits for. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, ConnectError, type ConnectOptions, none } from "@denossh/ssh";
import { Config } from "@denossh/ssh/config";
import { generateKey } from "@denossh/ssh/keys";
import { knownHosts, type KnownHostsSource } from "@denossh/ssh/known-hosts";
import { serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import { thisSide } from "../../lib/config/local_side.ts";
import { knownHostsCommand } from "../../lib/login/known_hosts_command.ts";

const hostKey = await generateKey("ed25519");

/** Functions that hang, and the signals passed to them. */
type Hanging = (signals: (AbortSignal | undefined)[]) => Partial<ConnectOptions>;

const never = () => new Promise<never>(() => {});

const hanging: Record<string, Hanging> = {
  "a host key policy": (signals) => ({
    hostKeys: (_host, _key, options) => {
      signals.push(options?.signal);
      return never();
    },
  }),
  "the look-up of known types": (signals) => ({
    hostKeys: {
      verify: () => true,
      knownTypes: (_host, options) => {
        signals.push(options?.signal);
        return never();
      },
    },
  }),
  "a source of known hosts": (signals) => {
    const source: KnownHostsSource = {
      name: "the inventory",
      find: (_host, _key, options) => {
        signals.push(options?.signal);
        return never();
      },
    };
    return { hostKeys: knownHosts([], { source }) };
  },
};

for (const [what, options] of Object.entries(hanging)) {
  for (const end of ["time limit", "signal"] as const) {
    Deno.test(`connect() that hangs in ${what} ends by its ${end}`, async () => {
      const [near, far] = memoryPair();
      await using _served = serveStreams(far, {
        hostKeys: [hostKey],
        auth: { none: () => true },
      });
      const signals: (AbortSignal | undefined)[] = [];
      const leaving = new AbortController();
      const connecting = connect({
        transport: near,
        user: "me",
        auth: [none()],
        ...options(signals),
        ...end === "signal" ? { signal: leaving.signal } : { timeout: 50 },
      });
      if (end === "signal") {
        const reason = new Error("the user left");
        const waiting = setInterval(() => {
          if (signals.length > 0) leaving.abort(reason);
        }, 1);
        assertEquals(await connecting.catch((error) => error), reason);
        clearInterval(waiting);
      } else {
        const error = await assertRejects(() => connecting, ConnectError, "timed out after 50 ms");
        assertEquals(error.code, "timeout");
      }
      assertEquals(signals.length, 1);
      assert(signals[0]!.aborted);
      near.readable.cancel().catch(() => {});
      near.writable.abort().catch(() => {});
    });
  }
}

Deno.test("connect() that hangs in a Match exec ends by its time limit, and the error names the command", async () => {
  const config = Config.parse('Match exec "is it here"\n  Port 2222\n');
  const signals: (AbortSignal | undefined)[] = [];
  const lookup = config.lookup.bind(config);
  config.lookup = (alias, options) =>
    lookup(alias, {
      ...options,
      local: {
        ...thisSide,
        run: (_command, options) => {
          signals.push(options?.signal);
          return never();
        },
      },
    });
  const connecting = connect("db1", { config, user: "me", auth: [none()], timeout: 50 });
  await assertRejects(() => connecting, ConnectError, "Connecting to db1 timed out after 50 ms");
  assertEquals(signals.map((signal) => signal?.aborted), [true]);
});

Deno.test("Commands of the configuration are killed when nothing waits for them", async () => {
  const leaving = new AbortController();
  const { signal } = leaving;
  // They ignore their signals.
  const stubborn = "trap '' TERM HUP INT; exec sleep 600";
  const matching = thisSide.run(stubborn, { signal });
  const source = knownHostsCommand(`/bin/sh -c "${stubborn}"`, null);
  const finding = Promise.resolve(source.find({ hostname: "db1", port: 22 }, null, { signal }))
    .catch((error) => error);
  const reason = new Error("the user left");
  leaving.abort(reason);
  assertEquals(await matching, false);
  assertEquals(await finding, reason);
});
