/** The parts of a key exchange that two ends with the same mistake would agree on. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { DirectionKeys } from "../../lib/crypto/packet_cipher.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { DisconnectError, ProtocolError } from "../../lib/errors.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { type KexInitValue, type Role, STRICT } from "../../lib/transport/negotiation.ts";
import type { Transport, TransportOptions } from "../../lib/transport/transport.ts";
import { strangersWork } from "../../lib/transport/work_share.ts";
import { Ignore, KexDhGexGroup, KexDhGexRequest, KexInit } from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { greetedPair, type TransportPair, transportPair } from "./transport_pair.ts";

const { publicKey } = await generateKey();

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

Deno.test("A client that asks for EXT_INFO in each KEXINIT gets it once", async () => {
  const usual = resolveSuite();
  const suite = { ...usual, kex: [...usual.kex, "ext-info-c"] };
  const sent: string[] = [];
  // The name means nothing in a server's KEXINIT.
  await using pair = await greetedPair({
    client: {
      suite,
      trace: ({ direction, name }) => void sent.push(`client ${direction} ${name}`),
    },
    server: { suite },
  });
  await pair.server.rekey();
  assertEquals(sent.filter((line) => line.endsWith("EXT_INFO")), ["client received EXT_INFO"]);
});

Deno.test("Held messages follow our NEWKEYS, and do not wait for the peer's", async () => {
  const lines: string[] = [];
  await using pair = await greetedPair({
    server: { trace: ({ direction, name }) => void lines.push(`${direction} ${name}`) },
  });
  lines.length = 0;
  const rekeyed = pair.server.rekey();
  pair.server.sink.send(Ignore.encode({ data: new Uint8Array(0) }));
  await rekeyed;
  assertEquals(lines.slice(-3), ["sent NEWKEYS", "sent IGNORE", "received NEWKEYS"]);
});

Deno.test("Another message of the key exchange in place of NEWKEYS ends the connection", async () => {
  await using pair = transportPair();
  const { client, server } = pair;
  const send = client.sink.sendNow.bind(client.sink);
  client.sink.sendNow = (payload) => send(payload[0] === MSG.NEWKEYS ? Uint8Array.of(30) : payload);
  client.handshake().catch(() => {});
  await assertRejects(() => server.handshake(), ProtocolError);
});

const waits: [
  name: string,
  role: Role,
  options: (endless: () => Promise<never>) => Partial<TransportOptions>,
][] = [
  ["the client judges the host key", "client", (verifyHostKey) => ({ verifyHostKey })],
  ["the host key signs", "server", (sign) => ({ hostKeys: [{ publicKey, sign }] })],
  ["a costly answer waits for its turn", "server", () => ({
    suite: resolveSuite({ kex: ["diffie-hellman-group14-sha256"] }),
  })],
];
for (const [name, role, options] of waits) {
  Deno.test(`A connection that ends while ${name} ends its handshake`, async () => {
    const waiting = Promise.withResolvers<void>();
    const endless = () => {
      waiting.resolve();
      return new Promise<never>(() => {});
    };
    using _turn = replaced(strangersWork, "run", endless);
    await using pair = transportPair({ [role]: options(endless) });
    const { [role]: ours, [role === "client" ? "server" : "client"]: theirs } = pair;
    theirs.handshake().catch(() => {});
    const handshake = ours.handshake();
    await waiting.promise;
    ours.disconnect();
    await assertRejects(() => handshake, DisconnectError);
  });
}

for (const [allowed, bits] of [[true, 8192], [false, 4096]] as const) {
  Deno.test(`A server that ${allowed ? "lists" : "does not list"} group 18 grants groups of up to ${bits} bits`, async () => {
    const kex = ["diffie-hellman-group-exchange-sha256"];
    const more = allowed ? ["diffie-hellman-group18-sha512"] : [];
    await using pair = transportPair({
      client: { suite: resolveSuite({ kex }) },
      server: { suite: resolveSuite({ kex: [...kex, ...more] }) },
    });
    const { client, server } = pair;
    const send = client.sink.sendNow.bind(client.sink);
    client.sink.sendNow = (payload) => {
      if (payload[0] === 34) {
        payload = KexDhGexRequest.encode({ min: 2048, preferred: 8192, max: 8192 });
      }
      send(payload);
    };
    const granted = Promise.withResolvers<number>();
    const answer = server.sink.sendNow.bind(server.sink);
    server.sink.sendNow = (payload) => {
      if (payload[0] === 31) granted.resolve(8 * (KexDhGexGroup.decode(payload).prime.length));
      answer(payload);
    };
    for (const end of [client, server]) end.handshake().catch(() => {});
    assertEquals(await granted.promise, bits);
  });
}
