/** Peers that send requests without a basis, over a real connection. */
import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError, RequestDeniedError } from "../../lib/errors.ts";
import { Forwarding } from "../../lib/forward/forwarding.ts";
import { serveForwards } from "../../lib/forward/serve.ts";
import {
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelOpenFailure,
  GlobalRequest,
  RequestFailure,
  RequestSuccess,
} from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import {
  BoundPort,
  DirectStreamlocal,
  ForwardedStreamlocal,
  TcpipForward,
  TcpipOpen,
} from "../../lib/wire/requests.ts";
import { type RawEnd, rawWorld } from "../connection/raw_world.ts";
import { through } from "./world.ts";

const openOf = (type: string, data: Uint8Array, sender = 7) =>
  ChannelOpen.encode({ type, sender, window: 1 << 20, maxPacket: 32768, data });
const tcpip = (address: string, port: number, originatorAddress = "1.2.3.4") =>
  TcpipOpen.encode({ address, port, originatorAddress, originatorPort: 5 });

async function refusal(raw: RawEnd): Promise<number> {
  return ChannelOpenFailure.decode(await raw.next(MSG.CHANNEL_OPEN_FAILURE)).reason;
}

Deno.test("A forwarded-tcpip without a binding is refused", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  raw.send(openOf("forwarded-tcpip", tcpip("localhost", 8080)));
  assertEquals(await refusal(raw), 3);

  const listening = forwarding.listen({ port: 9000 });
  raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  const listener = await listening;
  for (const wrong of [tcpip("localhost", 9001), tcpip("localhost", 0), new Uint8Array(3)]) {
    raw.send(openOf("forwarded-tcpip", wrong));
    assertEquals(await refusal(raw), 1);
  }
  const socket = ForwardedStreamlocal.encode({ path: "/9000", reserved: "" });
  raw.send(openOf("forwarded-streamlocal@openssh.com", socket));
  assertEquals(await refusal(raw), 1);

  raw.send(openOf("forwarded-tcpip", tcpip("localhost", 9000)));
  const conn = await listener.accept();
  assertEquals(conn.remoteAddr, { transport: "tcp", hostname: "1.2.3.4", port: 5 });
  await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);

  listener.close();
  raw.send(openOf("forwarded-tcpip", tcpip("localhost", 9000)));
  assertEquals(await refusal(raw), 1);
});

Deno.test("A connection that arrives together with the answer to its request is accepted", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  const listening = forwarding.listen({ port: 0 });
  await raw.next(MSG.GLOBAL_REQUEST);
  raw.send(RequestSuccess.encode({ data: BoundPort.encode({ port: 4242 }) }));
  raw.send(openOf("forwarded-tcpip", tcpip("127.0.0.1", 4242, "\x1b[2J6.6.6.6\n")));
  const listener = await listening;
  assertEquals(listener.addr.port, 4242);
  const { remoteAddr } = await listener.accept();
  assertEquals(remoteAddr, { transport: "tcp", hostname: "[2J6.6.6.6", port: 5 });
});

Deno.test("More connections than wait to be accepted are refused, not kept", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const listening = new Forwarding(through(connection, transport.closed)).listen({ port: 9000 });
  raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  const listener = await listening;
  for (let i = 0; i < 200; i++) raw.send(openOf("forwarded-tcpip", tcpip("localhost", 9000), i));
  for (let i = 0; i < 72; i++) assertEquals(await refusal(raw), 4);
  await listener.accept();
  await raw.next(MSG.CHANNEL_OPEN_CONFIRMATION);
});

Deno.test("A listen on port 0 fails if the answer has no port", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  for (const port of [0, 65536, 2 ** 32 - 1]) {
    const listening = forwarding.listen({ port: 0 });
    raw.send(RequestSuccess.encode({ data: BoundPort.encode({ port }) }));
    await assertRejects(() => listening, ProtocolError);
  }
  const listening = forwarding.listen({ port: 0 });
  raw.send(RequestSuccess.encode({ data: new Uint8Array(0) }));
  await assertRejects(() => listening, ProtocolError);
  const refused = forwarding.listen({ path: "/x" });
  raw.send(RequestFailure.encode({}));
  await assertRejects(() => refused, RequestDeniedError, "/x");
});

Deno.test("Malformed opens and binds are refused before the policy is asked", async () => {
  await using world = await rawWorld("server");
  const { raw, connection, transport } = world;
  let asked = 0;
  const ask = () => {
    asked++;
    return true;
  };
  serveForwards(connection, { local: ask, remote: ask }, transport.closed);
  const opens: [string, Uint8Array][] = [
    ["direct-tcpip", new Uint8Array(0)],
    ["direct-tcpip", tcpip("127.0.0.1", 0)],
    ["direct-tcpip", tcpip("127.0.0.1", 65536 + 22)],
    ["direct-tcpip", tcpip("", 22)],
    ["direct-tcpip", tcpip("a\0b", 22)],
    ["direct-tcpip", tcpip("a\nb", 22)],
    ["direct-tcpip", tcpip("x".repeat(5000), 22)],
    ["direct-tcpip", Uint8Array.of(...tcpip("127.0.0.1", 22), 0)],
    [
      "direct-streamlocal@openssh.com",
      DirectStreamlocal.encode({ path: "", reserved: "", reservedNumber: 0 }),
    ],
    [
      "direct-streamlocal@openssh.com",
      DirectStreamlocal.encode({ path: "/a\0", reserved: "", reservedNumber: 0 }),
    ],
  ];
  for (const [type, data] of opens) {
    raw.send(openOf(type, data));
    assertEquals(await refusal(raw), 1);
  }
  raw.send(openOf("forwarded-tcpip", tcpip("127.0.0.1", 22))); // a message that only a server may send
  assertEquals(await refusal(raw), 3);
  const binds: [string, Uint8Array][] = [
    ["tcpip-forward", new Uint8Array(0)],
    ["tcpip-forward", TcpipForward.encode({ address: "localhost", port: 65536 })],
    ["tcpip-forward", TcpipForward.encode({ address: "a b", port: 0 })],
    ["streamlocal-forward@openssh.com", Uint8Array.of(0, 0, 0, 0)],
    ["cancel-tcpip-forward", TcpipForward.encode({ address: "localhost", port: 22 })],
    ["cancel-streamlocal-forward@openssh.com", Uint8Array.of(0, 0, 0, 1, 97)],
  ];
  for (const [type, data] of binds) {
    raw.send(GlobalRequest.encode({ type, wantReply: true, data }));
    await raw.next(MSG.REQUEST_FAILURE);
  }
  assertEquals(asked, 0);
});

Deno.test("A client may make the server listen on at most 64 addresses", async () => {
  await using world = await rawWorld("server");
  const { raw, connection, transport } = world;
  serveForwards(connection, { remote: () => true }, transport.closed);
  const data = TcpipForward.encode({ address: "127.0.0.1", port: 0 });
  const request = GlobalRequest.encode({ type: "tcpip-forward", wantReply: true, data });
  let last = 0;
  for (let i = 0; i < 64; i++) {
    raw.send(request);
    last = BoundPort.decode(
      RequestSuccess.decode(await raw.next(MSG.REQUEST_SUCCESS)).data,
    ).port;
  }
  raw.send(request);
  await raw.next(MSG.REQUEST_FAILURE);

  const cancel = TcpipForward.encode({ address: "127.0.0.1", port: last });
  raw.send(GlobalRequest.encode({ type: "cancel-tcpip-forward", wantReply: true, data: cancel }));
  await raw.next(MSG.REQUEST_SUCCESS);
  raw.send(request);
  await raw.next(MSG.REQUEST_SUCCESS);
});

Deno.test("A forwarded connection that the client refuses is closed on the server", async () => {
  await using world = await rawWorld("server");
  const { raw, connection, transport } = world;
  serveForwards(connection, { remote: () => true }, transport.closed);
  const data = TcpipForward.encode({ address: "127.0.0.1", port: 0 });
  raw.send(GlobalRequest.encode({ type: "tcpip-forward", wantReply: true, data }));
  const reply = RequestSuccess.decode(await raw.next(MSG.REQUEST_SUCCESS));
  const { port } = BoundPort.decode(reply.data);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const open = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  const asked = TcpipOpen.decode(open.data);
  assertEquals([open.type, asked.address, asked.port], ["forwarded-tcpip", "127.0.0.1", port]);
  assertEquals(asked.originatorPort, (conn.localAddr as Deno.NetAddr).port);
  raw.send(
    ChannelOpenFailure.encode({
      recipient: open.sender,
      reason: 1,
      description: "no",
      language: "",
    }),
  );
  assertEquals(await conn.read(new Uint8Array(1)), null);
});

Deno.test("A channel close without EOF ends the channel's connection", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  await using tunnel = await forwarding.local({ from: { port: 0 }, to: "x:1" });
  using conn = await Deno.connect({ port: tunnel.addr.port });
  const { sender } = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  raw.send(
    ChannelOpenConfirmation.encode({
      recipient: sender,
      sender: 3,
      window: 1 << 20,
      maxPacket: 32768,
      data: new Uint8Array(0),
    }),
  );
  raw.send(Uint8Array.of(MSG.CHANNEL_DATA, 0, 0, 0, sender, 0, 0, 0, 2, 104, 105));
  raw.send(Uint8Array.of(MSG.CHANNEL_CLOSE, 0, 0, 0, sender));
  const buffer = new Uint8Array(8);
  assertEquals([await conn.read(buffer), await conn.read(buffer)], [2, null]);
  await raw.next(MSG.CHANNEL_CLOSE);
});

Deno.test("A tunnel can be closed while its peer is silent", async () => {
  await using world = await rawWorld("client");
  const { raw, connection, transport } = world;
  const forwarding = new Forwarding(through(connection, transport.closed));
  const tunnel = await forwarding.local({ from: { port: 0 }, to: "x:1" });
  const socks = await forwarding.socks({ port: 0 });
  using conn = await Deno.connect({ port: tunnel.addr.port });
  using shy = await Deno.connect({ port: socks.addr.port });
  await shy.write(Uint8Array.of(5));
  await raw.next(MSG.CHANNEL_OPEN);
  await tunnel.close();
  await socks.close();
  for (const end of [conn, shy]) {
    assertEquals(await end.read(new Uint8Array(1)).catch(() => null), null);
  }
});
