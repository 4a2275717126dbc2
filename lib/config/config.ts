import { type ConfigFile, type ConfigRoot, loadFile, parseFile } from "./config_file.ts";
import { hostNames } from "./host_names.ts";
import { type Found, lookUp, type LookupOptions } from "./lookup.ts";
import { completeSettings, readySettings } from "./expanded_settings.ts";
import type { HostSettings } from "./settings.ts";
import { showSettings } from "./show.ts";
import { thisSide } from "./local_side.ts";

/**
 * A configuration of one or more files, as in ssh_config(5). A look-up selects the lines that apply to
 * a host.
 *
 * @example
 * ```ts
 * import { Config } from "@denossh/ssh/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = Config.parse(`
 *   Host db* !db9
 *     HostName %h.internal.example.com
 *     ProxyJump bastion.example.com
 *   Host *
 *     User deploy
 *     Port 2222
 * `);
 * const { HostName, User, Port, ProxyJump } = await config.lookup("db1");
 * assertEquals([HostName, User, Port], [
 *   "db1.internal.example.com",
 *   "deploy",
 *   2222,
 * ]);
 * assertEquals(ProxyJump?.map(({ hostname }) => hostname), [
 *   "bastion.example.com",
 * ]);
 * assertEquals((await config.lookup("db9")).HostName, "db9");
 * ```
 */
export class Config {
  readonly #files: readonly ConfigFile[];

  /** @ignore */
  private constructor(files: readonly ConfigFile[]) {
    this.#files = files;
  }

  /**
   * Parses the text of one file without Include lines.
   *
   * @param text The text
   * @param name The name in messages
   * @returns The configuration
   * @throws {ConfigError} If it is too large
   *
   * @example
   * ```ts
   * import { Config } from "@denossh/ssh/config";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals((await Config.parse("Port 2222").lookup("db1")).Port, 2222);
   * ```
   */
  static parse(text: string, name = "config"): Config {
    return new Config([parseFile(name, text)]);
  }

  /**
   * Parses texts with the files that they include, from any source.
   *
   * @param roots The texts; earlier ones take precedence
   * @returns The configuration
   * @throws {ConfigError} If files include each other in a circle, or cannot be trusted
   *
   * @example
   * ```ts
   * import { Config } from "@denossh/ssh/config";
   * import { assertEquals } from "@std/assert";
   *
   * const files: Record<string, string> = { a: "User ann", b: "Port 2222" };
   * const source = {
   *   find: (argument: string) =>
   *     Promise.resolve(argument === "*" ? ["a", "b"] : []),
   *   read: (path: string) => Promise.resolve(files[path] ?? null),
   * };
   * const config = await Config.load([{
   *   name: "main",
   *   text: "Include *",
   *   source,
   * }]);
   * assertEquals(await config.lookup("db1"), {
   *   HostName: "db1",
   *   User: "ann",
   *   Port: 2222,
   * });
   * ```
   */
  static async load(roots: readonly ConfigRoot[]): Promise<Config> {
    const files: ConfigFile[] = [];
    for (const { name, text, source } of roots) files.push(await loadFile(name, text, source));
    return new Config(files);
  }

  /**
   * Looks up the settings of a host.
   *
   * @param alias The host as a user names it
   * @param options Known settings, which take precedence
   * @returns The settings; those that are not set are missing
   * @throws {ConfigError} If a line is malformed, a token or variable is unknown, or the name is not valid
   *   for a host
   *
   * @example
   * ```ts
   * import { Config } from "@denossh/ssh/config";
   * import { assertEquals } from "@std/assert";
   *
   * const config = Config.parse("Match user ops\n  Port 2200\n");
   * assertEquals((await config.lookup("db1", { user: "ops" })).Port, 2200);
   * assertEquals(
   *   (await config.lookup("db1", { options: ["Port=22", "User=ops"] })).Port,
   *   22,
   * );
   * ```
   */
  async lookup(alias: string, options: LookupOptions = {}): Promise<HostSettings> {
    return readySettings(await this.#found(alias, options), options.local ?? thisSide);
  }

  /**
   * The settings of a host, as `ssh -G` prints them: a line for each setting, including defaults.
   *
   * @param alias The host as a user names it
   * @param options Known settings, which take precedence
   * @returns The lines
   * @throws {ConfigError} As {@linkcode Config.lookup}
   *
   * @example
   * ```ts
   * import { Config } from "@denossh/ssh/config";
   * import { assert } from "@std/assert";
   *
   * const text = await Config.parse("HostName %h.example.com").show("DB1", {
   *   user: "ops",
   * });
   * assert(
   *   text.startsWith(
   *     "host DB1\nuser ops\nhostname db1.example.com\nport 22\n",
   *   ),
   * );
   * ```
   */
  async show(alias: string, options: LookupOptions = {}): Promise<string> {
    const local = options.local ?? thisSide;
    const found = await this.#found(alias, options);
    return showSettings(alias, completeSettings(found, local));
  }

  /**
   * The host names in the configuration: the words of `Host` lines without wildcards, each once.
   * Included files whose names depend on the host are skipped.
   *
   * @param patterns Selects names by a list of patterns as in ssh_config(5), such as `web*,!web9`
   *
   * @example
   * ```ts
   * import { Config } from "@denossh/ssh/config";
   * import { assertEquals } from "@std/assert";
   *
   * const config = Config.parse(
   *   "Host web1 web2 db*\n  User deploy\nHost db1\n  Port 2222\n",
   * );
   * assertEquals(await config.hosts(), ["web1", "web2", "db1"]);
   * assertEquals(await config.hosts("web*,!web2"), ["web1"]);
   * ```
   */
  hosts(patterns = "*"): Promise<string[]> {
    return hostNames(this.#files, patterns);
  }

  #found(alias: string, options: LookupOptions): Promise<Found> {
    return lookUp(this.#files, alias, options.local ?? thisSide, options);
  }
}
