/** Time limits after which a server disconnects a client. */
import { assert, assertEquals } from "@std/assert";
import { type Client, connect, DisconnectError, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { type ServeOptions, serveStreams, type SessionHandler } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import type { Connection } from "../../lib/connection/connection.ts";
import { limitTime } from "../../lib/server/time_limits.ts";
import type { Transport } from "../../lib/transport/transport.ts";
import { FakeTime } from "../support/fake_time.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const hostKey = await generateKey("ed25519");
const echo: SessionHandler = ({ stdin, stdout }) => stdin.pipeTo(stdout);

/** A connection that does nothing, what the limits ask of it, and why it was ended. */
function idle(options: Parameters<typeof limitTime>[2]) {
  const asked: unknown[][] = [];
  const ended: string[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const connection = {
    channelCount: 0,
    carried: 0,
    keepalive: (...given: unknown[]) => void asked.push(["keepalive", ...given]),
    closeIdle: (...given: unknown[]) => void asked.push(["closeIdle", ...given]),
  };
  const transport = {
    closed,
    disconnect(_: number, why: string) {
      ended.push(why);
      resolve();
    },
  };
  limitTime(transport as unknown as Transport, connection as unknown as Connection, options);
  return { asked, ended };
}

Deno.test("A server sends keepalives every minute by default", () => {
  const cases: [Parameters<typeof limitTime>[2], unknown[][]][] = [
    [{}, [["keepalive", 60_000, undefined]]],
    [{ keepaliveInterval: 5_000, keepaliveCount: 2 }, [["keepalive", 5_000, 2]]],
    [{ keepaliveInterval: 1 }, [["keepalive", 1, undefined]]],
    [{ keepaliveInterval: 0 }, []],
    [{ keepaliveInterval: 0, channelTimeouts: { session: 7 } }, [["closeIdle", { session: 7 }]]],
  ];
  for (const [options, asked] of cases) assertEquals(idle(options).asked, asked);
});

Deno.test("A limit may be one millisecond, and there is none by default", async () => {
  using time = new FakeTime();
  const limits = ["idleTimeout", "unusedConnectionTimeout", "maxSessionTime"] as const;
  for (const limit of limits) {
    const { ended } = idle({ [limit]: 1 });
    await time.advance(2);
    assertEquals([limit, ended.length, time.timers], [limit, 1, 0]);
  }
  idle({});
  assertEquals(time.timers, 0);
});

/** A client logged in to a server with these options, on a fake clock. */
async function world(time: FakeTime, options: Partial<ServeOptions>) {
  const [near, far] = memoryPair();
  const served = serveStreams(far, {
    hostKeys: [hostKey],
    auth: { none: () => true },
    keepaliveInterval: 0,
    ...options,
  }, echo);
  const host = await time.settle(
    connect({ transport: near, user: "me", auth: [none()], hostKeys: hostKey.publicKey }),
    1_000,
  );
  let cause: unknown = null;
  served.closed.then((error) => cause = error);
  return {
    host,
    /** The error that ended the connection, or null. */
    async after(milliseconds: number): Promise<string | null> {
      await time.advance(milliseconds);
      return cause instanceof DisconnectError
        ? plainMessage(cause)
        : cause === null
        ? null
        : `${cause}`;
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await served.close();
    },
  };
}

/** A channel that echoes. */
async function talk(host: Client) {
  const channel = await host.openSession();
  await channel.shell();
  return {
    channel,
    async say() {
      await channel.writeAll(new Uint8Array(3));
      assertEquals((await channel.readChunk())?.length, 3);
    },
  };
}

Deno.test("idleTimeout ends a client without data, however many channels it has", async () => {
  using time = new FakeTime();
  await using end = await world(time, { idleTimeout: 10_000 });
  const { say } = await talk(end.host);
  for (let i = 0; i < 5; i++) {
    assertEquals(await end.after(9_000), null);
    await say();
  }
  await end.host.request("keepalive@openssh.com").catch(() => {}); // moves none
  assertEquals(await end.after(8_000), null);
  assertEquals(await end.after(3_001), "No data for 10000 ms");
});

Deno.test("unusedConnectionTimeout ends a client without channels, and no other", async () => {
  using time = new FakeTime();
  await using end = await world(time, { unusedConnectionTimeout: 10_000 });
  const { channel } = await talk(end.host);
  assertEquals(await end.after(100_000), null);
  await channel.close();
  assertEquals(await end.after(8_000), null);
  assertEquals(await end.after(3_001), "No channel for 10000 ms");
});

Deno.test("maxSessionTime ends also an active client", async () => {
  using time = new FakeTime();
  await using end = await world(time, { maxSessionTime: 10_000 });
  const { say } = await talk(end.host);
  for (let i = 0; i < 9; i++) {
    assertEquals(await end.after(1_000), null);
    await say();
  }
  assertEquals(await end.after(1_001), "The session has lasted for 10000 ms");
});

Deno.test("channelTimeouts closes idle channels of a type, and keeps the client", async () => {
  using time = new FakeTime();
  await using end = await world(time, { channelTimeouts: { session: 5_000 } });
  const { channel } = await talk(end.host);
  assertEquals(await end.after(10_000), null);
  assertEquals(await channel.readChunk(), null);
});

Deno.test("Without limits an idle client may stay", async () => {
  using time = new FakeTime();
  await using end = await world(time, {});
  assertEquals(await end.after(100_000_000), null);
});

Deno.test("Limits leave no timer after the connection", async () => {
  using time = new FakeTime();
  const end = await world(time, {
    keepaliveInterval: 1_000,
    idleTimeout: 10_000,
    unusedConnectionTimeout: 10_000,
    maxSessionTime: 10_000,
    channelTimeouts: { global: 1_000 },
  });
  await end[Symbol.asyncDispose]();
  await time.advance(0);
  assert(time.timers === 0, `${time.timers} timers`);
});
