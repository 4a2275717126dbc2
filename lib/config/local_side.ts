/**
 * What a configuration needs to know of the machine and the user that it is read for. Nothing is asked
 * unless the files make it matter.
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
