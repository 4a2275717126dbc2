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

/** How a command runs on a server. */
export interface RunOptions extends CommandOptions, AgentForwardOptions {
  /**
   * Lends a display to the program, as `ssh -Y`: true for the one of DISPLAY. What it shows there can see
   * and do whatever other X clients can.
   */
  readonly forwardX11?: boolean | DisplayOptions;
}

/**
 * How sudo runs a command on a server. `env` is set by the command line that sudo runs, which the server's
 * other users may see: it is no place for secrets. There is no terminal.
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

/** @throws {TypeError} If an option has an unknown name, or a value that cannot be meant */
export function checkRunOptions(call: string, options: RunOptions): void {
  checkOptions(call, options, RUN);
}

/** @throws {TypeError} If an option has an unknown name, or a value that cannot be meant */
export function checkSudoOptions(options: SudoOptions): void {
  checkOptions("sudo()", options, SUDO);
}
