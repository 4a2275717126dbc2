import { runtime } from "../../runtime/runtime.ts";

const MAIN = new URL("../main.ts", import.meta.url).href;

/**
 * How to start a tool of this program in another process.
 *
 * @param flags Flags of Deno's for it
 */
export function ownCommand(
  args: readonly string[],
  flags: readonly string[] = [],
): { program: string; args: string[] } {
  const start = runtime.ownArguments(MAIN, flags);
  return { program: runtime.process.execPath(), args: [...start, ...args] };
}
