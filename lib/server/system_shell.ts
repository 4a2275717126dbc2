import { listenAgent } from "../agent/listen.ts";
import { listenX11 } from "../forward/x11_listen.ts";
import type { ChildProcess, ProgramOptions, ProgramStatus } from "../runtime/parts.ts";
import { runtime } from "../runtime/runtime.ts";
import { callback, checkOptions, text, textRecord } from "../option_checks.ts";
import type { Session, SessionHandler } from "../session/session.ts";
import { onAbort } from "../waiting.ts";
import { hasTerminals, startAtTerminal, type TerminalProgram } from "./terminal.ts";

/** Options of {@linkcode systemShell}. */
export interface SystemShellOptions {
  /** The shell, `/bin/sh` by default; `$SHELL` of the server is ignored. */
  readonly shell?: string;
  /** The folder that commands start in. */
  readonly cwd?: string;
  /**
   * Additional variables for commands. By default they get HOME, USER, LOGNAME, PATH and LANG of this
   * process, if it may read them, SHELL, SSH_CONNECTION and SSH_CLIENT; nothing else, because a server's
   * environment may contain secrets.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** The client's environment variables to pass on; LANG and LC_* by default. */
  readonly acceptEnv?: (name: string) => boolean;
}

/**
 * A handler that runs commands through the system's shell, as sshd does, with the rights of this process,
 * which every logged-in user gets. Needs `--allow-run`. A forwarded agent is available at SSH_AUTH_SOCK
 * while the command runs, and a forwarded display at DISPLAY. SSH_CONNECTION and SSH_CLIENT have the
 * addresses of the connection.
 *
 * A client that requests a terminal gets one (`ssh -t`) if the machine has `script` of util-linux and
 * `stty`, and `--allow-run` covers both; otherwise its request is refused, and its commands have pipes.
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
  checkOptions("systemShell()", options, {
    shell: text,
    cwd: text,
    env: textRecord,
    acceptEnv: callback,
  });
  const { shell = "/bin/sh", acceptEnv = (name) => /^(LANG|LC_\w+)$/.test(name) } = options;
  const run = async (session: Session) => {
    await using agent = session.agent && await listenAgent(session.agent);
    await using x11 = session.x11 && await listenX11(session.x11);
    const accepted = Object.entries(session.env).filter(([name]) => acceptEnv(name) === true);
    const place = {
      clearEnv: true,
      env: {
        ...ownVariables(),
        SHELL: shell,
        ...options.env,
        ...Object.fromEntries(accepted),
        ...session.login.grant.environment,
        ...connectionVariables(session),
        ...(session.originalCommand !== null && { SSH_ORIGINAL_COMMAND: session.originalCommand }),
        ...(agent && { SSH_AUTH_SOCK: agent.path }),
        ...(x11 && { DISPLAY: x11.display, XAUTHORITY: x11.authority }),
      },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    };
    const { command, pty, channel, signal } = session;
    const { child, early, resize } = pty === null
      ? plainProgram(shell, command, place)
      : await startAtTerminal(shell, command, pty, { ...place, signal });
    session.onSignal((name) => kill(child, `SIG${name}` as Deno.Signal));
    session.onResize(resize);
    using _hangUp = onAbort(signal, () => kill(child, "SIGHUP"));
    feed(child.stdin, session);
    const send = (bytes: Uint8Array) => channel.writeAll(bytes);
    const [status] = await Promise.all([
      child.status,
      drain(child.stdout, send, signal, early),
      drain(child.stderr, (bytes) => channel.writeAllStderr(bytes), signal),
    ]);
    tell(session, status);
  };
  return Object.assign(run, { hasTerminals });
}

/** A running program without a terminal. */
function plainProgram(
  shell: string,
  command: string | null,
  place: ProgramOptions,
): TerminalProgram {
  const args = command === null ? [] : ["-c", command];
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = runtime.programs.spawn(shell, { args, ...place, ...pipes });
  return { child, early: new Uint8Array(0), resize: () => {} };
}

/** The variables of this process that programs expect, as in sshd. */
const OWN_VARIABLES = ["HOME", "USER", "LOGNAME", "PATH", "LANG"];

/** The default PATH. */
const USUAL_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

function ownVariables(): Record<string, string> {
  const readable = OWN_VARIABLES.filter((variable) => runtime.isGranted({ name: "env", variable }));
  const entries = readable.map((variable) => [variable, runtime.env.get(variable)] as const);
  const present = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { PATH: USUAL_PATH, ...Object.fromEntries(present) };
}

/** SSH_CONNECTION and SSH_CLIENT of ssh(1), if the connection has addresses. */
function connectionVariables({ login, channel }: Session): Record<string, string> {
  const { remoteAddr: client } = login;
  const { localAddr: server } = channel;
  if (client?.transport !== "tcp" || server.transport !== "tcp") return {};
  return {
    SSH_CONNECTION: [client.hostname, client.port, server.hostname, server.port].join(" "),
    SSH_CLIENT: [client.hostname, client.port, server.port].join(" "),
  };
}

/** The capacity of a pipe, in bytes. */
const BLOCK = 64 * 1024;

/** Forwards the client's input to a command, which may end without reading it. */
async function feed(stdin: WritableStream<Uint8Array>, { channel }: Session): Promise<void> {
  const writer = stdin.getWriter();
  const buffer = new Uint8Array(BLOCK);
  try {
    for (let n; (n = await channel.read(buffer)) !== null;) {
      await writer.write(buffer.subarray(0, n));
    }
    await writer.close();
  } catch (error) {
    writer.abort(error).catch(ignore);
    channel.readable.cancel(error).catch(ignore);
  }
}

/**
 * Sends the output of a command, reusing one buffer. Ends, too, if the client leaves without reading, or if
 * a background program keeps the pipes open after the command.
 */
async function drain(
  from: ReadableStream<Uint8Array<ArrayBuffer>>,
  send: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
  early: Uint8Array = new Uint8Array(0),
): Promise<void> {
  const reader = from.getReader({ mode: "byob" });
  using _leaving = onAbort(signal, (reason) => void reader.cancel(reason).catch(ignore));
  try {
    await send(early);
    let block = new Uint8Array(BLOCK);
    for (let got; !(got = await reader.read(block)).done;) {
      await send(got.value);
      block = new Uint8Array(got.value.buffer);
    }
  } catch (error) {
    await reader.cancel(error).catch(ignore);
  }
}

function ignore(): void {}

function tell(session: Session, status: ProgramStatus): void {
  if (status.signal) session.exitSignal(status.signal.replace(/^SIG/, ""));
  else session.exit(status.code);
}

function kill(child: ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended already, or the system does not have the signal.
  }
}
