import { AuthError } from "../errors.ts";
import { plainMessage } from "../error_messages.ts";
import type { SkippedKey } from "./key_files.ts";

/** An error about a login, completed with the keys that were not used. */
export function withSkippedKeys(error: AuthError, skipped: readonly SkippedKey[]): AuthError {
  if (skipped.length === 0) return error;
  const { remaining, partial, attempts, tried, cause } = error;
  const skippedKeys = skipped.map(({ message }) => message);
  const message = [plainMessage(error), ...skippedKeys].join("; ");
  return new AuthError(message, { remaining, partial, attempts, tried, cause, skippedKeys });
}
