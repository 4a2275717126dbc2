/**
 * Tests ours for public faults of packets, key exchanges and channels in other implementations in 2025
 * and 2026. `docs/attacks.md` lists all, also those tested elsewhere.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { concat } from "@std/bytes";
import { createCipheriv, createHmac } from "node:crypto";
import { Opener, type RawKeys } from "../../lib/crypto/packet_cipher.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { ChannelOpenError, ClosedError, ProtocolError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { adjust, none, openChannel, receiveBytes } from "../connection/raw_channel.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { keysFor, nameOf, SUITES } from "../crypto/packets.ts";
import { transportPair } from "../transport/transport_pair.ts";

const ROLES = ["client", "server"] as const;

/** The clear text of a packet from its padding length on: padding in place of a payload. */
function paddedWith(padding: number, length: number): Uint8Array {
  const clear = new Uint8Array(length);
  clear.set([padding, MSG.IGNORE]);
  return clear;
}

/** A packet with its length in the clear and a valid MAC, whatever its padding. */
const sealers: Record<string, (keys: RawKeys, clear: Uint8Array) => Uint8Array[]> = {
  "aes256-gcm@openssh.com": ({ key, iv }, clear) => {
    const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(uint32(clear.length));
    return [cipher.update(clear), cipher.final(), cipher.getAuthTag()];
  },
  "aes256-ctr with hmac-sha2-256-etm@openssh.com": ({ key, iv, macKey }, clear) => {
    const cipher = createCipheriv("aes-256-ctr", key, iv);
    const encrypted = concat([cipher.update(clear), cipher.final()]);
    const mac = createHmac("sha256", macKey).update(uint32(0)).update(uint32(clear.length));
    return [encrypted, mac.update(encrypted).digest()];
  },
};

for (const [name, seal] of Object.entries(sealers)) {
  Deno.test(`a padding that is longer than its packet is refused under ${name} (CVE-2026-46597)`, () => {
    const keys = keysFor(SUITES.find((suite) => nameOf(suite) === name)!);
    const payload = (padding: number, length: number) => {
      using opener = new Opener();
      opener.setKeys(keys);
      opener.push(concat([uint32(length), ...seal(keys, paddedWith(padding, length))]));
      try {
        return opener.next()?.length;
      } catch (error) {
        assertInstanceOf(error, ProtocolError);
        return "refused";
      }
    };
    assertEquals(payload(10, 16), 5);
    for (const [padding, length] of [[0, 16], [3, 16], [15, 16], [16, 16], [255, 16], [255, 32]]) {
      assertEquals(payload(padding!, length!), "refused", `${padding} of ${length}`);
    }
  });
}

function uint32(value: number): Uint8Array {
  return new Writer().u32(value).take();
}

for (const role of ROLES) {
  for (const count of [0xffff_ffff, 0x8000_0000, 1025, 1]) {
    Deno.test(`EXT_INFO that claims ${count} extensions without content ends the connection (CVE-2026-55199, ${role})`, async () => {
      await using pair = transportPair();
      const { client, server } = pair;
      const evil = m.ExtInfo.encode({ count, pairs: none });
      const sendNow = server.sink.sendNow.bind(server.sink);
      server.sink.sendNow = (payload) => {
        sendNow(role === "client" && payload[0] === MSG.EXT_INFO ? evil : payload);
      };
      await Promise.all([client.handshake(), server.handshake()]);
      if (role === "server") client.sink.sendNow(evil);
      const [ours, theirs] = role === "client" ? [client, server] : [server, client];
      theirs.disconnect(); // the end, if that was none
      assertInstanceOf(await ours.closed, ProtocolError);
    });
  }

  Deno.test(`thousands of unrequested replies block nothing (CVE-2026-39830, ${role})`, async () => {
    await using world = await rawWorld(role);
    const { raw, connection } = world;
    const channel = await openChannel(world);
    for (let i = 0; i < 5_000; i++) {
      raw.send(i % 2 ? m.RequestFailure.encode({}) : m.RequestSuccess.encode({ data: none }));
      raw.send(m.ChannelSuccess.encode({ recipient: channel.id }));
    }
    raw.send(m.GlobalRequest.encode({ type: "all has come?", wantReply: true, data: none }));
    await raw.next(MSG.REQUEST_FAILURE);
    const asking = connection.request("x");
    await raw.next(MSG.GLOBAL_REQUEST);
    raw.send(m.RequestSuccess.encode({ data: Uint8Array.of(1, 2, 3) }));
    assertEquals(await asking, Uint8Array.of(1, 2, 3));
    const closing = channel.close();
    await raw.next(MSG.CHANNEL_CLOSE);
    raw.send(m.ChannelClose.encode({ recipient: channel.id }));
    await closing;
    assertEquals(connection.channelCount, 0);
  });

  Deno.test(`refused channels leave no state (CVE-2026-39827, ${role})`, async () => {
    let asked = 0;
    await using world = await rawWorld(role);
    const { raw, connection } = world;
    connection.handleOpens("refused", () => void asked++);
    const fields = { window: 9, maxPacket: 9, data: none };
    for (let i = 0; i < 1_000; i++) {
      for (const type of ["refused", "unknown", "session"]) {
        raw.send(m.ChannelOpen.encode({ type, sender: i, ...fields }));
        const failure = m.ChannelOpenFailure.decode(await raw.next(MSG.CHANNEL_OPEN_FAILURE));
        assertEquals(failure.recipient, i);
      }
    }
    assertEquals([asked, connection.channelCount], [1_000, 0]);
    // Now channels that the peer refuses.
    for (let i = 0; i < 1_000; i++) {
      const opening = connection.open("x");
      const { sender } = m.ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
      assertEquals(sender, 0);
      const refusal = { recipient: sender, reason: 1, description: "no", language: "" };
      raw.send(m.ChannelOpenFailure.encode(refusal));
      await assertRejects(() => opening, ChannelOpenError);
    }
    assertEquals(connection.channelCount, 0);
  });
}

const GEX = "diffie-hellman-group-exchange-sha256";

for (
  const [kex, sender, number] of [
    ["curve25519-sha256", "client", MSG.KEXINIT],
    ["curve25519-sha256", "server", MSG.KEXINIT],
    ["curve25519-sha256", "client", 30],
    ["curve25519-sha256", "server", 31],
    ["curve25519-sha256", "client", MSG.NEWKEYS],
    ["curve25519-sha256", "server", MSG.NEWKEYS],
    [GEX, "client", 34],
    [GEX, "server", 31],
    [GEX, "client", 32],
    [GEX, "server", 33],
  ] as const
) {
  Deno.test(`a ${sender}'s message ${number} of ${kex} with a trailing byte is refused (russh, May 2026)`, async () => {
    const suite = resolveSuite({ kex });
    await using pair = transportPair({ client: { suite }, server: { suite } });
    const { [sender]: theirs } = pair;
    const ours = sender === "client" ? pair.server : pair.client;
    const sendNow = theirs.sink.sendNow.bind(theirs.sink);
    let sent = 0;
    theirs.sink.sendNow = (payload) => {
      const isOne = payload[0] === number;
      if (isOne) sent++;
      sendNow(isOne ? new Uint8Array([...payload, 0]) : payload);
    };
    await Promise.allSettled([pair.client.handshake(), pair.server.handshake()]);
    theirs.disconnect(); // the end, if that was none
    const error = await ours.closed;
    assertInstanceOf(error, ProtocolError);
    assertStringIncludes(error.message, "trailing bytes");
    assertEquals(sent, 1);
  });
}

Deno.test("a write of more than 4 GiB sends its bytes, and ends with its channel (CVE-2026-39834)", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world, { window: 100, maxPacket: 100 });
  const bytes = 2 ** 32 + 10; // untouched memory costs nothing
  const writing = channel.writeAll(new Uint8Array(bytes));
  const ended = assertRejects(() => writing, ClosedError);
  assertEquals(await receiveBytes(world, 100), [100]);
  world.raw.send(adjust(channel.id, 250));
  assertEquals(await receiveBytes(world, 250), [100, 100, 50]);
  assertEquals(world.raw.received.filter(([number]) => number === MSG.CHANNEL_DATA), []);
  world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  await ended;
});

Deno.test("reading and writing do not spin once the peer has closed the channel (russh, June 2025)", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  await world.raw.next(MSG.CHANNEL_CLOSE);
  const buffer = new Uint8Array(10);
  for (let i = 0; i < 100; i++) {
    assertEquals(await channel.read(buffer), null);
    assertEquals(await channel.readChunk(), null);
    await assertRejects(() => channel.writeAll(buffer), ClosedError);
  }
  assertEquals(await Array.fromAsync(channel.readable), []);
  assert(!channel.isOpen);
});
