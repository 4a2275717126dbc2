import type { X11Authority } from "../connection/x11_setup.ts";
import { encodeHex } from "../encoding.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import type { Display } from "./x11_display.ts";

/** One entry of an Xauthority file (Xau(3)). */
export interface AuthorityEntry extends X11Authority {
  /** The kind of address. */
  readonly family: number;
  /** The address, or the name of the machine. */
  readonly address: Uint8Array;
  /** The number of the display; empty means every display. */
  readonly number: string;
}

const INTERNET = 0;
const INTERNET6 = 6;
const LOCAL = 256;
/** Every address. */
export const WILD = 65535;

/** Protocols whose secret can be sent unchanged. */
const PROTOCOL = "MIT-MAGIC-COOKIE-1";

/** The largest file to read; real ones are smaller. */
const MAX_FILE = 1024 * 1024;

/**
 * Finds the secret of a display in the user's file: XAUTHORITY, or ~/.Xauthority.
 *
 * @returns The secret, or null if the file has none or does not exist
 */
export async function findAuthority(display: Display): Promise<X11Authority | null> {
  const home = runtime.env.get("HOME");
  const path = runtime.env.get("XAUTHORITY") ?? (home && `${home}/.Xauthority`);
  if (!path) return null;
  let bytes: Uint8Array;
  try {
    if ((await runtime.files.stat(path)).size > MAX_FILE) return null;
    bytes = await runtime.files.readFile(path);
  } catch (error) {
    if (isError(error, "NotFound")) return null;
    throw error;
  }
  return chooseAuthority(decodeAuthorities(bytes), display, runtime.process.hostname());
}

/** The first entry for the display; the name of this machine stands for its Unix sockets. */
export function chooseAuthority(
  entries: readonly AuthorityEntry[],
  { hostname, number }: Display,
  machine: string,
): X11Authority | null {
  // As in Xlib, connections to the loopback address count as local.
  const local = hostname === null || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(hostname);
  const fits = (entry: AuthorityEntry) => {
    if (entry.protocol !== PROTOCOL || !["", `${number}`].includes(entry.number)) return false;
    if (entry.family === WILD) return true;
    const address = new TextDecoder().decode(entry.address);
    if (local) return entry.family === LOCAL && address === machine;
    if (entry.family === INTERNET) return entry.address.join(".") === hostname;
    if (entry.family === INTERNET6) return isSameAddress(entry.address, hostname!);
    return entry.family === LOCAL && address === hostname;
  };
  const found = entries.find(fits);
  return found === undefined ? null : { protocol: found.protocol, data: found.data };
}

/** Parses the file; skips a truncated entry at its end. */
export function decodeAuthorities(bytes: Uint8Array): AuthorityEntry[] {
  const entries: AuthorityEntry[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const part = (): Uint8Array | null => {
    if (at + 2 > bytes.length) return null;
    const end = at + 2 + view.getUint16(at);
    if (end > bytes.length) return null;
    const value = bytes.slice(at + 2, end);
    at = end;
    return value;
  };
  while (at + 2 <= bytes.length) {
    const family = view.getUint16(at);
    at += 2;
    const [address, number, protocol, data] = [part(), part(), part(), part()];
    if (!address || !number || !protocol || !data) break;
    const text = (value: Uint8Array) => new TextDecoder().decode(value);
    entries.push({ family, address, number: text(number), protocol: text(protocol), data });
  }
  return entries;
}

/** Encodes an entry. */
export function encodeAuthority(entry: AuthorityEntry): Uint8Array {
  const { family, address, data } = entry;
  const [number, protocol] = [entry.number, entry.protocol].map((t) => new TextEncoder().encode(t));
  const parts = [address, number!, protocol!, data];
  const short = (value: number) => [value >> 8 & 0xff, value & 0xff];
  return Uint8Array.from([
    ...short(family),
    ...parts.flatMap((part) => [...short(part.length), ...part]),
  ]);
}

/** Whether 16 bytes are the given IPv6 address, compared in the form of URLs. */
function isSameAddress(bytes: Uint8Array, hostname: string): boolean {
  const text = encodeHex(bytes).match(/.{4}/g)?.join(":");
  const canonical = (address: string) => {
    const url = `http://[${address}]/`;
    return URL.canParse(url) ? new URL(url).hostname : null;
  };
  return text !== undefined && canonical(text) !== null && canonical(text) === canonical(hostname);
}
