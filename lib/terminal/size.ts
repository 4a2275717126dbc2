import type { PtyOptions, TerminalSize } from "../connection/session_requests.ts";
import { runtime } from "../runtime/runtime.ts";

/** The size of the terminal that one of the standard streams is on, or null. */
export function terminalSize(): TerminalSize | null {
  try {
    return runtime.terminal.consoleSize();
  } catch {
    return null;
  }
}

/** The terminal to ask a server for: as large as the local one, and of its kind. */
export function localPty(): PtyOptions {
  const term = runtime.env.get("TERM");
  return { ...terminalSize(), ...(term && { term }) };
}
