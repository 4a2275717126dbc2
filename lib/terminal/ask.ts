import { grantedVariable } from "../runtime/environment.ts";
import { isError } from "../runtime/errors.ts";
import type { OpenFile } from "../runtime/files.ts";
import type { ProgramOptions } from "../runtime/parts.ts";
import { runtime } from "../runtime/runtime.ts";
import { LineEditor } from "./line_editor.ts";
import { rawMode } from "./raw_input.ts";
import { onSignals } from "./signals.ts";

/**
 * The user pressed Ctrl-C, or a signal arrived that would have ended the program.
 *
 * @example
 * ```ts
 * import { InterruptedError } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   new InterruptedError("SIGTERM").message,
 *   "Interrupted by SIGTERM",
 * );
 * ```
 */
export class InterruptedError extends Error {
  /** Creates the error; `signal` is its name, if it was one. */
  constructor(signal?: string) {
    super(signal === undefined ? "Interrupted" : `Interrupted by ${signal}`);
    this.name = "InterruptedError";
  }
}

/** A terminal for questions and answers. */
type AskedTerminal = Pick<OpenFile, "read" | "writeSync" | "setRaw" | "close">;

/** Options of a question. */
export interface AskOptions {
  /** Whether the answer may be visible while it is typed. */
  readonly echo: boolean;
}

/**
 * Asks the user on the controlling terminal, even if the standard streams are redirected, or through
 * the program in SSH_ASKPASS if SSH_ASKPASS_REQUIRE is `force`.
 *
 * @returns The answer, or null if there is no terminal
 * @throws {InterruptedError} If the user cancels
 */
export async function ask(prompt: string, options: AskOptions): Promise<string | null> {
  const helper = forcedHelper();
  if (helper !== null) return await askHelper(helper, prompt);
  const tty = openTerminal();
  if (tty === null) return null;
  try {
    return await askTerminal(tty, prompt, options.echo);
  } finally {
    tty.close();
  }
}

/**
 * Asks the user for a secret, which is not shown while it is typed. A program with all permissions
 * (`-A`) asks on the controlling terminal, even if its standard streams are redirected, or through the
 * program in SSH_ASKPASS if SSH_ASKPASS_REQUIRE is `force`; others ask on standard input, if it is a
 * terminal.
 *
 * @returns The answer, or null if there is no terminal
 * @throws {InterruptedError} If the user cancels
 *
 * @example
 * ```ts ignore
 * import { connect, password, promptSecret } from "@denossh/ssh";
 *
 * const ask = async () => await promptSecret("Password: ") ?? "";
 * await using host = await connect("ann@db1", { auth: [password(ask)] });
 * await host.sudo("systemctl restart web", {
 *   password: () => promptSecret("Password for sudo: "),
 * });
 * ```
 */
export function promptSecret(prompt: string): Promise<string | null> {
  return ask(prompt, { echo: false });
}

/** Whether `ask` can ask the user. */
export function canAsk(): boolean {
  if (forcedHelper() !== null) return true;
  const tty = openTerminal();
  tty?.close();
  return tty !== null;
}

/**
 * The controlling terminal. Deno allows it only to programs with all permissions; others use the
 * standard streams, if they are a terminal.
 */
function openTerminal(): AskedTerminal | null {
  if (runtime.os === "windows" || !hasAllFiles()) return standardTerminal();
  try {
    return runtime.files.openSync("/dev/tty", { read: true, write: true });
  } catch (error) {
    return isError(error, "NotCapable") ? standardTerminal() : null;
  }
}

/** Whether all permissions for files are granted; otherwise Deno would prompt for them. */
function hasAllFiles(): boolean {
  return runtime.isGranted({ name: "read" }) && runtime.isGranted({ name: "write" });
}

function standardTerminal(): AskedTerminal | null {
  const { stdin, stderr } = runtime.terminal;
  if (!stdin.isTerminal()) return null;
  return {
    read: (into) => stdin.read(into),
    writeSync: (bytes) => stderr.writeSync(bytes),
    setRaw: (raw) => stdin.setRaw(raw),
    close: () => {},
  };
}

/** The program in SSH_ASKPASS, if SSH_ASKPASS_REQUIRE is `force` and the variables may be read. */
function forcedHelper(): string | null {
  if (grantedVariable("SSH_ASKPASS_REQUIRE") !== "force") return null;
  return grantedVariable("SSH_ASKPASS") || null;
}

// ssh(1), ENVIRONMENT: the prompt is the argument, the answer the first line that it prints.
async function askHelper(helper: string, prompt: string): Promise<string | null> {
  const options: ProgramOptions = { args: [prompt], stdin: "null", stderr: "inherit" };
  const { success, stdout } = await runtime.programs.output(helper, options);
  if (!success) return null;
  return new TextDecoder().decode(stdout).split(/\r?\n/, 1)[0]!;
}

async function askTerminal(tty: AskedTerminal, prompt: string, echo: boolean): Promise<string> {
  const write = (text: string) => tty.writeSync(new TextEncoder().encode(text));
  const killed = Promise.withResolvers<never>();
  using _killed = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
    killed.reject(new InterruptedError(signal));
  });
  try {
    // In raw mode, with line editing here, because in cooked mode the echo cannot be turned off. Set before
    // the prompt, so that early input is not shown.
    using _raw = rawMode(tty);
    write(prompt);
    return await Promise.race([readLine(tty, write, !echo), killed.promise]);
  } finally {
    write("\n");
  }
}

async function readLine(
  tty: AskedTerminal,
  show: (text: string) => void,
  isSecret: boolean,
): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(256);
  const editor = new LineEditor({ isSecret });
  for (;;) {
    const n = await tty.read(buffer);
    for (const key of n === null ? "\n" : decoder.decode(buffer.subarray(0, n), { stream: true })) {
      const { shown, line } = editor.press(key);
      if (line === null) throw new InterruptedError();
      if (line !== undefined) return line;
      show(shown);
    }
  }
}
