import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import { ClosedError, DisconnectError } from "../../lib/errors.ts";
import { localTunnel } from "../../lib/forward/local.ts";
import { noise } from "../support/random.ts";
import {
  ask,
  close,
  decode,
  echo,
  encode,
  exchange,
  freed,
  readAll,
  sendAll,
  target,
  tunnelPair,
  until,
} from "./world.ts";
import { freePort } from "../support/free_port.ts";

Deno.test("forwardLocal carries connections, and counts connections and bytes", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  assertEquals(tunnel.addr.hostname, "127.0.0.1");
  assert(tunnel.addr.port > 0);
  assertEquals(await ask(tunnel.addr.port, "hello"), "hello");
  assertEquals(await ask(tunnel.addr.port, "again!"), "again!");
  assertEquals([tunnel.bytesIn, tunnel.bytesOut], [11, 11]);
  using conn = await Deno.connect({ port: tunnel.addr.port });
  await conn.write(encode("x"));
  await conn.read(new Uint8Array(1));
  assertEquals(tunnel.connections, 1);
  conn.closeWrite();
  await readAll(conn);
  await until(() => tunnel.connections === 0);
});

Deno.test("forwardLocal leads from and to unix sockets", async () => {
  const folder = await Deno.makeTempDir();
  await using server = echo();
  await using pair = await tunnelPair();
  {
    await using inner = await pair.host.forwardLocal({
      from: { path: `${folder}/a` },
      to: server.to,
    });
    assertEquals(inner.addr, { transport: "unix", path: `${folder}/a` });
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(`${folder}/a`)).mode! & 0o777, 0o600);
    }
    await using outer = await pair.host.forwardLocal({ from: { port: 0 }, to: `${folder}/a` });
    assertEquals(await ask(outer.addr.port, "twice"), "twice");
  }
  assertEquals([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});

Deno.test("A target that refuses closes that connection, and the tunnel stays open", async () => {
  const port = freePort();
  const errors: unknown[] = [];
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({
    from: { port: 0 },
    to: `127.0.0.1:${port}`,
    onError: (error) => errors.push(error),
  });
  assertEquals(await tunnel.check(), false);
  for (let i = 0; i < 3; i++) {
    using conn = await Deno.connect({ port: tunnel.addr.port });
    assertEquals(await readAll(conn).catch(() => "reset"), new Uint8Array(0));
  }
  assertEquals(errors.map((error) => (error as Error).name), Array(3).fill("ChannelOpenError"));
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const served = (async () => {
    using _probe = await listener.accept();
    using conn = await listener.accept();
    await sendAll(conn, encode("up again"));
    await conn.closeWrite();
    await readAll(conn);
  })();
  assertEquals(await tunnel.check(), true);
  assertEquals(await ask(tunnel.addr.port, ""), "up again");
  await served;
  listener.close();
});

Deno.test("A callback that throws does not end the tunnel", async () => {
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({
    from: { port: 0 },
    to: `127.0.0.1:${freePort()}`,
    onError: () => {
      throw new Error("bad listener");
    },
  });
  for (let i = 0; i < 2; i++) {
    using conn = await Deno.connect({ port: tunnel.addr.port });
    await readAll(conn);
  }
});

Deno.test("The half-close of either end is passed on", async () => {
  await using server = target(async (conn) => {
    const said = decode(await readAll(conn));
    await sendAll(conn, encode(said.toUpperCase()));
    await conn.closeWrite();
  });
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  assertEquals(await ask(tunnel.addr.port, "say it loud"), "SAY IT LOUD");
});

Deno.test("Data of a target that closes immediately reaches a client that still sends", async () => {
  await using server = target(async (conn) => {
    await conn.read(new Uint8Array(10));
    await sendAll(conn, encode("413 too large"));
    await conn.closeWrite();
    await readAll(conn);
  });
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  using conn = await Deno.connect({ port: tunnel.addr.port });
  const sending = sendAll(conn, new Uint8Array(20_000_000)).then(() => conn.closeWrite());
  assertEquals(decode(await readAll(conn)), "413 too large");
  await sending;
});

Deno.test("The reset of one connection does not affect others", async () => {
  // In TCP, a close with unread data is a reset.
  await using server = target(async (conn) => {
    const first = new Uint8Array(1);
    await conn.read(first);
    if (first[0] === 0) return;
    await sendAll(conn, first);
    await sendAll(conn, await readAll(conn));
    await conn.closeWrite();
  });
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  using steady = await Deno.connect({ port: tunnel.addr.port });
  await sendAll(steady, Uint8Array.of(1));
  for (let i = 0; i < 10; i++) {
    const broken = await Deno.connect({ port: tunnel.addr.port });
    await sendAll(broken, new Uint8Array(100_000));
    await readAll(broken).catch(() => {}); // the target resets
    close(broken);
    const rude = await Deno.connect({ port: tunnel.addr.port });
    await sendAll(rude, Uint8Array.of(1, 2, 3));
    close(rude); // we reset
  }
  assertEquals(
    await exchange(steady, encode("still here")),
    Uint8Array.of(
      1,
      ...encode("still here"),
    ),
  );
  await until(() => tunnel.connections === 0);
});

Deno.test("A hundred short connections open and close during a large transfer, in both directions", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  using big = await Deno.connect({ port: tunnel.addr.port });
  const block = noise(65536);
  const sent = new Uint8Array(512 * block.length);
  for (let i = 0; i < 512; i++) sent.set(block, i * block.length);
  const whole = exchange(big, sent);
  const short = async () => {
    for (let i = 0; i < 10; i++) assertEquals(await ask(tunnel.addr.port, `n${i}`), `n${i}`);
  };
  await Promise.all(Array.from({ length: 10 }, short));
  const back = await whole;
  const digest = async (bytes: Uint8Array<ArrayBuffer>) =>
    encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  assertEquals(await digest(back), await digest(sent));
  assertEquals(server.accepted, 101);
  assertEquals(tunnel.bytesIn, tunnel.bytesOut);
});

Deno.test("A thousand short connections release everything", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  const some = async () => {
    for (let i = 0; i < 50; i++) assertEquals(await ask(tunnel.addr.port, "x"), "x");
  };
  await Promise.all(Array.from({ length: 20 }, some));
  await until(() => tunnel.connections === 0);
  // The channel numbers are free again.
  assertEquals((await pair.host.openSession()).id < 100, true);
});

Deno.test("A paused reader stops only its own sender", async () => {
  let sent = 0;
  await using server = target(async (conn) => {
    const first = new Uint8Array(1);
    await conn.read(first);
    if (first[0] === 0) return await sendAll(conn, first);
    for (let n; (n = await conn.write(new Uint8Array(65536))) > 0;) sent += n;
  });
  await using pair = await tunnelPair({
    connect: { window: 256 * 1024 },
    serve: { forward: { local: () => true } },
  });
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  const paused = await Deno.connect({ port: tunnel.addr.port });
  await sendAll(paused, Uint8Array.of(1));
  for (let last = -1; last !== sent || sent === 0;) {
    last = sent;
    for (let i = 0; i < 20; i++) assertEquals(await ask(tunnel.addr.port, "\0"), "\0");
  }
  assert(sent < 20_000_000, `${sent} bytes were sent to a reader that does not read`);
  close(paused);
});

Deno.test("Closing a tunnel ends its connections and frees the port", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = target(async (conn) => {
    await sendAll(conn, encode("!"));
    await readAll(conn).catch(() => {});
    ended.resolve();
  });
  await using pair = await tunnelPair();
  const tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  using conn = await Deno.connect({ port: tunnel.addr.port });
  await conn.read(new Uint8Array(1));
  await tunnel.close();
  await tunnel.closed;
  await tunnel.close();
  await ended.promise;
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  assertEquals(tunnel.connections, 0);
  assertEquals(await tunnel.check(), false);
  Deno.listen({ hostname: "127.0.0.1", port: tunnel.addr.port }).close();
  // And it can start again in the same place.
  await using again = await pair.host.forwardLocal({
    from: { port: tunnel.addr.port },
    to: server.to,
  });
  assertEquals(await again.check(), true);
});

Deno.test("The end of the SSH connection ends the tunnel with its error", async () => {
  await using server = echo();
  const pair = await tunnelPair();
  const tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: server.to });
  const conn = await Deno.connect({ port: tunnel.addr.port });
  await conn.write(encode("x"));
  await conn.read(new Uint8Array(1));
  await pair.served.close();
  await assertRejects(() => tunnel.closed, DisconnectError);
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  conn.close();
  await freed(tunnel.addr.port);
  await pair[Symbol.asyncDispose]();
  await tunnel.close();
});

Deno.test("A client that disconnects in order closes its tunnels in order", async () => {
  const pair = await tunnelPair();
  const tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: "x:1" });
  await pair[Symbol.asyncDispose]();
  await tunnel.closed;
  await assertRejects(async () => {
    await using late = await pair.host.forwardLocal({ from: { port: 0 }, to: "x:1" });
    assertEquals(await late.check(), false);
    await late.closed;
    throw new ClosedError("as the connection");
  }, ClosedError);
});

Deno.test("A port in use is the error of Deno.listen, with the port and what to do", async () => {
  await using pair = await tunnelPair();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const from = { port: (taken.addr as Deno.NetAddr).port };
  await assertRejects(
    () => pair.host.forwardLocal({ from, to: "x:1" }),
    Deno.errors.AddrInUse,
    `:${from.port}: it is in use; choose another one`,
  );
  await assertRejects(() => pair.host.forwardLocal({ from: { port: -1 }, to: "x:1" }), RangeError);
  await assertRejects(() => pair.host.forwardLocal({ from: { port: 0 }, to: "x" }), TypeError);
});

Deno.test("A check that is aborted rejects with the reason", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<boolean>();
  await using pair = await tunnelPair({
    serve: {
      forward: {
        local: () => {
          asked.resolve();
          return answer.promise;
        },
      },
    },
  });
  await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to: "x:1" });
  const aborter = new AbortController();
  const checking = tunnel.check({ signal: aborter.signal });
  await asked.promise;
  aborter.abort(new Error("enough"));
  await assertRejects(() => checking, Error, "enough");
  answer.resolve(false);
});

Deno.test("A tunnel adds one abort listener per connection, and removes it with the connection", async () => {
  const { promise: over } = Promise.withResolvers<unknown>();
  const routed: Deno.Conn[] = [];
  let gate = Promise.withResolvers<never>();
  const router = (conn: Deno.Conn) => {
    routed.push(conn);
    return gate.promise;
  };
  const tunnel = localTunnel({ port: 0 }, router, { over, probe: () => Promise.resolve() });
  const { signal } = tunnel;
  const { addEventListener, removeEventListener } = signal;
  let listening = 0;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listening++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listening--;
    removeEventListener.apply(signal, args);
  };
  for (let round = 1; round <= 3; round++) {
    using _conn = await Deno.connect({ port: tunnel.addr.port });
    await until(() => routed.length === round);
    assertEquals([listening, tunnel.connections], [1, 1]);
    gate.reject(new Error("no way"));
    await until(() => tunnel.connections === 0);
    assertEquals(listening, 0);
    gate = Promise.withResolvers();
  }
  await tunnel.close();
});
