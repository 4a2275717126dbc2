import type { SftpShell } from "./shell.ts";
import type { Word } from "../shared/split_words.ts";

/** The arguments of a command. */
export interface CommandCall {
  readonly shell: SftpShell;
  /** The words that are not flags. */
  readonly words: readonly Word[];
  /** Whether a flag was given, by its letter. */
  has(letter: string): boolean;
}

/** One command of `sftp`. */
export interface SftpCommand {
  readonly usage: string;
  readonly help: string;
  /** Letters of its flags. */
  readonly flags?: string;
  /** The least and the greatest number of words. */
  readonly words: readonly [least: number, most: number];
  readonly run: (call: CommandCall) => Promise<void>;
}

/** A word without its quotes. */
export function textOf(call: CommandCall, index = 0): string {
  return call.words[index]!.text;
}

/** A word as a remote path. */
export function remoteOf(call: CommandCall, index = 0): string {
  return call.shell.remote(textOf(call, index));
}
