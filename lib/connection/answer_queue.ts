import { MAX_PENDING_REQUESTS } from "../defaults.ts";
import { Condition } from "../waiting.ts";

/**
 * Answers a peer's requests in their order (RFC 4254 §4, §5.4): immediately if the handler is synchronous,
 * otherwise as the promises of the handlers settle. While too many requests wait, the peer's next message
 * waits, too.
 */
export class AnswerQueue {
  readonly #room = new Condition();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  /**
   * Takes a request.
   *
   * @param ask Returns the answer; a request whose handler throws or rejects is refused
   * @param refusal The answer that refuses
   * @param reply Sends the answer
   * @returns Resolves when the peer's next message may be handled; undefined if immediately
   */
  take<A>(ask: () => A | Promise<A>, refusal: A, reply: (answer: A) => void): void | Promise<void> {
    if (this.#closed) return;
    if (this.#waiting > 0) {
      this.#last = this.#last.then(() => this.#settle(ask, refusal, reply));
    } else {
      let answer: A | Promise<A> = refusal;
      try {
        answer = ask();
      } catch {
        // A handler that throws refuses the request.
      }
      if (!(answer instanceof Promise)) return reply(answer);
      const pending = answer;
      this.#last = this.#settle(() => pending, refusal, reply);
    }
    if (++this.#waiting > MAX_PENDING_REQUESTS) return this.#roomAgain();
  }

  /** Ends the queue: no handler is called, no answer is sent, and no message waits. */
  close(): void {
    this.#closed = true;
    this.#room.notify();
  }

  async #settle<A>(
    ask: () => A | Promise<A>,
    refusal: A,
    reply: (answer: A) => void,
  ): Promise<void> {
    if (this.#closed) return; // it has waited for the requests before it
    let answer = refusal;
    try {
      answer = await ask();
    } catch {
      // A handler that throws refuses the request.
    }
    this.#waiting--;
    this.#room.notify();
    reply(answer);
  }

  async #roomAgain(): Promise<void> {
    while (this.#waiting > MAX_PENDING_REQUESTS && !this.#closed) await this.#room.wait();
  }
}
