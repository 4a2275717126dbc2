import { runtime } from "../../runtime/runtime.ts";

const MAIN = new URL("../main.ts", import.meta.url).href;

/**
 * The command to start a tool of this program in another process.
 *
 * @param flags Further flags for Deno
 */
export function ownCommand(
  args: readonly string[],
  flags: readonly string[] = [],
): { program: string; args: string[] } {
  const start = runtime.ownArguments(MAIN, flags);
  return { program: runtime.process.execPath(), args: [...start, ...args] };
}
