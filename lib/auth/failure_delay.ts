import { hmac } from "../crypto/digest.ts";
import { randomBytes } from "../crypto/random.ts";
import { sleep } from "../waiting.ts";

/** Minimum time of a refusal: longer than looking up a user or a key in memory. */
export const FAILURE_MS = 50;

/** Maximum addition for a user: enough to hide the time of a look-up. */
export const JITTER_MS = 25;

/** Refusals that took longer are not delayed: the policy is slower than any guess. */
const MAX_DELAYED_MS = 5_000;

/** Made when it is first needed: Workers give no random numbers while a module is loaded. */
let secret: Uint8Array | null = null;

/**
 * Waits until a refused attempt has taken as long as others, so that its time reveals nothing about
 * the user (CVE-2018-15473 and similar).
 *
 * @param user The user name of the attempt
 * @param elapsed The time that the attempt has taken, in milliseconds
 */
export async function failureDelay(
  user: string,
  elapsed: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const due = refusalTime(user, elapsed);
  if (due > elapsed) await sleep(due - elapsed, signal).catch(() => {}); // it ends early at an abort
}

/**
 * When a refusal is due, in milliseconds from the request: after the least time, or, if it took longer,
 * after twice that, four times and so on. The same user always gets the same addition; a random one would
 * vanish in the average of many attempts.
 */
export function refusalTime(user: string, elapsed: number): number {
  let due = FAILURE_MS + JITTER_MS * fraction(user);
  while (due < elapsed && due < MAX_DELAYED_MS) due *= 2;
  return due;
}

/** A number from 0 to 1 that cannot be predicted outside this process. */
function fraction(user: string): number {
  secret ??= randomBytes(32);
  const hash = hmac("SHA-256", secret, new TextEncoder().encode(user));
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) / 2 ** 32;
}
