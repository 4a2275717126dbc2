/** Lists of networks in CIDR form, as in `Match localnetwork`. */
import { canonicalAddress } from "./canonical.ts";

/** A network: its address in bytes, and the length of its prefix in bits. */
interface Network {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** The networks of a comma-separated list; null if one is malformed or has bits after its mask. */
export function parseNetworks(list: string): Network[] | null {
  const networks = list.split(",").map(parseNetwork);
  return networks.includes(null) ? null : networks as Network[];
}

/** Whether an address is in one of the networks. */
export function isInNetworks(address: string, networks: readonly Network[]): boolean {
  const bytes = bytesOf(address.replace(/%.*$/s, "")); // without the zone of a link-local address
  return bytes !== null && networks.some((network) =>
    network.bytes.length === bytes.length &&
    equals(network.bytes, masked(bytes, network.bits))
  );
}

function parseNetwork(text: string): Network | null {
  const [, address, length] = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const bytes = address === undefined ? null : bytesOf(address);
  if (bytes === null) return null;
  const bits = length === undefined ? bytes.length * 8 : Number(length);
  if (bits > bytes.length * 8 || !equals(bytes, masked(bytes, bits))) return null;
  return { bytes, bits };
}

function bytesOf(address: string): Uint8Array | null {
  const canonical = canonicalAddress(address);
  if (canonical === null) return null;
  if (!canonical.includes(":")) return Uint8Array.from(canonical.split("."), Number);
  const text = canonical.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) => `${(a * 256 + +b).toString(16)}:${(c * 256 + +d).toString(16)}`,
  );
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  return Uint8Array.from(
    [...groups(head), ...Array<string>(missing).fill("0"), ...groups(tail ?? "")]
      .map((group) => parseInt(group, 16))
      .flatMap((value) => [value >> 8, value & 255]),
  );
}

function masked(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, at) => byte & ~(255 >> Math.min(8, Math.max(0, bits - at * 8))));
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, at) => byte === b[at]);
}
