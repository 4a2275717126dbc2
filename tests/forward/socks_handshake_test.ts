/** SOCKS clients that stall, disconnect or send endlessly, on a connection in memory. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Channel } from "@denossh/ssh";
import { ChannelOpenError, ConnectError } from "../../lib/errors.ts";
import type { ForwardAddress } from "../../lib/forward/address.ts";
import { type SocksDialer, socksRouter } from "../../lib/forward/socks.ts";
import { encode } from "./world.ts";
import { FakeTime } from "../support/fake_time.ts";

const from: Deno.Addr = { transport: "tcp", hostname: "127.0.0.1", port: 40_000 };

const { setTimeout: realTimeout } = globalThis;

/** The router's end of a connection, and the client's actions at the other end. */
class FakeConn {
  readonly remoteAddr = from;
  readonly written: number[] = [];
  reads = 0;
  closed = false;
  /** The error of writes, if they fail. */
  writeError: Error | null = null;
  readonly #said: Uint8Array[];
  readonly #ends: boolean;
  #stalled = Promise.withResolvers<never>();

  /** @param said The client's data, read by read; `null` at the end for a client that hangs up */
  constructor(...said: (Uint8Array | null)[]) {
    this.#ends = said.at(-1) === null;
    this.#said = said.filter((part) => part !== null);
    this.#stalled.promise.catch(() => {});
  }

  read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    const next = this.#said.shift();
    if (next === undefined) return this.#ends ? Promise.resolve(null) : this.#stalled.promise;
    into.set(next);
    return Promise.resolve(next.length);
  }

  async write(bytes: Uint8Array): Promise<number> {
    await new Promise((resolve) => realTimeout(resolve));
    if (this.writeError) throw this.writeError;
    this.written.push(...bytes);
    return bytes.length;
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("closed before");
    this.closed = true;
    this.#stalled.reject(new Deno.errors.Interrupted("closed"));
  }
}

/** A channel that records whether it was aborted. */
class FakeChannel {
  aborted: unknown[] = [];
  abort(reason: unknown): void {
    this.aborted.push(reason);
  }
}

const route = (conn: FakeConn, dial: SocksDialer, signal = new AbortController().signal) =>
  socksRouter(dial)(conn as unknown as Deno.Conn, signal);
const dialTo = (channel: FakeChannel): SocksDialer => () =>
  Promise.resolve(channel as unknown as Channel);
const never: SocksDialer = () => Promise.reject(new Error("never asked"));

const user = (length: number) => Array<number>(length).fill(97);
const socks4 = (...rest: number[]) => Uint8Array.of(4, 1, 0, 80, 192, 0, 2, 1, ...rest);
const socks4a = (...name: number[]) => Uint8Array.of(4, 1, 0, 80, 0, 0, 0, 1, 0, ...name);
const GREETING = Uint8Array.of(5, 1, 0);
const socks5 = (port = 80) => Uint8Array.of(5, 1, 0, 1, 192, 0, 2, 1, port >> 8, port & 255);
const named5 = (...name: number[]) => Uint8Array.of(5, 1, 0, 3, name.length, ...name, 0, 80);
const reply5 = (code: number) => [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
const GRANTED4 = [0, 0x5a, 0, 0, 0, 0, 0, 0];
const REFUSED4 = [0, 0x5b, 0, 0, 0, 0, 0, 0];

const stalls: [string, Uint8Array[]][] = [
  ["nothing", []],
  ["its version", [Uint8Array.of(5)]],
  ["half a request of SOCKS 4", [Uint8Array.of(4, 1, 0, 80, 192)]],
  ["a user of SOCKS 4 without its end", [socks4(...user(10))]],
  ["methods alone", [GREETING]],
  ["half a request of SOCKS 5", [GREETING, Uint8Array.of(5, 1, 0, 3, 200)]],
];
for (const [what, said] of stalls) {
  Deno.test(`A SOCKS client that sends only ${what} is closed after 10 seconds`, async () => {
    using time = new FakeTime();
    const conn = new FakeConn(...said);
    const routing = assertRejects(() => route(conn, never), Deno.errors.Interrupted);
    await time.advance(9_999);
    assert(!conn.closed);
    await time.advance(1);
    assert(conn.closed);
    await routing;
  });
}

Deno.test("A SOCKS client that has sent its target may wait for it without limit", async () => {
  using time = new FakeTime();
  const conn = new FakeConn(socks4(0));
  const opened = Promise.withResolvers<Channel>();
  const routing = route(conn, () => opened.promise);
  await time.advance(1_000_000);
  assert(!conn.closed);
  const channel = new FakeChannel();
  opened.resolve(channel as unknown as Channel);
  assertEquals((await routing).channel as unknown, channel);
  assertEquals(conn.written, GRANTED4);
});

Deno.test("A channel for a SOCKS client that has disconnected is aborted", async () => {
  for (const said of [[socks4(0)], [GREETING, socks5()]]) {
    const conn = new FakeConn(...said);
    const channel = new FakeChannel();
    const gone = new Deno.errors.BrokenPipe("gone");
    const dial: SocksDialer = () => {
      conn.writeError = gone;
      return dialTo(channel)({ hostname: "", port: 1 }, from, new AbortController().signal);
    };
    const error = await assertRejects(() => route(conn, dial));
    assertEquals([error, channel.aborted], [gone, [gone]]);
  }
});

Deno.test("The error is still the refusal if the SOCKS client does not read its answer", async () => {
  const conn = new FakeConn(socks4(0));
  const refused = new Error("refused");
  const dial: SocksDialer = () => {
    conn.writeError = new Deno.errors.BrokenPipe("gone");
    return Promise.reject(refused);
  };
  assertEquals(await assertRejects(() => route(conn, dial)), refused);
});

const texts: [string, (length: number) => Uint8Array, number[]][] = [
  ["A user of SOCKS 4", (length) => socks4(...user(length), 0), []],
  ["A name of SOCKS 4a", (length) => socks4a(...user(length), 0), REFUSED4],
];
for (const [what, request, refusal] of texts) {
  for (const step of [1, 1024]) {
    Deno.test(`${what} has 255 bytes at most, ${step} at a time`, async () => {
      const parts = (bytes: Uint8Array) =>
        Array.from(
          { length: Math.ceil(bytes.length / step) },
          (_, i) => bytes.subarray(i * step, (i + 1) * step),
        );
      const good = new FakeConn(...parts(request(255)));
      await route(good, dialTo(new FakeChannel()));
      assertEquals(good.written, GRANTED4);
      const bad = new FakeConn(...parts(request(256)));
      await assertRejects(() => route(bad, never), TypeError, "name is too long");
      assertEquals(bad.written, refusal);
    });
  }

  Deno.test(`${what} without an end is refused`, async () => {
    const head = request(0).subarray(0, -1);
    const conn = new FakeConn(
      head,
      ...Array.from({ length: 100 }, () => new Uint8Array(100).fill(97)),
    );
    await assertRejects(() => route(conn, never), TypeError, "name is too long");
    assert(conn.reads <= 5, `${conn.reads} reads`);
  });
}

const addresses: [string, Uint8Array[], ForwardAddress][] = [
  ["SOCKS 4", [socks4(0)], { hostname: "192.0.2.1", port: 80 }],
  ["SOCKS 4 to 0.0.0.0", [Uint8Array.of(4, 1, 0, 80, 0, 0, 0, 0, 0)], {
    hostname: "0.0.0.0",
    port: 80,
  }],
  ["SOCKS 4 to 0.0.1.0", [Uint8Array.of(4, 1, 0, 80, 0, 0, 1, 0, 0)], {
    hostname: "0.0.1.0",
    port: 80,
  }],
  ["SOCKS 4 to 0.1.0.1", [Uint8Array.of(4, 1, 0, 80, 0, 1, 0, 1, 0)], {
    hostname: "0.1.0.1",
    port: 80,
  }],
  ["SOCKS 4 to 1.0.0.1", [Uint8Array.of(4, 1, 0, 80, 1, 0, 0, 1, 0)], {
    hostname: "1.0.0.1",
    port: 80,
  }],
  ["SOCKS 4a", [socks4a(...encode("dä.example"), 0)], { hostname: "dä.example", port: 80 }],
  ["SOCKS 5", [GREETING, socks5(0x1234)], { hostname: "192.0.2.1", port: 0x1234 }],
  ["SOCKS 5 with a name", [GREETING, named5(...encode("dä.example"))], {
    hostname: "dä.example",
    port: 80,
  }],
  ["SOCKS 5 with an IPv6 address in brackets", [GREETING, named5(...encode("[::1]"))], {
    hostname: "::1",
    port: 80,
  }],
  ["SOCKS 5 with an IPv6 address", [
    GREETING,
    Uint8Array.of(5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80),
  ], { hostname: "2001:0db8:0000:0000:0000:0000:0000:0001", port: 80 }],
];
for (const [what, said, target] of addresses) {
  Deno.test(`The target of ${what} is ${JSON.stringify(target)}`, async () => {
    const targets: unknown[] = [];
    const { signal } = new AbortController();
    await route(new FakeConn(...said), (...asked) => {
      targets.push(asked);
      return dialTo(new FakeChannel())(...asked);
    }, signal);
    assertEquals(targets, [[target, from, signal]]);
  });
}

Deno.test("Data that a SOCKS client sent after its request is first in the channel", async () => {
  const conn = new FakeConn(Uint8Array.of(...GREETING, ...socks5(), 1, 2, 3));
  assertEquals([...(await route(conn, dialTo(new FakeChannel()))).early!], [1, 2, 3]);
  assertEquals(conn.written, [5, 0, ...reply5(0)]);
  const none = new FakeConn(socks4(0));
  assertEquals((await route(none, dialTo(new FakeChannel()))).early, new Uint8Array(0));
});

const reasons: [string, Error, number][] = [
  ["is prohibited", new ChannelOpenError(1, "x"), 2],
  ["cannot be reached", new ChannelOpenError(2, "x"), 5],
  ["is of a type that is not served", new ChannelOpenError(3, "x"), 1],
  ["is one too many", new ChannelOpenError(4, "x"), 1],
  ["is lost with its connection", new ConnectError("x"), 1],
  ["fails for a reason of another kind", Object.assign(new Error("x"), { reason: 1 }), 1],
];
for (const [what, error, code] of reasons) {
  Deno.test(`A SOCKS client gets ${code} if its target ${what}`, async () => {
    const conn = new FakeConn(GREETING, socks5());
    assertEquals(await assertRejects(() => route(conn, () => Promise.reject(error))), error);
    assertEquals(conn.written, [5, 0, ...reply5(code)]);
    const four = new FakeConn(socks4(0));
    await assertRejects(() => route(four, () => Promise.reject(error)));
    assertEquals(four.written, REFUSED4);
  });
}

const mistakes: [string, (Uint8Array | null)[], number[], string][] = [
  ["an end at once", [null], [], "closed the connection before"],
  ["an end within its methods", [Uint8Array.of(5, 3, 0), null], [], "closed the connection before"],
  ["an end within its user", [socks4(97), null], [], "closed the connection before"],
  ["another version", [Uint8Array.of(6)], [], "does not speak SOCKS"],
  ["no method of ours", [Uint8Array.of(5, 2, 1, 2)], [5, 0xff], "requires a password"],
  [
    "another version in its request",
    [GREETING, Uint8Array.of(4, ...socks5().subarray(1))],
    [5, 0, ...reply5(1)],
    "changed its version",
  ],
  [
    "a BIND",
    [GREETING, Uint8Array.of(5, 2, ...socks5().subarray(2))],
    [5, 0, ...reply5(7)],
    "a command other than CONNECT",
  ],
  [
    "a BIND of SOCKS 4",
    [Uint8Array.of(4, 2, ...socks4(0).subarray(2))],
    REFUSED4,
    "a command other than CONNECT",
  ],
  [
    "an address type of 2",
    [GREETING, Uint8Array.of(5, 1, 0, 2, 1, 2, 3, 4)],
    [5, 0, ...reply5(8)],
    "Unknown SOCKS address type",
  ],
  [
    "an address type of 2, and no more",
    [GREETING, Uint8Array.of(5, 1, 0, 2)],
    [5, 0, ...reply5(8)],
    "Unknown SOCKS address type",
  ],
];
for (const [what, said, answer, message] of mistakes) {
  Deno.test(`A SOCKS client with ${what} is answered once, and nothing is dialled`, async () => {
    const conn = new FakeConn(...said);
    await assertRejects(() => route(conn, never), TypeError, message);
    assertEquals(conn.written, answer);
  });
}

const badTargets: [string, Uint8Array[], number[], string][] = [
  ["a name that is not UTF-8", [GREETING, named5(0xff)], [5, 0, ...reply5(1)], ""],
  ["a name with a space", [GREETING, named5(97, 32, 98)], [5, 0, ...reply5(1)], "Not a host"],
  ["port 0", [GREETING, socks5(0)], [5, 0, ...reply5(1)], "Port must be"],
  ["a name of SOCKS 4a that is not UTF-8", [socks4a(0xff, 0)], REFUSED4, ""],
  ["an empty name of SOCKS 4a", [socks4a(0)], REFUSED4, "The target has no host"],
  ["port 0 of SOCKS 4", [Uint8Array.of(4, 1, 0, 0, 192, 0, 2, 1, 0)], REFUSED4, "Port must be"],
];
for (const [what, said, answer, message] of badTargets) {
  Deno.test(`A SOCKS client whose target has ${what} is refused before its connection ends`, async () => {
    const conn = new FakeConn(...said);
    let dialled = 0;
    const dial: SocksDialer = (...args) => (dialled++, never(...args));
    await assertRejects(() => route(conn, dial), Error, message);
    assertEquals(dialled, 0);
    assertEquals(conn.written, answer);
  });
}

const credentials = { username: "ann", password: "sesame" };
const login = (username: string, password: string, version = 1) =>
  Uint8Array.of(
    ...[version, username.length, ...encode(username)],
    ...[password.length, ...encode(password)],
  );
const PASSWORD_ONLY = Uint8Array.of(5, 1, 2);

Deno.test("A SOCKS client with the password of RFC 1929 is served, in pieces or at once", async () => {
  const all = [...PASSWORD_ONLY, ...login("ann", "sesame"), ...socks5()];
  for (const said of [[Uint8Array.from(all)], all.map((byte) => Uint8Array.of(byte))]) {
    const conn = new FakeConn(...said);
    const router = socksRouter(dialTo(new FakeChannel()), { credentials });
    await router(conn as unknown as Deno.Conn, new AbortController().signal);
    assertEquals(conn.written, [5, 2, 1, 0, ...reply5(0)]);
  }
});

const strangers: [string, Uint8Array[], number[]][] = [
  ["no password", [GREETING], [5, 0xff]],
  ["another user", [PASSWORD_ONLY, login("amy", "sesame")], [5, 2, 1, 1]],
  ["another password", [PASSWORD_ONLY, login("ann", "sesamf")], [5, 2, 1, 1]],
  ["a password that is longer", [PASSWORD_ONLY, login("ann", "sesame!")], [5, 2, 1, 1]],
  ["the beginning of the password", [PASSWORD_ONLY, login("ann", "sesam")], [5, 2, 1, 1]],
  ["an empty password", [PASSWORD_ONLY, login("ann", "")], [5, 2, 1, 1]],
  ["an empty user", [PASSWORD_ONLY, login("", "sesame")], [5, 2, 1, 1]],
  ["another version of the login", [PASSWORD_ONLY, login("ann", "sesame", 5)], [5, 2, 1, 1]],
  ["SOCKS 4 with the user", [socks4(...encode("ann"), 0)], REFUSED4],
];
for (const [what, said, answer] of strangers) {
  Deno.test(`A SOCKS server with a password refuses ${what}`, async () => {
    const conn = new FakeConn(...said, socks5());
    const router = socksRouter(never, { credentials });
    const { signal } = new AbortController();
    await assertRejects(() => router(conn as unknown as Deno.Conn, signal), TypeError, "password");
    assertEquals(conn.written, answer);
  });
}
