/**
 * The exchange hash covers the RFCs' fields in order; two ends with the same mistake would agree, so
 * it is computed independently.
 */
import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import type { DirectionKeys } from "../../lib/crypto/packet_cipher.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import type { Role } from "../../lib/transport/negotiation.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { transportPair } from "./transport_pair.ts";

/** The messages of both ends until NEWKEYS, and the shared secret. */
async function exchange(kex: string) {
  const sent: Record<Role, Uint8Array[]> = { client: [], server: [] };
  const made: DirectionKeys[] = [];
  const suite = resolveSuite({ kex: [kex] });
  await using pair = transportPair({
    client: { suite, identification: "SSH-2.0-Client" },
    server: { suite, identification: "SSH-2.0-Server" },
  });
  for (const { role, sink } of [pair.client, pair.server]) {
    const [sendNow, rekey] = [sink.sendNow.bind(sink), sink.sealer.rekey.bind(sink.sealer)];
    sink.sendNow = (payload) => {
      sent[role].push(payload.slice());
      sendNow(payload);
    };
    sink.sealer.rekey = (keys) => {
      made.push({ ...keys, secret: keys.secret.slice() });
      rekey(keys);
    };
  }
  await Promise.all([pair.client.handshake(), pair.server.handshake()]);
  const until = (messages: Uint8Array[]) =>
    messages.slice(0, messages.findIndex(([number]) => number === MSG.NEWKEYS));
  return { client: until(sent.client), server: until(sent.server), made };
}

const methods: [name: string, hash: string, reference: string][] = [
  ["curve25519-sha256", "SHA-256", "RFC 8731 §3"],
  ["ecdh-sha2-nistp384", "SHA-384", "RFC 5656 §4"],
  ["ecdh-sha2-nistp521", "SHA-512", "RFC 5656 §6.2.1"],
  ["diffie-hellman-group14-sha1", "SHA-1", "RFC 4253 §8.2"],
  ["diffie-hellman-group14-sha256", "SHA-256", "RFC 4253 §8"],
  ["diffie-hellman-group-exchange-sha256", "SHA-256", "RFC 4419 §3"],
];
for (const [name, hash, reference] of methods) {
  Deno.test(`The exchange hash of ${name} follows ${reference}`, async () => {
    const { client, server, made } = await exchange(name);
    const [clientInit, ...ofClient] = client;
    const [serverInit, ...ofServer] = server;
    const reply = new Reader(ofServer.pop()!, 1);
    const [hostKey, value] = [reply.string(), reply.string()];
    const clientValue = ofClient.pop()!.subarray(1);
    const transcript = new Writer().text("SSH-2.0-Client").text("SSH-2.0-Server")
      .string(clientInit!).string(serverInit!)
      .string(hostKey)
      // The request for a group, and the group.
      .bytes(concat([...ofClient, ...ofServer].map((message) => message.subarray(1))))
      .bytes(clientValue).string(value).bytes(made[0]!.secret).take();
    const expected = new Uint8Array(await crypto.subtle.digest(hash, transcript));
    assertEquals(made.length, 2);
    for (const keys of made) {
      assertEquals([keys.exchangeHash, keys.sessionId], [expected, expected]);
      assertEquals(keys.hash, hash); // RFC 4253 §7.2: the keys are derived with the same hash
    }
  });
}
