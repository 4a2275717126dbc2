/** The seed's feature request_x11, and attacks by hostile X clients and servers. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { toBytes } from "@std/streams";
import {
  type Channel,
  ChannelOpenError,
  RequestDeniedError,
  type X11Authority,
  type X11Options,
} from "@denossh/ssh";
import type { SessionX11 } from "@denossh/ssh/server";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { decodeAuthorities, encodeAuthority } from "../../lib/forward/x11_authority.ts";
import { parseDisplay } from "../../lib/forward/x11_display.ts";
import { CookieForward } from "../../lib/connection/x11_forward.ts";
import { encodeSetup, readSetup, type X11Setup } from "../../lib/connection/x11_setup.ts";
import type { ServeOptions } from "../../lib/server/options.ts";
import { ChannelOpen } from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { X11Open } from "../../lib/wire/requests.ts";
import { openChannel } from "./raw_channel.ts";
import { rawWorld } from "./raw_world.ts";
import { sessionPair } from "./session_pair.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";

const MIT = "MIT-MAGIC-COOKIE-1";
const REAL: X11Authority = { protocol: MIT, data: new Uint8Array(16).fill(7) };
const ALLOWED = { forward: { x11: () => true } };

/** The first message of an X client, in either byte order. */
function hello(authority: X11Authority | null, littleEndian = true): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(12);
  head[0] = littleEndian ? 0x6c : 0x42;
  head[littleEndian ? 2 : 3] = 11;
  return encodeSetup({ head, littleEndian } as X11Setup, authority);
}

const shown = (x11: SessionX11): X11Authority => ({
  protocol: x11.protocol,
  data: decodeHex(x11.cookie),
});

/** A session that has asked for X11, and the server's side of it. */
async function x11Session(options: X11Options = {}, serve: Partial<ServeOptions> = ALLOWED) {
  await using stack = new AsyncDisposableStack();
  const arrived = Promise.withResolvers<SessionX11 | null>();
  const over = Promise.withResolvers<void>();
  const pair = stack.use(
    await connectedPair({
      serve,
      handler: (session) => {
        arrived.resolve(session.x11);
        return over.promise;
      },
    }),
  );
  stack.defer(() => over.resolve());
  const channel = stack.use(await pair.host.openSession());
  const forward = await channel.requestX11(options);
  await channel.shell();
  const x11 = (await arrived.promise)!;
  const parts = stack.move();
  return { channel, forward, x11, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** An X client's connection with its first message. */
async function client(x11: SessionX11, first: Uint8Array): Promise<Channel> {
  const channel = await x11.connect({ transport: "tcp", hostname: "10.0.0.9", port: 4711 });
  await channel.writeAll(first);
  return channel;
}

/** The X server's answer to a refused client. */
async function refusal(channel: Channel): Promise<string> {
  const words = await toBytes(channel.readable);
  assertEquals(words[0], 0);
  return new TextDecoder().decode(words.subarray(8, 8 + words[1]!));
}

for (const littleEndian of [true, false]) {
  const order = littleEndian ? "little" : "big";
  Deno.test(`request_x11: the cookie is verified and replaced (${order} endian)`, async () => {
    await using session = await x11Session({ authority: REAL, screen: 2 });
    const { x11, forward } = session;
    assertMatch(forward.cookie, /^[0-9a-f]{32}$/); // 128 random bits, as the server got them
    assertEquals([x11.cookie, x11.protocol, x11.screen], [forward.cookie, MIT, 2]);
    const there = await client(x11, hello(shown(x11), littleEndian));
    await there.writeAll(Uint8Array.of(1, 2, 3));
    const conns = forward[Symbol.asyncIterator]();
    const { value: conn } = await conns.next();
    assert(conn);
    const expected = [...hello(REAL, littleEndian), 1, 2, 3];
    const into = new Uint8Array(expected.length);
    for (let at = 0; at < into.length;) at += (await conn.read(into.subarray(at)))!;
    assertEquals([...into], expected);
    assertEquals(conn.remoteAddr, { transport: "tcp", hostname: "10.0.0.9", port: 4711 });
    await conn.write(Uint8Array.of(9));
    assertEquals(await there.read(into), 1);
    conn.close();
    await there.close();
  });
}

Deno.test("request_x11: a wrong cookie or protocol is refused with an X server's message", async () => {
  await using session = await x11Session({ handler: () => assert(false) });
  const { x11 } = session;
  const wrong = shown(x11).data.map((byte) => byte ^ 1);
  for (
    const authority of [
      { protocol: MIT, data: wrong },
      { protocol: MIT, data: shown(x11).data.slice(0, 15) },
      { protocol: MIT, data: new Uint8Array([...shown(x11).data, 0]) },
      { protocol: "MIT-MAGIC-COOKIE-2", data: shown(x11).data },
      null,
    ]
  ) {
    await using there = await client(x11, hello(authority));
    assertEquals(await refusal(there), "Wrong authentication for forwarded X11");
  }
});

Deno.test("request_x11: a connection that is not an X client is closed, and the next one is served", async () => {
  const served = Promise.withResolvers<void>();
  await using session = await x11Session({ handler: () => served.resolve() });
  const { x11 } = session;
  const long = hello(shown(x11));
  long[7] = 0xff; // a name of 65 KB
  for (const first of [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), long]) {
    await using there = await client(x11, first);
    assertEquals((await toBytes(there.readable)).length, 0);
  }
  await using early = await x11.connect();
  await early.writeAll(hello(shown(x11)).subarray(0, 20));
  await early.closeWrite();
  assertEquals((await toBytes(early.readable)).length, 0);
  await using _good = await client(x11, hello(shown(x11)));
  await served.promise;
});

Deno.test("request_x11: a cookie may arrive byte by byte", async () => {
  const served = Promise.withResolvers<Deno.Addr | null>();
  await using session = await x11Session({ handler: (conn) => served.resolve(conn.remoteAddr) });
  await using there = await session.x11.connect();
  for (const byte of hello(shown(session.x11))) await there.writeAll(Uint8Array.of(byte));
  const unnamed: Deno.Addr = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
  assertEquals(await served.promise, unnamed);
});

Deno.test("request_x11: single_connection accepts one, after any failed attempts", async () => {
  let handled = 0;
  await using session = await x11Session({ single: true, handler: () => void handled++ });
  const { x11 } = session;
  assertEquals(x11.single, true);
  await using bad = await client(x11, hello(null));
  await refusal(bad);
  await using good = await client(x11, hello(shown(x11)));
  assertEquals((await toBytes(good.readable)).length, 0); // the handler ends immediately
  await using late = await client(x11, hello(shown(x11)));
  assertEquals(await refusal(late), "Wrong authentication for forwarded X11");
  assertEquals(handled, 1);
});

Deno.test("request_x11: a handler that throws ends its connection only", async () => {
  let handled = 0;
  await using session = await x11Session({
    handler: () => {
      if (handled++ === 0) throw new Error("no screen");
    },
  });
  for (let i = 0; i < 2; i++) {
    await using there = await client(session.x11, hello(shown(session.x11)));
    assertEquals((await toBytes(there.readable)).length, 0);
  }
  assertEquals(handled, 2);
});

Deno.test("request_x11: two sessions share a connection, and the cookie selects the session", async () => {
  const lent: SessionX11[] = [];
  const over = Promise.withResolvers<void>();
  await using pair = await connectedPair({
    serve: ALLOWED,
    handler: (session) => {
      lent.push(session.x11!);
      return over.promise;
    },
  });
  const came: string[] = [];
  const all = Promise.withResolvers<void>();
  const channels: Channel[] = [];
  for (const name of ["first", "second"]) {
    const channel = await pair.host.openSession();
    channels.push(channel);
    const cookie = encodeHex(new TextEncoder().encode(name));
    await channel.requestX11({
      cookie,
      handler: () => {
        if (came.push(name) === 2) all.resolve();
      },
    });
    await channel.shell();
  }
  for (const x11 of lent.toReversed()) {
    await using there = await client(x11, hello(shown(x11)));
    await toBytes(there.readable);
  }
  await all.promise;
  assertEquals(came, ["second", "first"]);
  over.resolve();
  for (const channel of channels) await channel.close();
  // No session has requested X11 any more.
  await assertRejects(() => lent[0]!.connect(), ChannelOpenError);
});

Deno.test("request_x11: after leaving or closing the loop no more are accepted", async () => {
  await using session = await x11Session();
  const { x11, forward } = session;
  await using there = await client(x11, hello(shown(x11)));
  for await (const conn of forward) {
    conn.close();
    break;
  }
  await toBytes(there.readable);
  forward.close();
  await using late = await client(x11, hello(shown(x11)));
  assertEquals(await refusal(late), "Wrong authentication for forwarded X11");
  assertEquals((await forward[Symbol.asyncIterator]().next()).done, true);
});

Deno.test("request_x11: a server forwards none unless its policy returns exactly true", async () => {
  for (const x11 of [undefined, () => false, () => 1, () => Promise.reject(new Error("no"))]) {
    await using pair = await connectedPair({
      serve: x11 ? { forward: { x11: x11 as () => boolean } } : {},
      handler: (session) => session.print(`${session.x11}`),
    });
    await using channel = await pair.host.openSession();
    await assertRejects(() => channel.requestX11(), RequestDeniedError, "x11-req");
    await channel.exec("x");
    assertEquals(await Array.fromAsync(channel.lines()), ["null"]);
  }
});

Deno.test("request_x11: after the program has started, or twice, a server refuses it", async () => {
  await using pair = await sessionPair({ serve: ALLOWED });
  await assertRejects(() => pair.client.requestX11(), RequestDeniedError);
  await using again = await pair.client.connection.openChannel("session");
  await again.requestX11();
  await assertRejects(() => again.requestX11(), RequestDeniedError);
  await assertRejects(
    () =>
      again.requestX11({ signal: AbortSignal.abort("no") })
        .catch((reason) => Promise.reject(new Error(reason))),
    Error,
    "no",
  );
});

Deno.test("request_x11: invalid options are refused before anything is sent", async () => {
  await using pair = await sessionPair({ serve: ALLOWED });
  const bad: X11Options[] = [{ cookie: "xyz" }, { cookie: "" }, { cookie: "abc" }];
  for (const options of bad) {
    await assertRejects(() => pair.client.requestX11(options), TypeError, "hexadecimal");
  }
  for (const screen of [-1, 1.5, 70_000]) {
    await assertRejects(() => pair.client.requestX11({ screen }), RangeError, "Screen");
  }
});

Deno.test("request_x11: malformed cookies from a client are refused", async () => {
  const { X11Req } = await import("../../lib/wire/requests.ts");
  await using pair = await sessionPair({ serve: ALLOWED });
  await using channel = await pair.client.connection.openChannel("session");
  const good = { single: false, protocol: MIT, cookie: "00", screen: 0 };
  for (
    const bad of [
      { ...good, cookie: "0" },
      { ...good, cookie: "$(id)" },
      { ...good, cookie: "00".repeat(300) },
      { ...good, protocol: "a b" },
      { ...good, protocol: "" },
      { ...good, screen: 70_000 },
    ]
  ) {
    await assertRejects(() => channel.request("x11-req", X11Req.encode(bad)), RequestDeniedError);
  }
  await channel.request("x11-req", X11Req.encode(good));
});

Deno.test("A server's x11 channel is refused unless a session requested it", async () => {
  await using world = await rawWorld("client");
  const wish = (sender: number) =>
    ChannelOpen.encode({
      type: "x11",
      sender,
      window: 65536,
      maxPacket: 32768,
      data: X11Open.encode({ originatorAddress: "evil", originatorPort: 1 }),
    });
  world.raw.send(wish(1));
  await world.raw.next(MSG.CHANNEL_OPEN_FAILURE);
  // Requested, but refused by the server: still none.
  const channel = await openChannel(world);
  const asking = channel.requestX11();
  await world.raw.next(MSG.CHANNEL_REQUEST);
  const { ChannelFailure, ChannelSuccess } = await import("../../lib/wire/messages.ts");
  world.raw.send(ChannelFailure.encode({ recipient: channel.id }));
  await assertRejects(() => asking, RequestDeniedError);
  world.raw.send(wish(2));
  await world.raw.next(MSG.CHANNEL_OPEN_FAILURE);
  // The number of X clients that never show a cookie is limited.
  const granted = channel.requestX11();
  await world.raw.next(MSG.CHANNEL_REQUEST);
  world.raw.send(ChannelSuccess.encode({ recipient: channel.id }));
  await granted;
  for (let i = 0; i < 200; i++) world.raw.send(wish(100 + i));
  for (let i = 0; i < 200 - 64; i++) await world.raw.next(MSG.CHANNEL_OPEN_FAILURE);
  assertEquals(world.connection.channelCount, 65);
});

Deno.test("An X client's first message is read from any pieces, up to a limit", async () => {
  const whole = hello(REAL);
  let at = 0;
  const setup = await readSetup((into) => {
    into.set(whole.subarray(at, at += into.length));
    return Promise.resolve();
  });
  assertEquals([setup.protocol, [...setup.data], at], [MIT, [...REAL.data], whole.length]);
});

Deno.test("X11 without options uses screen 0, for any number of clients", () => {
  const usual = new CookieForward({ handler: () => {} });
  assertEquals([usual.screen, usual.single, usual.protocol], [0, false, MIT]);
  assertEquals(/^[0-9a-f]{32}$/.test(usual.cookie), true);
  const asked = new CookieForward({
    screen: 0xffff,
    single: true,
    cookie: "AB",
    handler: () => {},
  });
  assertEquals([asked.screen, asked.single, asked.cookie], [0xffff, true, "ab"]);
  for (const screen of [-1, 0x1_0000, 0.5]) {
    assertThrows(() => new CookieForward({ screen, handler: () => {} }), RangeError, "0 to 65535");
  }
});

Deno.test("Other first bytes, or a secret that is too long, are refused", async () => {
  const reading = (change: (bytes: Uint8Array) => void) => {
    const bytes = hello(REAL);
    change(bytes);
    return readSetup((into) => Promise.resolve(into.set(bytes.subarray(0, into.length))));
  };
  for (const first of [0x6b, 0x43, 0]) {
    await assertRejects(() => reading((bytes) => bytes[0] = first), ProtocolError, "Not an X");
  }
  for (const at of [6, 8]) {
    const long = reading((bytes) => bytes.fill(0xff, at, at + 2));
    await assertRejects(() => long, ProtocolError, "secret of the X client is too long");
  }
});

Deno.test("DISPLAY is read as Xlib reads it", () => {
  const seen: [string, unknown][] = [
    [":0", [null, "/tmp/.X11-unix/X0", 0, 0]],
    ["unix:3.2", [null, "/tmp/.X11-unix/X3", 3, 2]],
    ["box/unix:1", [null, "/tmp/.X11-unix/X1", 1, 0]],
    ["localhost:10.0", ["localhost", null, 10, 0]],
    ["tcp/10.1.1.1:2", ["10.1.1.1", null, 2, 0]],
    ["[::1]:11.1", ["::1", null, 11, 1]],
    ["/private/tmp/launch-x/org.xquartz:0", [
      null,
      "/private/tmp/launch-x/org.xquartz:0",
      0,
      0,
    ]],
  ];
  for (const [text, expected] of seen) {
    const { hostname, path, number, screen } = parseDisplay(text);
    assertEquals([hostname, path, number, screen], expected, text);
  }
  for (const bad of ["", "localhost", ":", ":x", ":1.", ":99999"]) {
    assertThrows(() => parseDisplay(bad), TypeError, "Not a display", bad);
  }
});

Deno.test("A truncated file of cookies is read up to the cut", () => {
  const entry = { family: 256, address: Uint8Array.of(1, 2), number: "10", ...REAL };
  const bytes = new Uint8Array([...encodeAuthority(entry), ...encodeAuthority(entry)]);
  assertEquals(decodeAuthorities(bytes), [entry, entry]);
  for (let length = 0; length < bytes.length; length++) {
    const whole = length >= bytes.length / 2 ? 1 : 0;
    assertEquals(decodeAuthorities(bytes.subarray(0, length)).length, whole);
  }
});
