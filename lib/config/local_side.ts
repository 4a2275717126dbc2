import { ConfigError } from "../errors.ts";
import { homeDirectory } from "../runtime/environment.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import type { CallOptions } from "../waiting.ts";

/**
 * Information about the local machine and user for a configuration. It is requested only if the files
 * need it.
 */
export interface LocalSide {
  /** The home directory of the user, or of another one; undefined if the user does not exist. */
  home(user?: string): string | undefined;
  /** The user's name. */
  user(): string;
  /** The user's id. */
  uid(): string;
  /** The host name of the machine. */
  hostname(): string;
  /** An environment variable. */
  env(name: string): string | undefined;
  /** Runs a command in the user's shell until the signal is aborted; resolves to whether it succeeded. */
  run(command: string, options?: CallOptions): Promise<boolean>;
  /** The addresses of the machine's interfaces, for `Match localnetwork`; none by default. */
  addresses?(): readonly string[];
  /**
   * Looks up a name; null if it does not exist.
   *
   * @returns Its canonical name, which differs from the name if the DNS has an alias
   */
  resolve(name: string): Promise<string | null>;
}

/**
 * The machine and the user of this program. Depending on the configuration files, needs `--allow-env`,
 * `--allow-sys=hostname,uid,networkInterfaces`, `--allow-run` and `--allow-net`, and for the home directory
 * of another user `--allow-read=/etc/passwd`.
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
