import { keyTypeLabel } from "../keys/key_labels.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { type HostAddress, hostLabel } from "../known_hosts/host_key_policy.ts";
import { ask as askUser } from "../terminal/ask.ts";
import type { Ask } from "./prompts.ts";

/**
 * Asks whether to trust a new host key, as `ssh` does: `yes` or the key's fingerprint accepts it.
 *
 * @returns The decision; null if the question could not be asked
 */
export async function askAboutHostKey(
  host: HostAddress,
  key: PublicKey,
  ask: Ask,
): Promise<boolean | null> {
  const fingerprint = key.fingerprint();
  let prompt = `The authenticity of host ${hostLabel(host)} can't be established.\n` +
    `${keyTypeLabel(key)} key fingerprint is ${fingerprint}.\n` +
    "Are you sure you want to continue connecting (yes/no/[fingerprint])? ";
  for (;;) {
    const answer = (await ask(prompt, { echo: true }))?.trim();
    if (answer === undefined) return null;
    if (/^yes$/i.test(answer) || answer === fingerprint) return true;
    if (/^no$/i.test(answer)) return false;
    prompt = "Please type 'yes', 'no' or the fingerprint: ";
  }
}

/**
 * Asks the user whether to trust a new host key, with the text of `ssh`, on the same terminal as
 * {@linkcode promptSecret}. Without a terminal it refuses the key.
 *
 * @returns Whether the user trusts the key
 * @throws {InterruptedError} If the user cancels
 *
 * @example
 * ```ts
 * import { knownHosts, promptHostKey } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * // connect("db1", { hostKeys }) asks about an unknown key, and adds it.
 * const hostKeys = knownHosts("./known_hosts", { unknown: promptHostKey });
 * assertEquals(typeof hostKeys.verify, "function");
 * ```
 */
export async function promptHostKey(host: HostAddress, key: PublicKey): Promise<boolean> {
  return await askAboutHostKey(host, key, askUser) === true;
}
