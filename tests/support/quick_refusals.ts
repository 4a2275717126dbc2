/**
 * Imported for its side effect: short waits end immediately. A server delays each refusal by at least
 * 50 ms, so that its timing reveals nothing (lib/auth/failure_delay.ts); tests with many refusals skip
 * that wait.
 */
const LONGEST_MS = 100;

const { setTimeout: wait } = globalThis;

globalThis.setTimeout = function (
  run: (...args: unknown[]) => void,
  milliseconds = 0,
  ...args: unknown[]
) {
  return wait(run, milliseconds < LONGEST_MS ? 0 : milliseconds, ...args);
} as typeof setTimeout;
