import { ProtocolError } from "../errors.ts";

/** The authentication of X clients: a protocol and a secret. */
export interface X11Authority {
  /** The protocol, such as `"MIT-MAGIC-COOKIE-1"`. */
  readonly protocol: string;
  /** The secret: 16 bytes for that protocol. */
  readonly data: Uint8Array;
}

/** The first message of an X client (X Window System Protocol §8). */
export interface X11Setup extends X11Authority {
  /** The fixed part. */
  readonly head: Uint8Array;
  readonly littleEndian: boolean;
}

/** Byte order, protocol version and two lengths; then the name and the secret, padded. */
const HEAD = 12;
const NAME_LENGTH = 6;
const DATA_LENGTH = 8;

/** The longest name or secret. Usual ones have 18 and 24 bytes, and a Kerberos ticket less than this. */
const MAX_TEXT = 4096;

const LITTLE = 0x6c; // "l"
const BIG = 0x42; // "B"

/**
 * Reads the first message, and nothing after it.
 *
 * @param read Fills a whole buffer
 * @throws {ProtocolError} If it is malformed
 */
export async function readSetup(read: (into: Uint8Array) => Promise<void>): Promise<X11Setup> {
  const head = new Uint8Array(HEAD);
  await read(head);
  if (head[0] !== LITTLE && head[0] !== BIG) throw new ProtocolError("Not an X client");
  const littleEndian = head[0] === LITTLE;
  const view = new DataView(head.buffer);
  const nameLength = view.getUint16(NAME_LENGTH, littleEndian);
  const dataLength = view.getUint16(DATA_LENGTH, littleEndian);
  if (Math.max(nameLength, dataLength) > MAX_TEXT) {
    throw new ProtocolError("The secret of the X client is too long");
  }
  const text = new Uint8Array(padded(nameLength) + padded(dataLength));
  await read(text);
  return {
    head,
    littleEndian,
    protocol: new TextDecoder().decode(text.subarray(0, nameLength)),
    data: text.subarray(padded(nameLength), padded(nameLength) + dataLength),
  };
}

/** Encodes the message with another secret, or without one. */
export function encodeSetup(
  { head, littleEndian }: X11Setup,
  authority: X11Authority | null,
): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(authority?.protocol ?? "");
  const data = authority?.data ?? new Uint8Array(0);
  const bytes = new Uint8Array(HEAD + padded(name.length) + padded(data.length));
  bytes.set(head);
  const view = new DataView(bytes.buffer);
  view.setUint16(NAME_LENGTH, name.length, littleEndian);
  view.setUint16(DATA_LENGTH, data.length, littleEndian);
  bytes.set(name, HEAD);
  bytes.set(data, HEAD + padded(name.length));
  return bytes;
}

/** Encodes the refusal of an X server. */
export function encodeRefusal({ littleEndian }: X11Setup, reason: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(reason);
  const bytes = new Uint8Array(8 + padded(text.length));
  const view = new DataView(bytes.buffer);
  bytes[1] = text.length;
  view.setUint16(2, 11, littleEndian); // protocol version
  view.setUint16(6, padded(text.length) / 4, littleEndian);
  bytes.set(text, 8);
  return bytes;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
