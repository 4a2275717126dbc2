import { MAX_CHANNELS } from "../defaults.ts";
import { ChannelOpenError, ProtocolError } from "../errors.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import type { Channel } from "./channel.ts";
import { ChannelCore } from "./channel_core.ts";

/** A channel that is being opened. */
export interface Opening {
  readonly type: string;
  readonly id: number;
  /** The receive window announced to the peer. */
  readonly window: number;
  readonly promise: PromiseWithResolvers<Channel>;
  /** Whether the caller has aborted; the answer still arrives. */
  abandoned: boolean;
}

/** The open channels of a connection and those being opened, by our numbers, which are reused. */
export class ChannelTable {
  readonly #entries: (ChannelCore | Opening | null)[] = [];
  readonly #free: number[] = [];
  readonly #window: () => number;
  readonly #giveWindow: (bytes: number) => void;

  /**
   * @param window The receive window of a new channel
   * @param giveWindow Returns the window if the channel does not open
   */
  constructor(window: () => number, giveWindow: (bytes: number) => void) {
    this.#window = window;
    this.#giveWindow = giveWindow;
  }

  /** Channels open or being opened. */
  get count(): number {
    return this.#entries.length - this.#free.length;
  }

  /** Whether a channel is being opened, or open at both ends. */
  get busy(): boolean {
    return this.#entries.some((entry) => entry instanceof ChannelCore ? entry.isOpen : entry);
  }

  /**
   * Adds a channel that is being opened, and gives it a number and a window.
   *
   * @throws {ChannelOpenError} If there are too many
   */
  add(type: string): Opening {
    if (this.count >= MAX_CHANNELS) {
      throw new ChannelOpenError(
        OPEN_FAILURE.RESOURCE_SHORTAGE,
        `A connection carries at most ${MAX_CHANNELS} channels`,
      );
    }
    const id = this.#free.pop() ?? this.#entries.length;
    const opening: Opening = {
      type,
      id,
      window: this.#window(),
      promise: Promise.withResolvers(),
      abandoned: false,
    };
    this.#entries[id] = opening;
    return opening;
  }

  /** The open channels. */
  *open(): Iterable<ChannelCore> {
    for (const entry of this.#entries) if (entry instanceof ChannelCore) yield entry;
  }

  /** Records that a channel is open. */
  opened(id: number, channel: ChannelCore): void {
    this.#entries[id] = channel;
  }

  /** Frees the number of a channel; false if that is done, and another channel may have it. */
  release(entry: ChannelCore | Opening): boolean {
    const id = entry instanceof ChannelCore ? entry.opening.id : entry.id;
    if (this.#entries[id] !== entry) return false;
    this.#entries[id] = null;
    this.#free.push(id);
    if (!(entry instanceof ChannelCore)) this.#giveWindow(entry.window);
    return true;
  }

  /** The open channel with a number, or null. */
  find(id: number): ChannelCore | null {
    const entry = this.#entries[id];
    return entry instanceof ChannelCore ? entry : null;
  }

  /** @throws {ProtocolError} If no such channel is open */
  get(id: number): ChannelCore {
    const entry = this.#entries[id];
    if (entry instanceof ChannelCore) return entry;
    throw new ProtocolError(`Message for channel ${id}, which is not open`);
  }

  /** @throws {ProtocolError} If no such channel is being opened */
  opening(id: number): Opening {
    const entry = this.#entries[id];
    if (entry && !(entry instanceof ChannelCore)) return entry;
    throw new ProtocolError(`Answer for channel ${id}, which is not being opened`);
  }

  /** Fails all channels. */
  fail(cause: unknown): void {
    for (const entry of this.#entries.splice(0)) {
      if (entry instanceof ChannelCore) entry.fail(cause);
      else entry?.promise.reject(cause);
    }
    this.#free.length = 0;
  }
}
