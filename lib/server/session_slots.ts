import type { Channel } from "../connection/channel.ts";

/**
 * The sessions that count towards `maxSessions`. As in sshd, a session counts until its channel has closed
 * and its program has ended: otherwise a client that opens and closes sessions could have any number of
 * programs running.
 */
export class SessionSlots {
  /** For each session, how much of it has not ended: its channel, its program, policies that were asked. */
  readonly #pending = new Map<Channel, number>();

  /** How many sessions count. */
  get taken(): number {
    return this.#pending.size;
  }

  /** How many of them have a closed channel. */
  get lingering(): number {
    return [...this.#pending.keys()].filter((channel) => !channel.isOpen).length;
  }

  /** Counts the session until this has ended, too. */
  async hold<T>(channel: Channel, ended: Promise<T>): Promise<T> {
    this.#add(channel, 1);
    try {
      return await ended;
    } finally {
      this.#add(channel, -1);
    }
  }

  #add(channel: Channel, change: number): void {
    const pending = (this.#pending.get(channel) ?? 0) + change;
    if (pending > 0) this.#pending.set(channel, pending);
    else this.#pending.delete(channel);
  }
}
