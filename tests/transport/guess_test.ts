/** A first packet that follows the KEXINIT at a guess of the method (RFC 4253 §7.1). */
import { assertEquals } from "@std/assert";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import type { TraceEvent } from "../../lib/transport/trace.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { transportPair } from "./transport_pair.ts";

const [first, second] = ["curve25519-sha256", "ecdh-sha2-nistp256"];

const guesses: [role: "client" | "server", theirs: string[], packet: Uint8Array[]][] = [
  ["client", [second, first], [Uint8Array.of(30, 0, 0, 0, 0)]],
  ["server", [second, first], [Uint8Array.of(31, 0, 0, 0, 0)]],
  ["client", [first, second], []], // the next packet is the guess
];
for (const [role, kex, packet] of guesses) {
  const [kind, fate] = packet.length > 0 ? ["wrong", "ignored"] : ["right", "used"];
  Deno.test(`The packet after a ${role}'s ${kind} guess is ${fate}`, async () => {
    let send = (_payload: Uint8Array) => {};
    // The guess is in a packet that the other end reads later.
    const trace = ({ direction, name }: TraceEvent) => {
      if (direction === "received" && name === "KEXINIT") packet.forEach((guess) => send(guess));
    };
    await using pair = transportPair({
      client: {
        suite: resolveSuite({ kex: [first, second], hostKey: ["ssh-ed25519"] }),
        ...role === "server" && { trace },
      },
      server: { suite: resolveSuite({ kex }), ...role === "client" && { trace } },
    });
    const { sink } = pair[role];
    send = sink.sendNow.bind(sink);
    sink.sendNow = (payload) => {
      // first_kex_packet_follows, also in the exchange hash
      if (payload[0] === MSG.KEXINIT) payload[payload.length - 5] = 1;
      send(payload);
    };
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    assertEquals([pair.client.agreed?.kex, pair.server.agreed?.kex], [first, first]);
  });
}
