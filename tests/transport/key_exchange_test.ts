/** The parts of a key exchange that two ends with the same mistake would agree on. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { DirectionKeys } from "../../lib/crypto/packet_cipher.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { type KexInitValue, STRICT } from "../../lib/transport/negotiation.ts";
import type { Transport } from "../../lib/transport/transport.ts";
import { KexInit } from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { FakeTime } from "../support/fake_time.ts";
import { greetedPair, type TransportPair, transportPair } from "./transport_pair.ts";

/** Calls `note` with each KEXINIT before it is sent, and hashed. */
function onKexInit({ sink }: Transport, note: (payload: Uint8Array) => void): void {
  const send = sink.sendNow.bind(sink);
  sink.sendNow = (payload) => {
    if (payload[0] === MSG.KEXINIT) note(payload);
    send(payload);
  };
}

async function greet({ client, server }: TransportPair): Promise<void> {
  await Promise.all([client.handshake(), server.handshake()]);
}

Deno.test("Each KEXINIT has another random cookie", async () => {
  await using pair = transportPair();
  const cookies: string[] = [];
  for (const end of [pair.client, pair.server]) {
    onKexInit(end, (payload) => cookies.push(KexInit.decode(payload).cookie.join()));
  }
  await greet(pair);
  await pair.server.rekey();
  assertEquals([cookies.length, new Set(cookies).size], [4, 4]);
});

Deno.test("The flags of the first KEXINIT are those of the end's role", async () => {
  const flags: Record<string, string[]> = {};
  const suite = resolveSuite();
  await using pair = transportPair({ client: { suite }, server: { suite } });
  for (const end of [pair.client, pair.server]) {
    onKexInit(end, (payload) => {
      const { kex }: KexInitValue = KexInit.decode(payload);
      flags[end.role] = kex.slice(suite.kex.length);
    });
  }
  await greet(pair);
  assertEquals(flags, { client: ["ext-info-c", STRICT.client], server: [STRICT.server] });
});

Deno.test("The keys of a rekey are derived from its hash and the first one (RFC 4253 §7.2)", async () => {
  await using pair = await greetedPair();
  const derived: DirectionKeys[] = [];
  for (const { sink: { sealer } } of [pair.client, pair.server]) {
    const rekey = sealer.rekey.bind(sealer);
    sealer.rekey = (keys) => {
      derived.push({ ...keys });
      rekey(keys);
    };
  }
  await pair.server.rekey();
  const first = pair.client.sessionId;
  assertEquals(derived.map(({ sessionId }) => sessionId), [first, first]);
  for (const { exchangeHash } of derived) assertNotEquals(exchangeHash, first);
});

Deno.test("Without strict kex the packet numbers continue after NEWKEYS", async () => {
  await using pair = transportPair();
  const [client, server] = [pair.client, pair.server];
  for (const end of [client, server]) {
    onKexInit(end, (payload) => {
      const at = new TextDecoder("latin1").decode(payload).indexOf("kex-strict-");
      if (at > 0) payload[at + "kex-strict-".length] = "x".charCodeAt(0);
    });
  }
  await greet(pair);
  assert(client.sink.sealer.sequence >= 3); // KEXINIT, KEX_ECDH_INIT, NEWKEYS
  const before = client.sink.sealer.sequence;
  await server.rekey();
  assert(client.sink.sealer.sequence >= before + 3);
});

Deno.test("A server that has the client's KEXINIT waits for it no longer", async () => {
  using time = new FakeTime();
  {
    await using _pair = await greetedPair();
  }
  assertEquals(time.timers, 0);
});
