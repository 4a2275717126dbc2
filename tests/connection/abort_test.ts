/** Aborts every operation in the middle: it rejects with the same reason, and the rest continues. */
import { assert, assertEquals } from "@std/assert";
import { Client } from "../../lib/client/client.ts";
import { liveConnection } from "../../lib/client/current_connection.ts";
import type { Channel } from "../../lib/connection/channel.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { data, none, openChannel } from "./raw_channel.ts";
import { type RawWorld, rawWorld } from "./raw_world.ts";

interface World {
  readonly raw: RawWorld["raw"];
  readonly host: Client;
  readonly channel: Channel;
}

type Operation = (world: World, signal: AbortSignal) => Promise<unknown>;

const buffer = () => new Uint8Array(8);
const bytes = (text: string) => new TextEncoder().encode(text);

/** Operations that wait for a peer that neither sends nor receives. */
const ON_CHANNEL: Readonly<Record<string, Operation>> = {
  "read": ({ channel }, signal) => channel.read(buffer(), { signal }),
  "readStderr": ({ channel }, signal) => channel.readStderr(buffer(), { signal }),
  "readChunk": ({ channel }, signal) => channel.readChunk({ signal }),
  "readStderrChunk": ({ channel }, signal) => channel.readStderrChunk({ signal }),
  "write": ({ channel }, signal) => channel.write(buffer(), { signal }),
  "writeStderr": ({ channel }, signal) => channel.writeStderr(buffer(), { signal }),
  "writeAll": ({ channel }, signal) => channel.writeAll(buffer(), { signal }),
  "writeAllStderr": ({ channel }, signal) => channel.writeAllStderr(buffer(), { signal }),
  "a write that waits for its turn": async ({ channel }, signal) => {
    channel.writeAll(buffer(), { signal: AbortSignal.any([signal]) }).catch(() => {});
    await channel.writeAll(buffer(), { signal });
  },
  "ready to read": ({ channel }, signal) => channel.ready("read", { signal }),
  "ready to read stderr": ({ channel }, signal) => channel.ready("stderr", { signal }),
  "ready to write": ({ channel }, signal) => channel.ready("write", { signal }),
  "file.read": ({ channel }, signal) => channel.file().read(buffer(), { signal }),
  "file.readLine": ({ channel }, signal) => channel.file().readLine({ signal }),
  "lines": ({ channel }, signal) => channel.lines({ signal }).next(),
  "file.write": ({ channel }, signal) =>
    channel.file({ mode: "w", bufferSize: 0 }).write("x", { signal }),
  "request": ({ channel }, signal) => channel.request("x", none, { signal }),
  "requestPty": ({ channel }, signal) => channel.requestPty({ signal }),
  "setEnv": ({ channel }, signal) => channel.setEnv("A", "1", { strict: true, signal }),
  "updateEnv": ({ channel }, signal) =>
    channel.updateEnv({ A: "1", B: "2" }, { strict: true, signal }),
  "requestX11": ({ channel }, signal) => channel.requestX11({ signal }),
  "exec": ({ channel }, signal) => channel.exec("x", { signal }),
  "shell": ({ channel }, signal) => channel.shell({ signal }),
  "subsystem": ({ channel }, signal) => channel.subsystem("x", { signal }),
  "sendBreak": ({ channel }, signal) => channel.sendBreak(0, { signal }),
  "recvExitStatus": ({ channel }, signal) => channel.recvExitStatus({ signal }),
  "forwardAgent": ({ host, channel }, signal) => host.forwardAgent(channel, () => {}, { signal }),
  "forwardX11": ({ host, channel }, signal) =>
    host.forwardX11(channel, { display: ":0", authority: null, signal }),
};

const ON_CONNECTION: Readonly<Record<string, Operation>> = {
  "openChannel": ({ host }, signal) => host.openChannel("x@example.com", { signal }),
  "openSession": ({ host }, signal) => host.openSession({ signal }),
  "a global request": ({ host }, signal) => host.request("x@example.com", none, { signal }),
  "run": ({ host }, signal) => host.run("x", { signal }),
  "output": ({ host }, signal) => host.command("x", { signal }).output(),
  "spawn": ({ host }, signal) => host.command("x", { signal }).spawn(),
  "shell": ({ host }, signal) => host.shell({ signal }),
  "subsystem": ({ host }, signal) => host.subsystem("x", { signal }),
  "sftp": ({ host }, signal) => host.sftp({ signal }),
  "dial": ({ host }, signal) => host.dial("db:5432", { signal }),
  "listen": ({ host }, signal) => host.listen({ port: 0 }, { signal }),
  "forwardRemote": ({ host }, signal) =>
    host.forwardRemote({ from: { port: 0 }, to: "db:1", signal }),
  "a tunnel's check": async ({ host }, signal) => {
    await using tunnel = await host.forwardLocal({ from: { port: 0 }, to: "db:1" });
    await tunnel.check({ signal });
  },
  "a SOCKS server's check": async ({ host }, signal) => {
    await using socks = await host.forwardSocks({ port: 0 });
    await socks.check({ signal });
  },
};

/** The rejection of an operation that is aborted while it waits. */
async function aborted(world: World, operation: Operation, reason: unknown): Promise<unknown> {
  const aborter = new AbortController();
  const running = operation(world, aborter.signal).then(() => "it ended", (error) => error);
  // A round trip, after which the operation has sent everything and waits.
  world.host.notify("tick@example.com");
  await world.raw.next(MSG.GLOBAL_REQUEST);
  aborter.abort(reason);
  return await running;
}

async function silentWorld(): Promise<World & AsyncDisposable> {
  const world = await rawWorld("client");
  const { transport, connection, raw } = world;
  const login = { host: { hostname: "silent", port: 22 }, user: "me", settings: null };
  const host = new Client(liveConnection(transport, connection), login);
  const channel = await openChannel(world, { window: 0 });
  return { raw, host, channel, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

for (const [name, operation] of Object.entries(ON_CHANNEL)) {
  Deno.test(`Channel: ${name} can be aborted while it waits, and the channel continues`, async () => {
    await using world = await silentWorld();
    const { channel, raw } = world;
    const reason = { why: "whatever one likes" };
    assert(await aborted(world, operation, reason) === reason);
    // An operation aborted before it starts sends nothing.
    const early = await operation(world, AbortSignal.abort(reason)).catch((error) => error);
    assert(early === reason);
    raw.send(data(channel.id, 3));
    assertEquals(await channel.read(buffer()), 3);
    assertEquals(channel.isOpen, true);
  });
}

for (const [name, operation] of Object.entries(ON_CONNECTION)) {
  Deno.test(`Client: ${name} can be aborted while it waits, and the connection continues`, async () => {
    await using world = await silentWorld();
    const reason = { why: "whatever one likes" };
    assert(await aborted(world, operation, reason) === reason);
    const early = await operation(world, AbortSignal.abort(reason)).catch((error) => error);
    assert(early === reason);
    world.raw.send(data(world.channel.id, 3));
    assertEquals(await world.channel.read(buffer()), 3);
  });
}

Deno.test("A session that is granted after an abort is closed, and its number is free again", async () => {
  await using world = await silentWorld();
  const { host, raw } = world;
  const reason = new Error("too late");
  const opened = aborted(world, (_, signal) => host.openSession({ signal }), reason);
  assertEquals(await opened, reason);
  const open = m.ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
  raw.send(m.ChannelOpenConfirmation.encode({
    recipient: open.sender,
    sender: 9,
    window: 1,
    maxPacket: 1,
    data: bytes("extra"),
  }));
  assertEquals(m.ChannelClose.decode(await raw.next(MSG.CHANNEL_CLOSE)).recipient, 9);
  raw.send(m.ChannelClose.encode({ recipient: open.sender }));
  raw.send(m.GlobalRequest.encode({ type: "tick@example.com", wantReply: true, data: none }));
  await raw.next(MSG.REQUEST_FAILURE); // it has received the CLOSE
  const again = host.openSession().catch(() => {});
  assertEquals(m.ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN)).sender, open.sender);
  await host.close();
  await again;
});
