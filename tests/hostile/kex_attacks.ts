/** Hostile values inside a first key exchange (RFC 8731 §3, RFC 5656 §4, draft mlkem-hybrid-kex). */
import { concat } from "@std/bytes";
import { dhGroup } from "../../lib/crypto/kex/dh_groups.ts";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { type Attack, REASON } from "./attack.ts";
import { noise } from "../support/random.ts";
import { COMMON_LISTS, kexInit, message, NUMBER, packet, string } from "../support/raw_packets.ts";

const REFUSED = [REASON.PROTOCOL_ERROR, REASON.KEY_EXCHANGE_FAILED];
const MLKEM = "mlkem768x25519-sha256";

/** X25519 public values of small order: every resulting secret is zero (RFC 7748 §6.1). */
const SMALL_ORDER: readonly [string, string][] = [
  ["0", "00".repeat(32)],
  ["1", "01" + "00".repeat(31)],
  ["order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
  ["order 8, the other", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
  ["p-1", "ec" + "ff".repeat(30) + "7f"],
  ["p", "ed" + "ff".repeat(30) + "7f"],
  ["p+1", "ee" + "ff".repeat(30) + "7f"],
];

/** The base point of P-256, uncompressed, to derive invalid points from. */
const BASE_X = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
const BASE_Y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const BAD_POINTS: readonly [string, string][] = [
  ["at infinity", "00"],
  ["off the curve", "04" + BASE_X + BASE_Y.slice(0, -2) + "f6"],
  ["of zeros", "04" + "00".repeat(64)],
  ["with a coordinate above the field", "04" + "ff".repeat(32) + BASE_Y],
  ["that is too short", "04" + BASE_X],
  ["that is too long", "04" + BASE_X + BASE_Y + "00"],
  ["in an unknown form", "05" + BASE_X + BASE_Y],
  ["that is empty", ""],
];

const SNTRUP = "sntrup761x25519-sha512";
const GROUP16 = "diffie-hellman-group16-sha512";
const EXCHANGE = "diffie-hellman-group-exchange-sha256";
const GEX_REQUEST = 34;
const GEX_GROUP = 31;

/** A number as the contents of an mpint. */
function mpint(value: bigint): Uint8Array {
  const digits = value.toString(16);
  const bytes = decodeHex(digits.padStart(digits.length + digits.length % 2, "0"));
  return new Writer().mpint(bytes).take().subarray(4);
}

const primeOf = (bits: number) => BigInt(`0x${encodeHex(dhGroup(bits).prime)}`);
const P = primeOf(4096);
/** Values that make the secret predictable, or that are not canonical numbers. */
const BAD_NUMBERS: readonly [string, Uint8Array][] = [
  ["0", mpint(0n)],
  ["1", mpint(1n)],
  ["p-1", mpint(P - 1n)],
  ["p", mpint(P)],
  ["p+2", mpint(P + 2n)],
  ["2^20000", mpint(2n ** 20000n)],
  ["negative", new Uint8Array([0xff, 0x02])],
  ["padded", new Uint8Array([0, 0, 2])],
];

/** Requests of min, preferred and max bits that are inconsistent or weak. */
const BAD_WISHES: readonly [number, number, number][] = [
  [1024, 1024, 1024],
  [8192, 4096, 2048],
  [0, 0, 0],
  [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1],
];

/** Groups that are weak, too large, or invalid. */
const BAD_GROUPS: readonly [string, bigint, bigint][] = [
  ["of 1024 bits", primeOf(1024), 2n],
  ["of 16384 bits", 2n ** 16384n - 1n, 2n],
  ["with an even modulus", primeOf(2048) - 1n, 2n],
  ["modulo 0", 0n, 2n],
  ["with the generator 1", primeOf(2048), 1n],
  ["with the generator p-1", primeOf(2048), primeOf(2048) - 1n],
];

function wishes(min: number, preferred: number, max: number): Attack {
  return {
    by: "client",
    name: `a request for a group of ${min} to ${max}, preferably ${preferred} bits`,
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit({ 0: EXCHANGE })));
      const wish = new Writer().u32(min).u32(preferred).u32(max).take();
      await peer.send(packet(message(GEX_REQUEST, wish)));
    },
    ends: true,
    reasons: REFUSED,
  };
}

function chooses(what: string, prime: bigint, generator: bigint): Attack {
  return {
    by: "server",
    name: `a group ${what}`,
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit({ 0: EXCHANGE, 1: "ssh-ed25519" })));
      await peer.until(
        ({ packets }) => packets.some((payload) => payload[0] === GEX_REQUEST),
        "the client's wish",
      );
      const group = [string(mpint(prime)), string(mpint(generator))];
      await peer.send(packet(message(GEX_GROUP, ...group)));
    },
    ends: true,
    reasons: REFUSED,
  };
}

/** As a client, agrees on the method and sends the value as its own. */
function offers(kex: string, what: string, value: Uint8Array): Attack {
  return {
    by: "client",
    name: `a ${kex} value ${what}`,
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit({ 0: kex })));
      await peer.send(packet(message(NUMBER.KEX_INIT, string(value))));
    },
    ends: true,
    reasons: REFUSED,
  };
}

/** As a server, agrees on the method and answers the client's value with this message. */
function answers(
  name: string,
  kex: string,
  reply: () => Uint8Array | Promise<Uint8Array>,
  expected: Partial<Attack> = {},
): Attack {
  return {
    by: "server",
    name,
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit({ 0: kex, 1: "ssh-ed25519" })));
      await peer.until(
        ({ packets }) => packets.some((payload) => payload[0] === NUMBER.KEX_INIT),
        "the client's value",
      );
      await peer.send(packet(await reply()));
    },
    ends: true,
    reasons: REFUSED,
    ...expected,
  };
}

/** KEX_REPLY with a new Ed25519 host key and its signature over wrong data. */
async function reply(
  value: Uint8Array,
  change: { blob?: Uint8Array<ArrayBuffer>; label?: string; signature?: Uint8Array } = {},
): Promise<Uint8Array> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const key = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const blob = change.blob ?? concat([string("ssh-ed25519"), string(key)]);
  const signed = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, blob));
  const signature = concat([
    string(change.label ?? "ssh-ed25519"),
    string(change.signature ?? signed),
  ]);
  return message(NUMBER.KEX_REPLY, string(blob), string(value), string(signature));
}

const hex = (text: string) => decodeHex(text);
const CURVE = "curve25519-sha256";
const SIGNATURE = { reasons: [...REFUSED, 9] }; // 9: HOST_KEY_NOT_VERIFIABLE

/** Every attack on the values of a first key exchange. */
export const KEX_ATTACKS: readonly Attack[] = [
  ...[0, 31, 33, 1000].map((length) => offers(CURVE, `of ${length} bytes`, noise(length))),
  ...SMALL_ORDER.map(([what, value]) => offers(CURVE, `of small order (${what})`, hex(value))),
  ...BAD_POINTS.map(([what, value]) => offers("ecdh-sha2-nistp256", what, hex(value))),
  offers(MLKEM, "of 1215 bytes", noise(1215)),
  offers(MLKEM, "of 1217 bytes", noise(1217)),
  offers(MLKEM, "of 32 bytes", noise(32)),
  offers(MLKEM, "whose key is not reduced", concat([new Uint8Array(1184).fill(255), noise(32)])),
  offers(MLKEM, "whose X25519 half is zero", new Uint8Array(1216)),
  offers(SNTRUP, "of 1189 bytes", noise(1189)),
  offers(SNTRUP, "of 1191 bytes", noise(1191)),
  offers(SNTRUP, "whose X25519 half is zero", new Uint8Array(1190)),
  ...BAD_NUMBERS.map(([what, value]) => offers(GROUP16, `that is ${what}`, value)),
  ...BAD_WISHES.map((wish) => wishes(...wish)),
  ...BAD_GROUPS.map((group) => chooses(...group)),
  ...BAD_NUMBERS.map(([what, value]) =>
    answers(`a ${GROUP16} value that is ${what}`, GROUP16, () => reply(value))
  ),
  {
    by: "client",
    name: "a key exchange value with trailing bytes",
    async run(peer) {
      await peer.greet();
      const init = message(NUMBER.KEX_INIT, string(noise(32)), Uint8Array.of(0));
      await peer.send(packet(kexInit()), packet(init));
    },
    ends: true,
    reasons: REFUSED,
  },
  {
    by: "client",
    name: "a client that sends the server's part",
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit({ 0: COMMON_LISTS[0] })), packet(await reply(noise(32))));
    },
    ends: true,
    reasons: REFUSED,
  },
  {
    by: "client",
    name: "two key exchange values",
    async run(peer) {
      await peer.greet();
      const init = packet(message(NUMBER.KEX_INIT, string(noise(32))));
      await peer.send(packet(kexInit()), init, init);
    },
    ends: true,
  },

  ...[0, 31, 33].map((length) =>
    answers(`a server's ${CURVE} value of ${length} bytes`, CURVE, () => reply(noise(length)))
  ),
  ...SMALL_ORDER.map(([what, value]) =>
    answers(`a server's ${CURVE} value of small order (${what})`, CURVE, () => reply(hex(value)))
  ),
  ...BAD_POINTS.map(([what, value]) =>
    answers(`a server's point ${what}`, "ecdh-sha2-nistp256", () => reply(hex(value)))
  ),
  ...[1119, 1121, 32].map((length) =>
    answers(`a server's ${MLKEM} value of ${length} bytes`, MLKEM, () => reply(noise(length)))
  ),
  answers("a signature over other data", CURVE, () => reply(noise(32)), SIGNATURE),
  answers(
    "a signature of 63 bytes",
    CURVE,
    () => reply(noise(32), { signature: noise(63) }),
    SIGNATURE,
  ),
  answers(
    "a signature labelled with another algorithm",
    CURVE,
    () => reply(noise(32), { label: "ssh-rsa" }),
    SIGNATURE,
  ),
  answers(
    "a host key of another type than agreed",
    CURVE,
    () =>
      reply(noise(32), {
        blob: concat([
          string("ecdsa-sha2-nistp256"),
          string("nistp256"),
          string(hex("04" + BASE_X + BASE_Y)),
        ]),
      }),
    SIGNATURE,
  ),
  answers(
    "a malformed host key",
    CURVE,
    () => reply(noise(32), { blob: noise(50) }),
    SIGNATURE,
  ),
  answers(
    "an empty KEX_REPLY",
    CURVE,
    () => message(NUMBER.KEX_REPLY),
  ),
  answers("NEWKEYS instead of KEX_REPLY", CURVE, () => message(NUMBER.NEWKEYS)),
  answers(
    "KEX_INIT from a server",
    CURVE,
    () => message(NUMBER.KEX_INIT, string(noise(32))),
  ),
];
