/** Runs programs on a new terminal, which Python creates. */
import { must } from "../../support/run.ts";
import { type Peer, peerTest } from "./peers.ts";

const DRIVER = new URL("on_terminal.py", import.meta.url).pathname;

/** An action on the terminal, or a text to wait for. */
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

/** Runs a program on a terminal of 80 by 24, and carries out the steps. */
export async function onTerminal(
  command: readonly string[],
  steps: readonly Step[],
  env: Record<string, string> = {},
): Promise<{ output: string; code: number }> {
  const { text } = await must("python3", [DRIVER, JSON.stringify(steps), ...command], { env });
  return JSON.parse(text);
}
