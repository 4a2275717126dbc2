import { SFTP_CONNECTION_HANDLES } from "../../defaults.ts";
import { refuse } from "../protocol/status.ts";
import { Turn } from "../../turns.ts";
import { AnswerBuffers } from "./buffers.ts";

/**
 * Bytes that a session alone on its connection may have of answers that wait for the client, and again of
 * requests that run: then no more requests are taken.
 */
const SESSION_BYTES = 2 * 1024 * 1024;

/** The same of all sessions together. */
const CONNECTION_BYTES = 4 * 1024 * 1024;

/** What all SFTP sessions of one connection have together, so that more sessions are no more of it. */
export class ConnectionShare {
  /** When they may work. */
  readonly turn: Turn;
  /** Memory for answers. */
  readonly answers: AnswerBuffers = new AnswerBuffers();
  #handles = 0;
  #sessions = 0;

  constructor(turn: Turn = new Turn()) {
    this.turn = turn;
  }

  /** Counts a session, until the result is disposed of. */
  session(): Disposable {
    this.#sessions++;
    return { [Symbol.dispose]: () => void this.#sessions-- };
  }

  /** Bytes of waiting answers, and of running requests, that each session may have. */
  get sessionBytes(): number {
    return Math.min(SESSION_BYTES, CONNECTION_BYTES / this.#sessions);
  }

  /**
   * Counts a handle that is to be opened.
   *
   * @throws {SftpError} If the connection has too many
   */
  takeHandle(): void {
    if (this.#handles >= SFTP_CONNECTION_HANDLES) refuse("Too many open handles");
    this.#handles++;
  }

  /** A handle that was counted is not open, or no longer. */
  returnHandle(): void {
    this.#handles--;
  }
}
