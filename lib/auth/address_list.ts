import { matchesWildcards } from "../patterns.ts";

/** An IP address as bits. */
interface Bits {
  readonly value: bigint;
  readonly length: 32 | 128;
}

/**
 * Whether an address matches a comma-separated list of wildcards, `address/bits` and, with `!`,
 * exceptions, which take precedence. As in sshd, a malformed list matches no address.
 */
export function listsAddress(list: string, address: string): boolean {
  const bits = bitsOf(address);
  let found = false;
  for (const entry of list.split(",")) {
    const negated = entry.startsWith("!");
    const pattern = negated ? entry.slice(1) : entry;
    const network = matchesNetwork(pattern, bits);
    if (pattern === "" || (network === null && pattern.includes("/"))) return false;
    const match = network ?? matchesWildcards(pattern.toLowerCase(), address.toLowerCase());
    if (match && negated) return false;
    found ||= match;
  }
  return found;
}

/**
 * Whether an address is in one of the networks of a certificate's `source-address`, which has neither
 * wildcards nor exceptions. A malformed list matches no address.
 */
export function listsNetwork(list: string, address: string): boolean {
  const bits = bitsOf(address);
  const matches = list.split(",").map((network) => matchesNetwork(network, bits));
  return matches.includes(true) && !matches.includes(null);
}

/** An address in its canonical notation. */
export function addressBits(address: string): string {
  return `${bitsOf(address)?.value ?? address}`;
}

/**
 * The network that limits count an address under: the address itself, or the first half of an IPv6
 * address.
 */
export function networkOf(address: string): string {
  const bits = bitsOf(address);
  return bits?.length === 128 ? `${bits.value >> 64n}/64` : addressBits(address);
}

/** Null if it is neither an address nor a network, or has bits outside its mask. */
function matchesNetwork(pattern: string, address: Bits | null): boolean | null {
  const [base = "", mask, ...more] = pattern.split("/");
  const network = bitsOf(base);
  if (network === null || more.length > 0 || !/^\d{1,3}$/.test(mask ?? "0")) return null;
  const host = mask === undefined ? 0 : network.length - Number(mask);
  if (host < 0 || network.value & ((1n << BigInt(host)) - 1n)) return null;
  if (address === null || address.length !== network.length) return false;
  return address.value >> BigInt(host) === network.value >> BigInt(host);
}

/** An IPv4 or IPv6 address; an IPv4 address inside IPv6 is read as IPv4. Null if it is not an address. */
function bitsOf(text: string): Bits | null {
  const v4 = bitsOfV4(text);
  if (v4 !== null) return { value: v4, length: 32 };
  const value = bitsOfV6(text);
  if (value === null) return null;
  // ::ffff:1.2.3.4 is the address of an IPv4 peer on a socket for both families.
  return value >> 32n === 0xffffn
    ? { value: value & 0xffff_ffffn, length: 32 }
    : { value, length: 128 };
}

/**
 * As sshd's `inet_aton` reads it: a part that begins with 0 is octal, one with 0x hexadecimal, and the
 * last of fewer than four parts fills the bytes that are left.
 */
function bitsOfV4(text: string): bigint | null {
  const parts = text.split(".").map(partOfV4);
  const last = parts.pop();
  if (typeof last !== "bigint" || parts.length > 3) return null;
  let value = 0n;
  for (const part of parts) {
    if (part === null || part > 255n) return null;
    value = value << 8n | part;
  }
  const bits = BigInt(8 * (4 - parts.length));
  return last >> bits === 0n ? value << bits | last : null;
}

function partOfV4(text: string): bigint | null {
  if (!/^(0[0-7]{0,12}|0x[0-9a-f]{1,12}|[1-9]\d{0,9})$/i.test(text)) return null;
  return BigInt(text.replace(/^0(?=\d)/, "0o"));
}

function bitsOfV6(text: string): bigint | null {
  // The tail of an IPv6 address is four plain numbers (RFC 4291 §2.2).
  const tail = /^(.*:)((?:(?:0|[1-9]\d{0,2})(?:\.(?!$)|$)){4})$/.exec(text);
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
