/**
 * The three messages that carry bulk data, read and written by hand: no closures, no objects, no
 * copies beyond the one that is needed.
 */
import { ProtocolError } from "../errors.ts";
import { MSG } from "./numbers.ts";

/** CHANNEL_DATA: byte, uint32 recipient, string data (RFC 4254 §5.2). */
export const DATA_HEADER = 9;
/** CHANNEL_EXTENDED_DATA: byte, uint32 recipient, uint32 type, string data (RFC 4254 §5.2). */
export const EXTENDED_DATA_HEADER = 13;
/** CHANNEL_WINDOW_ADJUST: byte, uint32 recipient, uint32 bytes (RFC 4254 §5.2). */
export const WINDOW_ADJUST_LENGTH = 9;

/** A big-endian uint32 of a payload. */
export function peek32(payload: Uint8Array, at: number): number {
  return ((payload[at]! << 24) | (payload[at + 1]! << 16) | (payload[at + 2]! << 8) |
    payload[at + 3]!) >>> 0;
}

/** Writes a big-endian uint32. */
export function poke32(payload: Uint8Array, at: number, value: number): void {
  payload[at] = value >>> 24;
  payload[at + 1] = value >>> 16;
  payload[at + 2] = value >>> 8;
  payload[at + 3] = value;
}

/** Writes CHANNEL_DATA, or CHANNEL_EXTENDED_DATA if `type` is not 0, into a packet's room. */
export function writeData(
  room: Uint8Array,
  recipient: number,
  type: number,
  data: Uint8Array,
): void {
  room[0] = type === 0 ? MSG.CHANNEL_DATA : MSG.CHANNEL_EXTENDED_DATA;
  poke32(room, 1, recipient);
  const header = type === 0 ? DATA_HEADER : EXTENDED_DATA_HEADER;
  if (type !== 0) poke32(room, 5, type);
  poke32(room, header - 4, data.length);
  room.set(data, header);
}

/** The data of CHANNEL_DATA or CHANNEL_EXTENDED_DATA: a view on the payload, length checked. */
export function readData(payload: Uint8Array, header: number): Uint8Array {
  if (payload.length < header || peek32(payload, header - 4) !== payload.length - header) {
    throw new ProtocolError("Channel data does not fill its message");
  }
  return payload.subarray(header);
}

/** Writes CHANNEL_WINDOW_ADJUST into a packet's room. */
export function writeWindowAdjust(room: Uint8Array, recipient: number, bytes: number): void {
  room[0] = MSG.CHANNEL_WINDOW_ADJUST;
  poke32(room, 1, recipient);
  poke32(room, 5, bytes);
}
