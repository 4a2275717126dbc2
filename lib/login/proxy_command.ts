import { ConnectError, printable } from "../errors.ts";
import { grantedVariable } from "../runtime/environment.ts";
import { isError } from "../runtime/errors.ts";
import type { ChildProcess } from "../runtime/parts.ts";
import { runtime } from "../runtime/runtime.ts";
import { type Socket, streamSocket } from "../transport/socket.ts";

/** A command whose standard input and output carry a connection. */
export interface Proxy {
  readonly socket: Socket;
  /** Ends the command. */
  close(): Promise<void>;
}

/**
 * Runs ProxyCommand of ssh_config(5) in the user's shell. Its standard error is shown. Needs
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
      stderr: "inherit",
    });
  } catch (cause) {
    if (isError(cause, "NotCapable")) throw cause;
    throw new ConnectError(`Cannot run the proxy command "${printable(command)}"`, { cause });
  }
  const { stdout, stdin, status } = child;
  return {
    socket: streamSocket({ readable: stdout, writable: stdin }),
    async close() {
      try {
        child.kill(windows ? "SIGTERM" : "SIGHUP");
      } catch { /* it has ended by itself */ }
      await status;
    },
  };
}

function shellOf(): string {
  return grantedVariable("SHELL") || "/bin/sh";
}
