/**
 * What a configuration needs to know of the machine and the user that it is read for. Nothing is asked
 * unless the files make it matter.
 *
 * @example
 * ```ts
 * import { Config, type LocalSide } from "@denossh/ssh/config";
 * import { assertEquals } from "@std/assert";
 *
 * const local: LocalSide = {
 *   home: () => "/home/ann",
 *   user: () => "ann",
 *   uid: () => "1000",
 *   hostname: () => "desk.example.com",
 *   env: () => undefined,
 *   run: () => Promise.resolve(false),
 *   resolve: () => Promise.resolve(null),
 * };
 * const config = Config.parse("Match localuser ann\n  IdentityFile ~/.ssh/%L_%r\n");
 * const { IdentityFile } = await config.lookup("db1", { local, user: "ops" });
 * assertEquals(IdentityFile, ["/home/ann/.ssh/desk_ops"]);
 * ```
 */
export interface LocalSide {
  /** The home directory of the user, or of another one; undefined if there is no such user. */
  home(user?: string): string | undefined;
  /** The user's name. */
  user(): string;
  /** The user's number. */
  uid(): string;
  /** The name of the machine, as it has it itself. */
  hostname(): string;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** Runs a command in the user's shell; whether it succeeded. */
  run(command: string): Promise<boolean>;
  /**
   * Looks a name up; null if there is none.
   *
   * @returns The name that it stands for, which is another one where the DNS has an alias
   */
  resolve(name: string): Promise<string | null>;
}
