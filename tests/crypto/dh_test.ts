/** Diffie-Hellman in fixed groups and in groups that the server chooses. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { digest } from "../../lib/crypto/digest.ts";
import { dhGroupExchange } from "../../lib/crypto/kex/dh_exchange.ts";
import { dhAgreement, dhFixedGroup } from "../../lib/crypto/kex/dh_group.ts";
import { dhGroup, dhGroupSizes } from "../../lib/crypto/kex/dh_groups.ts";
import type { Agreement, KexTalk } from "../../lib/crypto/kex/kex_method.ts";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { KexDhGexGroup, KexDhGexRequest } from "../../lib/wire/messages.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { noise } from "../support/random.ts";
import { agreementOf } from "./agreement.ts";

/** SHA-256 of the primes that Node 20 has for these groups. */
const MODP = [
  [1024, "3f35a3f5f6c4376a744acad409bb22f8d897f949d2311d885adaa890981b67a0"],
  [2048, "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e"],
  [3072, "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c"],
  [4096, "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33"],
  [6144, "d1bfe6d0925ce7e4da262b62861514a7755e35831e429f343e7b864848657efd"],
  [8192, "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf"],
] as const;
const number = (bytes: Uint8Array) => BigInt(`0x${encodeHex(bytes)}`);
/** A number as the contents of an mpint. */
const mpint = (value: bigint) => {
  const digits = value.toString(16);
  const bytes = decodeHex(digits.padStart(digits.length + digits.length % 2, "0"));
  return new Writer().mpint(bytes).take().subarray(4);
};

for (const [bits, fingerprint] of MODP) {
  Deno.test(`the group of ${bits} bits is the RFC's, and both sides agree in it`, async () => {
    const { prime, generator } = dhGroup(bits);
    assertEquals(encodeHex(digest("SHA-256", prime)), fingerprint);
    assertEquals(generator, new Uint8Array([2]));
    const agreement = await agreementOf(dhFixedGroup(bits));
    using ours = agreement.initiate();
    const { publicValue, secret } = agreement.respond(ours.publicValue);
    assertEquals(ours.finish(publicValue), secret);
  });
}

Deno.test("group14 agrees with arithmetic on big integers", async () => {
  const agreement = await agreementOf(dhFixedGroup(2048));
  const p = number(dhGroup(2048).prime);
  const x = number(noise(32));
  using ours = agreement.initiate();
  const secret = ours.finish(mpint(power(2n, x, p)));
  assertEquals(number(secret.subarray(4)), power(number(ours.publicValue), x, p));
});

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = result * base % modulus;
    base = base * base % modulus;
  }
  return result;
}

Deno.test("0, 1, p - 1, p and above, negative and padded values are refused on both sides", async () => {
  const agreement = await agreementOf(dhFixedGroup(2048));
  const p = number(dhGroup(2048).prime);
  const padded = new Uint8Array([0, ...mpint(2n)]);
  const negative = new Uint8Array([0xff, 1]);
  const bad = [0n, 1n, p - 1n, p, p + 1n, 2n * p, 2n ** 4000n].map(mpint);
  for (const value of [...bad, padded, negative, new Uint8Array([0])]) {
    using ours = agreement.initiate();
    assertThrows(() => ours.finish(value), ProtocolError);
    assertThrows(() => agreement.respond(value), ProtocolError);
  }
  agreement.respond(mpint(2n));
  agreement.respond(mpint(p - 2n));
});

const talk = { maxGroupBits: 4096 };

/** The two sides of group exchange with an agreed group. */
async function exchange(): Promise<[Agreement, Agreement]> {
  const [toServer, toClient] = [
    Promise.withResolvers<Uint8Array>(),
    Promise.withResolvers<Uint8Array>(),
  ];
  return await Promise.all([
    dhGroupExchange.request({ ...talk, send: toServer.resolve, receive: () => toClient.promise }),
    dhGroupExchange.grant({ ...talk, send: toClient.resolve, receive: () => toServer.promise }),
  ]);
}

Deno.test("group exchange selects one group, and both sides have the same hash", async () => {
  const [client, server] = await exchange();
  assertEquals(client.settled, server.settled);
  assertEquals(encodeHex(client.settled.subarray(0, 12)), "00000800" + "00000c00" + "00002000");
  assertEquals([client.init.number, client.reply.number], [32, 33]);
  using ours = client.initiate();
  assertEquals(ours.publicValue.length - (ours.publicValue[0] === 0 ? 1 : 0) <= 384, true);
  const { publicValue, secret } = server.respond(ours.publicValue);
  assertEquals(ours.finish(publicValue), secret);
});

/** The server's answer to a request: the bits of the group. */
async function granted(
  min: number,
  preferred: number,
  max: number,
  { maxGroupBits } = talk,
): Promise<number> {
  let bits = 0;
  await dhGroupExchange.grant({
    maxGroupBits,
    send: (payload) => bits = number(KexDhGexGroup.decode(payload).prime).toString(2).length,
    receive: () => Promise.resolve(KexDhGexRequest.encode({ min, preferred, max })),
  });
  return bits;
}

Deno.test("the server grants the smallest group that suffices, and none below 3072 bits", async () => {
  assertEquals(dhGroupSizes(0, 9999), [2048, 3072, 4096, 6144, 8192]);
  assertEquals(await granted(1024, 1024, 8192), 3072);
  assertEquals(await granted(2048, 3073, 8192), 4096);
  assertEquals(await granted(1024, 8192, 8192), 4096);
  assertEquals(await granted(1024, 8192, 8192, { maxGroupBits: 8192 }), 8192);
  assertEquals(await granted(2048, 5000, 5000), 4096);
});

Deno.test("the server refuses invalid requests and those without a matching group", async () => {
  const senseless: [number, number, number][] = [
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [8193, 9000, 9000],
    [6144, 6144, 8192],
    [2100, 2200, 3000],
    [4096, 2048, 8192],
    [2048, 8192, 4096],
    [0, 0, 0],
  ];
  for (const wish of senseless) {
    await assertRejects(() => granted(...wish), ProtocolError, "which is not available");
  }
});

Deno.test("the client refuses groups that are too small, too large or invalid", async () => {
  const p = number(dhGroup(2048).prime);
  const offer = (prime: bigint, generator: bigint): KexTalk => ({
    ...talk,
    send: () => {},
    receive: () =>
      Promise.resolve(
        new Uint8Array([
          31,
          ...new Writer().string(mpint(prime)).string(mpint(generator)).take(),
        ]),
      ),
  });
  const bad: [bigint, bigint][] = [
    [number(dhGroup(1024).prime), 2n],
    [2n ** 2047n - 1n, 2n],
    [2n ** 8192n + 1n, 2n],
    [0n, 2n],
    [1n, 2n],
    [p - 1n, 2n],
    [p, 0n],
    [p, 1n],
    [p, p - 1n],
    [p, p],
    [p, p + 5n],
    [p, 2n ** 2100n],
  ];
  for (const [prime, generator] of bad) {
    await assertRejects(
      () => dhGroupExchange.request(offer(prime, generator)),
      ProtocolError,
      "The server chose a group",
    );
  }
  for (const generator of [2n, p - 2n]) {
    const { settled } = await dhGroupExchange.request(offer(p, generator));
    assertEquals(settled.slice(-mpint(generator).length), mpint(generator));
  }
});

Deno.test("thousands of exchanges in a tiny group encode K and public values canonically", () => {
  // 2^32 - 209 is a safe prime: every 256th number has a leading zero, and the arithmetic is fast.
  const prime = 2n ** 32n - 209n;
  const { initiate, respond } = dhAgreement(() => ({
    prime: new Uint8Array([0xff, 0xff, 0xff, 0x2f]),
    generator: new Uint8Array([2]),
  }));
  let short = 0;
  for (let round = 0; round < 3000; round++) {
    using ours = initiate();
    const { publicValue, secret } = respond(ours.publicValue);
    assertEquals(ours.finish(publicValue), secret);
    const k = number(secret.subarray(4));
    assert(k > 0n && k < prime);
    assertEquals(secret.subarray(4), mpint(k));
    assertEquals(ours.publicValue, mpint(number(ours.publicValue)));
    if (k < 2n ** 24n) short++;
  }
  assert(short > 0, "some K begin with a zero");
});
