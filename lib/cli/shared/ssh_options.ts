import { type Destination, parseTarget } from "../../client/options.ts";
import { expandHome } from "../../login/home.ts";
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

/** What the command line and the configuration files say about a host; the command line wins. */
export interface SshOptions extends Omit<HostSettings, "LogLevel"> {
  /** How much is said. */
  readonly LogLevel?: LogLevel;
  /**
   * The options of a host on the way to this one: what the files say about it, and where `-J` names it
   * what the command line says, apart from what names the target itself.
   */
  readonly ofHop?: (hop: Destination, how: { readonly named: boolean }) => Promise<SshOptions>;
}

/** Where options come from, besides `-o` and its like. */
export interface OptionSources {
  /** The host that they are about; without one no file is read. */
  readonly target?: Destination | null;
  /** `-F`: the one file that is read, or `none`; the usual ones unless given. */
  readonly file?: string | null;
  /** Is told of what has no effect; standard error unless given. */
  readonly onNote?: (note: string) => void;
}

/** Of the command line, what is about the target and nothing else. */
const OF_TARGET =
  /^(HostName|HostKeyAlias|Port|User|Proxy(Jump|Command)|RemoteCommand|(Local|Remote|Dynamic)Forward)$/i;

/**
 * Finds the options of a host.
 *
 * @param said What the command line says, letters that stand for an option among it
 * @throws {UsageError} If an option or a line of a file is unknown or malformed
 */
export async function sshOptions(
  said: readonly OptionText[],
  { target = null, file = null, onNote = (note) => new Log().info(note) }: OptionSources = {},
): Promise<SshOptions> {
  try {
    const config = target === null ? Config.parse("") : await configOf(file);
    return await lookUp(config, await present(said, onNote), target ?? NOBODY, onNote);
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/**
 * What `-G` prints.
 *
 * @throws {UsageError} As {@linkcode sshOptions} does
 */
export async function showOptions(
  said: readonly OptionText[],
  target: Destination,
  file: string | null,
): Promise<string> {
  try {
    return await (await configOf(file)).show(target.hostname, known(await present(said), target));
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** Stands for the host where there is none. */
const NOBODY: Destination = { hostname: "localhost", user: null, port: null };

async function configOf(file: string | null): Promise<Config> {
  if (file === null) return await readConfig();
  return file.toLowerCase() === "none" ? Config.parse("") : await readConfig(file);
}

async function lookUp(
  config: Config,
  said: readonly OptionText[],
  target: Destination,
  onNote?: (note: string) => void,
): Promise<SshOptions> {
  const settings = await config.lookup(target.hostname, {
    ...known(said, target),
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

/** What settings ask for that there is none of here; what is merely slower or less is not worth a word. */
function unsupported(settings: HostSettings): string[] {
  const { Tunnel = "no", PKCS11Provider, VerifyHostKeyDNS = "no" } = settings;
  return [
    ...Tunnel === "no" ? [] : ["tunnel"],
    ...PKCS11Provider ? ["pkcs11provider"] : [],
    ...VerifyHostKeyDNS === "no" ? [] : ["verifyhostkeydns"],
  ];
}

/** What is said without key files of `-i` that are not there: as in ssh, that is worth a word. */
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
 * @throws {UsageError} If it is none of these
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
  // A name that begins with a dash would be an option to whoever runs ssh with it.
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
