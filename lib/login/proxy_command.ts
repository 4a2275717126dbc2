import { ConnectError, printable } from "../errors.ts";
import { type Socket, streamSocket } from "../transport/socket.ts";

/** A command whose standard input and output carry a connection. */
export interface Proxy {
  readonly socket: Socket;
  /** Ends the command. */
  close(): Promise<void>;
}

/**
 * Runs ProxyCommand of ssh_config(5) in the user's shell. What it says on standard error is shown. Needs
 * `--allow-run` for the shell.
 *
 * @throws {ConnectError} If the shell cannot be started
 */
export function startProxy(command: string): Proxy {
  const windows = Deno.build.os === "windows";
  const shell = windows ? "cmd" : shellOf();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(shell, {
      // Without the shell in between, the command itself gets the signal that ends it.
      args: windows ? ["/c", command] : ["-c", `exec ${command}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
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
  const { state } = Deno.permissions.querySync({ name: "env", variable: "SHELL" });
  return state === "granted" && Deno.env.get("SHELL") || "/bin/sh";
}
