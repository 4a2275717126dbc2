import { ConfigError } from "../errors.ts";
import { homeDirectory } from "../runtime/environment.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import type { CallOptions } from "../waiting.ts";

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
  /** Runs a command in the user's shell until the signal is aborted; whether it succeeded. */
  run(command: string, options?: CallOptions): Promise<boolean>;
  /** The addresses of the machine's interfaces, for `Match localnetwork`; none unless given. */
  addresses?(): readonly string[];
  /**
   * Looks a name up; null if there is none.
   *
   * @returns The name that it stands for, which is another one where the DNS has an alias
   */
  resolve(name: string): Promise<string | null>;
}

/**
 * The machine and the user that the program runs on and as. What the files make it ask for needs
 * `--allow-env`, `--allow-sys=hostname,uid,networkInterfaces`, `--allow-run` and `--allow-net`; for the
 * home directory of somebody else, `--allow-read=/etc/passwd`.
 */
export const thisSide: LocalSide = {
  home(user) {
    if (user === undefined) return homeDirectory();
    return accounts().find(([name]) => name === user)?.[5];
  },
  user() {
    const { env, process } = runtime;
    const name = env.get("USER") ?? env.get("LOGNAME") ?? env.get("USERNAME") ??
      nameOf(process.uid());
    if (!name) throw new ConfigError(["The name of the user is not known: USER is not set"]);
    return name;
  },
  uid: () => `${runtime.process.uid() ?? ""}`,
  hostname: () => runtime.process.hostname(),
  env: (name) => runtime.env.get(name),
  async run(command, { signal } = {}) {
    const windows = runtime.os === "windows";
    const shell = windows ? "cmd" : runtime.env.get("SHELL") || "/bin/sh";
    const { success } = await runtime.programs.output(shell, {
      args: [windows ? "/c" : "-c", command],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      signal,
    });
    return success;
  },
  addresses: () => runtime.net.networkInterfaces().map(({ address }) => address),
  async resolve(name) {
    try {
      await runtime.net.lookup(name, 0);
    } catch {
      return null;
    }
    return await runtime.net.aliasOf(name) ?? name;
  },
};

function nameOf(uid: number | null): string | undefined {
  return uid === null ? undefined : accounts().find((fields) => fields[2] === `${uid}`)?.[0];
}

/** The lines of /etc/passwd, in fields. */
function accounts(): string[][] {
  try {
    return runtime.files.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":"));
  } catch (error) {
    if (isError(error, "NotFound")) return [];
    throw error;
  }
}
