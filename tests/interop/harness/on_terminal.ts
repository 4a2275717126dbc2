/** Programs at a terminal of the test's own, which Python makes. */
import { must } from "../../support/run.ts";
import { type Peer, peerTest } from "./peers.ts";

const DRIVER = new URL("on_terminal.py", import.meta.url).pathname;

/** What is done at the terminal, or waited for. */
export type Step =
  | { expect: string }
  | { send: string }
  | { resize: [rows: number, columns: number] }
  | { signal: string }
  | { echo: boolean };

/** Registers a test that needs a terminal, which takes Python, and perhaps other programs. */
export function terminalTest(
  peers: readonly Peer[],
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): Promise<void> {
  return peerTest(["python3", ...peers], name, fn);
}

/** Runs a program at a terminal of 80 by 24, and does the steps there. */
export async function onTerminal(
  command: readonly string[],
  steps: readonly Step[],
  env: Record<string, string> = {},
): Promise<{ output: string; code: number }> {
  const { text } = await must("python3", [DRIVER, JSON.stringify(steps), ...command], { env });
  return JSON.parse(text);
}
