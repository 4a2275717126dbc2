import { SFTP_CONNECTION_HANDLES } from "../../defaults.ts";
import { refuse } from "../protocol/status.ts";
import { Turn } from "../../turns.ts";
import { AnswerBuffers } from "./buffers.ts";

/**
 * The most bytes of waiting answers, and again of running requests, for the only session of a connection.
 * Above it no more requests are read.
 */
const SESSION_BYTES = 2 * 1024 * 1024;

/** The same for all sessions of a connection together. */
const CONNECTION_BYTES = 4 * 1024 * 1024;

/** Limits shared by all SFTP sessions of one connection, so that opening more sessions gains nothing. */
export class ConnectionShare {
  /** Their turn to work. */
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

  /** The most bytes of waiting answers, and of running requests, for each session. */
  get sessionBytes(): number {
    return Math.min(SESSION_BYTES, CONNECTION_BYTES / this.#sessions);
  }

  /**
   * Counts a handle before it is opened.
   *
   * @throws {SftpError} If the connection has too many
   */
  takeHandle(): void {
    if (this.#handles >= SFTP_CONNECTION_HANDLES) refuse("Too many open handles");
    this.#handles++;
  }

  /** Uncounts a handle that was closed or could not be opened. */
  returnHandle(): void {
    this.#handles--;
  }
}
