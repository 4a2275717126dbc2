/** The sessions with X11 of one connection: which X client belongs to which, without a connection. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CookieForward, type X11Options } from "../../lib/connection/x11_forward.ts";
import { X11Forwards, type X11Wish } from "../../lib/connection/x11_forwards.ts";
import { encodeSetup, type X11Authority, type X11Setup } from "../../lib/connection/x11_setup.ts";
import { decodeHex } from "../../lib/encoding.ts";
import { OPEN_FAILURE } from "../../lib/wire/numbers.ts";
import { X11Open, X11Req } from "../../lib/wire/requests.ts";
import { FakeTime } from "../support/fake_time.ts";

const MIT = "MIT-MAGIC-COOKIE-1";
const DISPLAY: X11Authority = { protocol: MIT, data: new Uint8Array(16).fill(7) };
const HEAD = new Uint8Array([0x6c, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const { ADMINISTRATIVELY_PROHIBITED, RESOURCE_SHORTAGE } = OPEN_FAILURE;
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));
const hello = (authority: X11Authority | null) =>
  encodeSetup({ head: HEAD, littleEndian: true } as X11Setup, authority);
const shown = ({ protocol, cookie }: { protocol: string; cookie: string }): X11Authority => ({
  protocol,
  data: decodeHex(cookie),
});

/** A session that asks for X11 of the peer, who accepts unless `refusal` is given. */
function sessionOf(refusal?: Error) {
  const requests: [string, Uint8Array][] = [];
  const over = Promise.withResolvers<void>();
  const session = {
    closed: over.promise,
    request: (type: string, data: Uint8Array) => {
      requests.push([type, data]);
      return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
    },
  };
  return { session, requests, close: over.resolve, fail: over.reject };
}

/** An X client whose channel returns these bytes in pieces of `size`; then it ends, or waits. */
function clientOf(bytes: Uint8Array, { size = 1000, ends = true, from = "192.0.2.9\x07" } = {}) {
  const said: string[] = [];
  const written: number[] = [];
  let address: Deno.NetAddr | undefined;
  let put: Uint8Array | undefined;
  let at = 0;
  const ended = Promise.withResolvers<null>();
  const conn = {
    read: (into: Uint8Array) => {
      const piece = bytes.subarray(at, at + Math.min(size, into.length));
      if (piece.length === 0) return ends ? Promise.resolve(null) : ended.promise;
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
    write: async (data: Uint8Array) => {
      await null;
      written.push(...data);
      said.push("written");
      return data.length;
    },
    close: () => void said.push("conn closed"),
  } as unknown as Deno.Conn;
  const wish: X11Wish = {
    data: X11Open.encode({ originatorAddress: from, originatorPort: 6010 }),
    accept: (told) => {
      address = told;
      return {
        conn,
        unread: (bytes) => void (put = bytes),
        close: () => Promise.resolve(void said.push("closed")),
        abort: (reason) => {
          said.push(`aborted: ${(reason as Error).message}`);
          ended.resolve(null);
        },
      };
    },
    reject: (reason, message) => void said.push(`rejected ${reason}: ${message}`),
  };
  return { wish, conn, said, written, from: () => address, put: () => put, taken: () => at };
}

async function forwardOf(forwards: X11Forwards, options: X11Options = {}) {
  const { session, ...rest } = sessionOf();
  const forward = await forwards.request(session, options);
  return { forward, ...rest };
}

Deno.test("A session asks with a cookie of its own, or with what it is told", async () => {
  const forwards = new X11Forwards();
  const usual = await forwardOf(forwards);
  const { forward } = usual;
  assertEquals([forward.screen, forward.single, forward.protocol], [0, false, MIT]);
  assertEquals(/^[0-9a-f]{32}$/.test(forward.cookie), true);
  assert((await forwardOf(forwards)).forward.cookie !== forward.cookie);
  const [type, data] = usual.requests[0]!;
  assertEquals([type, X11Req.decode(data)], ["x11-req", {
    ...{ single: false, protocol: MIT, cookie: forward.cookie, screen: 0 },
  }]);
  const told = await forwardOf(forwards, { screen: 2, single: true, protocol: "P", cookie: "AB" });
  assertEquals(X11Req.decode(told.requests[0]![1]), {
    ...{ single: true, protocol: "P", cookie: "ab", screen: 2 },
  });
});

Deno.test("A screen has 16 bits, and a cookie 1 to 256 bytes in hexadecimal", () => {
  for (const screen of [0, 0xffff]) assertEquals(new CookieForward({ screen }).screen, screen);
  for (const screen of [-1, 0x1_0000, 0.5]) {
    assertThrows(() => new CookieForward({ screen }), RangeError, "0 to 65535");
  }
  for (const cookie of ["00", "ff".repeat(256)]) {
    assertEquals(new CookieForward({ cookie }).cookie, cookie);
  }
  for (const cookie of ["", "0", "000", "0g", "ff".repeat(257), " 00", "00\n"]) {
    assertThrows(() => new CookieForward({ cookie }), TypeError, "hexadecimal");
  }
});

Deno.test("A secret is claimed by its session alone: every byte and the protocol count", () => {
  const forward = new CookieForward({ cookie: "0102" });
  const claims = (protocol: string, ...data: number[]) =>
    forward.claim({ protocol, data: Uint8Array.from(data) });
  assertEquals([claims(MIT, 1, 2), claims(MIT, 1, 2)], [true, true]);
  const wrong = [claims(MIT, 1, 3), claims(MIT, 1), claims(MIT, 1, 2, 0), claims(MIT)];
  assertEquals(wrong, [false, false, false, false]);
  assertEquals([claims("", 1, 2), claims("XDM", 1, 2)], [false, false]);
  forward.close();
  assertEquals(claims(MIT, 1, 2), false);
});

Deno.test("A single forward is claimed once, and failed attempts do not count", () => {
  const forward = new CookieForward({ cookie: "01", single: true });
  const claim = (byte: number) => forward.claim({ protocol: MIT, data: Uint8Array.of(byte) });
  assertEquals([claim(2), claim(1), claim(1)], [false, true, false]);
});

for (const size of [1, 5, 1000]) {
  Deno.test(`An X client with the cookie gets the display's secret in its place, in pieces of ${size}`, async () => {
    const forwards = new X11Forwards();
    const seen: Deno.Conn[] = [];
    const { forward } = await forwardOf(forwards, {
      authority: () => Promise.resolve(DISPLAY),
      handler: (conn) => void seen.push(conn),
    });
    const start = hello(shown(forward));
    const client = clientOf(new Uint8Array([...start, 1, 2, 3]), { size });
    await forwards.take(client.wish);
    assertEquals([client.put(), client.taken()], [hello(DISPLAY), start.length]);
    assertEquals(client.from(), { transport: "tcp", hostname: "192.0.2.9", port: 6010 });
    assertEquals([seen[0] === client.conn, client.said], [true, ["conn closed"]]);
  });
}

for (const authority of [DISPLAY, () => DISPLAY, null, undefined]) {
  Deno.test(`The display's secret may be ${typeof authority} ${authority === null}`, async () => {
    const forwards = new X11Forwards();
    const options = authority === undefined
      ? { handler: () => {} }
      : { authority: authority as X11Authority, handler: () => {} };
    const { forward } = await forwardOf(forwards, options);
    const client = clientOf(hello(shown(forward)));
    await forwards.take(client.wish);
    assertEquals(client.put(), hello(authority ? DISPLAY : null));
  });
}

Deno.test("The cookie selects the session", async () => {
  const forwards = new X11Forwards();
  const got: string[] = [];
  const [one, two] = [
    await forwardOf(forwards, { handler: () => void got.push("one") }),
    await forwardOf(forwards, { handler: () => void got.push("two") }),
  ];
  await forwards.take(clientOf(hello(shown(two.forward))).wish);
  await forwards.take(clientOf(hello(shown(one.forward))).wish);
  assertEquals(got, ["two", "one"]);
});

Deno.test("An X client with another secret gets an X server's refusal, and nothing is put back", async () => {
  const forwards = new X11Forwards();
  await forwardOf(forwards, { handler: () => assert(false) });
  for (const wrong of [DISPLAY, null]) {
    const client = clientOf(hello(wrong));
    await forwards.take(client.wish);
    assertEquals([client.said, client.put()], [["written", "closed"], undefined]);
    assertEquals([client.written[0], client.written[2]], [0, 11]);
    assertEquals(
      new TextDecoder().decode(Uint8Array.from(client.written)).slice(8, 13),
      "Wrong",
    );
  }
});

Deno.test("What is no X client, ends early or comes too late is aborted", async () => {
  const forwards = new X11Forwards();
  const { forward } = await forwardOf(forwards, { handler: () => assert(false) });
  const strange = clientOf(new Uint8Array(12));
  await forwards.take(strange.wish);
  assertEquals(strange.said.length, 1);
  assert(strange.said[0]!.startsWith("aborted: Not an X client"));
  const short = clientOf(hello(shown(forward)).subarray(0, -1));
  await forwards.take(short.wish);
  assert(short.said[0]!.startsWith("aborted: The X client closed the connection too early"));
  using time = new FakeTime();
  const slow = clientOf(hello(shown(forward)).subarray(0, -1), { ends: false });
  const taking = forwards.take(slow.wish);
  await time.advance(9_999);
  assertEquals(slow.said, []);
  await time.advance(1);
  assert(slow.said[0]!.startsWith("aborted: The X client did not show its cookie in time"));
  await taking;
  const quick = clientOf(hello(DISPLAY));
  await forwards.take(quick.wish);
  assertEquals(time.timers, 0);
});

Deno.test("An X client that was refused and does not close counts, until it is too late", async () => {
  using time = new FakeTime();
  const forwards = new X11Forwards();
  await forwardOf(forwards);
  const client = clientOf(hello(DISPLAY));
  const closing = Promise.withResolvers<void>();
  const { accept } = client.wish;
  const slow = (address: Deno.NetAddr) => ({ ...accept(address), close: () => closing.promise });
  const taking = forwards.take({ ...client.wish, accept: slow });
  await time.advance(9_999);
  assertEquals(client.said, ["written"]);
  await time.advance(1);
  assertEquals(client.said.length, 2);
  assert(client.said[1]!.startsWith("aborted: The X client did not show its cookie in time"));
  closing.resolve();
  await taking;
});

Deno.test("An X client's address is cut if it is longer than a name can be", async () => {
  const forwards = new X11Forwards();
  await forwardOf(forwards);
  for (const [length, shown] of [[255, "x".repeat(255)], [256, `${"x".repeat(255)}…`]] as const) {
    const client = clientOf(hello(null), { from: "x".repeat(length) });
    await forwards.take(client.wish);
    assertEquals(client.from()?.hostname, shown);
  }
});

Deno.test("A secret of the display that cannot be had aborts the client", async () => {
  const forwards = new X11Forwards();
  const { forward } = await forwardOf(forwards, {
    authority: () => Promise.reject(new Error("no secret")),
    handler: () => assert(false),
  });
  const client = clientOf(hello(shown(forward)));
  await forwards.take(client.wish);
  assertEquals(client.said, ["aborted: no secret"]);
});

Deno.test("A handler that fails aborts its client; the connection is closed after one that ends", async () => {
  const forwards = new X11Forwards();
  const gate = Promise.withResolvers<void>();
  const { forward } = await forwardOf(forwards, { handler: () => gate.promise });
  const client = clientOf(hello(shown(forward)));
  const taking = forwards.take(client.wish);
  await turn();
  assertEquals(client.said, []);
  gate.resolve();
  await taking;
  assertEquals(client.said, ["conn closed"]);
  const broken = await forwardOf(forwards, { handler: () => Promise.reject(new Error("broken")) });
  const failed = clientOf(hello(shown(broken.forward)));
  await forwards.take(failed.wish);
  assertEquals(failed.said, ["aborted: broken"]);
});

Deno.test("Without a handler, connections wait for a loop, up to its end", async () => {
  const forwards = new X11Forwards();
  const { forward } = await forwardOf(forwards);
  const [one, two, late] = [0, 1, 2].map(() => clientOf(hello(shown(forward))));
  for (const client of [one!, two!]) await forwards.take(client.wish);
  const loop = forward[Symbol.asyncIterator]();
  assertEquals((await loop.next()).value, one!.conn);
  await loop.return!();
  assertEquals([one!.said, two!.said], [[], ["conn closed"]]);
  for (let i = 0; i < 256; i++) await forwards.take(clientOf(hello(shown(forward))).wish);
  await forwards.take(late!.wish);
  assertEquals(late!.said, ["conn closed"]); // too many wait
  forward[Symbol.dispose]();
  assertEquals((await forward[Symbol.asyncIterator]().next()).done, true);
});

Deno.test("X11 that was not requested, or whose session is over, is refused", async () => {
  const forwards = new X11Forwards();
  const refused = async () => {
    const client = clientOf(hello(DISPLAY));
    await forwards.take(client.wish);
    assertEquals(client.said, [`rejected ${ADMINISTRATIVELY_PROHIBITED}: X11 was not requested`]);
  };
  await refused();
  await assertRejects(() => forwards.request(sessionOf(new Error("no")).session, {}), Error, "no");
  await refused();
  for (const end of ["close", "fail"] as const) {
    const ended = await forwardOf(forwards);
    const next = ended.forward[Symbol.asyncIterator]().next();
    ended[end](new Error("lost") as never);
    assertEquals((await next).done, true);
    await turn();
    await refused();
  }
});

Deno.test("X clients that have not shown a cookie are limited, and each that has makes room", async () => {
  const forwards = new X11Forwards();
  const { forward } = await forwardOf(forwards, { handler: () => {} });
  using time = new FakeTime();
  const silent = () => clientOf(new Uint8Array(0), { ends: false });
  const waiting = Array.from({ length: 63 }, () => forwards.take(silent().wish));
  for (let i = 0; i < 3; i++) {
    const client = clientOf(hello(shown(forward)));
    await forwards.take(client.wish);
    assertEquals(client.said, ["conn closed"]);
  }
  waiting.push(forwards.take(silent().wish));
  const more = clientOf(hello(shown(forward)));
  await forwards.take(more.wish);
  assertEquals(more.said, [`rejected ${RESOURCE_SHORTAGE}: Too many X clients`]);
  await time.advance(10_000);
  await Promise.all(waiting);
  const later = clientOf(hello(shown(forward)));
  await forwards.take(later.wish);
  assertEquals(later.said, ["conn closed"]);
});
