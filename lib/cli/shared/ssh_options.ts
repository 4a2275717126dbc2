import { type Destination, parseTarget } from "../../client/options.ts";
import { expandHome } from "../../runtime/local_path.ts";
import { Config } from "../../config/config.ts";
import { readConfig } from "../../config/read.ts";
import { quoteWord } from "../../config/words.ts";
import type { HostSettings, LogLevelSetting } from "../../config/settings.ts";
import { ConfigError } from "../../errors.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type Flag, UsageError } from "./flags.ts";
import { Log, type LogLevel } from "./log.ts";
import { type OptionText, parseOption } from "./option_text.ts";
import { plainMessage } from "../../error_messages.ts";

const LEVELS: Readonly<Record<LogLevelSetting, LogLevel>> = {
  QUIET: "quiet",
  FATAL: "error",
  ERROR: "error",
  INFO: "info",
  VERBOSE: "verbose",
  DEBUG: "verbose",
  DEBUG2: "trace",
  DEBUG3: "trace",
};

/** A host's options from the command line and the configuration files; the command line wins. */
export interface SshOptions extends Omit<HostSettings, "LogLevel"> {
  /** What to log. */
  readonly LogLevel?: LogLevel;
  /**
   * The options of a jump host: those of the files and, if `-J` names it, those of the command line that
   * are not for the target alone.
   */
  readonly ofHop?: (hop: Destination, how: { readonly named: boolean }) => Promise<SshOptions>;
}

/** Sources of options besides the flags. */
export interface OptionSources {
  /** The host to look up; without one no file is read. */
  readonly target?: Destination | null;
  /** `-F`: the only file to read, or `none`; the usual files unless given. */
  readonly file?: string | null;
  /** The command to run, or the subsystem, for `Match command` and `Match sessiontype`. */
  readonly command?: string;
  /** Called with notes on options that have no effect; they are logged unless given. */
  readonly onNote?: (note: string) => void;
}

/** Options of the command line that apply only to the target. */
const OF_TARGET =
  /^(HostName|HostKeyAlias|Port|User|Proxy(Jump|Command)|RemoteCommand|(Local|Remote|Dynamic)Forward)$/i;

/**
 * Finds the options of a host.
 *
 * @param said The options of the command line, including those of flags
 * @throws {UsageError} If an option or a line of a file is unknown or malformed
 */
export async function sshOptions(
  said: readonly OptionText[],
  {
    target = null,
    file = null,
    command = "",
    onNote = (note) => new Log().info(note),
  }: OptionSources = {},
): Promise<SshOptions> {
  try {
    const config = target === null ? Config.parse("") : await configOf(file);
    return await lookUp(config, await present(said, onNote), target ?? NO_HOST, {
      command,
      onNote,
    });
  } catch (error) {
    throw error instanceof ConfigError
      ? new UsageError(plainMessage(error), { cause: error })
      : error;
  }
}

/**
 * The output of `-G`.
 *
 * @throws {UsageError} As {@linkcode sshOptions} does
 */
export async function showOptions(
  said: readonly OptionText[],
  target: Destination,
  { file, command }: Required<Pick<OptionSources, "file" | "command">>,
): Promise<string> {
  try {
    return await (await configOf(file)).show(target.hostname, {
      ...known(await present(said), target),
      command,
    });
  } catch (error) {
    throw error instanceof ConfigError
      ? new UsageError(plainMessage(error), { cause: error })
      : error;
  }
}

/** The host for options without one. */
const NO_HOST: Destination = { hostname: "localhost", user: null, port: null };

async function configOf(file: string | null): Promise<Config> {
  if (file === null) return await readConfig();
  return file.toLowerCase() === "none" ? Config.parse("") : await readConfig(file);
}

async function lookUp(
  config: Config,
  said: readonly OptionText[],
  target: Destination,
  { command = "", onNote }: Pick<OptionSources, "command" | "onNote"> = {},
): Promise<SshOptions> {
  const settings = await config.lookup(target.hostname, {
    ...known(said, target),
    command,
    ...onNote && { onNote },
  });
  for (const name of unsupported(settings)) onNote?.(`Unsupported option "${name}"`);
  const { LogLevel, ...others } = settings;
  return {
    ...others,
    ...LogLevel && { LogLevel: LEVELS[LogLevel] },
    ofHop: (hop, { named }) => {
      const shared = named ? said.filter(({ name }) => !OF_TARGET.test(name)) : [];
      return lookUp(config, [...shared, { name: "ClearAllForwardings", value: "yes" }], hop);
    },
  };
}

/** Unsupported settings that the user must know about. */
function unsupported(settings: HostSettings): string[] {
  const { Tunnel = "no", PKCS11Provider, VerifyHostKeyDNS = "no" } = settings;
  return [
    ...Tunnel === "no" ? [] : ["tunnel"],
    ...PKCS11Provider ? ["pkcs11provider"] : [],
    ...VerifyHostKeyDNS === "no" ? [] : ["verifyhostkeydns"],
  ];
}

/** Removes `-i` options whose file does not exist, and reports them as ssh does. */
async function present(
  said: readonly OptionText[],
  onNote: (note: string) => void = () => {},
): Promise<OptionText[]> {
  const kept: OptionText[] = [];
  for (const option of said) {
    const why = option.letter === "i" ? await absence(expandHome(unquoted(option.value))) : null;
    if (why === null) kept.push(option);
    else onNote(`Warning: Identity file ${unquoted(option.value)} not accessible: ${why}.`);
  }
  return kept;
}

async function absence(file: string): Promise<string | null> {
  try {
    await runtime.files.stat(file);
    return null;
  } catch (error) {
    return isError(error, "NotFound") ? "No such file or directory" : (error as Error).message;
  }
}

function known(said: readonly OptionText[], { user, port }: Destination) {
  // Each -v raises the level.
  const louder = said.filter(({ letter }) => letter === "v").length;
  const level = louder > 1 ? `debug${Math.min(louder, 3)}` : "debug";
  return {
    options: said.map(({ name, value, letter }) => `${name}=${letter === "v" ? level : value}`),
    ...user !== null && { user },
    ...port !== null && { port },
  };
}

/** The options that a flag stands for; none for other flags. */
export function optionsOfFlag({ name, value }: Flag): OptionText[] {
  if (name === "o") return [parseOption(value)];
  if (name === "p") return [{ name: "Port", value }];
  const option = Object.hasOwn(LETTERS, name) ? LETTERS[name]! : null;
  if (option === null) return [];
  const letter = name === "i" || name === "v" ? { letter: name } : {};
  return [{ name: option[0], value: option[1] ?? quoteWord(value), ...letter }];
}

/** The option for each letter, and its value unless the flag has one. */
const LETTERS: Readonly<Record<string, readonly [name: string, value?: string]>> = {
  4: ["AddressFamily", "inet"],
  6: ["AddressFamily", "inet6"],
  A: ["ForwardAgent", "yes"],
  a: ["ForwardAgent", "no"],
  C: ["Compression", "yes"],
  c: ["Ciphers"],
  i: ["IdentityFile"],
  l: ["User"],
  m: ["MACs"],
  q: ["LogLevel", "quiet"],
  v: ["LogLevel", "debug"],
  X: ["ForwardX11", "yes"],
  x: ["ForwardX11", "no"],
};

function unquoted(value: string): string {
  return value.replace(/^"(.*)"$/s, "$1").replace(/\\(["\\])/g, "$1");
}

/**
 * Parses `[user@]host` or `ssh://[user@]host[:port]` as `ssh` does: without the scheme a colon is part of
 * an IPv6 address.
 *
 * @throws {UsageError} If it is malformed
 */
export function parseDestination(destination: string): Destination {
  if (destination.startsWith("ssh://")) {
    try {
      return parseTarget(destination);
    } catch (cause) {
      throw new UsageError(`Cannot parse the destination "${destination}"`, { cause });
    }
  }
  const at = destination.lastIndexOf("@");
  const hostname = destination.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  // Refuse names that begin with a dash, because programs that start ssh with them would pass an option.
  if (at === 0 || hostname === "" || /^-|[\s\p{Cc}]/u.test(hostname)) {
    throw new UsageError(`Cannot parse the destination "${destination}"`);
  }
  return { hostname, port: null, user: at < 0 ? null : destination.slice(0, at) };
}

/**
 * Parses the jump hosts of `-J`, separated by commas; none without the flag.
 *
 * @throws {UsageError} If one is malformed
 */
export function parseHops(list: string | null): Destination[] {
  return (list?.split(",") ?? []).map((text) => {
    try {
      return parseTarget(text);
    } catch (cause) {
      throw new UsageError(`bad jump host "${text}"`, { cause });
    }
  });
}
