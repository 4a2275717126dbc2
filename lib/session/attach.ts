import type { Channel } from "../connection/channel.ts";
import type { ExitStatus } from "../connection/request.ts";
import { runtime } from "../runtime/runtime.ts";
import { drain } from "../runtime/drain.ts";
import { InterruptedError } from "../terminal/ask.ts";
import { rawInput } from "../terminal/raw_input.ts";
import { onSignals } from "../terminal/signals.ts";
import { terminalSize } from "../terminal/size.ts";
import { type CallOptions, onAbort } from "../waiting.ts";

/** Signals that would end this program without restoring the terminal. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Connects a program on a channel with the terminal of this program, until it ends.
 *
 * @param hasTerminal Whether the program has a terminal, which then edits lines and echoes keys
 * @returns How the program ended
 * @throws {InterruptedError} If a signal arrives that would end this program
 */
export async function attachChannel(
  channel: Channel,
  hasTerminal: boolean,
  { signal }: CallOptions,
): Promise<ExitStatus> {
  const { terminal } = runtime;
  const over = new AbortController();
  // Resources are disposed in reverse order: the input stops before its mode changes.
  using _raw = hasTerminal ? rawInput() : null;
  using _resized = hasTerminal ? onSignals(["SIGWINCH"], () => resize(channel)) : null;
  using _ended = onSignals(ENDING, (name) => over.abort(new InterruptedError(name)));
  using _aborted = onAbort(signal, (reason) => over.abort(reason));
  using _input = terminal.readStdin(
    (bytes) => channel.writeAll(bytes),
    () => void channel.closeWrite().catch(() => {}),
  );
  if (hasTerminal) resize(channel);
  const limit = { signal: over.signal };
  await Promise.all([
    drain((into) => channel.read(into, limit), terminal.stdout),
    drain((into) => channel.readStderr(into, limit), terminal.stderr),
  ]);
  await channel.recvExitStatus(limit);
  return await channel.exitStatus;
}

function resize(channel: Channel): void {
  const size = terminalSize();
  if (size !== null && channel.isOpen) channel.resizePty(size);
}
