import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelOpenError, ClosedError, DisconnectError } from "../../lib/errors.ts";
import { targetOf } from "../../lib/forward/address.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { decode, echo, encode, exchange, readAll, target, tunnelPair } from "./world.ts";
import { freePort } from "../support/free_port.ts";

Deno.test("Client.dial returns a connection that works as a Deno.Conn", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const conn: Deno.Conn = await pair.host.dial(server.to);
  assertEquals(conn.remoteAddr, { transport: "tcp", hostname: "127.0.0.1", port: server.port });
  conn.unref();
  conn.ref();
  assertEquals(decode(await exchange(conn, encode("through"))), "through");
  conn.close();
  conn.close();
});

Deno.test("A dialled connection's streams carry data and EOF in both directions", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using conn = await pair.host.dial({ hostname: "127.0.0.1", port: server.port });
  const text = "x".repeat(3_000_000);
  const sent = new Blob([text]).stream().pipeTo(conn.writable);
  assertEquals((await new Response(conn.readable).text()).length, text.length);
  await sent;
});

Deno.test("closeWrite ends one direction and leaves the other open", async () => {
  const heard = Promise.withResolvers<string>();
  await using server = target(async (conn) => {
    heard.resolve(decode(await readAll(conn)));
    await conn.write(encode("after your end"));
  });
  await using pair = await tunnelPair();
  await using conn = await pair.host.dial(server.to);
  await conn.write(encode("question"));
  await conn.closeWrite();
  assertEquals(await heard.promise, "question");
  assertEquals(decode(await readAll(conn)), "after your end");
});

Deno.test("A target that ends first can still be written to", async () => {
  const heard = Promise.withResolvers<string>();
  await using server = target(async (conn) => {
    await conn.closeWrite();
    heard.resolve(decode(await readAll(conn)));
  });
  await using pair = await tunnelPair();
  await using conn = await pair.host.dial(server.to);
  assertEquals(await conn.read(new Uint8Array(1)), null);
  await conn.write(encode("late"));
  await conn.closeWrite();
  assertEquals(await heard.promise, "late");
});

Deno.test("Client.dial reaches unix sockets", async () => {
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  const listener = Deno.listen({ transport: "unix", path });
  const served = (async () => {
    using conn = await listener.accept();
    await conn.write(encode("unix"));
  })();
  await using pair = await tunnelPair();
  await using conn = await pair.host.dial({ path });
  assertEquals(conn.remoteAddr, { transport: "unix", path });
  assertEquals(decode(await readAll(conn)), "unix");
  await served;
  listener.close();
});

Deno.test("A target that refuses is a ChannelOpenError with the reason", async () => {
  await using pair = await tunnelPair();
  const error = await assertRejects(
    () => pair.host.dial({ hostname: "127.0.0.1", port: freePort() }),
    ChannelOpenError,
    "Connection refused",
  );
  assertEquals(error.reason, 2);
  const path = "/nonexistent/denossh.sock";
  assertEquals((await assertRejects(() => pair.host.dial(path), ChannelOpenError)).reason, 2);
});

Deno.test("A server connects only if its policy returns exactly true", async () => {
  await using server = echo();
  const policies = [
    undefined,
    {},
    { local: () => false },
    { local: () => 1 as unknown as boolean },
    { local: () => undefined as unknown as boolean },
    { local: () => Promise.reject(new Error("broken")) },
    {
      local: () => {
        throw new Error("broken");
      },
    },
    { remote: () => true },
  ];
  for (const forward of policies) {
    await using pair = await connectedPair({ serve: forward ? { forward } : {} });
    const error = await assertRejects(() => pair.host.dial(server.to), ChannelOpenError);
    assertEquals(error.reason, 1);
    assertEquals((await assertRejects(() => pair.host.dial("/x"), ChannelOpenError)).reason, 1);
  }
  assertEquals(server.accepted, 0);
});

Deno.test("The policy gets the user and the target", async () => {
  const seen: unknown[] = [];
  await using pair = await connectedPair({
    serve: {
      forward: {
        local: (address, { user }) => {
          seen.push([address, user]);
          return false;
        },
      },
    },
  });
  await assertRejects(() => pair.host.dial("[2001:db8::1]:80"), ChannelOpenError);
  await assertRejects(() => pair.host.dial({ path: "/run/x" }), ChannelOpenError);
  assertEquals(seen, [
    [{ hostname: "2001:db8::1", port: 80 }, "tester"],
    [{ path: "/run/x" }, "tester"],
  ]);
});

Deno.test("An aborted dial rejects with the reason, and its connection is closed", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<void>();
  await using server = target(async (conn) => {
    await readAll(conn).catch(() => {});
    ended.resolve();
  });
  await using pair = await connectedPair({
    serve: {
      forward: {
        local: () => {
          asked.resolve();
          return answer.promise;
        },
      },
    },
  });
  const aborter = new AbortController();
  const dialled = pair.host.dial(server.to, { signal: aborter.signal });
  await asked.promise;
  aborter.abort(new Error("enough"));
  await assertRejects(() => dialled, Error, "enough");
  answer.resolve(true);
  await ended.promise;
  await assertRejects(
    () => pair.host.dial(server.to, { signal: AbortSignal.abort(new Error("before")) }),
    Error,
    "before",
  );
});

Deno.test("The end of the SSH connection ends its dialled connections on both sides", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = target(async (conn) => {
    await readAll(conn).catch(() => {});
    ended.resolve();
  });
  const pair = await tunnelPair();
  const conn = await pair.host.dial(server.to);
  const reading = assertRejects(() => conn.read(new Uint8Array(1)), DisconnectError);
  await pair[Symbol.asyncDispose]();
  await reading;
  await ended.promise;
  await assertRejects(() => pair.host.dial(server.to), ClosedError);
});

Deno.test("An operation on a closed connection is a ClosedError", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const conn = await pair.host.dial(server.to);
  const reading = assertRejects(() => conn.read(new Uint8Array(1)), ClosedError);
  conn.close();
  await reading;
  await assertRejects(() => conn.write(new Uint8Array(1)), ClosedError);
});

Deno.test("Targets are host:port, [v6]:port, a path or an object", () => {
  assertEquals(targetOf("db.internal:5432"), { hostname: "db.internal", port: 5432 });
  assertEquals(targetOf("[::1]:80"), { hostname: "::1", port: 80 });
  assertEquals(targetOf("/run/docker.sock"), { path: "/run/docker.sock" });
  const extra = { hostname: "h", port: 1, transport: "tcp" };
  assertEquals(targetOf(extra), { hostname: "h", port: 1 });
});

for (
  const [wrong, kind] of [
    ["", TypeError],
    ["host", TypeError],
    [":80", TypeError],
    ["::1:80", TypeError],
    ["a b:80", TypeError],
    ["a\0:80", TypeError],
    ["host:0", RangeError],
    ["host:65536", RangeError],
    ["host:1e3", TypeError],
    [{ path: "" }, TypeError],
    [{ path: "/a\0b" }, TypeError],
    [{ hostname: "", port: 80 }, TypeError],
    [{ hostname: "x".repeat(256), port: 80 }, TypeError],
    [{ hostname: "h", port: NaN }, RangeError],
    [{ hostname: "h", port: 1.5 }, RangeError],
  ] as const
) {
  Deno.test(`The target ${JSON.stringify(wrong).slice(0, 40)} is refused before anything is sent`, () => {
    assertThrows(() => targetOf(wrong), kind);
  });
}
