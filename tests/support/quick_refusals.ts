/**
 * Imported for its effect: short waits end at once. A server delays each refusal by 50 ms and more, so that
 * its time tells nothing (lib/auth/failure_delay.ts); tests that refuse a lot have no need to wait for that.
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
