import { assertEquals, assertRejects } from "@std/assert";
import type { ForwardAddress } from "../../lib/forward/address.ts";
import { ChannelOpenError } from "../../lib/errors.ts";
import { socksRouter } from "../../lib/forward/socks.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { decode, echo, encode, exchange, readAll, sendAll, tunnelPair, until } from "./world.ts";
import { freePort } from "../support/free_port.ts";

const port16 = (port: number) => [port >> 8, port & 255];
const name = (text: string) => [text.length, ...encode(text)];
const version4 = (port: number, ip: number[], ...rest: number[]) =>
  Uint8Array.of(4, 1, ...port16(port), ...ip, ...rest);
const version5 = (port: number, ...address: number[]) =>
  Uint8Array.of(5, 1, 0, ...address, ...port16(port));
const GREETING = Uint8Array.of(5, 2, 0, 2);
const GRANTED4 = [0, 0x5a, 0, 0, 0, 0, 0, 0];
const REFUSED4 = [0, 0x5b, 0, 0, 0, 0, 0, 0];
const reply5 = (code: number) => [5, code, 0, 1, 0, 0, 0, 0, 0, 0];

async function bytes(conn: Deno.Conn, length: number): Promise<number[]> {
  const buffer = new Uint8Array(length);
  let at = 0;
  for (let n; at < length && (n = await conn.read(buffer.subarray(at))) !== null;) at += n;
  return [...buffer.subarray(0, at)];
}

interface Request {
  readonly what: string;
  readonly request: (port: number) => Uint8Array;
  readonly target: string;
}

const requests: Request[] = [
  {
    what: "SOCKS 4",
    request: (port) => version4(port, [127, 0, 0, 1], ...encode("me"), 0),
    target: "127.0.0.1",
  },
  {
    what: "SOCKS 4a",
    request: (port) => version4(port, [0, 0, 0, 9], 0, ...encode("echo.far"), 0),
    target: "echo.far",
  },
  {
    what: "SOCKS 5 with an IPv4 address",
    request: (port) => version5(port, 1, 127, 0, 0, 1),
    target: "127.0.0.1",
  },
  {
    what: "SOCKS 5 with a name",
    request: (port) => version5(port, 3, ...name("echo.far")),
    target: "echo.far",
  },
  {
    what: "SOCKS 5 with an IPv6 address",
    request: (port) => version5(port, 4, 0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1),
    target: "2001:0db8:0000:0000:0000:0000:0000:0001",
  },
  {
    what: "SOCKS 5 with an IPv6 address in brackets as a name",
    request: (port) => version5(port, 3, ...name("[::1]")),
    target: "::1",
  },
];

/** A SOCKS tunnel in which all names and addresses lead to one server. */
function routed(
  seen: ForwardAddress[],
  pair: Awaited<ReturnType<typeof tunnelPair>>,
  port: number,
) {
  const router = socksRouter((target) => {
    seen.push(target);
    const data = Uint8Array.of(
      ...[0, 0, 0, 9, ...encode("127.0.0.1"), 0, 0, ...port16(port)],
      ...[0, 0, 0, 0, 0, 0, 0, 0],
    );
    return pair.host.openChannel("direct-tcpip", { extra: data });
  });
  return router;
}

for (const { what, request, target } of requests) {
  for (const [how, step] of [["at once", Infinity], ["byte by byte", 1]] as const) {
    Deno.test(`${what} works when sent ${how}, and the server resolves names`, async () => {
      await using server = echo();
      await using pair = await tunnelPair();
      const seen: ForwardAddress[] = [];
      const router = routed(seen, pair, server.port);
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr as Deno.NetAddr;
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      using accepted = await listener.accept();
      const routing = router(accepted, new AbortController().signal);
      const five = request(80)[0] === 5;
      const say = async (data: Uint8Array) => {
        for (let i = 0; i < data.length; i += step) await sendAll(conn, data.subarray(i, i + step));
      };
      if (five) {
        await say(GREETING);
        assertEquals(await bytes(conn, 2), [5, 0]);
      }
      await say(Uint8Array.of(...request(4433), ...encode("early")));
      assertEquals(await bytes(conn, five ? 10 : 8), five ? reply5(0) : GRANTED4);
      const { channel, early = new Uint8Array(0) } = await routing;
      assertEquals(seen, [{ hostname: target, port: 4433 }]);
      // Data directly after the request is kept, complete or as far as it was read.
      assertEquals("early".startsWith(decode(early)), true);
      await channel.close();
    });
  }
}

Deno.test("forwardSocks carries each connection to its requested target", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  await using tunnel = await pair.host.forwardSocks({ port: 0 });
  assertEquals(await tunnel.check(), true);
  const ask5 = async (text: string) => {
    using conn = await Deno.connect({ port: tunnel.addr.port });
    // Sends everything at once, like an optimistic client.
    const request = version5(server.port, 3, ...name("localhost"));
    await sendAll(conn, Uint8Array.of(...GREETING, ...request, ...encode(text)));
    assertEquals(await bytes(conn, 12), [5, 0, ...reply5(0)]);
    await conn.closeWrite();
    assertEquals(decode(await readAll(conn)), text);
  };
  await Promise.all(Array.from({ length: 20 }, (_, i) => ask5(`number ${i}`)));
  using conn = await Deno.connect({ port: tunnel.addr.port });
  await sendAll(conn, version4(server.port, [127, 0, 0, 1], 0));
  assertEquals(await bytes(conn, 8), GRANTED4);
  assertEquals(decode(await exchange(conn, encode("four"))), "four");
});

Deno.test("SOCKS clients get the reason of a failed connect", async () => {
  const errors: unknown[] = [];
  await using pair = await connectedPair({
    serve: { forward: { local: (target) => "port" in target && target.hostname === "127.0.0.1" } },
  });
  await using tunnel = await pair.host.forwardSocks({ port: 0, onError: (e) => errors.push(e) });
  const say = async (greeting: boolean, request: Uint8Array) => {
    using conn = await Deno.connect({ port: tunnel.addr.port });
    if (greeting) {
      await sendAll(conn, GREETING);
      assertEquals(await bytes(conn, 2), [5, 0]);
    }
    await sendAll(conn, request);
    return [...await readAll(conn)];
  };
  const port = freePort();
  assertEquals(await say(true, version5(port, 1, 127, 0, 0, 1)), reply5(5));
  assertEquals(await say(true, version5(port, 3, ...name("forbidden"))), reply5(2));
  assertEquals(await say(false, version4(port, [127, 0, 0, 1], 0)), REFUSED4);
  assertEquals(await say(false, version4(port, [9, 9, 9, 9], 0)), REFUSED4);
  assertEquals(errors.map((error) => error instanceof ChannelOpenError), Array(4).fill(true));
});

const refusals: [string, Uint8Array, number[]][] = [
  ["BIND of SOCKS 4", Uint8Array.of(4, 2, 0, 80, 1, 2, 3, 4, 0), REFUSED4],
  ["port 0 of SOCKS 4", version4(0, [1, 2, 3, 4], 0), REFUSED4],
  ["an empty name of SOCKS 4a", version4(80, [0, 0, 0, 1], 0, 0), REFUSED4],
  ["a name with a space of SOCKS 4a", version4(80, [0, 0, 0, 1], 0, 97, 32, 98, 0), REFUSED4],
  ["BIND of SOCKS 5", Uint8Array.of(...GREETING, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80), reply5(7)],
  ["UDP of SOCKS 5", Uint8Array.of(...GREETING, 5, 3, 0, 1, 1, 2, 3, 4, 0, 80), reply5(7)],
  ["an unknown address type", Uint8Array.of(...GREETING, 5, 1, 0, 2, 1, 2, 3, 4), reply5(8)],
  ["another version midway", Uint8Array.of(...GREETING, 4, 1, 0, 1, 1, 2, 3, 4), reply5(1)],
  ["port 0 of SOCKS 5", Uint8Array.of(...GREETING, ...version5(0, 1, 1, 2, 3, 4)), reply5(1)],
  ["an empty name", Uint8Array.of(...GREETING, ...version5(80, 3, 0)), reply5(1)],
  ["a NUL in a name", Uint8Array.of(...GREETING, ...version5(80, 3, 3, 97, 0, 98)), reply5(1)],
  ["a name that is not UTF-8", Uint8Array.of(...GREETING, ...version5(80, 3, 1, 255)), reply5(1)],
  ["a password as the only method", Uint8Array.of(5, 1, 2), [5, 0xff]],
  ["no method", Uint8Array.of(5, 0), [5, 0xff]],
  ["HTTP", encode("GET / HTTP/1.1\r\n\r\n"), []],
  ["TLS", Uint8Array.of(22, 3, 1, 0, 5, 1, 0, 0, 1, 0), []],
  ["an endless user of SOCKS 4", version4(80, [1, 2, 3, 4], ...Array(5000).fill(97)), []],
  ["an endless name of SOCKS 4a", version4(80, [0, 0, 0, 1], 0, ...Array(300).fill(97)), REFUSED4],
  ["a hang-up midway", Uint8Array.of(5, 3, 0), []],
  ["a hang-up in the request", Uint8Array.of(...GREETING, 5, 1), []],
  ["nothing at all", new Uint8Array(0), []],
];
for (const [what, said, answer] of refusals) {
  Deno.test(`A SOCKS server answers ${what} with an error, and continues`, async () => {
    let asked = 0;
    await using pair = await connectedPair({
      serve: {
        forward: {
          local: () => {
            asked++;
            return true;
          },
        },
      },
    });
    await using tunnel = await pair.host.forwardSocks({ port: 0 });
    using conn = await Deno.connect({ port: tunnel.addr.port });
    await sendAll(conn, said);
    await conn.closeWrite().catch(() => {});
    const greeted = said[0] === 5 && said.length > 4 ? [5, 0] : [];
    const heard = await readAll(conn).catch(() => null);
    // A close with unread data is a reset, which may overtake the answer.
    if (heard !== null) assertEquals([...heard], [...greeted, ...answer]);
    else assertEquals(said.length > 300, true);
    assertEquals(asked, 0);
    await until(() => tunnel.connections === 0);
  });
}

Deno.test("A silent SOCKS client is closed after the time limit", async () => {
  const router = socksRouter(() => Promise.reject(new Error("never asked")), {
    handshakeMs: 20,
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const accepted = await listener.accept();
  await assertRejects(() => router(accepted, new AbortController().signal), Error);
  assertEquals(await conn.read(new Uint8Array(1)), null);
});

Deno.test("forwardSocks listens on the given address, by default on loopback", async () => {
  await using pair = await tunnelPair();
  for (const [hostname, expected] of [["0.0.0.0", "0.0.0.0"], [undefined, "127.0.0.1"]] as const) {
    await using tunnel = await pair.host.forwardSocks({ port: 0, ...(hostname && { hostname }) });
    assertEquals(tunnel.addr.hostname, expected);
  }
});

Deno.test("forwardSocks with credentials serves clients that have them", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const credentials = { username: "ann", password: "sesame" };
  await using tunnel = await pair.host.forwardSocks({ port: 0, credentials });
  using conn = await Deno.connect({ port: tunnel.addr.port });
  const { port } = server;
  const request = [5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255];
  const login = [1, 3, ...encode("ann"), 6, ...encode("sesame")];
  const back = await exchange(
    conn,
    Uint8Array.of(5, 1, 2, ...login, ...request, ...encode("hello")),
  );
  assertEquals(decode(back.subarray(14)), "hello");
  for (
    const wrong of [{ username: "", password: "x" }, { username: "x", password: "x".repeat(256) }]
  ) {
    await assertRejects(
      () => pair.host.forwardSocks({ port: 0, credentials: wrong }),
      RangeError,
      "must be 1 to 255 bytes",
    );
  }
});
