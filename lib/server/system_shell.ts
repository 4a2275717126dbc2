import { listenAgent } from "../agent/listen.ts";
import { listenX11 } from "../forward/x11_listen.ts";
import type { Session, SessionHandler } from "../session/session.ts";

/**
 * How {@linkcode systemShell} runs commands.
 *
 * @example
 * ```ts
 * import { systemShell, type SystemShellOptions } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const options: SystemShellOptions = { cwd: "/", acceptEnv: (name) => name === "GREETING" };
 * await using pair = await connectedPair({ handler: systemShell(options) });
 * const env = { GREETING: "hello", SECRET: "x" };
 * assertEquals(await pair.host.run('echo "$GREETING$SECRET"; pwd', { env }), "hello\n/");
 * ```
 */
export interface SystemShellOptions {
  /** The shell; `$SHELL` of the server is not asked. `/bin/sh` unless given. */
  readonly shell?: string;
  /** The folder that commands start in. */
  readonly cwd?: string;
  /** Which of the client's environment variables are passed on; LANG and LC_* unless given. */
  readonly acceptEnv?: (name: string) => boolean;
}

/**
 * A handler that runs commands through the system's shell, as sshd does, with the rights of this
 * process: whoever can log in can do whatever it can. Needs `--allow-run`. An agent that the client
 * lends is at SSH_AUTH_SOCK while the command runs, and its display at DISPLAY; this process's own are
 * not.
 *
 * @example
 * ```ts
 * import { connect, password } from "@denossh/ssh";
 * import { serve, systemShell } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * const hostKey = await generateKey();
 * await using server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [hostKey],
 *   auth: { password: (_, secret) => secret === "hunter2" },
 *   pty: false,
 * }, systemShell());
 *
 * await using host = await connect({
 *   hostname: "127.0.0.1",
 *   port: server.addr.port,
 *   user: "me",
 *   auth: [password("hunter2")],
 *   hostKeys: hostKey.publicKey,
 * });
 * const { code, signal } = await host.command("exit 7").output();
 * assertEquals([code, signal], [7, null]);
 * ```
 */
export function systemShell(options: SystemShellOptions = {}): SessionHandler {
  const { shell = "/bin/sh", acceptEnv = (name) => /^(LANG|LC_\w+)$/.test(name) } = options;
  return async (session) => {
    await using agent = session.agent && await listenAgent(session.agent);
    await using x11 = session.x11 && await listenX11(session.x11);
    const accepted = Object.entries(session.env).filter(([name]) => acceptEnv(name));
    const child = new Deno.Command(shell, {
      args: session.command === null ? [] : ["-c", session.command],
      env: {
        ...Object.fromEntries(accepted),
        ...session.login.grant.environment,
        ...(session.originalCommand !== null && { SSH_ORIGINAL_COMMAND: session.originalCommand }),
        SSH_AUTH_SOCK: agent?.path ?? "",
        DISPLAY: x11?.display ?? "",
        XAUTHORITY: x11?.authority ?? "",
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    }).spawn();
    session.onSignal((name) => kill(child, `SIG${name}` as Deno.Signal));
    const hangUp = () => kill(child, "SIGHUP");
    session.signal.addEventListener("abort", hangUp, { once: true });
    // A command may end without reading its input, and a client without reading the output.
    const ignore = () => {};
    session.stdin.pipeTo(child.stdin).catch(ignore);
    // What a command has left running may hold its pipes open: nobody listens to it any more.
    const how = { preventClose: true, signal: session.signal };
    const streams = [
      child.stdout.pipeTo(session.stdout, how),
      child.stderr.pipeTo(session.stderr, how),
    ];
    const [status] = await Promise.all([child.status, ...streams.map((s) => s.catch(ignore))]);
    session.signal.removeEventListener("abort", hangUp);
    tell(session, status);
  };
}

function tell(session: Session, status: Deno.CommandStatus): void {
  if (status.signal) session.exitSignal(status.signal.replace(/^SIG/, ""));
  else session.exit(status.code);
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended already, or the name is none of this system's.
  }
}
