import { SFTP_CHANNELS } from "../../defaults.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { nullIfRefused } from "../protocol/status.ts";
import { ChannelNeed, type ChannelSample } from "./channel_need.ts";
import { Lane } from "./lane.ts";
import type { RemoteFile } from "./remote_file.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import { plainMessage } from "../../error_messages.ts";

/** A file of which fewer bytes are to come is not opened in further sessions: it is over as soon. */
const SMALL_REST_BYTES = 2 * 1024 * 1024;

/** A further session of a transfer, on a channel of its connection. */
export class FurtherSession {
  readonly remote: RemoteFileSystem;
  readonly #lanes: Set<Lane> = new Set();
  #leaving: Promise<void> | null = null;

  constructor(remote: RemoteFileSystem) {
    this.remote = remote;
  }

  /** Whether it is being ended by this side. */
  get isLeaving(): boolean {
    return this.#leaving !== null;
  }

  /** Whether files may be opened in it. */
  get usable(): boolean {
    return this.#leaving === null && this.remote.session.cause === null;
  }

  /**
   * Opens a file that is being written; null if the session does not see what has been written so far, as with a
   * server that keeps it with the handle.
   */
  async lane(
    path: string,
    about: string,
    written: number,
    limits: SftpOptions,
  ): Promise<Lane | null> {
    const file = await this.remote.file(path, { ...limits, write: true }, about);
    const info = await nullIfRefused(file.stat(limits));
    if (!this.usable || info === null || !info.isFile || info.size < written) {
      file.close().catch(() => {}); // nothing was written
      return null;
    }
    const lane = new Lane(file);
    this.#lanes.add(lane);
    return lane;
  }

  /** Opens a file for reading; null if it is another one by now than that of these attributes. */
  async sameFile(
    path: string,
    { size, mtime }: SftpFileInfo,
    limits: SftpOptions,
  ): Promise<RemoteFile | null> {
    const file = await this.remote.file(path, { ...limits, read: true });
    const info = await nullIfRefused(file.stat(limits));
    const isSame = info?.size === size && info.mtime?.getTime() === mtime?.getTime();
    if (isSame && this.usable) return file;
    file.close().catch(() => {}); // nothing was read
    return null;
  }

  /** Ends the session after what was sent in it is answered. */
  leave(): Promise<void> {
    return this.#leaving ??= this.#leave();
  }

  async #leave(): Promise<void> {
    await Promise.allSettled([...this.#lanes].map((lane) => lane.close({})));
    await this.remote.session.close();
  }
}

/**
 * The further sessions that one transfer spreads its large files over. There are none unless the window of the
 * channel limits the transfer, or a number of channels is asked for; a server that refuses them has fewer.
 */
export class FurtherSessions {
  readonly #remote: RemoteFileSystem;
  readonly #channels: number | "auto";
  /** A file of which fewer bytes are to come is not spread. */
  readonly #least: number;
  readonly #note: (note: string) => void;
  /** The most channels. */
  readonly #most: number;
  readonly #need: ChannelNeed;
  readonly #sessions: FurtherSession[] = [];
  /** Bytes of small files so far. */
  #small = 0;
  /** Whose turn it is to have a small file. */
  #turn = 0;
  /** Gives up opening. */
  readonly #stop: AbortController = new AbortController();
  #isInPlace = false;
  #state: "looking" | "opening" | "complete" | "closed";

  constructor(
    remote: RemoteFileSystem,
    { channels, role }: {
      readonly channels: number | "auto";
      /** What is read has one channel a connection unless told otherwise: our own windows grow with the path. */
      readonly role: "source" | "target";
    },
    note: (note: string) => void = () => {},
  ) {
    this.#remote = remote;
    this.#channels = channels === "auto" && role === "source" ? remote.connections : channels;
    this.#least = channels === "auto" ? SMALL_REST_BYTES : 0;
    // Each connection has as many sessions as the server allows it.
    this.#most = this.#channels === "auto" ? SFTP_CHANNELS * remote.connections : this.#channels;
    this.#need = new ChannelNeed(this.#most);
    this.#note = (text) => {
      try {
        note(text);
      } catch {
        // What a listener throws is not the transfer's.
      }
    };
    this.#state = this.#channels === 1 ? "complete" : "looking";
  }

  /** Opens what is asked for already, since a file of this size is to come. */
  expect(size: number): void {
    const isAsked = this.#channels !== "auto" || this.#remote.connections > 1;
    if (isAsked && this.#state === "looking" && size > this.#least) this.#look(size);
  }

  /**
   * The sessions to open a file in of which `left` bytes are to come. Decides from what has been sent lately
   * whether to start more, in the background.
   */
  for(left: number): readonly FurtherSession[] {
    if (left < this.#least) return [];
    if (this.#state === "looking") this.#look(left);
    return this.#usable;
  }

  /** The session for a file of this size: over several connections, small files are sent in turns. */
  forWhole(size: number): RemoteFileSystem {
    if (this.#remote.connections === 1 || size >= this.#least) return this.#remote;
    this.#small += size;
    if (this.#small >= this.#least) this.expect(Infinity);
    const all = [this.#remote, ...this.#usable.map(({ remote }) => remote)];
    return all[this.#turn++ % all.length]!;
  }

  /** How many have ended by themselves. */
  get lost(): number {
    return this.#sessions.filter(({ usable, isLeaving }) => !usable && !isLeaving).length;
  }

  get #usable(): readonly FurtherSession[] {
    return this.#sessions.filter((session) => session.usable);
  }

  #look(left: number): void {
    const { connections, channels: { useful } } = this.#remote;
    if (this.#channels !== "auto") {
      const isEach = connections === this.#channels && connections > 1;
      return this.#open(this.#channels, isEach ? "one a connection" : "as asked for");
    }
    if (useful > 1 && this.#sessions.length === 0) {
      return this.#open(useful, "as for the last file");
    }
    if (connections > 1 && this.#sessions.length === 0) {
      return this.#open(connections, "one a connection");
    }
    const sample = this.#sample();
    if (sample === null) return;
    const count = this.#need.count(sample, left);
    if (count > sample.channels) this.#open(count, this.#need.why);
  }

  /** What the windows of so many channels hold together. */
  windows(channels: number): number {
    return channels * (this.#remote.session.flow?.largestSendWindow ?? 0);
  }

  /** Notes that a file is written in place, which is done over one channel. */
  inPlace(): void {
    this.#isInPlace = true;
  }

  /** Ends all of them; the client waits for that when it is closed. */
  close(): void {
    this.#state = "closed";
    this.#stop.abort();
    const count = 1 + this.#usable.length;
    if (this.#channels === "auto") {
      if (this.#sessions.length > 0) this.#remote.channels.useful = count;
      const whyNot = this.#isInPlace ? "the file is written in place" : this.#need.whyNot;
      if (whyNot !== null) this.#note(`${channelCount(count)}: ${whyNot}`);
    }
    for (const session of this.#sessions) this.#track(session.leave());
  }

  /** What all channels together have sent; null if they do not tell. */
  #sample(): ChannelSample | null {
    let [channels, bytes, waited] = [0, 0, 0];
    for (const { session } of [this.#remote, ...this.#usable.map(({ remote }) => remote)]) {
      if (session.flow === undefined) return null;
      channels++;
      bytes += session.flow.bytesSent;
      waited += session.flow.waitedForWindow;
    }
    const { flow, pathEstimates: { write: { roundTrip } } } = this.#remote.session;
    const window = flow!.largestSendWindow;
    return { at: performance.now(), channels, bytes, waited, window, roundTrip };
  }

  /** Opens as many as are missing, in the background. */
  #open(channels: number, why: string): void {
    this.#state = "opening";
    const missing = channels - 1 - this.#usable.length;
    this.#note(`Spreading over ${channels} channels: ${why}`);
    this.#track(this.#openAll(missing, channels));
  }

  async #openAll(missing: number, channels: number): Promise<void> {
    const opened = await Promise.all(Array.from({ length: missing }, () => this.#openOne()));
    this.#need.changed();
    if (this.#state === "closed") return;
    const refusal = opened.find((reason) => reason !== null);
    if (refusal) this.#note(`${channelCount(1 + this.#usable.length)}: ${refusal}`);
    if (this.#state !== "opening") return;
    this.#state = refusal || channels >= this.#most ? "complete" : "looking";
  }

  /** Opens one; resolves to the reason if that is not possible. */
  async #openOne(): Promise<string | null> {
    let session: FurtherSession | null = null;
    let isLeaving = false;
    const giveWay = () => {
      isLeaving = true;
      if (this.#state !== "closed") this.#state = "complete"; // or it would take the place again
      this.#note("A channel gives way to another session");
      if (session !== null) this.#track(session.leave());
    };
    try {
      const remote = await this.#remote.further(giveWay, this.#stop.signal);
      if (remote === null) return "there is no room for another session";
      session = new FurtherSession(remote);
      this.#sessions.push(session);
      if (isLeaving || this.#state === "closed") this.#track(session.leave());
      return null;
    } catch (cause) {
      return plainMessage(cause);
    }
  }

  #track(running: Promise<void>): void {
    const { closing } = this.#remote.channels;
    const done = running.catch(() => {}).then(() => void closing.delete(done));
    closing.add(done);
  }
}

function channelCount(count: number): string {
  return count === 1 ? "One channel" : `${count} channels`;
}
