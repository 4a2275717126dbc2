/** Hostile packets before the first keys (RFC 4253 §6, §7.1). */
import { concat } from "@std/bytes";
import { type Attack, type Attacker, REASON } from "./attack.ts";
import { noise } from "../support/random.ts";
import {
  COMMON_LISTS,
  kexInit,
  latin1,
  message,
  NUMBER,
  packet,
  STRICT_FLAG,
  strictKexInit,
  string,
  uint32,
} from "../support/raw_packets.ts";
import type { RawPeer } from "../support/raw_peer.ts";

const PROTOCOL = [REASON.PROTOCOL_ERROR];
const NO_COMMON = [REASON.KEY_EXCHANGE_FAILED];

/** Sends bytes after the identifications. */
function sends(bytes: (attacker: Attacker) => Uint8Array): Attack["run"] {
  return async (peer, attacker) => {
    await peer.greet();
    await peer.send(bytes(attacker));
  };
}

/** Sends the payloads as packets after the identifications. */
function packets(payloads: (attacker: Attacker) => Uint8Array[]): Attack["run"] {
  return sends((attacker) => concat(payloads(attacker).map((payload) => packet(payload))));
}

/** Shows that key exchange continues: a client gets a reply, a server a first message. */
async function keyExchangeGoesOn(peer: RawPeer, attacker: Attacker): Promise<void> {
  if (attacker === "client") {
    await peer.send(packet(message(NUMBER.KEX_INIT, string(publicValue()))));
  }
  const wanted = attacker === "client" ? NUMBER.KEX_REPLY : NUMBER.KEX_INIT;
  await peer.until(
    (seen) => seen.packets.some((payload) => payload[0] === wanted),
    `message ${wanted}`,
  );
}

/** Any 32 bytes are an X25519 public value; the top bit is ignored (RFC 7748 §5). */
function publicValue(): Uint8Array {
  return noise(32);
}

const ignore = () => message(NUMBER.IGNORE, string("x".repeat(7)));

/** Wrong lengths and paddings. */
const FRAMING: readonly Attack[] = ([
  ["a packet_length of 0", concat([uint32(0), new Uint8Array(28)])],
  ["a packet_length of 1", concat([uint32(1), new Uint8Array(28)])],
  ["a packet_length of 4", concat([uint32(4), new Uint8Array(28)])],
  ["a packet_length of 2^32-1", concat([uint32(0xffffffff), new Uint8Array(28)])],
  ["a packet_length of 2^31-4", concat([uint32(0x7ffffffc), new Uint8Array(28)])],
  ["a packet_length of 1 MiB", concat([uint32(1024 * 1024 + 4), new Uint8Array(28)])],
  ["an unaligned packet_length", packet(ignore(), { length: 13 })],
  ["a padding of 3", concat([uint32(12), Uint8Array.of(3), message(2, string("xxx")), zeros(3)])],
  ["a padding of 0", concat([uint32(12), Uint8Array.of(0), message(2, string("x".repeat(6)))])],
  ["a padding beyond the packet", packet(ignore(), { padding: 255 })],
  ["a padding that is the whole packet", concat([uint32(12), Uint8Array.of(11), zeros(11)])],
  ["a padding one beyond the packet", concat([uint32(12), Uint8Array.of(12), zeros(11)])],
] as const).map(([name, bytes]) => ({
  name,
  run: sends(() => bytes),
  ends: true,
}));

/** Messages that are not allowed before the first keys; OpenSSH answers some of them with UNIMPLEMENTED. */
const PHASE: readonly Attack[] = ([
  "SERVICE_REQUEST",
  "SERVICE_ACCEPT",
  "EXT_INFO",
  "NEWKEYS",
  "KEX_INIT",
  "KEX_REPLY",
  "USERAUTH_REQUEST",
  "USERAUTH_SUCCESS",
  "GLOBAL_REQUEST",
  "CHANNEL_OPEN",
  "CHANNEL_DATA",
  "PING",
] as const).map((name) => ({
  name: `${name} before KEXINIT`,
  run: packets(() => [message(NUMBER[name], string("ssh-userauth"), uint32(0))]),
  ends: true,
  reasons: PROTOCOL,
}));

/** Strict key exchange: nothing but the exchange between KEXINIT and NEWKEYS (CVE-2023-48795). */
const STRICT: readonly Attack[] = [
  ...([
    "IGNORE",
    "DEBUG",
    "UNIMPLEMENTED",
    "EXT_INFO",
    "SERVICE_REQUEST",
    "USERAUTH_REQUEST",
    "CHANNEL_OPEN",
    "PING",
    "UNKNOWN",
    "NEWKEYS",
  ] as const).map((name): Attack => ({
    name: `${name} between KEXINIT and NEWKEYS under strict key exchange`,
    run: packets((attacker) => [
      strictKexInit(attacker),
      message(NUMBER[name], uint32(0), string(""), string("")),
    ]),
    ends: true,
    reasons: PROTOCOL,
  })),
  {
    name: "IGNORE before KEXINIT under strict key exchange",
    run: packets((attacker) => [ignore(), strictKexInit(attacker)]),
    ends: true,
    reasons: PROTOCOL,
  },
  {
    name: "IGNORE before KEXINIT without strict key exchange",
    async run(peer, attacker) {
      await packets(() => [ignore(), ignore(), kexInit()])(peer, attacker);
      await keyExchangeGoesOn(peer, attacker);
    },
    ends: false,
  },
  {
    name: "the strict flag of the other role",
    async run(peer, attacker) {
      const flag = STRICT_FLAG[attacker === "client" ? "server" : "client"];
      const init = kexInit({ 0: `${COMMON_LISTS[0]},${flag}` });
      await packets(() => [init, ignore()])(peer, attacker);
      await keyExchangeGoesOn(peer, attacker);
    },
    ends: false,
  },
];

/** KEXINIT itself, wrong in every list and length. */
const KEXINIT: readonly Attack[] = [
  ...[1, 10, 17, 20, 21, 60].map((length): Attack => ({
    name: `a KEXINIT that ends after ${length} bytes`,
    run: packets(() => [kexInit().subarray(0, length)]),
    ends: true,
    reasons: PROTOCOL,
  })),
  {
    name: "a KEXINIT without its last byte",
    run: packets(() => [kexInit().subarray(0, -1)]),
    ends: true,
    reasons: PROTOCOL,
  },
  {
    name: "a KEXINIT with a list of 2^32-1 bytes",
    run: packets(() => [concat([kexInit().subarray(0, 17), uint32(0xffffffff), latin1("a")])]),
    ends: true,
    reasons: PROTOCOL,
  },
  {
    name: "a KEXINIT with 100,000 names, none of them ours",
    run: packets(() => [kexInit({ 0: "a,".repeat(100_000) + "a" })]),
    ends: true,
    reasons: NO_COMMON,
    error: /No common key exchange.{0,12000}$/s,
  },
  {
    name: "a KEXINIT with 100,000 names, the last of them ours",
    async run(peer, attacker) {
      await packets(() => [kexInit({ 0: "a,".repeat(100_000) + "curve25519-sha256" })])(
        peer,
        attacker,
      );
      await keyExchangeGoesOn(peer, attacker);
    },
    ends: false,
  },
  ...[
    [0, "key exchange"],
    [1, "host key"],
    [2, "cipher"],
    [3, "cipher"],
    [4, "MAC"],
    [5, "MAC"],
    [6, "compression"],
    [7, "compression"],
  ].map(([index, kind]): Attack => ({
    name: `a KEXINIT without a common name in list ${index}`,
    run: packets(() => [kexInit({ 2: "aes128-ctr", 3: "aes128-ctr", [index!]: "rot13" })]),
    ends: true,
    reasons: NO_COMMON,
    error: new RegExp(`No common ${kind} .*rot13`),
  })),
  {
    name: "a KEXINIT of empty lists",
    run: packets(() => [kexInit({ 0: "", 1: "", 2: "", 3: "", 4: "", 5: "", 6: "", 7: "" })]),
    ends: true,
    reasons: NO_COMMON,
  },
  ...(["a,,b", "a\xff", "a\0", "a,"] as const).map((list): Attack => ({
    name: `a KEXINIT with ${JSON.stringify(list)} beside the usual names`,
    async run(peer) {
      await peer.send("SSH-2.0-raw\r\n");
      await peer.send(packet(kexInit({ 8: list, 0: `${COMMON_LISTS[0]},${list}` })));
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  })),
  {
    name: "a second KEXINIT",
    run: packets(() => [kexInit(), kexInit()]),
    ends: true,
    reasons: PROTOCOL,
  },
  {
    name: "NEWKEYS instead of a key exchange",
    run: packets(() => [kexInit(), message(NUMBER.NEWKEYS)]),
    ends: true,
    reasons: PROTOCOL,
  },
  {
    name: "a KEXINIT sent byte by byte",
    async run(peer, attacker) {
      await peer.greet();
      await peer.sendBytewise(packet(kexInit()));
      await keyExchangeGoesOn(peer, attacker);
    },
    ends: false,
  },
  {
    by: "client",
    name: "a wrong guess after KEXINIT",
    async run(peer, attacker) {
      const init = kexInit({ 0: `rot13,${COMMON_LISTS[0]}` }, { follows: true });
      const guess = message(NUMBER.KEX_INIT, string("nonsense"));
      await packets(() => [init, guess])(peer, attacker);
      await keyExchangeGoesOn(peer, attacker);
    },
    ends: false,
  },
  {
    name: "a claim of 200 KiB and then EOF",
    async run(peer) {
      await peer.greet();
      await peer.send(uint32(200 * 1024 + 4), Uint8Array.of(4), new Uint8Array(100));
      await peer.closeWrite();
    },
    ends: true,
  },
];

function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** Every attack in packets before keys. */
export const PACKET_ATTACKS: readonly Attack[] = [...FRAMING, ...PHASE, ...STRICT, ...KEXINIT];
