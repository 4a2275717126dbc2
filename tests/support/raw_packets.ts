/** SSH bytes made by hand, independent of `lib/`, so that they can be wrong in any way. */
import { concat } from "@std/bytes";
import { noise } from "./random.ts";

/** The message numbers that the attacks use (RFC 4250 §4.1). */
export const NUMBER = {
  DISCONNECT: 1,
  IGNORE: 2,
  UNIMPLEMENTED: 3,
  DEBUG: 4,
  SERVICE_REQUEST: 5,
  SERVICE_ACCEPT: 6,
  EXT_INFO: 7,
  KEXINIT: 20,
  NEWKEYS: 21,
  KEX_INIT: 30,
  KEX_REPLY: 31,
  USERAUTH_REQUEST: 50,
  USERAUTH_SUCCESS: 52,
  GLOBAL_REQUEST: 80,
  CHANNEL_OPEN: 90,
  CHANNEL_DATA: 94,
  PING: 192,
  UNKNOWN: 249,
} as const;

/** The flag with which each role asks for strict key exchange. */
export const STRICT_FLAG = {
  client: "kex-strict-c-v00@openssh.com",
  server: "kex-strict-s-v00@openssh.com",
} as const;

/** The ten name lists of KEXINIT in their order. */
export type NameLists = readonly [
  kex: string,
  hostKey: string,
  cipherC2S: string,
  cipherS2C: string,
  macC2S: string,
  macS2C: string,
  compressionC2S: string,
  compressionS2C: string,
  languageC2S: string,
  languageS2C: string,
];

/** Lists with an algorithm in common with every implementation. */
export const COMMON_LISTS: NameLists = [
  "curve25519-sha256,ecdh-sha2-nistp256",
  "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512",
  "aes128-ctr,chacha20-poly1305@openssh.com",
  "aes128-ctr,chacha20-poly1305@openssh.com",
  "hmac-sha2-256-etm@openssh.com,hmac-sha2-256",
  "hmac-sha2-256-etm@openssh.com,hmac-sha2-256",
  "none",
  "none",
  "",
  "",
];

/** Encodes text with one byte per character, so that any byte can be written. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A `uint32`. */
export function uint32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** A `string` (RFC 4251 §5). */
export function string(value: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof value === "string" ? latin1(value) : value;
  return concat([uint32(bytes.length), bytes]);
}

/** A message: its number and its fields. */
export function message(number: number, ...fields: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat([Uint8Array.of(number), ...fields]);
}

/** An unencrypted packet (RFC 4253 §6), with correct lengths unless given. */
export function packet(
  payload: Uint8Array,
  wrong: { length?: number; padding?: number } = {},
): Uint8Array<ArrayBuffer> {
  const padding = 8 - (5 + payload.length) % 8;
  const bytes = new Uint8Array(padding < 4 ? padding + 8 : padding);
  const length = wrong.length ?? 1 + payload.length + bytes.length;
  return concat([uint32(length), Uint8Array.of(wrong.padding ?? bytes.length), payload, bytes]);
}

/** A KEXINIT message; `lists` replaces the common ones by index. */
export function kexInit(
  lists: Readonly<Partial<Record<keyof NameLists & `${number}`, string>>> = {},
  options: { follows?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const names = COMMON_LISTS.map((list, i) => (lists as Record<string, string>)[i] ?? list);
  return message(
    NUMBER.KEXINIT,
    noise(16),
    ...names.map(string),
    Uint8Array.of(options.follows ? 1 : 0),
    uint32(0),
  );
}

/** A KEXINIT that asks for strict key exchange. */
export function strictKexInit(role: "client" | "server"): Uint8Array<ArrayBuffer> {
  return kexInit({ 0: `${COMMON_LISTS[0]},${STRICT_FLAG[role]}` });
}

/** The payloads of the unencrypted packets that a peer sent after its identification. */
export function clearPackets(bytes: Uint8Array): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const length = view.getUint32(0);
    const payloadLength = length - 1 - view.getUint8(4);
    if (length > 300_000 || payloadLength < 1 || at + 4 + length > bytes.length) break;
    payloads.push(bytes.subarray(at + 5, at + 5 + payloadLength));
    at += 4 + length;
    if (payloads.at(-1)![0] === NUMBER.NEWKEYS) break; // what follows is encrypted
  }
  return payloads;
}

/** The reason and text of a DISCONNECT among the payloads, if there is one (RFC 4253 §11.1). */
export function disconnectOf(
  payloads: readonly Uint8Array[],
): { reason: number; text: string } | undefined {
  const payload = payloads.find((candidate) => candidate[0] === NUMBER.DISCONNECT);
  if (payload === undefined) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const text = payload.subarray(9, 9 + view.getUint32(5));
  return { reason: view.getUint32(1), text: new TextDecoder().decode(text) };
}
