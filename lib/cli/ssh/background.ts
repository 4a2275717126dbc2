/** `ssh -f`. Runtimes cannot fork, so a second process logs in, and the first one then ends. */
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import { writeIfRead } from "../shared/log.ts";
import { ownCommand } from "../shared/own_program.ts";
import { onSignals } from "../../terminal/signals.ts";

/** Environment variable of the second process, with the id of the first. */
const PARENT = "DENOSSH_BACKGROUND_OF";
/** The signal that the second process sends after the login. */
const READY = "SIGUSR1";

/** Whether this is the second process. */
export function isInBackground(): boolean {
  return runtime.env.get(PARENT) === String(runtime.process.ppid);
}

/** Ends the first process, after the login of the second. */
export function leaveForeground(): void {
  if (isInBackground()) runtime.process.kill(runtime.process.ppid, READY);
}

/**
 * Runs `ssh` in a second process, until that goes to the background.
 *
 * @param args The command line
 * @param how.hasOutput Whether a command keeps using the streams; otherwise their readers see the end after
 *   the login
 * @returns The exit code; that of the second process if it ends before it goes to the background
 * @throws {UsageError} On Windows, which has no signals
 */
export async function startInBackground(
  args: readonly string[],
  { hasOutput }: { readonly hasOutput: boolean },
): Promise<number> {
  if (runtime.os === "windows") throw new UsageError("-f is not supported on Windows");
  const ready = Promise.withResolvers<number>();
  using _ = onSignals([READY], () => ready.resolve(0));
  const own = ownCommand(["ssh", ...args]);
  const child = runtime.programs.spawn(own.program, {
    args: own.args,
    env: { [PARENT]: String(runtime.process.pid) },
    stdin: "null",
    stdout: hasOutput ? "inherit" : "null",
    stderr: hasOutput ? "inherit" : "piped",
  });
  const shown = hasOutput ? Promise.resolve() : show(child.stderr);
  const ended = async () => {
    const { code } = await child.status;
    await shown;
    return code;
  };
  return await Promise.race([ready.promise, ended()]);
}

/** Passes on the standard error of the second process until it goes to the background. */
async function show(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const bytes of stream) writeIfRead(runtime.terminal.stderr, bytes);
}
