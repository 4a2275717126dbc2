/** A SOCKS server on the remote side (`ssh -R port`), whose clients connect from this side. */
import { assertEquals, assertRejects } from "@std/assert";
import { startConfigured } from "../../lib/client/configured_forwards.ts";
import { Config } from "../../lib/config/config.ts";
import { RequestDeniedError } from "../../lib/errors.ts";
import type { ForwardAddress } from "../../lib/forward/address.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { decode, echo, encode, exchange, readAll, sendAll, tunnelPair, until } from "./world.ts";
import { freePort } from "../support/free_port.ts";

/** SOCKS 5 without a password, to 127.0.0.1. */
const connectTo = (port: number) =>
  Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255);
/** The answers to the greeting and to the request. */
const answers = (code: number) => [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0];
const [GRANTED, FORBIDDEN, FAILED] = [0, 2, 1];

/** The answers to a remote client that sends everything at once and then EOF. */
async function say(port: number, bytes: Uint8Array): Promise<Uint8Array> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  return await exchange(conn, bytes);
}

Deno.test("SOCKS clients of the server connect from the client's side", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const asked: ForwardAddress[] = [];
  await using tunnel = await pair.host.forwardRemoteSocks({
    from: { port: 0 },
    permit: (target) => asked.push(target) > 0,
  });
  const said = Uint8Array.of(...connectTo(server.port), ...encode("early"));
  const heard = await say(tunnel.addr.port, said);
  assertEquals([...heard.subarray(0, 12)], answers(GRANTED));
  assertEquals(decode(heard.subarray(12)), "early");
  assertEquals(asked, [{ hostname: "127.0.0.1", port: server.port }]);
  assertEquals(await tunnel.check(), true);
  await until(() => tunnel.connections === 0);
});

Deno.test("SOCKS clients of the server get the reason of a failed connect", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const errors: unknown[] = [];
  const { port } = server;
  await using tunnel = await pair.host.forwardRemoteSocks({
    from: { port: 0 },
    permit: (target) => "port" in target && target.port !== port,
    onError: (error) => errors.push(error),
  });
  assertEquals([...await say(tunnel.addr.port, connectTo(port))], answers(FORBIDDEN));
  assertEquals([...await say(tunnel.addr.port, connectTo(freePort()))], answers(FAILED));
  assertEquals([...await say(tunnel.addr.port, encode("GET / HTTP/1.1\r\n\r\n"))], []);
  assertEquals([errors.length, server.accepted], [3, 0]);
});

Deno.test("The end of a SOCKS tunnel from the server ends its connections, and those not yet connected", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  const tunnel = await pair.host.forwardRemoteSocks({ from: { port: 0 } });
  using silent = await Deno.connect({ port: tunnel.addr.port });
  using busy = await Deno.connect({ port: tunnel.addr.port });
  await sendAll(busy, connectTo(server.port));
  await until(() => server.accepted === 1 && tunnel.connections === 2);
  await tunnel.close();
  assertEquals([await readAll(silent), tunnel.connections], [new Uint8Array(0), 0]);
  await readAll(busy);
  await assertRejects(() => Deno.connect({ port: tunnel.addr.port }));
});

Deno.test("Only the answer true permits a target, not a promise as of an async function", async () => {
  await using server = echo();
  await using pair = await tunnelPair();
  for (const answer of [Promise.resolve(false), Promise.resolve(true), 1, "yes"]) {
    const permit = () => answer as unknown as boolean;
    await using tunnel = await pair.host.forwardRemoteSocks({ from: { port: 0 }, permit });
    const heard = await say(tunnel.addr.port, connectTo(server.port));
    assertEquals([...heard], answers(FORBIDDEN));
  }
});

Deno.test("A server that refuses to listen refuses SOCKS", async () => {
  await using pair = await connectedPair();
  const refused = () => pair.host.forwardRemoteSocks({ from: { port: 0 } });
  await assertRejects(refused, RequestDeniedError);
});

for (
  const [permitted, wanted] of [
    ["", GRANTED],
    ["any", GRANTED],
    ["none", FORBIDDEN],
    ["127.0.0.1:PORT", GRANTED],
    ["*:PORT", GRANTED],
    ["db1:5432 127.0.0.1:*", GRANTED],
    ["localhost:PORT 127.0.0.1:1", FORBIDDEN],
  ] as const
) {
  Deno.test(`PermitRemoteOpen "${permitted}" restricts SOCKS clients of the server`, async () => {
    await using server = echo();
    await using pair = await tunnelPair();
    const port = freePort();
    const list = permitted.replaceAll("PORT", `${server.port}`);
    const text = `RemoteForward ${port}\n${list && `PermitRemoteOpen ${list}\n`}`;
    const settings = await Config.parse(text).lookup("db1");
    await using forwards = await startConfigured(pair.host, settings, {});
    assertEquals(forwards.tunnels.map(({ error }) => error), [null]);
    const heard = await say(port, connectTo(server.port));
    assertEquals([...heard], answers(wanted));
  });
}
