/** `serve --parallel`: several processes on one port; the system distributes the connections. */
import type { ChildProcess } from "../../runtime/parts.ts";
import { runtime } from "../../runtime/runtime.ts";
import { sleep } from "../../waiting.ts";
import type { Log } from "../shared/log.ts";
import { ownCommand } from "../shared/own_program.ts";
import { onSignals } from "../../terminal/signals.ts";

/** Environment variable of the server processes, with the id of the process that started them. */
const SUPERVISOR = "DENOSSH_SERVE_FOR";
/** The delay before a server that has ended is restarted. */
const RESTART_MS = 1_000;

/** Whether this process is one of the server processes. */
export function isWorker(): boolean {
  return runtime.env.get(SUPERVISOR) === String(runtime.process.ppid);
}

/** Calls `gone` when the process that started this one has ended, which closes the pipe to standard input. */
export async function onSupervisorGone(gone: () => void): Promise<void> {
  const { stdin } = runtime.terminal;
  const buffer = new Uint8Array(64);
  try {
    while (await stdin.read(buffer) !== null);
  } catch {
    // A broken pipe has ended, too.
  }
  gone();
}

/**
 * Runs servers until a signal ends them, and restarts those that end by themselves.
 *
 * @param args The command line of each server
 * @returns The exit code; not 0 if a server ended before it listened
 */
export async function superviseServers(
  count: number,
  args: readonly string[],
  log: Log,
): Promise<number> {
  const stopping = new AbortController();
  const children = new Set<ChildProcess>();
  using _ = onSignals(["SIGINT", "SIGTERM"], (signal) => {
    log.verbose(`Ended by ${signal}`);
    stop(0);
  });
  let code = 0;
  const stop = (reason: number) => {
    code ||= reason;
    stopping.abort();
    for (const child of children) kill(child);
  };

  const run = async (listening: (said: string) => void) => {
    for (let times = 0; !stopping.signal.aborted; times++) {
      if (times > 0) await sleep(RESTART_MS, stopping.signal).catch(() => {});
      if (stopping.signal.aborted) return;
      const child = start(args);
      children.add(child);
      const said = await firstOutput(child);
      if (said !== "") listening(said);
      const { code } = await child.status;
      children.delete(child);
      if (stopping.signal.aborted) return;
      if (said === "") return stop(code || 1);
      log.error(`serve: a server ended with exit code ${code} and is restarted`);
    }
  };

  const all = Array.from({ length: count }, () => Promise.withResolvers<string>());
  const running = all.map(({ resolve }) => run(resolve));
  const over = Promise.all(running);
  const said = await Promise.race([Promise.all(all.map(({ promise }) => promise)), over]);
  // All print the same line.
  if (typeof said[0] === "string") runtime.terminal.stdout.writeSync(encode(said[0]));
  await over;
  return code;
}

function start(args: readonly string[]): ChildProcess {
  const own = ownCommand(["serve", ...args], ["--unstable-net"]);
  return runtime.programs.spawn(own.program, {
    args: own.args,
    env: { [SUPERVISOR]: String(runtime.process.pid) },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
}

/** The first output of a server, printed once it listens; empty if it ends before. Later output is dropped. */
async function firstOutput({ stdout }: ChildProcess): Promise<string> {
  const reader = stdout.getReader();
  const { done, value } = await reader.read();
  if (done) return "";
  (async () => {
    while (!(await reader.read()).done);
  })().catch(() => {});
  return new TextDecoder().decode(value);
}

function kill(child: ChildProcess): void {
  try {
    child.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}
