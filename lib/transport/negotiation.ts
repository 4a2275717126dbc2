import {
  type Algorithm,
  CIPHERS,
  COMPRESSIONS,
  KEX,
  MACS,
  SIGNATURES,
} from "../crypto/algorithms.ts";
import { row, type Suite } from "../crypto/suite.ts";
import { NegotiationError } from "../errors.ts";
import type { ValueOf } from "../wire/message.ts";
import { KexInit } from "../wire/messages.ts";

export type KexInitValue = ValueOf<typeof KexInit>;
export type Role = "client" | "server";

/** The algorithms of one direction. */
export interface DirectionAlgorithms {
  readonly cipher: string;
  /** Empty if the cipher authenticates by itself. */
  readonly mac: string;
  readonly compression: string;
}

/** The algorithms that both ends agreed on. */
export interface Agreed {
  readonly kex: string;
  readonly hostKey: string;
  readonly clientToServer: DirectionAlgorithms;
  readonly serverToClient: DirectionAlgorithms;
  /** RFC 4253 §7: the first kex packet was a wrong guess. */
  readonly wrongGuess: boolean;
}

/** Names in the kex list that are flags, not methods (RFC 8308 §2.1, draft strict-kex §3). */
export const EXT_INFO_C = "ext-info-c";
export const STRICT = {
  client: "kex-strict-c-v00@openssh.com",
  server: "kex-strict-s-v00@openssh.com",
};
const isFlag = (name: string) => name.startsWith("ext-info-") || name.startsWith("kex-strict-");

/** Our KEXINIT; the flags belong to the first one only. */
export function offer(suite: Suite, flags: readonly string[], cookie: Uint8Array): Uint8Array {
  return KexInit.encode({
    cookie,
    kex: [...suite.kex, ...flags],
    hostKey: [...suite.hostKey],
    cipherC2S: [...suite.cipher],
    cipherS2C: [...suite.cipher],
    macC2S: [...suite.mac],
    macS2C: [...suite.mac],
    compressionC2S: [...suite.compression],
    compressionS2C: [...suite.compression],
    languageC2S: [],
    languageS2C: [],
    firstKexPacketFollows: false,
    reserved: 0,
  });
}

/** For each list: its option, and all supported names. */
const ON_REQUEST: Readonly<Record<string, readonly [string, readonly Algorithm[]]>> = {
  "key exchange": ["kex", KEX],
  "host key": ["hostKey", SIGNATURES],
  "cipher": ["cipher", CIPHERS],
  "MAC": ["mac", MACS],
  "compression": ["compression", COMPRESSIONS],
};

/** Advice on how to enable one of the peer's algorithms; empty if none is supported. */
function adviceOn(kind: string, theirs: readonly string[]): string {
  const [option, table] = ON_REQUEST[kind]!;
  const known = table.find(({ name }) => theirs.includes(name));
  return known ? `to allow an older one: algorithms: { ${option}: "+${known.name}" }` : "";
}

/**
 * Selects the client's first algorithm that the server supports, list by list (RFC 4253 §7.1). Pure.
 *
 * @throws {NegotiationError} If a list has nothing in common
 */
export function negotiate(role: Role, mine: KexInitValue, theirs: KexInitValue): Agreed {
  const choose = (kind: string, key: keyof KexInitValue): string => {
    const ours = (mine[key] as string[]).filter((name) => !isFlag(name));
    const peers = (theirs[key] as string[]).filter((name) => !isFlag(name));
    const [wishes, offers] = role === "client" ? [ours, new Set(peers)] : [peers, new Set(ours)];
    const chosen = wishes.find((name) => offers.has(name));
    if (chosen === undefined) throw new NegotiationError(kind, ours, peers, adviceOn(kind, peers));
    return chosen;
  };
  const direction = (suffix: "C2S" | "S2C"): DirectionAlgorithms => {
    const cipher = choose("cipher", `cipher${suffix}`);
    return {
      cipher,
      mac: row(CIPHERS, cipher).aead ? "" : choose("MAC", `mac${suffix}`),
      compression: choose("compression", `compression${suffix}`),
    };
  };
  const kex = choose("key exchange", "kex");
  const hostKey = choose("host key", "hostKey");
  const guess = theirs.firstKexPacketFollows;
  return {
    kex,
    hostKey,
    clientToServer: direction("C2S"),
    serverToClient: direction("S2C"),
    wrongGuess: guess && (theirs.kex[0] !== mine.kex[0] || theirs.hostKey[0] !== mine.hostKey[0]),
  };
}
