/** The remote side of a channel, controlled by a test. */
import type { Channel } from "../../lib/connection/channel.ts";
import { writeData, writeWindowAdjust } from "../../lib/wire/hot.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import type { RawWorld } from "./raw_world.ts";

/** An empty array. */
export const none = new Uint8Array(0);

/** CHANNEL_DATA, or CHANNEL_EXTENDED_DATA of a type, of this many letters A. */
export function data(recipient: number, length: number, type = 0): Uint8Array {
  const payload = new Uint8Array((type === 0 ? 9 : 13) + length);
  writeData(payload, recipient, type, new Uint8Array(length).fill(65));
  return payload;
}

/** CHANNEL_WINDOW_ADJUST. */
export function adjust(recipient: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(9);
  writeWindowAdjust(payload, recipient, bytes);
  return payload;
}

/** Our channel, which the raw end has confirmed as number 7. */
export async function openChannel(
  world: RawWorld,
  { window = 100_000, maxPacket = 32_768 } = {},
): Promise<Channel> {
  const opening = world.connection.open("session");
  const open = m.ChannelOpen.decode(await world.raw.next(MSG.CHANNEL_OPEN));
  world.raw.send(m.ChannelOpenConfirmation.encode({
    recipient: open.sender,
    sender: 7,
    window,
    maxPacket,
    data: none,
  }));
  return await opening;
}

/** Reads from the channel at the raw end until this many bytes have arrived; returns their number. */
export async function receiveBytes(world: RawWorld, bytes: number): Promise<number[]> {
  const sizes: number[] = [];
  for (let sum = 0; sum < bytes;) {
    const size = (await world.raw.next(MSG.CHANNEL_DATA)).length - 9;
    sizes.push(size);
    sum += size;
  }
  return sizes;
}
