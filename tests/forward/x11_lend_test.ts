/** Forwarding of displays, on a network in memory. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Channel } from "@denossh/ssh";
import { listenX11, type X11Source } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import type { X11Options } from "../../lib/connection/x11_forward.ts";
import { decodeAuthorities, encodeAuthority, WILD } from "../../lib/forward/x11_authority.ts";
import { replaced } from "../support/replaced.ts";
import { connectDisplay, joinDisplay, parseDisplay } from "../../lib/forward/x11_display.ts";
import { lendDisplay } from "../../lib/forward/x11_lend.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import { until } from "../connection/until.ts";
import { sessionPair } from "../connection/session_pair.ts";
import { connOf, FakeListener } from "../support/fake_listener.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { tempFolder } from "../support/temp.ts";
import { decode, encode } from "./world.ts";

const addr: Deno.Addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };

/** A network instead of the system's, until it is disposed. */
class Network implements Disposable {
  readonly dialled: string[] = [];
  readonly listeners: FakeListener[] = [];
  /** Ports that are in use. */
  readonly used = new Set<number>();
  /** Another error of listeners. */
  error: Error | null = null;
  noDelay = 0;
  /** The far end of the last connection. */
  far = memoryPair()[1];
  readonly #before = { ...denoNet };

  constructor() {
    const dial = (name: string) => {
      this.dialled.push(name);
      const [near, far] = memoryPair();
      this.far = far;
      return Object.assign(connOf(near, addr), {
        setNoDelay: (on: boolean) => void (this.noDelay += on ? 1 : 0),
      });
    };
    denoNet.connect = ({ hostname, port }) =>
      Promise.resolve(dial(`${hostname} ${port}`) as unknown as Deno.TcpConn);
    denoNet.connectUnix = (path) => Promise.resolve(dial(path) as unknown as Deno.UnixConn);
    denoNet.listen = ({ hostname, port }) => {
      if (this.error) throw this.error;
      if (this.used.has(port)) throw new Deno.errors.AddrInUse(`${port}`);
      const listener = new FakeListener(hostname, port);
      this.listeners.push(listener);
      return listener as unknown as Deno.TcpListener;
    };
  }

  [Symbol.dispose](): void {
    Object.assign(denoNet, this.#before);
  }
}

Deno.test("A display is reached by its socket, or by its host and port", async () => {
  using network = new Network();
  const names = [":3", "unix:0", "db/unix:1", "db:0", "[::1]:10.1", "/tmp/launch:0"];
  for (const name of [...names, "tcp/db:2", "inet/db:3", "inet6/db:4"]) {
    (await connectDisplay(parseDisplay(name))).close();
  }
  assertEquals(network.dialled, [
    "/tmp/.X11-unix/X3",
    "/tmp/.X11-unix/X0",
    "/tmp/.X11-unix/X1",
    "db 6000",
    "::1 6010",
    "/tmp/launch:0",
    "db 6002",
    "db 6003",
    "db 6004",
  ]);
  assertEquals(network.noDelay, 5);
});

Deno.test("The last display has the last port", () => {
  assertEquals(parseDisplay("db:59535").number, 59_535);
  let error: unknown;
  try {
    parseDisplay("db:59536");
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof TypeError);
});

Deno.test("A client and its display are connected until both have ended, and then closed", async () => {
  using network = new Network();
  const [near, far] = memoryPair();
  const client = connOf(far, addr);
  const joined = joinDisplay(client, parseDisplay(":0"));
  const here = near.writable.getWriter();
  await here.write(encode("draw"));
  await until(() => network.dialled.length === 1);
  const display = network.far;
  const there = display.writable.getWriter();
  const heard = display.readable.getReader();
  assertEquals(decode((await heard.read()).value!), "draw");
  await there.write(encode("click"));
  const seen = near.readable.getReader();
  assertEquals(decode((await seen.read()).value!), "click");
  await here.close();
  assert((await heard.read()).done, "the end is passed on");
  await there.write(encode("bye"));
  assertEquals(decode((await seen.read()).value!), "bye");
  await there.close();
  await joined;
  assert((await seen.read()).done);
});

Deno.test("A buffer is not read into while it is being written", async () => {
  const { connectUnix } = denoNet;
  /** A connection that returns two chunks, and writes a turn later. */
  const slow = () => {
    const pieces = [encode("one "), encode("two ")];
    const taken: string[] = [];
    const conn = {
      read: (into: Uint8Array) => {
        const next = pieces.shift();
        if (next) into.set(next);
        return Promise.resolve(next?.length ?? null);
      },
      write: async (bytes: Uint8Array) => {
        await new Promise((resolve) => setTimeout(resolve));
        taken.push(decode(bytes));
        return bytes.length;
      },
      closeWrite: () => Promise.resolve(),
      close() {},
    };
    return { conn: conn as unknown as Deno.UnixConn, taken };
  };
  const [client, display] = [slow(), slow()];
  denoNet.connectUnix = () => Promise.resolve(display.conn);
  try {
    await joinDisplay(client.conn, parseDisplay(":0"));
  } finally {
    denoNet.connectUnix = connectUnix;
  }
  assertEquals([client.taken, display.taken], [["one ", "two "], ["one ", "two "]]);
});

Deno.test("An error of the display closes its client, and is thrown", async () => {
  using network = new Network();
  const [near, far] = memoryPair();
  const joined = joinDisplay(connOf(far, addr), parseDisplay(":0"));
  const failed = assertRejects(() => joined, Error, "broken");
  await until(() => network.dialled.length === 1);
  await network.far.writable.abort(new Error("broken"));
  await failed;
  const { done } = await near.readable.getReader().read().catch(() => ({ done: true }));
  assert(done);
});

/** The requests of a forwarded display to its channel. */
async function lent(options: Parameters<typeof lendDisplay>[1]): Promise<X11Options> {
  const asked: X11Options[] = [];
  const channel = {
    requestX11: (options: X11Options) => (asked.push(options), Promise.resolve({})),
  } as unknown as Channel;
  await lendDisplay(channel, options);
  return asked[0]!;
}

Deno.test("A display is forwarded with its screen, its secret and singleConnection", async () => {
  const { signal } = new AbortController();
  const authority = { protocol: "MIT-MAGIC-COOKIE-1", data: Uint8Array.of(1) };
  const { handler: _handler, ...one } = await lent({ display: ":0.3", authority, signal });
  assertEquals(one, { screen: 3, signal, authority });
  const { handler: _other, ...two } = await lent({ display: ":0", authority: null, single: false });
  assertEquals(two, { screen: 0, signal: undefined, single: false });
});

Deno.test("The default display is from DISPLAY, with the secret from XAUTHORITY", async () => {
  await using folder = await tempFolder();
  const secret = { protocol: "MIT-MAGIC-COOKIE-1", data: Uint8Array.of(7) };
  const entry = { family: WILD, address: new Uint8Array(0), number: "4", ...secret };
  const XAUTHORITY = await folder.write("authority", encodeAuthority(entry));
  using _env = fakeEnv({ DISPLAY: ":4.1", XAUTHORITY });
  const { screen, authority } = await lent({});
  assertEquals([screen, authority], [1, secret]);
  assertEquals((await lent({ display: ":5" })).authority, undefined);
});

Deno.test("A connection to a forwarded display reaches it; its error is reported and thrown", async () => {
  using network = new Network();
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const { handler } = await lent({ display: "db:1", authority: null, onError });
  const [near, far] = memoryPair();
  const handled = (async () => await handler!(connOf(far, addr) as never))();
  await until(() => network.dialled.length === 1);
  assertEquals(network.dialled, ["db 6001"]);
  await near.writable.close();
  await network.far.writable.close();
  await handled;
  assertEquals(errors, []);
  const refused = new Deno.errors.ConnectionRefused("refused");
  denoNet.connect = () => Promise.reject(refused);
  for (const told of [true, false]) {
    const { handler } = await lent({
      display: "db:1",
      authority: null,
      ...(told && { onError }),
    });
    const handled: Promise<void> = (async () =>
      await handler!(connOf(memoryPair()[0], addr) as never))();
    assertStrictEquals(await assertRejects(() => handled), refused);
  }
  assertEquals(errors, [refused]);
});

/** A client's forwarded display, whose connections are one channel. */
function source(connect: X11Source["connect"], single = false): X11Source {
  return { protocol: "MIT-MAGIC-COOKIE-1", cookie: "00ff10", screen: 2, single, connect };
}

const never = () => Promise.reject(new Error("refused"));

Deno.test("A forwarded display has the first free number from 10, a name and a private file", async () => {
  using network = new Network();
  network.used.add(6010).add(6011);
  const x11 = await listenX11(source(never));
  assertEquals(network.listeners.map(({ addr }) => addr), [
    { transport: "tcp", hostname: "127.0.0.1", port: 6012 },
  ]);
  assertEquals(x11.display, "127.0.0.1:12.2");
  assertEquals(decodeAuthorities(await Deno.readFile(x11.authority)), [{
    family: WILD,
    address: new Uint8Array(0),
    number: "12",
    protocol: "MIT-MAGIC-COOKIE-1",
    data: Uint8Array.of(0, 0xff, 0x10),
  }]);
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(x11.authority)).mode! & 0o777, 0o600);
  }
  await x11[Symbol.asyncDispose]();
  assert(network.listeners[0]!.isClosed);
  await assertRejects(() => Deno.stat(x11.authority), Deno.errors.NotFound);
  await x11.close();
});

/** Runs the function and returns the folders that were made, which should be removed by then. */
async function foldersOf(run: () => Promise<unknown>): Promise<string[]> {
  const { makeTempDir } = Deno;
  const made: string[] = [];
  Deno.makeTempDir = async (options) => {
    const path = await makeTempDir(options);
    made.push(path);
    return path;
  };
  try {
    await run();
  } finally {
    Deno.makeTempDir = makeTempDir;
  }
  return made;
}

async function assertGone(paths: readonly string[]): Promise<void> {
  for (const path of paths) await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
}

Deno.test("Displays 10 to 999 are tried, and everything is released if none is free", async () => {
  using network = new Network();
  for (let number = 10; number <= 998; number++) network.used.add(6000 + number);
  const last = await listenX11(source(never));
  assertEquals(last.display, "127.0.0.1:999.2");
  await last.close();
  network.used.add(6999);
  const made = await foldersOf(async () => {
    await assertRejects(() => listenX11(source(never)), Deno.errors.AddrInUse, "6999");
    network.used.clear();
    network.error = new Deno.errors.NotCapable("no");
    await assertRejects(() => listenX11(source(never)), Deno.errors.NotCapable);
  });
  assertEquals(made.length, 2);
  await assertGone(made);
});

Deno.test("A cookie that is not hexadecimal is refused", async () => {
  using network = new Network();
  const made = await foldersOf(() =>
    assertRejects(() => listenX11({ ...source(never), cookie: "xyz" }))
  );
  assert(network.listeners[0]!.isClosed);
  assertEquals(made.length, 1);
  await assertGone(made);
});

Deno.test("A partly written file is removed", async () => {
  using network = new Network();
  const { writeFile } = Deno;
  const full = new Error("No space left on device");
  const made = await foldersOf(async () => {
    Deno.writeFile = async (...args: Parameters<typeof writeFile>) => {
      await writeFile(...args);
      throw full;
    };
    try {
      assertStrictEquals(await assertRejects(() => listenX11(source(never))), full);
    } finally {
      Deno.writeFile = writeFile;
    }
  });
  assertEquals(made.length, 1);
  await assertGone(made);
  assert(network.listeners[0]!.isClosed);
});

Deno.test("An X client is carried to the client's display, by its address", async () => {
  using network = new Network();
  await using pair = await sessionPair();
  const asked: unknown[] = [];
  await using x11 = await listenX11(source((from, options) => {
    asked.push([(from as Deno.NetAddr).port, options?.signal?.aborted]);
    return Promise.resolve(pair.client);
  }));
  assertEquals(x11.display, "127.0.0.1:10.2");
  const streams = network.listeners[0]!.dial("127.0.0.1");
  const writer = streams.writable.getWriter();
  await writer.write(encode("hello"));
  await writer.close();
  assertEquals(decode(await pair.server.readAll()), "hello");
  await pair.server.writeAll(encode("welcome"));
  await pair.server.closeWrite();
  const reader = streams.readable.getReader();
  assertEquals(decode((await reader.read()).value!), "welcome");
  assert((await reader.read()).done);
  assertEquals(asked, [[50_000, false]]);
  await x11.close();
});

Deno.test("An X client that the client refuses is closed, and the next one is accepted", async () => {
  using network = new Network();
  let asked = 0;
  await using _x11 = await listenX11(source(() => (asked++, never())));
  for (let i = 1; i <= 2; i++) {
    const reader = network.listeners[0]!.dial("127.0.0.1").readable.getReader();
    assert((await reader.read().catch(() => ({ done: true }))).done);
    assertEquals(asked, i);
  }
});

Deno.test("With singleConnection one is accepted; a close ends connections waiting for a channel", async () => {
  using network = new Network();
  const asked = Promise.withResolvers<AbortSignal>();
  const x11 = await listenX11(source((_from, { signal } = {}) => {
    asked.resolve(signal!);
    return new Promise((_, reject) =>
      signal!.addEventListener("abort", () => reject(signal!.reason))
    );
  }, true));
  const [listener] = network.listeners;
  const reader = listener!.dial("127.0.0.1").readable.getReader();
  const signal = await asked.promise;
  assert(listener!.isClosed);
  assert(!signal.aborted);
  await x11.close();
  assert(signal.aborted);
  assert((await reader.read().catch(() => ({ done: true }))).done);
});

Deno.test("A client joined with its display ends after both directions, also if one fails", async () => {
  const reading = Promise.withResolvers<number | null>();
  const closed: string[] = [];
  const local = {
    read: () => reading.promise,
    close: () => void closed.push("display"),
  } as unknown as Deno.UnixConn;
  const conn = {
    read: () => Promise.reject(new Error("reset")),
    closeWrite: () => Promise.resolve(),
    close: () => void closed.push("client"),
  } as unknown as Deno.Conn;
  using _connect = replaced(denoNet, "connectUnix", () => Promise.resolve(local));
  let isOver = false;
  const joining = assertRejects(() => joinDisplay(conn, parseDisplay(":0")), Error, "reset")
    .then(() => isOver = true);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
  assertEquals([isOver, closed], [false, ["display", "client"]]);
  reading.resolve(null);
  await joining;
});

Deno.test("A client joined with its display is closed once EOF has been passed on, not before", async () => {
  const [asked, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const closed: string[] = [];
  const end = (name: string, closeWrite: () => Promise<void>) => ({
    read: () => Promise.resolve(null),
    closeWrite,
    close: () => void closed.push(name),
  });
  const local = end("display", () => (asked.resolve(), done.promise)) as unknown as Deno.UnixConn;
  const conn = end("client", () => Promise.resolve()) as unknown as Deno.Conn;
  using _connect = replaced(denoNet, "connectUnix", () => Promise.resolve(local));
  const joined = joinDisplay(conn, parseDisplay(":0"));
  await asked.promise;
  await turns();
  assertEquals(closed, []);
  done.resolve();
  await joined;
  assertEquals(closed, ["display", "client"]);
});

/** Lets everything run that can. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
}

for (const first of ["listener", "connection"]) {
  Deno.test(`Closing a display waits for the removal of its file, after its ${first} and the other`, async () => {
    using network = new Network();
    const removed = Promise.withResolvers<void>();
    const { remove } = Deno;
    let isRemoving = false;
    using _remove = replaced(Deno, "remove", async (...args) => {
      isRemoving = true;
      await removed.promise;
      await remove(...args);
    });
    const [asked, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<Channel>()];
    const x11 = await listenX11(source(() => (asked.resolve(), opened.promise)));
    const [listener] = network.listeners;
    listener!.dial("127.0.0.1");
    await asked.promise;
    await turns(); // it accepts again
    listener!.close = () => {}; // its accept ends later
    let isOver = false;
    const closing = x11.close().then(() => isOver = true);
    const ends = [
      () => listener!.arrive(Promise.reject(new Deno.errors.BadResource("closed"))),
      () => opened.reject(new Error("refused")),
    ];
    if (first === "connection") ends.reverse();
    ends.push(() => removed.resolve());
    for (const [index, end] of ends.entries()) {
      await turns();
      assertEquals([isRemoving, isOver], [index === 2, false]);
      end();
    }
    await closing;
  });
}

Deno.test("A start of a display that fails has removed its folder", async () => {
  using network = new Network();
  network.error = new Deno.errors.NotCapable("no");
  const [asked, removed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { remove } = Deno;
  using _remove = replaced(Deno, "remove", async (...args) => {
    asked.resolve();
    await removed.promise;
    await remove(...args);
  });
  let isOver = false;
  const failed = assertRejects(() => listenX11(source(never)), Deno.errors.NotCapable)
    .then(() => isOver = true);
  await asked.promise;
  await turns();
  assert(!isOver);
  removed.resolve();
  await failed;
});

Deno.test("Closing a display closes an X client that does not read", async () => {
  using network = new Network();
  await using pair = await sessionPair();
  const x11 = await listenX11(source(() => Promise.resolve(pair.client)));
  const writing = Promise.withResolvers<void>();
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => {});
  let isClosed = false;
  const conn = {
    remoteAddr: addr,
    read: () => end.promise,
    write: () => (writing.resolve(), end.promise),
    close() {
      isClosed = true;
      end.reject(new Deno.errors.BadResource("closed"));
    },
  };
  network.listeners[0]!.arrive(Promise.resolve(conn as unknown as Deno.Conn));
  await pair.server.writeAll(encode("picture"));
  await writing.promise;
  const closing = x11.close();
  assert(isClosed);
  await closing;
});
