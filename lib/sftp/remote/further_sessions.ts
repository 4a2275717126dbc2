import { SFTP_CHANNELS, SFTP_REPEATS } from "../../defaults.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import type { SftpOptions } from "../protocol/options.ts";
import { nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";
import { areWindowsFull, ChannelNeed, type ChannelSample, mayNeedMore } from "./channel_need.ts";
import { Lane } from "./lane.ts";
import type { RemoteFile } from "./remote_file.ts";
import type { RemoteFileSystem } from "./remote_file_system.ts";
import { plainMessage } from "../../error_messages.ts";
import { Condition } from "../../waiting.ts";

/** A file with fewer bytes left is not opened in further sessions: it is finished before they could help. */
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

  /** Whether files may be opened in it: not if another one waited for an answer in vain. */
  get usable(): boolean {
    return this.#leaving === null && this.remote.session.cause === null &&
      ![...this.#lanes].some(({ isUnanswered }) => isUnanswered);
  }

  /**
   * Opens a file that is being written; null if the session ends meanwhile. Writes fail if this session does
   * not see the bytes written so far, as with a server that buffers them per handle.
   */
  async lane(
    path: string,
    about: string,
    written: number,
    limits: SftpOptions,
  ): Promise<Lane | null> {
    const open = { ...limits, write: true };
    const { file, opened } = this.remote.fileAtOnce(path, open, about) ??
      { file: await this.remote.file(path, open, about), opened: null };
    if (!this.usable) {
      file.close().catch(() => {}); // nothing was written
      return null;
    }
    const seen = sees(file, written, about, limits);
    const lane = new Lane(
      file,
      opened === null ? seen : Promise.all([opened, seen]).then(() => {}),
    );
    this.#lanes.add(lane);
    return lane;
  }

  /** Opens a file for reading; null if its attributes are not these any more. */
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

  /** Ends the session after its requests are answered. */
  leave(): Promise<void> {
    return this.#leaving ??= this.#leave();
  }

  async #leave(): Promise<void> {
    await Promise.allSettled([...this.#lanes].map((lane) => lane.close({})));
    await this.remote.session.close();
  }
}

/** Resolves if the open file has the bytes written in another session. */
async function sees(
  file: RemoteFile,
  written: number,
  about: string,
  limits: SftpOptions,
): Promise<void> {
  const { isFile, size } = await file.stat(limits);
  if (isFile && size >= written) return;
  const call = { operation: "write", path: about };
  throw sftpError(SftpStatus.FAILURE, call, "another session does not see what was written");
}

/**
 * The further sessions over which one transfer spreads its large files. They are opened only if the window
 * of the channel limits the transfer or the caller asked for several channels, and the server may refuse
 * some.
 */
export class FurtherSessions {
  readonly #remote: RemoteFileSystem;
  readonly #channels: number | "auto";
  /** A file with fewer bytes left is not spread. */
  readonly #least: number;
  readonly #note: (note: string) => void;
  /** The most channels. */
  readonly #most: number;
  readonly #need: ChannelNeed;
  readonly #sessions: FurtherSession[] = [];
  /** Bytes of small files so far. */
  #small = 0;
  /** Counts small files, to give them to the sessions in turn. */
  #turn = 0;
  /** The number of channels that are being opened, with those that are open; 0 if none is. */
  #expected = 0;
  /** The number of lost sessions that were replaced, or are not to be. */
  #replaced = 0;
  /** Notified when a session is opened, or the last attempt fails. */
  readonly #news: Condition = new Condition();
  /** Cancels opening. */
  readonly #stop: AbortController = new AbortController();
  #isInPlace = false;
  /** Whether the sessions were opened in advance, and are not used yet. */
  #isReserve = false;
  /** The sample at which as many channels were open as allowed. */
  #sinceMost: ChannelSample | null = null;
  #state: "looking" | "opening" | "complete" | "closed";

  constructor(
    remote: RemoteFileSystem,
    { channels, role }: {
      readonly channels: number | "auto";
      /** A source has one channel per connection by default, because our receive windows grow with the path. */
      readonly role: "source" | "target";
    },
    note: (note: string) => void = () => {},
  ) {
    this.#remote = remote;
    this.#channels = channels === "auto" && role === "source" ? remote.connections : channels;
    this.#least = channels === "auto" ? SMALL_REST_BYTES : 0;
    // The server limits the sessions of each connection.
    this.#most = this.#channels === "auto" ? SFTP_CHANNELS * remote.connections : this.#channels;
    this.#need = new ChannelNeed(this.#most);
    this.#note = (text) => {
      try {
        note(text);
      } catch {
        // An error of the listener must not fail the transfer.
      }
    };
    this.#state = this.#channels === 1 ? "complete" : "looking";
  }

  /**
   * Opens the sessions that the caller asked for, or that will probably be needed, before a file of this
   * size begins.
   */
  expect(size: number): void {
    if (this.#state !== "looking" || size <= this.#least) return;
    const { connections, channels: { useful, isEnough }, session } = this.#remote;
    if (this.#channels !== "auto") return this.#look(size);
    const { flow, pathEstimates: { write: { roundTrip } } } = session;
    const isLong = flow !== undefined && mayNeedMore(size, flow.largestSendWindow, roundTrip);
    if (connections > 1) {
      return isLong ? this.#open(this.#most, "as many as the connections allow") : this.#look(size);
    }
    if (!isLong) return;
    if (useful > 1) return this.#look(size);
    if (isEnough) return;
    this.#isReserve = true;
    this.#note(
      `Opening ${this.#most} channels while one is measured: the round trip takes ` +
        `${roundTrip.toFixed(0)} ms`,
    );
    this.#openMissing(this.#most);
  }

  /** Starts to measure, before the first write of a file of this size. */
  begin(size: number): void {
    const sample = this.#channels === "auto" && size >= this.#least ? this.#sample() : null;
    if (sample !== null) this.#need.begin(sample);
  }

  /**
   * The sessions in which to open a file with `left` bytes left. Starts more in the background if the
   * recent rate shows that they help.
   */
  for(left: number): readonly FurtherSession[] {
    if (left < this.#least) return [];
    this.#replaceLost();
    if (this.#isReserve) this.#lookAtReserve(left);
    else if (this.#state === "looking") this.#look(left);
    return this.#used;
  }

  /** The session for a file of this size: with several connections, small files go to each in turn. */
  forWhole(size: number): RemoteFileSystem {
    if (this.#remote.connections === 1 || size >= this.#least) return this.#remote;
    this.#small += size;
    if (this.#small >= this.#least) this.expect(Infinity);
    this.#replaceLost();
    const all = [this.#remote, ...this.#usable.map(({ remote }) => remote)];
    return all[this.#turn++ % all.length]!;
  }

  /**
   * Resolves when one of the sessions being opened is open, or all were tried; null if none is being
   * opened.
   */
  get opening(): Promise<void> | null {
    return this.#state === "opening" && !this.#isReserve ? this.#news.wait() : null;
  }

  /** The number of channels when those that are being opened are open. */
  get expected(): number {
    return this.#isReserve ? 1 : Math.max(this.#expected, 1 + this.#usable.length);
  }

  /** How many have ended without being closed here. */
  get lost(): number {
    return this.#sessions.filter(({ usable, isLeaving }) => !usable && !isLeaving).length;
  }

  get #usable(): readonly FurtherSession[] {
    return this.#sessions.filter((session) => session.usable);
  }

  get #used(): readonly FurtherSession[] {
    return this.#isReserve ? [] : this.#usable;
  }

  /**
   * Replaces sessions that were lost with their connection: another one, or the next one of a session that
   * can be renewed. Their number is limited, in case the server ends each of them.
   */
  #replaceLost(): void {
    const state = this.#state;
    const lost = this.lost - this.#replaced;
    if (lost <= 0 || state === "opening" || state === "closed") return;
    const { connections, session } = this.#remote;
    if (connections === 1 && (!session.isRenewable || session.isRenewing)) return;
    this.#replaced += lost;
    // Each loss of the only connection ends all of them.
    const limit = connections === 1 ? this.#most * SFTP_REPEATS : this.#most;
    if (this.#replaced >= limit) {
      this.#note(`${channelCount(1 + this.#usable.length)}: others were lost too often`);
      return;
    }
    this.#open(1 + this.#usable.length + lost, "in place of lost ones", state);
  }

  #look(left: number): void {
    const { connections, channels: { useful } } = this.#remote;
    if (this.#channels !== "auto") {
      const isEach = connections === this.#channels;
      return this.#open(this.#channels, isEach ? "one per connection" : "as asked for");
    }
    if (useful > 1 && this.#sessions.length === 0) {
      return this.#open(useful, "as for the last file");
    }
    if (connections > 1 && this.#sessions.length === 0) {
      return this.#open(connections, "one per connection");
    }
    const sample = this.#sample();
    if (sample === null) return;
    const count = this.#need.count(sample, left);
    if (count > sample.channels) this.#open(count, this.#need.why);
  }

  /** Uses the sessions that were opened in advance if they are needed, and ends them if they are not. */
  #lookAtReserve(left: number): void {
    const sample = this.#sample();
    if (sample === null) return;
    if (this.#need.count(sample, left) > sample.channels) {
      this.#isReserve = false;
      if (this.#state === "looking") {
        this.#state = "complete";
        this.#sinceMost = this.#sample();
      }
      const count = this.#state === "opening" ? this.#most : 1 + this.#usable.length;
      if (count > 1) this.#noteSpread(count, this.#need.why);
    } else if (this.#need.isEnough && this.#state !== "opening") {
      this.#isReserve = false;
      this.#remote.channels.isEnough = true;
      for (const session of this.#sessions) this.#track(session.leave());
    }
  }

  /** The total window of this many channels, in bytes. */
  windows(channels: number): number {
    return channels * (this.#remote.session.flow?.largestSendWindow ?? 0);
  }

  /** Records that a file is written in place, which uses one channel. */
  inPlace(): void {
    this.#isInPlace = true;
  }

  /** Ends all of them in the background; closing the client waits for it. */
  close(): void {
    this.#state = "closed";
    this.#stop.abort();
    this.#news.notify();
    const count = 1 + this.#used.length;
    if (this.#channels === "auto") {
      if (this.#sessions.length > 0) this.#remote.channels.useful = count;
      const whyNot = this.#isInPlace ? "the file is written in place" : this.#need.whyNot;
      const last = this.#sinceMost && this.#sample();
      if (last !== null && areWindowsFull(this.#sinceMost!, last)) {
        const more = this.#remote.connections + 1;
        this.#note(
          `${count} channels: their windows were full, more connections carry more (connections: ${more})`,
        );
      } else if (whyNot !== null) this.#note(`${channelCount(count)}: ${whyNot}`);
    }
    for (const session of this.#sessions) this.#track(session.leave());
  }

  /** The total that all channels have sent; null if they do not report it. */
  #sample(): ChannelSample | null {
    let [channels, bytes, waited] = [0, 0, 0];
    for (const { session } of [this.#remote, ...this.#used.map(({ remote }) => remote)]) {
      if (session.flow === undefined) return null;
      channels++;
      bytes += session.flow.bytesSent;
      waited += session.flow.waitedForWindow;
    }
    const { flow, pathEstimates: { write: { roundTrip } } } = this.#remote.session;
    const window = flow!.largestSendWindow;
    return { at: performance.now(), channels, bytes, waited, window, roundTrip };
  }

  /** Opens the missing ones in the background; `then` is the state afterwards, unless all are open. */
  #open(channels: number, why: string, then: "looking" | "complete" = "looking"): void {
    this.#noteSpread(channels, why);
    this.#openMissing(channels, then);
  }

  #noteSpread(channels: number, why: string): void {
    this.#note(`Spreading over ${channels} channels: ${why}`);
  }

  #openMissing(channels: number, then: "looking" | "complete" = "looking"): void {
    this.#state = "opening";
    this.#expected = channels;
    const missing = channels - 1 - this.#usable.length;
    this.#track(this.#openAll(missing, channels, then));
  }

  async #openAll(
    missing: number,
    channels: number,
    then: "looking" | "complete",
  ): Promise<void> {
    const opened = await Promise.all(Array.from({ length: missing }, () => this.#openOne()));
    if (!this.#isReserve) this.#need.changed();
    this.#expected = 0;
    if (this.#state === "closed") return;
    const refusal = opened.find((reason) => reason !== null);
    if (refusal) this.#note(`${channelCount(1 + this.#usable.length)}: ${refusal}`);
    if (this.#state !== "opening") return;
    const isAll = channels >= this.#most && !this.#isReserve;
    this.#state = refusal || isAll ? "complete" : then;
    if (isAll) this.#sinceMost = this.#sample();
    this.#news.notify();
  }

  /** Opens one; resolves to null, or to the reason why it cannot be opened. */
  async #openOne(): Promise<string | null> {
    let session: FurtherSession | null = null;
    let isLeaving = false;
    const giveWay = () => {
      isLeaving = true;
      if (this.#state !== "closed") this.#state = "complete"; // otherwise it would take the place again
      this.#note("A channel was closed to make room for another session");
      if (session !== null) this.#track(session.leave());
    };
    try {
      const remote = await this.#remote.further(giveWay, this.#stop.signal);
      if (remote === null) return "there is no room for another session";
      session = new FurtherSession(remote);
      this.#sessions.push(session);
      this.#news.notify();
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
