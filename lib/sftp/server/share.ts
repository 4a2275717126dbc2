import { SFTP_CONNECTION_HANDLES } from "../../defaults.ts";
import { refuse } from "../protocol/status.ts";
import { Turn } from "../../turns.ts";

/** What all SFTP sessions of one connection have together, so that more sessions are no more of it. */
export class ConnectionShare {
  /** When they may work. */
  readonly turn: Turn;
  #handles = 0;

  constructor(turn: Turn = new Turn()) {
    this.turn = turn;
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
