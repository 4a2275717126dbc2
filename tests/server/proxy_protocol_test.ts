/** Clients through a load balancer, and balancers with malformed headers. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connect, ConnectError, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions } from "@denossh/ssh/server";
import { type ByteStreams, memoryPair } from "@denossh/ssh/testing";
import { readProxyHeader } from "../../lib/server/proxy_protocol.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { until } from "../connection/until.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import { connOf, FakeListener, serveInMemory } from "../support/fake_listener.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";

const hostKey = await generateKey("ed25519");
const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
const bytes = (text: string) => new Uint8Array(new TextEncoder().encode(text));
const v2 = (command: number, family: number, body: number[], length = body.length) =>
  new Uint8Array([...SIGNATURE, 0x20 | command, family, length >> 8, length & 255, ...body]);
const V4_BODY = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 22];
const V6_BODY = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, ...new Array(16).fill(0)];

/** The content of a header, and the data after it. */
async function read(header: Uint8Array, pieces = 1000): Promise<unknown> {
  const [near, far] = memoryPair();
  const writer = near.writable.getWriter();
  const all = new Uint8Array([...header, ...bytes("SSH-2.0-x")]);
  const writing = (async () => {
    for (let at = 0; at < all.length; at += pieces) await writer.write(all.slice(at, at + pieces));
    await writer.close();
  })().catch(() => {});
  const socket = streamSocket(far);
  try {
    const address = await readProxyHeader(socket);
    const rest = new Uint8Array(100);
    let length = 0;
    for (let n; (n = await socket.read(rest.subarray(length))) !== null;) length += n;
    assertEquals(new TextDecoder().decode(rest.subarray(0, length)), "SSH-2.0-x");
    return address === null ? null : `${address.hostname} ${address.port}`;
  } finally {
    socket.close();
    near.readable.cancel().catch(() => {});
    await writing;
  }
}

const good: [string, Uint8Array, string | null][] = [
  ["TCP4", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 8080 22\r\n"), "192.0.2.7 8080"],
  ["TCP6", bytes("PROXY TCP6 2001:db8::9 ::1 65535 22\r\n"), "2001:db8::9 65535"],
  ["UNKNOWN", bytes("PROXY UNKNOWN\r\n"), null],
  ["the longest line", bytes(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`), null],
  ["UNKNOWN with addresses", bytes("PROXY UNKNOWN ffff::1 ffff::1 1 1\r\n"), null],
  ["version 2, IPv4", v2(1, 0x11, V4_BODY), "192.0.2.7 8080"],
  ["version 2 with additions", v2(1, 0x11, [...V4_BODY, 3, 0, 4, 1, 2, 3, 4]), "192.0.2.7 8080"],
  ["version 2, IPv6", v2(1, 0x21, [...V6_BODY, 0, 80, 0, 22]), "2001:db8::9 80"],
  ["version 2, LOCAL", v2(0, 0x11, V4_BODY), null],
  ["version 2, LOCAL and empty", v2(0, 0, []), null],
  ["version 2, the longest addresses", v2(0, 0, new Array(2048).fill(0)), null],
  [
    "version 2, a port of two bytes",
    v2(1, 0x11, [255, 1, 2, 255, ...V4_BODY.slice(4, 8), 255, 254, 0, 22]),
    "255.1.2.255 65534",
  ],
  ["version 2, UDP", v2(1, 0x12, V4_BODY), null],
  ["version 2, a unix socket", v2(1, 0x31, new Array(216).fill(0)), null],
];
for (const [name, header, expected] of good) {
  Deno.test(`A header of the PROXY protocol is read without extra bytes: ${name}`, async () => {
    assertEquals([await read(header), await read(header, 1)], [expected, expected]);
  });
}

const wrong: [string, Uint8Array, string][] = [
  ["no header", bytes("SSH-2.0-OpenSSH_9.2\r\n"), 'begins with "SSH-2.0-Open"'],
  ["nothing", bytes(""), "too early"],
  ["an endless line", bytes(`PROXY TCP4 ${"1".repeat(200)}`), "does not end"],
  ["a line of 108 bytes", bytes(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`), "does not end"],
  ["a line without CR", bytes(`PROXY UNKNOWN\n${"x".repeat(100)}`), "does not end"],
  ["another family", bytes("PROXY UDP4 192.0.2.7 10.0.0.1 8080 22\r\n"), "PROXY UDP4"],
  ["a signature with one other byte", v2(1, 0x11, V4_BODY).with(11, 11), "begins with"],
  ["no port", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n"), "PROXY TCP4"],
  ["a large port", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 65536 22\r\n"), "PROXY TCP4"],
  ["a large port of the server", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 22 65536\r\n"), "PROXY TCP4"],
  ["a port with a needless zero", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 022 22\r\n"), "PROXY TCP4"],
  ["a port that is not a number", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 x 22\r\n"), "PROXY TCP4"],
  ["no address", bytes("PROXY TCP4  10.0.0.1 8080 22\r\n"), "PROXY TCP4"],
  ["a name", bytes("PROXY TCP4 localhost 10.0.0.1 8080 22\r\n"), "PROXY TCP4"],
  ["IPv6 as IPv4", bytes("PROXY TCP4 ::1 ::1 8080 22\r\n"), "PROXY TCP4"],
  ["IPv4 as IPv6", bytes("PROXY TCP6 192.0.2.7 10.0.0.1 8080 22\r\n"), "PROXY TCP6"],
  ["letters that are not hexadecimal", bytes("PROXY TCP6 ::x:y:z ::1 8080 22\r\n"), "PROXY TCP6"],
  ["an address that ends a URL's", bytes("PROXY TCP6 ::1]/[ ::1 8080 22\r\n"), "PROXY TCP6"],
  ["too few groups", bytes("PROXY TCP6 1:2 ::1 8080 22\r\n"), "PROXY TCP6"],
  ["hexadecimal digits as IPv6", bytes("PROXY TCP6 abcdef ::1 8080 22\r\n"), "PROXY TCP6"],
  ["a number beyond 255", bytes("PROXY TCP4 192.0.2.256 10.0.0.1 8080 22\r\n"), "PROXY TCP4"],
  ["more than it has", bytes("PROXY TCP4 192.0.2.7 10.0.0.1 8080 22 x\r\n"), "PROXY TCP4"],
  ["version 3", new Uint8Array([...SIGNATURE, 0x31, 0x11, 0, 0]), "version 3"],
  ["an unknown command", v2(2, 0x11, V4_BODY), "command 2"],
  ["short addresses", v2(1, 0x11, V4_BODY.slice(1)), "cut short"],
  ["short IPv6 addresses", v2(1, 0x21, V6_BODY), "cut short"],
  ["2049 bytes of addresses", v2(0, 0, new Array(2049).fill(0)), "2049 bytes"],
  ["huge addresses", v2(1, 0x11, V4_BODY, 0xffff), "65535 bytes"],
];
for (const [name, header, expected] of wrong) {
  Deno.test(`A malformed header of the PROXY protocol is refused: ${name}`, async () => {
    const error = await assertRejects(() => read(header), ConnectError);
    assertStringIncludes(error.message, expected);
  });
}

const options = {
  hostKeys: [hostKey],
  auth: { none: (_user, { remoteAddr }) => (remoteAddr as Deno.NetAddr).hostname === "192.0.2.7" },
  proxies: "10.0.0.0/8",
} satisfies ServeOptions;

/** Logs in over a connection that begins with a header. */
async function logIn(server: ReturnType<typeof serveInMemory>, from: string, header: string) {
  const streams = server.dial(from);
  const writer = streams.writable.getWriter();
  await writer.write(bytes(header));
  writer.releaseLock();
  return await connect({
    transport: streams,
    user: "me",
    auth: [none()],
    hostKeys: hostKey.publicKey,
    config: false,
  });
}

Deno.test("The address in a proxy's header is used for policies, logs and penalties", async () => {
  const seen: unknown[] = [];
  await using server = serveInMemory({
    ...options,
    penalties: { authFail: 0, noAuth: 100_000, min: 1 },
    onAttempt: (_attempt, address) => seen.push((address as Deno.NetAddr).hostname),
  });
  const header = (address: string) => `PROXY TCP4 ${address} 10.0.0.1 8080 22\r\n`;
  {
    await using host = await logIn(server, "10.1.2.3", header("192.0.2.7"));
    assertEquals(host.info.user, "me");
  }
  await assertRejects(() => logIn(server, "10.1.2.3", header("192.0.2.8")));
  assertEquals(seen, ["192.0.2.7", "192.0.2.8"]);
  await until(() => server.server.connections === 0);
  // Now the client is refused, but not the proxy.
  await assertRejects(() => logIn(server, "10.1.2.3", header("192.0.2.8")), ConnectError);
  await using _again = await logIn(server, "10.1.2.3", header("192.0.2.7"));
});

Deno.test("Headers are accepted only from proxies, and required from them", async () => {
  const errors: string[] = [];
  await using server = serveInMemory({ ...options, onError: (error) => errors.push(`${error}`) });
  const header = "PROXY TCP4 192.0.2.7 10.0.0.1 8080 22\r\n";
  await assertRejects(() => logIn(server, "198.51.100.1", header));
  await assertRejects(() => logIn(server, "10.1.2.3", ""), ConnectError);
  await until(() => errors.length === 2);
  assert(errors.some((text) => text.includes("sent no header of the PROXY protocol")));
});

Deno.test("The address of a proxy is used for its own connections", async () => {
  const seen: unknown[] = [];
  await using server = serveInMemory({
    ...options,
    auth: { none: () => true },
    onAttempt: (_attempt, address) => seen.push((address as Deno.NetAddr).hostname),
  });
  await using _host = await logIn(server, "10.1.2.3", "PROXY UNKNOWN\r\n");
  assertEquals(seen, ["10.1.2.3"]);
});

Deno.test("A malformed header closes the connection, and is reported with the proxy's address", async () => {
  const told: unknown[] = [];
  await using server = serveInMemory({
    ...options,
    onError: (error, address) => told.push([`${error}`, (address as Deno.NetAddr).hostname]),
  });
  const streams = server.dial("10.1.2.3");
  await streams.writable.getWriter().write(bytes("SSH-2.0-client\r\n"));
  assert(await isClosed(streams));
  const text = 'it begins with "SSH-2.0-clie"';
  assertEquals(told, [[
    `ConnectError: A proxy sent no header of the PROXY protocol: ${text} [connect]`,
    "10.1.2.3",
  ]]);
  assertEquals(server.server.connections, 0);
});

Deno.test("A silent proxy has the time limit of a login, if there is one", async () => {
  const cases = [[{}, 120_000], [{ loginGraceTime: 20 }, 20], [
    { loginGraceTime: 0 },
    null,
  ]] as const;
  for (const [given, limit] of cases) {
    using time = new FakeTime();
    const server = serveInMemory({ ...options, ...given });
    let closed = false;
    const closing = isClosed(server.dial("10.1.2.3")).then(() => closed = true);
    await time.advance((limit ?? 10_000_000) - 1);
    assertEquals(closed, false);
    await time.advance(1);
    assertEquals([closed, time.timers], [limit !== null, 0]);
    await server.server.shutdown();
    await closing;
  }
});

Deno.test("A server that stops closes the connection of a proxy without a header", async () => {
  const server = serveInMemory({ ...options, loginGraceTime: 0 });
  const closed = isClosed(server.dial("10.1.2.3"));
  await until(() => server.accepted === 1);
  await server.server.shutdown();
  assert(await closed);
});

Deno.test("The time limit of a header ends with it", async () => {
  using time = new FakeTime();
  await using server = serveInMemory({ ...options, loginGraceTime: 100 });
  const header = "PROXY TCP4 192.0.2.7 10.0.0.1 8080 22\r\n";
  const host = await time.settle(logIn(server, "10.1.2.3", header), 1);
  await time.advance(1_000);
  await host.request("keepalive@openssh.com");
  await host.close();
});

/** Whether the server closes a connection that it has sent nothing on. */
async function isClosed(streams: ByteStreams): Promise<boolean> {
  const { done } = await streams.readable.getReader().read().catch(() => ({ done: true }));
  await streams.writable.abort().catch(() => {});
  return done;
}

Deno.test("A server that stops tells a client of a proxy, as any other", async () => {
  await using server = serveInMemory(options);
  const header = "PROXY TCP4 192.0.2.7 10.0.0.1 8080 22\r\n";
  await using host = await logIn(server, "10.1.2.3", header);
  const closed = assertRejects(() => host.closed, Error, "The server is shutting down");
  await server.server.shutdown();
  await closed;
});

Deno.test("A server that stops while it reads the last byte of a header serves no client", async () => {
  const errors: unknown[] = [];
  const stop = new AbortController();
  const header = v2(0, 0, []);
  const [near, far] = memoryPair();
  const listener = new FakeListener();
  const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: "10.1.2.3", port: 50_000 };
  let at = 0;
  let written = 0;
  listener.arrive(Promise.resolve(Object.assign(connOf(far, remoteAddr), {
    setKeepAlive() {},
    read(into: Uint8Array) {
      const piece = header.subarray(at, at + into.length);
      into.set(piece);
      at += piece.length;
      if (at === header.length) stop.abort();
      return Promise.resolve(piece.length === 0 ? null : piece.length);
    },
    write: (bytes: Uint8Array) => Promise.resolve((written++, bytes.length)),
  })));
  using _listen = replaced(denoNet, "listen", () => listener as unknown as Deno.TcpListener);
  const server = serve({ ...options, signal: stop.signal, onError: (error) => errors.push(error) });
  await server.finished;
  assert(await isClosed(near));
  assertEquals([at, written, server.connections, errors], [header.length, 0, 0, []]);
});
