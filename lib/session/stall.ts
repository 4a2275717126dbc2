import type { Channel } from "../connection/channel.ts";
import { STALL_MS } from "../defaults.ts";
import { SshError } from "../errors.ts";

/**
 * Detects a command that cannot continue, because its unread standard error has filled the window that
 * it shares with standard output.
 *
 * @param onStall Called once, after two checks have found it stalled
 */
export function watchStall(channel: Channel, onStall: (error: SshError) => void): Disposable {
  let before = false;
  const timer = setInterval(() => {
    const { stalled, readableBytes, readableStderrBytes: unread } = channel.state;
    const stuck = stalled && readableBytes === 0 && unread > 0;
    if (stuck && before) {
      clearInterval(timer);
      const message =
        `The command was ended, because it waited for its standard error to be read ` +
        `(${unread} bytes): read stderr in parallel with stdout, or spawn with stderr: "null" or "merge"`;
      onStall(new SshError("command", message));
    }
    before = stuck;
  }, STALL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
