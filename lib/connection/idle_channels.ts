import { ClosedError } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import type { ChannelCore } from "./channel_core.ts";

/** Milliseconds between checks; limits in ssh_config(5) are whole seconds. */
const CHECK_MS = 1_000;

/** The names of channel types in ssh_config(5). */
const NAMES: Readonly<Record<string, string>> = {
  "auth-agent@openssh.com": "agent-connection",
  "agent-connect": "agent-connection",
  x11: "x11-connection",
};

/** Milliseconds without data after which channels are closed, by patterns of their types; 0 means never. */
export type ChannelTimeouts = Readonly<Record<string, number>>;

/**
 * Closes channels that carry no data for too long, like ssh's ChannelTimeout. The first pattern that
 * matches the type counts; `global` closes all channels once none of them carries data.
 *
 * @returns A function that stops the checks
 */
export function closeIdleChannels(
  timeouts: ChannelTimeouts,
  channels: () => Iterable<ChannelCore>,
): () => void {
  const { global = 0, ...byType } = timeouts;
  const idle = new WeakMap<ChannelCore, { carried: number; milliseconds: number }>();
  let quiet = 0; // milliseconds without data on any channel
  const timer = setInterval(() => {
    quiet += CHECK_MS;
    const open = [...channels()].filter((channel) => channel.isOpen);
    for (const channel of open) {
      const { carried } = channel;
      const before = idle.get(channel);
      if (before?.carried !== carried) {
        idle.set(channel, { carried, milliseconds: 0 });
        quiet = 0;
        continue;
      }
      before.milliseconds += CHECK_MS;
      const limit = limitOf(channel, byType);
      if (limit > 0 && before.milliseconds >= limit) abort(channel, limit);
    }
    if (global > 0 && quiet >= global) {
      for (const channel of open) abort(channel, global);
    }
  }, CHECK_MS);
  return () => clearInterval(timer);
}

function limitOf({ opening: { type } }: ChannelCore, byType: ChannelTimeouts): number {
  const name = NAMES[type] ?? type;
  const found = Object.entries(byType).find(([pattern]) => matchesWildcards(pattern, name));
  return found?.[1] ?? 0;
}

function abort(channel: ChannelCore, limit: number): void {
  const error = new ClosedError(`The channel carried no data for ${limit / 1000} s`);
  channel.abort(() => error);
}
