import { ConfigError, printable } from "../errors.ts";
import { canonicalAddress, canonicalHost } from "./canonical.ts";
import type { ConfigFile } from "./config_file.ts";
import type { RawSettings } from "./directives.ts";
import { Evaluation, type EvaluationSubject } from "./evaluation.ts";
import type { LocalSide } from "./local_side.ts";
import { checkHost, checkUser, shellTokens } from "./shell_safe.ts";
import { abortable } from "../waiting.ts";
import { connectionHash, expandAll, expandTokens, type Tokens } from "./tokens.ts";
import { quoteWord } from "./words.ts";

/** Options of a look-up. */
export interface LookupOptions {
  /** Options that take precedence over the files, as with ssh's `-o`: `"Port=2222"`. */
  readonly options?: readonly string[];
  /** The user to log in as, unless an option says so. */
  readonly user?: string;
  /** The port to connect to, unless an option says so. */
  readonly port?: number;
  /** The command to run, or the subsystem, for `Match command` and `Match sessiontype`. */
  readonly command?: string;
  /** The local machine and user; by default those of this program. */
  readonly local?: LocalSide;
  /** Aborts, and kills the running command of a `Match exec`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with messages about lines without effect, such as `Deprecated option`. */
  readonly onNote?: (note: string) => void;
}

/** The settings of a host, after its name is final. */
export interface Found {
  readonly alias: string;
  readonly hostname: string;
  readonly settings: RawSettings;
  readonly tokens: Tokens;
}

/**
 * Evaluates the files as ssh does: once, and a second time if the name has changed or `Match final`
 * asks for it.
 *
 * @throws {ConfigError} If a file is malformed, or the host name is invalid
 */
export async function lookUp(
  files: readonly ConfigFile[],
  alias: string,
  local: LocalSide,
  { options = [], user, port, command = "", onNote, signal }: LookupOptions,
): Promise<Found> {
  checkHost(alias);
  const evaluation = new Evaluation(onNote);
  await evaluation.options(options);
  // As in ssh, a user from the command line is literal; tokens in one from an option or a file are
  // replaced.
  const isLiteral = user !== undefined && evaluation.settings.User === undefined;
  await evaluation.options([
    ...user === undefined ? [] : [`User=${quoteWord(user)}`],
    ...port === undefined ? [] : [`Port=${port}`],
  ]);
  // Checked here only, because options of a call may come from another program, unlike those in files.
  if (evaluation.settings.User !== undefined) checkUser(evaluation.settings.User);
  let wantsFinal = false;
  const pass = async (host: string, final: boolean, finalName: string | null) => {
    const named = () => finalName ?? nameOf(evaluation.settings, alias);
    const tokens = () => tokensOf(alias, named(), evaluation.settings, local);
    const subject: EvaluationSubject = {
      originalHost: alias,
      host: named,
      user: () => evaluation.settings.User ?? local.user(),
      localUser: () => local.user(),
      tag: () => evaluation.settings.Tag ?? "",
      command,
      sessionType: () => evaluation.settings.SessionType ?? "default",
      addresses: () => local.addresses?.() ?? [],
      final,
      requestFinal: () => void (wantsFinal = true),
      run: (command) =>
        abortable(local.run(expandTokens(command, shellTokens(tokens())), { signal }), signal),
      expandInclude(argument) {
        const variables = [...argument.matchAll(/\$\{([^}]*)\}/g)].map(([, name]) => name!);
        if (variables.some((name) => local.env(name) === undefined)) return null;
        return expandAll(argument, tokens(), (name) => local.env(name));
      },
    };
    for (const file of files) await evaluation.file(file, host, subject);
  };

  await pass(alias, false, null);
  const typed = nameOf(evaluation.settings, alias);
  const address = canonicalAddress(typed, evaluation.settings.AddressFamily);
  const hostname = address ?? await canonicalHost(typed.toLowerCase(), evaluation.settings, local);
  const { CanonicalizeHostname = "no" } = evaluation.settings;
  if (wantsFinal || CanonicalizeHostname !== "no") {
    await pass(hostname, true, hostname);
  }
  const settings = isLiteral
    ? evaluation.settings
    : withUser(evaluation.settings, tokensOf(alias, hostname, evaluation.settings, local), local);
  checkSettings(settings, hostname, local);
  return { alias, hostname, settings, tokens: tokensOf(alias, hostname, settings, local) };
}

function nameOf({ HostName }: RawSettings, alias: string): string {
  return HostName === undefined ? alias : expandTokens(HostName, { h: () => alias });
}

/** Replaces the tokens in User. */
function withUser(settings: RawSettings, tokens: Tokens, local: LocalSide): RawSettings {
  if (settings.User === undefined) return settings;
  const { r: _user, C: _hash, ...others } = tokens; // these tokens depend on the user
  const User = expandAll(settings.User, others, (name) => local.env(name));
  return { ...settings, User: User === settings.User ? User : checkUser(User) };
}

function tokensOf(
  alias: string,
  hostname: string,
  settings: RawSettings,
  local: LocalSide,
): Tokens {
  const port = settings.Port ?? 22;
  const user = () => settings.User ?? local.user();
  const jump = settings.ProxyJump?.hosts.at(-1)?.hostname ?? "";
  return {
    C: () => connectionHash({ local: local.hostname(), host: hostname, port, user: user(), jump }),
    d: () => local.home() ?? "",
    h: () => hostname,
    i: () => local.uid(),
    j: () => jump,
    k: () => settings.HostKeyAlias?.toLowerCase() ?? alias,
    L: () => local.hostname().replace(/\..*$/s, ""),
    l: () => local.hostname(),
    n: () => alias,
    p: () => `${port}`,
    r: user,
    u: () => local.user(),
  };
}

/** Checks for incompatible and circular settings. */
function checkSettings(settings: RawSettings, hostname: string, local: LocalSide): void {
  if (settings.ConnectionAttempts === 0) {
    throw new ConfigError(["Invalid number of ConnectionAttempts"]);
  }
  if (settings.ProxyCommand === "-" && settings.ProxyUseFdpass) {
    throw new ConfigError(["ProxyCommand=- and ProxyUseFDPass are incompatible"]);
  }
  const last = settings.ProxyJump?.hosts.at(-1);
  if (last === undefined) return;
  const sameHost = last.hostname === hostname &&
    (last.port ?? 22) === (settings.Port ?? 22);
  if (!sameHost) return;
  const user = settings.User ?? local.user();
  if ((last.user ?? user) === user) {
    throw new ConfigError([`jumphost loop via ${printable(last.hostname)}`]);
  }
}
