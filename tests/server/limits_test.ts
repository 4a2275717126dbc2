import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelOpenError, connect, none, password, SshError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions, serveStreams } from "@denossh/ssh/server";
import { FakeTime } from "../support/fake_time.ts";
import { connectedPair, memoryPair } from "@denossh/ssh/testing";
import "../support/quick_refusals.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const hostKey = await generateKey("ed25519");
const open = { hostKeys: [hostKey], auth: { none: () => true } } satisfies ServeOptions;

Deno.test("serve refuses options that cannot work", () => {
  assertThrows(() => serve({ ...open, hostKeys: [] }), TypeError, "host key");
  assertThrows(() => serve({ ...open, auth: {} }), TypeError, "offers no method");
  assertThrows(
    () => serve({ ...open, algorithms: { hostKey: "rsa-sha2-512" } }),
    TypeError,
    "No host key fits",
  );
  assertThrows(() => serve({ ...open, algorithms: { kex: "+x" } }), TypeError, "Unknown");
});

Deno.test("LoginGraceTime ends a connection that does not log in, even if it sends data", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const served = serveStreams(far, { ...open, loginGraceTime: 50 });
  const writer = near.writable.getWriter();
  const reading = near.readable.pipeTo(new WritableStream()).catch(() => {});
  // Slowly arriving bytes do not extend the deadline.
  const send = (text: string) => writer.write(new TextEncoder().encode(text)).catch(() => {});
  send("SSH-2.0-");
  const drip = setInterval(() => send("x"), 5);
  const cause = await time.settle(served.closed);
  clearInterval(drip);
  assert(cause instanceof SshError);
  assertEquals([plainMessage(cause), time.now], ["No login within 50 ms", 50]);
  await served.close();
  await reading;
});

Deno.test("MaxAuthTries disconnects a client that guesses", async () => {
  const [near, far] = memoryPair();
  let guesses = 0;
  await using served = serveStreams(far, {
    hostKeys: [hostKey],
    auth: { password: () => ++guesses < 0 },
    maxAuthTries: 3,
  });
  const auth = Array.from({ length: 10 }, (_, i) => password(`guess ${i}`));
  await assertRejects(
    () => connect({ transport: near, user: "me", auth, hostKeys: hostKey.publicKey }),
    SshError,
  );
  await served.closed;
  assertEquals(guesses, 3);
});

Deno.test("MaxSessions limits the open sessions, not their total number", async () => {
  await using pair = await connectedPair({ serve: { maxSessions: 2 }, handler: () => 0 });
  const one = await pair.host.openSession();
  const two = await pair.host.openSession();
  // With extra data it is an ordinary channel, which is not queued.
  const third = pair.host.openChannel("session", { extra: new Uint8Array(0) });
  const error = await assertRejects(() => third, ChannelOpenError);
  assertEquals(error.reason, 1);
  await one.close();
  const three = await pair.host.openSession();
  await Promise.all([two.close(), three.close()]);
});

Deno.test("no-more-sessions is applied", async () => {
  await using pair = await connectedPair({ handler: () => 0 });
  await pair.host.request("no-more-sessions@openssh.com");
  await assertRejects(() => pair.host.run("x"), ChannelOpenError);
});

Deno.test("A server that shuts down ends its connections and closes the port", async () => {
  const server = serve({ ...open, port: 0, hostname: "127.0.0.1" });
  const port = server.addr.port;
  const host = await connect({
    hostname: "127.0.0.1",
    port,
    user: "me",
    auth: [none()],
    hostKeys: hostKey.publicKey,
  });
  assertEquals(server.connections, 1);
  await server.shutdown();
  await assertRejects(() => host.closed, SshError, "shutting down");
  await host.close();
  await using again = serve({ ...open, port, hostname: "127.0.0.1" });
  assertEquals(again.addr.port, port);
});
