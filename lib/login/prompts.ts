/**
 * Asks the user a question.
 *
 * @returns The answer; null if the question could not be asked
 */
export type Ask = (prompt: string, options: { readonly echo: boolean }) => Promise<string | null>;

/** Receives messages about a login, one line each. */
export interface LoginReport {
  /** Reports an error. */
  error(line: string): void;
  /** Reports information for the user. */
  info(line: string): void;
  /** Reports details for debugging. */
  verbose(line: string): void;
}

/**
 * Questions and messages of a login. The tools have both; `connect()` has neither: it asks nothing,
 * and refuses in cases where `ssh` would only print a warning.
 */
export interface LoginDialog {
  /** Asks the user; null if questions are not allowed. */
  readonly ask: Ask | null;
  /** Receives the messages; null to drop them. */
  readonly report: LoginReport | null;
}

/** No questions and no messages, as in `connect()`. */
export const NO_DIALOG: LoginDialog = { ask: null, report: null };
