import { MAX_SENT_MESSAGE } from "../defaults.ts";
/** How a remote command ended (RFC 4254 §6.10). */
export interface ExitStatus {
  /** Whether the exit code is 0. */
  readonly success: boolean;
  /** The exit code; null if a signal ended the command or the peer sent no status. */
  readonly code: number | null;
  /** The signal's name without SIG, or null. */
  readonly signal: string | null;
  /** Whether a core was dumped; only with a signal. */
  readonly coreDumped: boolean;
  /** The peer's text about the signal. */
  readonly message: string;
}

/** A request of the peer on a channel (RFC 4254 §5.4). */
export interface IncomingRequest {
  /** The request's name, such as `"exec"`. */
  readonly type: string;
  /** The data after the name, owned. */
  readonly data: Uint8Array;
}

/** An answer: `true` accepts, and so does a function, which is called after the reply was sent. */
export type RequestAnswer = boolean | (() => void);

/** Answers the peer's requests on a channel. */
export type RequestHandler = (
  request: IncomingRequest,
) => RequestAnswer | Promise<RequestAnswer>;

/** The end of a program, for a server to send. */
export type Exit =
  | {
    /** The exit code. */
    readonly code: number;
  }
  | {
    /** The signal's name without SIG. */
    readonly signal: string;
    /** Whether a core was dumped. */
    readonly coreDumped?: boolean;
    /** A text for the user. */
    readonly message?: string;
  };

/**
 * Checks that a message is not too large for peers.
 *
 * @param what The name of the message in the error
 * @throws {RangeError} If it is too large
 */
export function sendable(payload: Uint8Array, what: string): Uint8Array {
  if (payload.length <= MAX_SENT_MESSAGE) return payload;
  throw new RangeError(
    `${what} has ${payload.length} bytes, and a message has at most ${MAX_SENT_MESSAGE}: send large ` +
      "data over standard input or in a file",
  );
}
