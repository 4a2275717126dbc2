import { SFTP_IN_FLIGHT } from "../../defaults.ts";

/** The smallest window: a connection has to carry its key exchange and this, otherwise nothing succeeds. */
const MIN_WINDOW = 4 * 1024;

/**
 * Limits the bytes in flight after losses: those of requests, and those that READs ask for. A channel that
 * is lost before the answers arrive would otherwise be filled with the same requests again, and lost
 * again. As in TCP's slow start, the window is halved by each channel that lost more bytes than were answered on
 * it, and grows by what is answered.
 */
export class SendWindow {
  /** The size at the start of the next channel. */
  #start = Infinity;
  #size = Infinity;
  #inFlight = 0;
  /** Bytes answered on this channel. */
  #answered = 0;

  /** Whether a request may be sent. */
  get isOpen(): boolean {
    return this.#inFlight < this.#size;
  }

  /** The most bytes that one request should send or ask for. */
  get largest(): number {
    return Math.ceil(this.#size / 2);
  }

  /** Counts a request that is sent. */
  sent(bytes: number): void {
    this.#inFlight += bytes;
  }

  /** Counts an answer to a request of so many bytes. */
  answered(bytes: number): void {
    this.#inFlight -= bytes;
    this.#answered += bytes;
    this.#size += bytes;
    if (this.#size > SFTP_IN_FLIGHT) this.#size = this.#start = Infinity;
  }

  /** The channel is lost with all that is in flight. */
  lost(): void {
    if (this.#inFlight > Math.max(this.#answered, MIN_WINDOW)) {
      this.#start = Math.max(Math.min(this.#start, this.#inFlight) / 2, MIN_WINDOW);
    }
    this.#size = this.#start;
    this.#inFlight = this.#answered = 0;
  }
}
