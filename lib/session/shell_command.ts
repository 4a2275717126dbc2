import { Command } from "./command.ts";
import type { CommandOutput } from "./process.ts";

/**
 * A command of `` host.$`…` ``, as in dax, or of `host.sudo()`. Awaiting it runs the command, and
 * throws unless it succeeds; `text()`, `lines()`, `json()` and `bytes()` return its standard output.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.print("[1, 2]"),
 * });
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
