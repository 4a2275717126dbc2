import type { PtyOptions, TerminalSize } from "../connection/session_requests.ts";
import { runtime } from "../runtime/runtime.ts";

/** The size of the terminal of one of the standard streams, or null. */
export function terminalSize(): TerminalSize | null {
  try {
    return runtime.terminal.consoleSize();
  } catch {
    return null;
  }
}

/** The terminal to request from a server: of the size and type of the local one. */
export function localPty(): PtyOptions {
  const term = runtime.env.get("TERM");
  return { ...terminalSize(), ...(term && { term }) };
}
