import type { Channel } from "../connection/channel.ts";
import { CHANNEL_FIRST_MS } from "../defaults.ts";
import { startOn } from "../session/command.ts";
import { SftpClient } from "../sftp/client.ts";
import {
  hidesCheckFile,
  mixesChannels,
  numbersHandles,
  serverReadsLinkFirst,
  takesDataAtOnce,
} from "../sftp/protocol/server_quirks.ts";
import { wholeWrites } from "../sftp/protocol/whole_writes.ts";
import { settlesWithin } from "../waiting.ts";
import type { CurrentConnection, LiveConnection } from "./current_connection.ts";
import type { WaitOptions } from "./run_options.ts";

/** Options for starting SFTP. */
export interface SftpStartOptions extends WaitOptions {
  /** The subsystem that serves files; `"sftp"` by default. */
  readonly subsystem?: string;
  /** Milliseconds within which each request must be answered; 120,000 by default. */
  readonly timeout?: number;
  /** Maximum bytes of one read or write; by default the server's limit. */
  readonly requestLength?: number;
}

/** The further connections of a client. */
interface Elsewhere {
  /** How many there may be, including the first. */
  readonly count: number;
  /** Opens a session on one of them; null if it is the turn of the first one, or there is no room. */
  open(wait: WaitOptions): Promise<Channel | null>;
}

/**
 * Starts SFTP on a session of the connection, with what is known of its server. A resilient client opens it
 * again after a loss.
 *
 * @param elsewhere Where to open further channels for large files, besides this connection
 */
export async function startSftp(
  current: CurrentConnection,
  { subsystem = "sftp", ...options }: SftpStartOptions,
  elsewhere: Elsewhere | null,
): Promise<SftpClient> {
  const { server } = current.live.transport.identification;
  const start = async (channel: Channel, wait: WaitOptions) => {
    const started = await startOn(channel, { kind: "subsystem", name: subsystem }, wait);
    return mixesChannels(server) ? wholeWrites(started) : started;
  };
  const open = async (live: LiveConnection, wait: WaitOptions) =>
    await start(await live.sessions.open(wait), wait);
  const further = async (giveWay: () => void, wait: WaitOptions) => {
    const channel = await elsewhere?.open(wait) ?? await spare(current.live, giveWay, wait);
    if (channel === null) return null;
    const starting = start(channel, wait);
    if (!takesDataAtOnce(server)) return await starting;
    // A refusal, after the first channel was accepted, ends the session.
    starting.catch(() => {});
    return channel;
  };
  return await current.run(async (first) => {
    let live = first;
    const channel = await open(live, options);
    const reopen = async (signal: AbortSignal) => {
      const isLost = await settlesWithin(live.transport.closed, CHANNEL_FIRST_MS, signal);
      if (!isLost) return null; // only the channel was closed
      await current.after(live, signal);
      return await current.run((next) => open(live = next, { signal }), signal);
    };
    return await SftpClient.open(channel, {
      ...options,
      linkFirst: serverReadsLinkFirst(server),
      checkFile: hidesCheckFile(server),
      numbersHandles: numbersHandles(server),
      further,
      ...elsewhere && { connections: elsewhere.count },
      ...current.isResilient && { reopen },
    });
  }, options.signal);
}

/** Opens a session that may be closed for another one; null if there is no room. */
async function spare(
  { sessions, transport }: LiveConnection,
  giveWay: () => void,
  wait: WaitOptions,
): Promise<Channel | null> {
  // Other programs need the sessions of a control master, too, and cannot ask ours to make room for them.
  return transport.shared ? null : await sessions.openSpare(giveWay, wait);
}
