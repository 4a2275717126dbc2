/** A client's display on the server, and displays on TCP ports; without an X server. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectError, type DisplayOptions } from "@denossh/ssh";
import { listenX11, type Session } from "@denossh/ssh/server";
import { encodeSetup, readSetup, type X11Authority } from "../../lib/connection/x11_setup.ts";
import { encodeHex } from "../../lib/encoding.ts";
import { decodeAuthorities } from "../../lib/forward/x11_authority.ts";
import { X11_PORT } from "../../lib/forward/x11_display.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { decode, encode, readAll, sendAll, type Target, target } from "./world.ts";

const MIT = "MIT-MAGIC-COOKIE-1";
const REAL: X11Authority = { protocol: MIT, data: new Uint8Array(16).fill(9) };

/** An X client's first message. */
function hello(authority: X11Authority | null): Uint8Array {
  return encodeSetup({
    head: Uint8Array.from([0x6c, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    littleEndian: true,
    protocol: "",
    data: new Uint8Array(0),
  }, authority);
}

/** A fake X server on a port: it reports the secret it received, and then echoes. */
function screen(seen: X11Authority[]): Target & { readonly display: string } {
  const server = target(async (conn) => {
    const setup = await readSetup(async (into) => {
      for (let at = 0; at < into.length;) at += (await conn.read(into.subarray(at)))!;
    });
    seen.push({ protocol: setup.protocol, data: setup.data });
    await conn.write(encode("welcome "));
    await sendAll(conn, await readAll(conn));
  });
  return {
    ...server,
    display: `127.0.0.1:${server.port - X11_PORT}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** An X client on the server, which finds the display by two variables. */
async function draw(
  { display, authority }: { display: string; authority: string },
  what: string,
): Promise<string> {
  const [entry] = decodeAuthorities(await Deno.readFile(authority));
  const number = Number(/:(\d+)\./.exec(display)![1]);
  assertEquals(entry!.number, `${number}`);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: X11_PORT + number });
  await sendAll(conn, hello(entry!));
  await sendAll(conn, encode(what));
  await conn.closeWrite();
  return decode(await readAll(conn));
}

/** Runs a program on the server with a local display. */
async function run(
  program: (session: Session) => Promise<void>,
  forwardX11: DisplayOptions,
): Promise<void> {
  let failed: unknown;
  await using pair = await connectedPair({
    serve: { forward: { x11: () => true }, onError: (error) => failed = error },
    handler: program,
  });
  const { code } = await pair.host.command("x", { forwardX11 }).output();
  if (failed !== undefined) throw failed;
  assertEquals(code, 0);
}

Deno.test("A client's display is available on the server, with a file that contains its cookie", async () => {
  const seen: X11Authority[] = [];
  await using here = screen(seen);
  await run(async (session) => {
    await using x11 = await listenX11(session.x11!);
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(x11.authority)).mode! & 0o777, 0o600);
    }
    const all = await Promise.all(["one", "two", "three"].map((what) => draw(x11, what)));
    assertEquals(all, ["welcome one", "welcome two", "welcome three"]);
    assert(session.x11!.cookie !== encodeHex(REAL.data));
  }, { display: here.display, authority: REAL });
  assertEquals(seen, [REAL, REAL, REAL]); // the display's secret, which the server never gets
});

Deno.test("A display without a secret gets none", async () => {
  const seen: X11Authority[] = [];
  await using here = screen(seen);
  await run(async (session) => {
    await using x11 = await listenX11(session.x11!);
    assertEquals(await draw(x11, "x"), "welcome x");
  }, { display: here.display, authority: null });
  assertEquals(seen, [{ protocol: "", data: new Uint8Array(0) }]);
});

Deno.test("Two sessions' displays have two numbers, and singleConnection closes only its own", async () => {
  await using here = screen([]);
  await run(async (session) => {
    await using one = await listenX11({ ...session.x11!, single: true });
    await using two = await listenX11(session.x11!);
    assert(one.display !== two.display);
    assertEquals(await draw(one, "x"), "welcome x");
    // The port is closed, or belongs to another test, which does not know the cookie.
    assert(await draw(one, "x").catch(() => "nobody") !== "welcome x");
    assertEquals(await draw(two, "x"), "welcome x");
  }, { display: here.display, authority: null });
});

Deno.test("Closing a display ends its connections and removes its file", async () => {
  await using here = screen([]);
  await run(async (session) => {
    const x11 = await listenX11(session.x11!);
    const number = Number(/:(\d+)\./.exec(x11.display)![1]);
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: X11_PORT + number });
    await x11.close();
    await x11.close();
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
    await assertRejects(() => Deno.stat(x11.authority), Deno.errors.NotFound);
  }, { display: here.display, authority: null });
});

Deno.test("A missing display ends each connection, and is reported", async () => {
  const errors: unknown[] = [];
  await run(async (session) => {
    await using x11 = await listenX11(session.x11!);
    for (let i = 0; i < 2; i++) assertEquals(await draw(x11, "x").catch(() => ""), "");
  }, { display: "unix:59000", authority: null, onError: (error) => errors.push(error) });
  assertEquals(errors.length, 2);
});

Deno.test("Without DISPLAY there is no display to forward", async () => {
  const before = Deno.env.get("DISPLAY");
  Deno.env.delete("DISPLAY");
  try {
    await using pair = await connectedPair({ serve: { forward: { x11: () => true } } });
    await using channel = await pair.host.openSession();
    await assertRejects(() => pair.host.forwardX11(channel), ConnectError, "DISPLAY is not set");
    await assertRejects(() => pair.host.forwardX11(channel, { display: "nonsense" }), TypeError);
    assert(channel.isOpen);
  } finally {
    if (before !== undefined) Deno.env.set("DISPLAY", before);
  }
});
