import { quote } from "../quote.ts";
import { Command } from "./command.ts";
import type { CommandOutput } from "./process.ts";

/** What can stand in a template of {@linkcode ShellCommand}: words, and lists of them. */
export type ShellValue = string | number | readonly (string | number)[];

/**
 * A command of `` host.$`…` ``, as dax has it, or of `host.sudo()`. Awaited, it runs to its end and fails
 * unless it succeeds; `text()`, `lines()`, `json()` and `bytes()` give its standard output.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ handler: (session) => session.print("[1, 2]") });
 * assertEquals(await pair.host.$`numbers --up-to ${2}`.json(), [1, 2]);
 * ```
 */
export class ShellCommand extends Command implements PromiseLike<CommandOutput> {
  /**
   * Runs the command to its end.
   *
   * @throws {CommandError} If it ends without success
   */
  then<T = CommandOutput, E = never>(
    done?: ((output: CommandOutput) => T | PromiseLike<T>) | null,
    failed?: ((error: unknown) => E | PromiseLike<E>) | null,
  ): Promise<T | E> {
    return this.success().then(done, failed);
  }
}

/**
 * The text of a command whose values are quoted for a POSIX shell: each is a word, whatever is in it, and
 * a list is as many words.
 *
 * @throws {TypeError} If a value is neither text, a number nor a list of them
 */
export function shellText(parts: TemplateStringsArray, values: readonly ShellValue[]): string {
  return parts.map((part, at) => at < values.length ? part + wordsOf(values[at]!) : part).join("");
}

function wordsOf(value: ShellValue): string {
  if (Array.isArray(value)) return quote(value.map(wordOf));
  return quote(wordOf(value as string | number));
}

function wordOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new TypeError(
    `A value in a command must be text, a number or a list of them, not ${
      value === null ? "null" : typeof value
    }`,
  );
}
