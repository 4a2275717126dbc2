import { wiping } from "../crypto/wiping.ts";
import { MAX_PROMPTS } from "../defaults.ts";
import { AuthError } from "../errors.ts";
import type { Link } from "../transport/link.ts";
import { MSG } from "../wire/numbers.ts";
import type { Ask } from "./policy.ts";
import { decodeAnswers, encodeChallenge } from "./prompts.ts";

/** The server's side of one keyboard-interactive attempt (RFC 4256 §3). */
export class Prompter {
  readonly #link: Pick<Link, "send" | "receive">;
  #phase: "idle" | "asking" | "over" = "idle";
  #settled: Promise<unknown> = Promise.resolve();
  #fault: { error: unknown } | null = null;
  #abandonedBy: Uint8Array | null = null;
  #miscounted = false;

  constructor(link: Pick<Link, "send" | "receive">) {
    this.#link = link;
  }

  /** Asks the user on behalf of the policy. */
  readonly ask: Ask = (prompts, heading) => {
    if (this.#phase !== "idle") {
      const state = this.#phase === "over" ? "is over" : "waits for answers already";
      return Promise.reject(new AuthError(`Cannot ask: the attempt ${state}`));
    }
    if (prompts.length > MAX_PROMPTS) {
      return Promise.reject(
        new RangeError(`Cannot ask more than ${MAX_PROMPTS} prompts in one challenge`),
      );
    }
    this.#phase = "asking";
    this.#link.send(encodeChallenge({ name: "", instruction: "", ...heading, prompts }));
    const answers = this.#answers(prompts.length);
    this.#settled = answers.catch(() => {});
    return answers;
  };

  /**
   * Ends the attempt after the policy's answer; rejects if the connection has failed.
   *
   * @returns Whether the policy's answer counts, and the client's new request if it does not
   */
  async end(): Promise<{ valid: boolean; abandonedBy: Uint8Array | null }> {
    // A policy may return before the answers arrive; they must not be read as the next message.
    await this.#settled;
    this.#phase = "over";
    if (this.#fault) throw this.#fault.error;
    return { valid: !this.#miscounted, abandonedBy: this.#abandonedBy };
  }

  async #answers(count: number): Promise<string[]> {
    const message = await this.#receive(count);
    if (message === null) {
      this.#phase = "over";
      throw new AuthError("The client did not answer the questions");
    }
    this.#phase = "idle";
    return message;
  }

  async #receive(count: number): Promise<string[] | null> {
    try {
      const message = await this.#link.receive();
      // RFC 4256 §3.1: the client may change the method, or start again, at any time.
      if (message[0] === MSG.USERAUTH_REQUEST) {
        this.#abandonedBy = message;
        return null;
      }
      const answers = wiping(message, () => decodeAnswers(message, count));
      // RFC 4256 §3.4: a wrong number of answers is a failure.
      this.#miscounted = answers === null;
      return answers;
    } catch (error) {
      this.#fault = { error };
      return null;
    }
  }
}
