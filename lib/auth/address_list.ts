import { matchesWildcards } from "../patterns.ts";

/** An address as its bits. */
interface Bits {
  readonly value: bigint;
  readonly length: 32 | 128;
}

/**
 * Whether a list of addresses, separated by commas, has an address: wildcards, `address/bits` and, with
 * `!`, exceptions, which win. As sshd has it, a list with a mistake in it has nobody.
 */
export function listsAddress(list: string, address: string): boolean {
  const bits = bitsOf(address);
  let found = false;
  for (const entry of list.split(",")) {
    const negated = entry.startsWith("!");
    const pattern = negated ? entry.slice(1) : entry;
    const match = pattern.includes("/")
      ? matchesNetwork(pattern, bits)
      : matchesWildcards(pattern.toLowerCase(), address.toLowerCase()) || sameBits(pattern, bits);
    if (match === null || pattern === "") return false;
    if (match && negated) return false;
    found ||= match;
  }
  return found;
}

/** The network that an address counts as: itself, or the first half of an IPv6 address. */
export function networkOf(address: string): string {
  const bits = bitsOf(address);
  if (bits === null) return address;
  return bits.length === 32 ? `${bits.value}` : `${bits.value >> 64n}/64`;
}

/** Null if it is no network, or has bits that its mask leaves out. */
function matchesNetwork(pattern: string, address: Bits | null): boolean | null {
  const [base = "", mask = "", ...more] = pattern.split("/");
  const network = bitsOf(base);
  if (network === null || more.length > 0 || !/^\d{1,3}$/.test(mask)) return null;
  const host = network.length - Number(mask);
  if (host < 0 || network.value & ((1n << BigInt(host)) - 1n)) return null;
  if (address === null || address.length !== network.length) return false;
  return address.value >> BigInt(host) === network.value >> BigInt(host);
}

function sameBits(pattern: string, address: Bits | null): boolean {
  const bits = bitsOf(pattern);
  return address !== null && bits !== null && bits.length === address.length &&
    bits.value === address.value;
}

/** An IPv4 or IPv6 address, the one inside the other as what it is; null if it is none. */
function bitsOf(text: string): Bits | null {
  const v4 = bitsOfV4(text);
  if (v4 !== null) return { value: v4, length: 32 };
  const value = bitsOfV6(text);
  if (value === null) return null;
  // ::ffff:1.2.3.4 is how a socket for both families names an IPv4 peer.
  return value >> 32n === 0xffffn
    ? { value: value & 0xffff_ffffn, length: 32 }
    : { value, length: 128 };
}

function bitsOfV4(text: string): bigint | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return null;
  return parts.reduce((value, part) => value << 8n | BigInt(part), 0n);
}

function bitsOfV6(text: string): bigint | null {
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail) {
    const low = bitsOfV4(tail[2]!);
    if (low === null) return null;
    return bitsOfV6(`${tail[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, end] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head!.length - (end?.length ?? 0);
  if (end === undefined ? missing !== 0 : missing < 1) return null;
  const words = [...head!, ...new Array<string>(end ? missing : 0).fill("0"), ...end ?? []];
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return null;
  return words.reduce((value, word) => value << 16n | BigInt(`0x${word}`), 0n);
}
