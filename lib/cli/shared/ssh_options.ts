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
  /** How much is logged. */
  readonly LogLevel?: LogLevel;
  /**
   * The options of a jump host: those of the files and, if `-J` names it, those of the command line that do
   * not concern the target itself.
   */
  readonly ofHop?: (hop: Destination, how: { readonly named: boolean }) => Promise<SshOptions>;
}

/** Where options come from, besides `-o` and its like. */
export interface OptionSources {
  /** The host that they are about; without one no file is read. */
  readonly target?: Destination | null;
  /** `-F`: the one file that is read, or `none`; the usual ones unless given. */
  readonly file?: string | null;
  /** The command to run there, or the subsystem, for `Match command` and `Match sessiontype`. */
  readonly command?: string;
  /** Called with options that have no effect; they are logged unless given. */
  readonly onNote?: (note: string) => void;
}

/** Options of the command line that concern the target only. */
const OF_TARGET =
  /^(HostName|HostKeyAlias|Port|User|Proxy(Jump|Command)|RemoteCommand|(Local|Remote|Dynamic)Forward)$/i;

/**
 * Finds the options of a host.
 *
 * @param said The options of the command line, with letters that stand for an option
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
    return await lookUp(config, await present(said, onNote), target ?? NOBODY, {
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

/** The host of options without one. */
const NOBODY: Destination = { hostname: "localhost", user: null, port: null };

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

/** Settings without support here whose absence the user must know. */
function unsupported(settings: HostSettings): string[] {
  const { Tunnel = "no", PKCS11Provider, VerifyHostKeyDNS = "no" } = settings;
  return [
    ...Tunnel === "no" ? [] : ["tunnel"],
    ...PKCS11Provider ? ["pkcs11provider"] : [],
    ...VerifyHostKeyDNS === "no" ? [] : ["verifyhostkeydns"],
  ];
}

/** The options without key files of `-i` that do not exist, which are reported as in ssh. */
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
  // Each -v says more.
  const louder = said.filter(({ letter }) => letter === "v").length;
  const level = louder > 1 ? `debug${Math.min(louder, 3)}` : "debug";
  return {
    options: said.map(({ name, value, letter }) => `${name}=${letter === "v" ? level : value}`),
    ...user !== null && { user },
    ...port !== null && { port },
  };
}

/** The options that a flag stands for; none if the flag is not one about options. */
export function optionsOfFlag({ name, value }: Flag): OptionText[] {
  if (name === "o") return [parseOption(value)];
  if (name === "p") return [{ name: "Port", value }];
  const option = Object.hasOwn(LETTERS, name) ? LETTERS[name]! : null;
  if (option === null) return [];
  const letter = name === "i" || name === "v" ? { letter: name } : {};
  return [{ name: option[0], value: option[1] ?? quoteWord(value), ...letter }];
}

/** By letter: the option, and its value unless the flag has one. */
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
 * Takes `[user@]host` or `ssh://[user@]host[:port]` apart, as `ssh` does: without the scheme a colon is
 * part of an IPv6 address.
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
  // A program that runs ssh with a name that begins with a dash would pass an option.
  if (at === 0 || hostname === "" || /^-|[\s\p{Cc}]/u.test(hostname)) {
    throw new UsageError(`Cannot parse the destination "${destination}"`);
  }
  return { hostname, port: null, user: at < 0 ? null : destination.slice(0, at) };
}

/**
 * Parses the jump hosts of `-J`, with commas between; none if there is no such flag.
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
