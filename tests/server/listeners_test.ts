/** Callbacks of a server do not affect it, even if they throw or reject. */
import { assertEquals, assertRejects } from "@std/assert";
import { AuthError, connect, none, password } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";
import { serveInMemory } from "../support/fake_listener.ts";

const hostKey = await generateKey("ed25519");

const broken: Record<string, (told: string[]) => (...args: unknown[]) => unknown> = {
  throw: (told) => () => {
    told.push("told");
    throw new Error("the log is full");
  },
  reject: (told) => () => {
    told.push("told");
    return Promise.reject(new Error("the log is full"));
  },
};

for (const [how, listener] of Object.entries(broken)) {
  Deno.test(`Callbacks of a server that ${how} end no connection`, async () => {
    const told: Record<string, string[]> = { error: [], attempt: [], trace: [], connection: [] };
    await using server = serveInMemory({
      hostKeys: [hostKey],
      auth: { none: (user) => user === "ann", password: () => false },
      onError: listener(told.error!),
      onAttempt: listener(told.attempt!),
      trace: listener(told.trace!),
      onConnection: listener(told.connection!) as () => void,
    }, () => {
      throw new Error("a mistake of the handler's");
    });
    const login = (user: string) =>
      connect({
        transport: server.dial("192.0.2.1"),
        user,
        auth: [none(), password("x")],
        hostKeys: hostKey.publicKey,
        trace: listener(told.trace!),
      });
    await assertRejects(() => login("bob"), AuthError);
    server.failAccept(new Error("too many open files"));
    await using host = await login("ann");
    assertEquals((await host.command("x").output()).code, 1);
    await using _other = await login("ann");
    for (const [name, calls] of Object.entries(told)) {
      assertEquals(calls.length > 0, true, name);
    }
    // At least those of accept, the handler and onConnection.
    assertEquals(told.error!.length >= 4, true);
  });
}

Deno.test("onListen that throws leaves no listener", async () => {
  const options = {
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: { none: () => true },
  };
  let port = 0;
  const failing = () =>
    serve({
      ...options,
      onListen: (addr) => {
        port = addr.port;
        throw new Error("a mistake");
      },
    });
  await assertRejects(() => Promise.try(failing), Error, "a mistake");
  await using again = serve({ ...options, port });
  assertEquals(again.addr.port, port);
});

Deno.test("TCP keepalives are enabled on each connection by default", async () => {
  for (const tcpKeepAlive of [undefined, true, false]) {
    await using server = serveInMemory({
      hostKeys: [hostKey],
      auth: { none: () => true },
      ...tcpKeepAlive !== undefined && { tcpKeepAlive },
    });
    await using _host = await connect({
      transport: server.dial("192.0.2.1"),
      user: "ann",
      auth: [none()],
      hostKeys: hostKey.publicKey,
    });
    assertEquals(server.keepAlive, [tcpKeepAlive ?? true]);
  }
});
