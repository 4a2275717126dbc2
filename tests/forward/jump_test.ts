/** Connections through other hosts, each of them our server on loopback. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, type ConnectOptions, none, publicKey } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions } from "@denossh/ssh/server";
import { AuthError, ConnectError, HostKeyError } from "../../lib/errors.ts";
import { until } from "./world.ts";
import { freePort } from "../support/free_port.ts";

const hostKey = await generateKey();

function host(name: string, options: Partial<ServeOptions> = {}) {
  const server = serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: { none: () => true },
    forward: { local: () => true },
    ...options,
  }, (session) => session.print(name));
  const way: ConnectOptions = {
    hostname: "127.0.0.1",
    port: server.addr.port,
    user: "me",
    auth: [none()],
    hostKeys: hostKey.publicKey,
  };
  return { server, way, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("connect uses one jump host, and disconnects from it with the connection", async () => {
  await using bastion = host("bastion");
  await using inner = host("inner");
  {
    await using client = await connect({ ...inner.way, jump: bastion.way });
    assertEquals(await client.run(""), "inner");
    assertEquals([bastion.server.connections, inner.server.connections], [1, 1]);
  }
  await until(() => bastion.server.connections + inner.server.connections === 0);
});

Deno.test("connect uses several jump hosts in order", async () => {
  const reached: number[] = [];
  const forward: ServeOptions["forward"] = {
    local: (target) => {
      assert("port" in target);
      reached.push(target.port);
      return true;
    },
  };
  await using one = host("one", { forward });
  await using two = host("two", { forward });
  await using three = host("three", { forward });
  await using inner = host("inner");
  await using client = await connect({ ...inner.way, jump: [one.way, two.way, three.way] });
  assertEquals(await client.run(""), "inner");
  assertEquals(reached, [two, three, inner].map(({ server }) => server.addr.port));
  const big = await client.command("").output();
  assertEquals(big.success, true);
  // A hop may also have its own jump hosts.
  const jump = { ...two.way, jump: one.way };
  await using nested = await connect({ ...inner.way, jump });
  assertEquals(await nested.run(""), "inner");
});

Deno.test("connect uses a connected client as jump host, and leaves it open", async () => {
  await using bastion = host("bastion");
  await using inner = host("inner");
  await using first = await connect(bastion.way);
  {
    await using client = await connect({ ...inner.way, jump: first });
    assertEquals(await client.run(""), "inner");
  }
  assertEquals(await first.run(""), "bastion");
  await using other = await connect({ ...inner.way, jump: [first] });
  assertEquals(await other.run(""), "inner");
});

Deno.test("A host that the last hop cannot reach is a ConnectError that names both", async () => {
  await using bastion = host("bastion");
  await using closed = host("closed", { forward: {} });
  await using inner = host("inner");
  await assertRejects(
    () => connect({ ...inner.way, port: freePort(), jump: bastion.way }),
    ConnectError,
    `through [127.0.0.1]:${bastion.server.addr.port}`,
  );
  await assertRejects(() => connect({ ...inner.way, jump: closed.way }), ConnectError, "allowed");
  await until(() => bastion.server.connections + closed.server.connections === 0);
});

Deno.test("The host key of every hop is verified, and a wrong one ends the connect", async () => {
  await using bastion = host("bastion");
  await using inner = host("inner");
  const { publicKey: wrong } = await generateKey();
  await assertRejects(
    () => connect({ ...inner.way, jump: { ...bastion.way, hostKeys: wrong } }),
    HostKeyError,
  );
  await assertRejects(
    () => connect({ ...inner.way, hostKeys: wrong, jump: bastion.way }),
    HostKeyError,
  );
  await until(() => bastion.server.connections + inner.server.connections === 0);
});

Deno.test("Credentials of the target are not sent to a hop", async () => {
  const shown: string[] = [];
  const key = await generateKey();
  await using bastion = host("bastion", {
    auth: {
      publicKey: (_user, key) => {
        shown.push(key.fingerprint());
        return false;
      },
    },
  });
  await using inner = host("inner", { auth: { publicKey: () => true } });
  const target = { ...inner.way, auth: [publicKey(key)] };
  await assertRejects(() => connect({ ...target, jump: bastion.way }), AuthError);
  assertEquals(shown, []);
});

Deno.test("An abort or the time limit ends a connection at any hop", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  await using bastion = host("bastion");
  await using inner = host("inner");
  const late = { ...inner.way, port, jump: bastion.way, timeout: 200 };
  await assertRejects(() => connect(late), ConnectError, "timed out after 200 ms");
  const stuck = { ...inner.way, jump: { ...bastion.way, port }, timeout: 200 };
  await assertRejects(() => connect(stuck), ConnectError, "timed out after 200 ms");
  const aborter = new AbortController();
  const { signal } = aborter;
  const waiting = connect({ ...inner.way, port, jump: bastion.way, signal });
  await until(() => bastion.server.connections === 1);
  aborter.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await until(() => bastion.server.connections === 0);
});

Deno.test("A hop that disconnects ends the connection", async () => {
  const bastion = host("bastion");
  await using inner = host("inner");
  await using client = await connect({ ...inner.way, jump: bastion.way });
  await bastion.server.shutdown();
  await assertRejects(() => client.closed, ConnectError, "lost");
});

Deno.test("An invalid jump option is a TypeError", async () => {
  await using bastion = host("bastion");
  await using first = await connect(bastion.way);
  for (const jump of [[], [bastion.way, first], [bastion.way, { ...bastion.way, jump: first }]]) {
    await assertRejects(() => connect({ ...bastion.way, jump }), TypeError);
  }
  const transport = await first.dial(`127.0.0.1:${bastion.server.addr.port}`);
  await assertRejects(() => connect({ ...bastion.way, transport, jump: first }), TypeError);
  // Either one is allowed: a dialled connection is also a transport.
  await using second = await connect({ ...bastion.way, transport });
  assertEquals(await second.run(""), "bastion");
});
