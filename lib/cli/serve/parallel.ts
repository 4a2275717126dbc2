/** `serve --parallel`: several processes on one port, over which the system spreads the connections. */
import type { ChildProcess } from "../../runtime/parts.ts";
import { runtime } from "../../runtime/runtime.ts";
import { sleep } from "../../waiting.ts";
import type { Log } from "../shared/log.ts";
import { ownCommand } from "../shared/own_program.ts";
import { onSignals } from "../../terminal/signals.ts";

/** Tells a process that it is one of several, and the number of the one that started it. */
const SUPERVISOR = "DENOSSH_SERVE_FOR";
/** How long a server that has ended stays away. */
const RESTART_MS = 1_000;

/** Whether this process is one of several. */
export function isWorker(): boolean {
  return runtime.env.get(SUPERVISOR) === String(runtime.process.ppid);
}

/** Calls back when the process that started this one has ended: its pipe has then. */
export async function onSupervisorGone(gone: () => void): Promise<void> {
  const { stdin } = runtime.terminal;
  const buffer = new Uint8Array(64);
  try {
    while (await stdin.read(buffer) !== null);
  } catch {
    // A pipe that breaks has ended.
  }
  gone();
}

/**
 * Runs servers until a signal ends them; one that ends by itself is started again.
 *
 * @param args The command line of each
 * @returns The exit code: that of a server that does not get as far as listening
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
      log.error(`serve: a server ended with exit code ${code} and is started again`);
    }
  };

  const all = Array.from({ length: count }, () => Promise.withResolvers<string>());
  const running = all.map(({ resolve }) => run(resolve));
  const over = Promise.all(running);
  const said = await Promise.race([Promise.all(all.map(({ promise }) => promise)), over]);
  // They all say the same.
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

/** What a server says once it listens; empty if it ends before. The rest is read and dropped. */
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
