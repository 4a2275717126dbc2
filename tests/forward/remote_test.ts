import { assert, assertEquals, assertRejects } from "@std/assert";
import { ClosedError, DisconnectError, RequestDeniedError } from "../../lib/errors.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import {
  ask,
  close,
  decode,
  echo,
  encode,
  exchange,
  freed,
  readAll,
  tunnelPair,
  until,
} from "./world.ts";
import { freePort } from "../support/free_port.ts";

Deno.test("Client.listen returns a listener that works as a Deno.Listener", async () => {
  await using pair = await tunnelPair();
  await using remote = await pair.host.listen({ port: 0 });
  const listener: Deno.Listener<Deno.Conn, Deno.NetAddr> = remote;
  listener.unref();
  listener.ref();
  assert(listener.addr.port > 0);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const inbound = await listener.accept();
  assertEquals(inbound.remoteAddr, { ...conn.localAddr });
  assertEquals(inbound.localAddr, listener.addr);
  await conn.write(encode("hello"));
  await conn.closeWrite();
  assertEquals(decode(await readAll(inbound)), "hello");
  inbound.close();
});

Deno.test("A listener is an async iterable of connections that ends when it is closed", async () => {
  await using pair = await tunnelPair();
  const listener = await pair.host.listen({ port: 0 });
  const serving = (async () => {
    let served = 0;
    for await (const inbound of listener) {
      await inbound.readable.pipeTo(inbound.writable);
      if (++served === 3) listener.close();
    }
    return served;
  })();
  for (const text of ["a", "b", "c"]) assertEquals(await ask(listener.addr.port, text), text);
  assertEquals(await serving, 3);
  await listener[Symbol.asyncDispose]();
  await freed(listener.addr.port);
  await assertRejects(() => listener.accept(), ClosedError);
});

Deno.test("Connections wait until they are accepted, and are refused when the listener closes", async () => {
  await using pair = await tunnelPair();
  const listener = await pair.host.listen({ port: 0 });
  const port = listener.addr.port;
  const conns = await Promise.all([1, 2, 3].map(() => Deno.connect({ port })));
  const first = await listener.accept();
  await first.write(encode("!"));
  const ends = conns.map((conn) => readAll(conn).then(decode).finally(() => close(conn)));
  await listener[Symbol.asyncDispose]();
  first.close();
  assertEquals((await Promise.all(ends)).toSorted(), ["", "", "!"]);
});

Deno.test("A pending accept fails when the listener closes or the connection ends", async () => {
  const pair = await tunnelPair();
  const one = await pair.host.listen({ port: 0 });
  const two = await pair.host.listen({ port: 0 });
  const first = assertRejects(() => one.accept(), ClosedError, "listener is closed");
  one.close();
  await first;
  const second = assertRejects(() => two.accept(), DisconnectError);
  const iterated = assertRejects(async () => {
    for await (const _ of two);
  }, DisconnectError);
  await pair.served.close();
  await second;
  await iterated;
  await pair[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

Deno.test("Client.listen listens on unix sockets of the server", async () => {
  const folder = await Deno.makeTempDir();
  await using pair = await tunnelPair();
  {
    await using listener = await pair.host.listen({ path: `${folder}/in` });
    assertEquals(listener.addr, { transport: "unix", path: `${folder}/in` });
    using conn = await Deno.connect({ transport: "unix", path: `${folder}/in` });
    await using inbound = await listener.accept();
    const echoed = inbound.readable.pipeTo(inbound.writable);
    assertEquals(decode(await exchange(conn, encode("unix"))), "unix");
    await echoed;
  }
  assertEquals([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});

Deno.test("Several binds work in parallel, each with its own connections", async () => {
  await using pair = await tunnelPair();
  const binds = await Promise.all(Array.from({ length: 5 }, () => pair.host.listen({ port: 0 })));
  assertEquals(new Set(binds.map(({ addr }) => addr.port)).size, 5);
  for (const [i, bind] of binds.entries()) {
    using conn = await Deno.connect({ port: bind.addr.port });
    await using inbound = await bind.accept();
    await inbound.write(Uint8Array.of(i));
    const byte = new Uint8Array(1);
    await conn.read(byte);
    assertEquals(byte[0], i);
  }
  for (const bind of binds) await bind[Symbol.asyncDispose]();
});

Deno.test("A closed bind can be made again", async () => {
  await using pair = await tunnelPair();
  let port = 0;
  for (let i = 0; i < 3; i++) {
    await using listener = await pair.host.listen({ port });
    port = listener.addr.port;
  }
});

Deno.test("A port in use, or one twice, is refused with a reason", async () => {
  await using pair = await tunnelPair();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await assertRejects(
    () => pair.host.listen({ port }),
    RequestDeniedError,
    `The server refused to listen on localhost port ${port}`,
  );
  await using first = await pair.host.listen({ port: 0 });
  await assertRejects(() => pair.host.listen({ port: first.addr.port }), RequestDeniedError);
});

Deno.test("A server listens only if its policy returns exactly true", async () => {
  const port = freePort();
  const broken = () => {
    throw new Error("broken");
  };
  for (
    const forward of [
      undefined,
      { local: () => true },
      { remote: () => false },
      { remote: () => "yes" as unknown as boolean },
      { remote: broken },
      { remote: () => Promise.reject(new Error("broken")) },
    ]
  ) {
    await using pair = await connectedPair({ serve: forward ? { forward } : {} });
    await assertRejects(() => pair.host.listen({ port }), RequestDeniedError);
    await assertRejects(() => pair.host.listen({ path: "/tmp/denossh-no" }), RequestDeniedError);
    await assertRejects(
      () => pair.host.forwardRemote({ from: { port }, to: "x:1" }),
      RequestDeniedError,
    );
  }
  await freed(port);
  await assertRejects(() => Deno.lstat("/tmp/denossh-no"), Deno.errors.NotFound);
});

Deno.test("The policy sees what a client wants to listen on", async () => {
  const seen: unknown[] = [];
  await using pair = await connectedPair({
    serve: {
      forward: {
        remote: (bind, { user }) => {
          seen.push([bind, user]);
          return false;
        },
      },
    },
  });
  await assertRejects(() => pair.host.listen({ port: 8080 }), RequestDeniedError);
  await assertRejects(() => pair.host.listen({ port: 0, hostname: "" }), RequestDeniedError);
  await assertRejects(() => pair.host.listen({ path: "/run/x" }), RequestDeniedError);
  assertEquals(seen, [
    [{ hostname: "localhost", port: 8080 }, "tester"],
    [{ hostname: "", port: 0 }, "tester"],
    [{ path: "/run/x" }, "tester"],
  ]);
});

Deno.test("localhost means both loopback addresses, and an empty address means all addresses", async () => {
  await using pair = await tunnelPair();
  for (const hostname of ["localhost", ""]) {
    await using server = echo();
    await using tunnel = await pair.host.forwardRemote({
      from: { port: 0, hostname },
      to: server.to,
    });
    for (const address of ["127.0.0.1", "::1"]) {
      using conn = await Deno.connect({ hostname: address, port: tunnel.addr.port });
      assertEquals(decode(await exchange(conn, encode(address))), address);
    }
  }
});

Deno.test("forwardRemote carries connections, and counts connections and bytes", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardRemote({ from: { port: 0 }, to: server.to });
  assertEquals(await ask(tunnel.addr.port, "hello"), "hello");
  await until(() => tunnel.connections === 0);
  assertEquals([tunnel.bytesIn, tunnel.bytesOut], [5, 5]);
  assertEquals(await tunnel.check(), true);
});

Deno.test("forwardRemote leads to unix sockets, from ports and from unix sockets", async () => {
  const folder = await Deno.makeTempDir();
  await using server = echo();
  await using pair = await tunnelPair();
  {
    const path = `${folder}/a`;
    await using _inner = await pair.host.forwardRemote({ from: { path }, to: server.to });
    await using outer = await pair.host.forwardRemote({ from: { port: 0 }, to: { path } });
    assertEquals(await ask(outer.addr.port, "twice"), "twice");
  }
  await Deno.remove(folder);
});

Deno.test("A local target that refuses closes that connection, and the tunnel stays open", async () => {
  const errors: unknown[] = [];
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardRemote({
    from: { port: 0 },
    to: { hostname: "127.0.0.1", port: freePort() },
    onError: (error) => errors.push(error),
  });
  for (let i = 0; i < 3; i++) {
    using conn = await Deno.connect({ port: tunnel.addr.port });
    assertEquals((await readAll(conn)).length, 0);
  }
  assert(errors.every((error) => error instanceof Deno.errors.ConnectionRefused));
  assertEquals([errors.length, await tunnel.check()], [3, false]);
});

Deno.test("Closing a remote tunnel ends its connections and frees the port", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const tunnel = await pair.host.forwardRemote({ from: { port: 0 }, to: server.to });
  const { port } = tunnel.addr;
  using conn = await Deno.connect({ port });
  await conn.write(encode("x"));
  await conn.read(new Uint8Array(1));
  await tunnel.close();
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  await freed(port);
  await tunnel.closed;
});

Deno.test("A hundred parallel connections use a remote tunnel", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardRemote({ from: { port: 0 }, to: server.to });
  const all = Array.from({ length: 100 }, (_, i) => ask(tunnel.addr.port, `${i}`));
  assertEquals(await Promise.all(all), Array.from({ length: 100 }, (_, i) => `${i}`));
});

Deno.test("When the client disconnects, the server stops listening and closes its connections", async () => {
  await using server = echo();
  const pair = await tunnelPair();
  const folder = await Deno.makeTempDir();
  const tunnel = await pair.host.forwardRemote({ from: { port: 0 }, to: server.to });
  await pair.host.forwardRemote({ from: { path: `${folder}/a` }, to: server.to });
  using conn = await Deno.connect({ port: tunnel.addr.port });
  await conn.write(encode("x"));
  await conn.read(new Uint8Array(1));
  await pair[Symbol.asyncDispose]();
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  await until(() => [...Deno.readDirSync(folder)].length === 0);
  await freed(tunnel.addr.port);
  await Deno.remove(folder);
});

Deno.test("An aborted listen is cancelled once the server has answered", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<boolean>();
  const port = freePort();
  await using pair = await connectedPair({
    serve: {
      forward: {
        remote: () => {
          asked.resolve();
          return answer.promise;
        },
      },
    },
  });
  const aborter = new AbortController();
  const listening = pair.host.listen({ port }, { signal: aborter.signal });
  await asked.promise;
  aborter.abort(new Error("enough"));
  await assertRejects(() => listening, Error, "enough");
  answer.resolve(true);
  // Answers come in order: after this one the port is free again.
  await pair.host.request("keepalive@openssh.com");
  await pair.host.request("keepalive@openssh.com");
  using _mine = Deno.listen({ hostname: "127.0.0.1", port });
});
