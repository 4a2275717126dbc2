import type { Channel } from "../../connection/channel.ts";
import { Mutex } from "../../waiting.ts";
import type { SftpChannel } from "./channel.ts";

/** Held by the channel that is sending, for each connection. */
const turns = new WeakMap<object, Mutex>();

/**
 * A channel for SFTP whose writes are sent whole: none of the same connection begins before the last one
 * has ended. For servers that mix up channels (`mixesChannels`).
 */
export function wholeWrites(channel: Channel): SftpChannel {
  const { connection } = channel;
  const turn = turns.get(connection) ?? new Mutex();
  turns.set(connection, turn);
  return {
    get state() {
      return channel.state;
    },
    readChunk: () => channel.readChunk(),
    consume: (take, options) => channel.consume(take, options),
    tryReadStderr: (into) => channel.tryReadStderr(into),
    async writeAll(...chunks) {
      if (!turn.tryLock()) await turn.lock(null);
      try {
        await channel.writeAll(...chunks);
      } finally {
        turn.unlock();
      }
    },
    closeWrite: () => channel.closeWrite(),
    close: () => channel.close(),
  };
}
