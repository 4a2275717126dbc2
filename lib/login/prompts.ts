/**
 * Asks the user a question.
 *
 * @returns The answer; null if the question could not be asked
 */
export type Ask = (prompt: string, options: { readonly echo: boolean }) => Promise<string | null>;

/** Where messages about a login go, one line each. */
export interface LoginReport {
  /** Reports what went wrong. */
  error(line: string): void;
  /** Reports what the user should know. */
  info(line: string): void;
  /** Reports what helps to find a fault. */
  verbose(line: string): void;
}

/**
 * How a login talks to the user. The tools have both; `connect()` has neither: it asks nothing, and where
 * `ssh` would only print a warning it refuses.
 */
export interface LoginDialog {
  /** Asks the user; null if no question may be asked. */
  readonly ask: Ask | null;
  /** Takes the messages; null if there is no reader. */
  readonly report: LoginReport | null;
}

/** Nothing is asked and nothing reported: how `connect()` logs in. */
export const NO_DIALOG: LoginDialog = { ask: null, report: null };
