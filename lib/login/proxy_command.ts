import { ConnectError, printable } from "../errors.ts";
import { grantedVariable } from "../runtime/environment.ts";
import { isError } from "../runtime/errors.ts";
import type { ChildProcess } from "../runtime/parts.ts";
import { runtime } from "../runtime/runtime.ts";
import { type Socket, streamSocket } from "../transport/socket.ts";
import { withLimits } from "../waiting.ts";
import { ENDING_MS, ShownErrors } from "./shown_errors.ts";

/** A command whose standard input and output carry a connection. */
export interface Proxy {
  readonly socket: Socket;
  /** The error of a lost connection, with the exit status of the command, if it has ended. */
  explain(error: ConnectError): Promise<ConnectError>;
  /** Ends the command. */
  close(): Promise<void>;
}

/**
 * Runs ProxyCommand of ssh_config(5) in the user's shell. Its standard error is shown, and its last line
 * quoted if it fails. Needs
 * `--allow-run` for the shell.
 *
 * @throws {ConnectError} If the shell cannot be started
 */
export function startProxy(command: string): Proxy {
  const windows = runtime.os === "windows";
  const shell = windows ? "cmd" : shellOf();
  let child: ChildProcess;
  try {
    child = runtime.programs.spawn(shell, {
      // `exec` replaces the shell, so that the signal that ends the command reaches it.
      args: windows ? ["/c", command] : ["-c", `exec ${command}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
  } catch (cause) {
    if (isError(cause, "NotCapable")) throw cause;
    throw new ConnectError(`Cannot run the proxy command "${printable(command)}"`, { cause });
  }
  const { stdout, stdin, status } = child;
  const errors = new ShownErrors(child.stderr);
  return {
    socket: streamSocket({ readable: stdout, writable: stdin }),
    async explain(error) {
      // Its output has ended, so it ends soon.
      const ended = withLimits(Promise.all([status, errors.shown]), { timeout: ENDING_MS });
      const [how] = await ended.catch(() => [null]);
      if (how === null) return error;
      const { signal, code } = how;
      const end = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      const said = errors.lastLine === "" ? "" : `: ${errors.lastLine}`;
      return new ConnectError(`The proxy command "${printable(command)}" ${end}${said}`, {
        cause: error,
      });
    },
    async close() {
      try {
        child.kill(windows ? "SIGTERM" : "SIGHUP");
      } catch { /* it has ended by itself */ }
      await status;
      await errors.end();
    },
  };
}

function shellOf(): string {
  return grantedVariable("SHELL") || "/bin/sh";
}
