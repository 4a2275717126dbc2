import { ProtocolError } from "../errors.ts";
import type { HostProof } from "../keys/key.ts";
import { MESSAGES } from "../wire/messages.ts";

/** A conversation of messages, one after the other, for key exchange and authentication. */
export interface Link {
  /** Sends a message; it is sealed now and flushed soon. */
  send(payload: Uint8Array): void;
  /** The next message, owned by the caller; rejects with the connection's error when it dies. */
  receive(): Promise<Uint8Array>;
  /** Sends an acknowledgement immediately, for a peer that waits for it before it sends more. */
  acknowledge(): void;
  /** The session identifier: the first exchange hash (RFC 4253 §7.2). */
  readonly sessionId: Uint8Array;
  /** The proof of the server's identity. */
  readonly host: HostProof;
  /** The extensions in the peer's EXT_INFO (RFC 8308). */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
}

/**
 * The inbound half of a {@linkcode Link}. The packet source passes a message and pauses until the
 * conversation asks for the next one or ends, so that keys and phases switch between two packets without a
 * queue.
 */
export class Conversation {
  #waiting: PromiseWithResolvers<Uint8Array> | null = null;
  #delivered: Uint8Array | null = null;
  #resume: (() => void) | null = null;
  #over: { error: unknown } | null = null;
  #outside: PromiseWithResolvers<never> | null = null;

  /** The next message, owned by the caller. */
  receive(): Promise<Uint8Array> {
    if (this.#over) return Promise.reject(this.#over.error);
    if (this.#waiting) throw new Error("Two receivers on one conversation");
    if (this.#delivered) {
      const payload = this.#delivered;
      this.#delivered = null;
      return Promise.resolve(payload);
    }
    this.#resume?.();
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Passes a borrowed message; resolves when the next one may follow. */
  deliver(payload: Uint8Array): Promise<void> {
    const copy = payload.slice();
    if (this.#waiting) {
      this.#waiting.resolve(copy);
      this.#waiting = null;
    } else if (this.#delivered) {
      throw new ProtocolError(`Unexpected ${messageName(copy[0]!)}`);
    } else {
      this.#delivered = copy;
    }
    return new Promise((resolve) => this.#resume = resolve);
  }

  /** @throws The reason for the end, if it has ended */
  throwIfOver(): void {
    if (this.#over) throw this.#over.error;
  }

  /** Waits for a promise of the program, such as a signer's; its outcome is ignored after the end. */
  async outside<T>(promise: T | Promise<T>): Promise<T> {
    this.throwIfOver();
    const { promise: ended } = this.#outside = Promise.withResolvers<never>();
    return await Promise.race([promise, ended]);
  }

  /** Ends the conversation, after success or failure: the packet source continues, a receiver fails. */
  end(error: unknown): void {
    if (this.#over) return;
    this.#over = { error };
    this.#waiting?.reject(error);
    this.#outside?.reject(error);
    this.#resume?.();
  }
}

/** A message's name for errors. */
export function messageName(number: number): string {
  return MESSAGES.get(number)?.name ?? `message ${number}`;
}
