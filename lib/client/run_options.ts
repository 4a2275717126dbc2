import type { AgentForwardOptions } from "../agent/forwarding.ts";
import type { DisplayOptions } from "../forward/x11_lend.ts";
import {
  abortSignal,
  anything,
  callback,
  checkOptions,
  count,
  either,
  flag,
  milliseconds,
  mustBe,
  object,
  oneOf,
  type OptionChecks,
  text,
  textRecord,
  texts,
} from "../option_checks.ts";
import type { CommandOptions } from "../session/command.ts";
import type { SudoSettings } from "../session/sudo.ts";

/** Options of calls that wait for the server. */
export interface WaitOptions {
  /** Aborts the call. */
  readonly signal?: AbortSignal;
}

/** Options for running a command on a server. */
export interface RunOptions extends CommandOptions, AgentForwardOptions {
  /**
   * Forwards a display to the program, as `ssh -Y`; true for that of DISPLAY. The program has full access
   * to the display, like other X clients.
   */
  readonly forwardX11?: boolean | DisplayOptions;
}

/**
 * Options for running a command on a server with sudo. `env` is part of the command line that sudo runs,
 * which other users of the server may see: do not put secrets in it. There is no terminal.
 */
export interface SudoOptions extends Omit<RunOptions, "pty">, SudoSettings {}

const stream = mustBe("a stream", (value) => value instanceof ReadableStream);
const data = mustBe(
  "bytes or a Blob",
  (value) => value instanceof Uint8Array || value instanceof Blob,
);

const RUN: OptionChecks<RunOptions> = {
  args: texts,
  cwd: text,
  env: textRecord,
  pty: either(flag, object),
  stdin: either(
    stream,
    data,
    mustBe(
      '"piped", "null", "inherit", bytes, a stream, a Blob or { text }; text goes to `input`',
      (value) => ["piped", "null", "inherit"].includes(value as string) || isTextHolder(value),
    ),
  ),
  input: either(stream, data, mustBe("text, bytes, a stream or a Blob", (value) => !text(value))),
  stdout: oneOf("piped", "null", "inherit"),
  stderr: oneOf("piped", "null", "merge", "inherit"),
  signal: abortSignal,
  timeout: milliseconds,
  maxOutput: count,
  forwardAgent: anything,
  forwardX11: either(flag, object),
};

const { pty: _, ...RUN_WITHOUT_PTY } = RUN;
const SUDO: OptionChecks<SudoOptions> = {
  ...RUN_WITHOUT_PTY,
  password: mustBe("text or a function", (value) => !text(value) || !callback(value)),
  user: text,
  sudoTimeout: milliseconds,
};

function isTextHolder(value: unknown): boolean {
  return object(value) === null && text((value as { text?: unknown }).text) === null;
}

/** @throws {TypeError} If an option has an unknown name or an invalid value */
export function checkRunOptions(call: string, options: RunOptions): void {
  checkOptions(call, options, RUN);
}

/** @throws {TypeError} If an option has an unknown name or an invalid value */
export function checkSudoOptions(options: SudoOptions): void {
  checkOptions("sudo()", options, SUDO);
}
