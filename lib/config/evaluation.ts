import { MAX_IDENTITY_FILES } from "../defaults.ts";
import { ConfigError, printable } from "../errors.ts";
import { ArgumentError, Arguments } from "./arguments.ts";
import type { ConfigFile, ConfigLine, IncludeCount } from "./config_file.ts";
import type { Directive } from "./directive.ts";
import { DIRECTIVES, type RawSettings } from "./directives.ts";
import { matches, matchesHost, type MatchSubject } from "./match.ts";
import { matchesHostList } from "../patterns.ts";
import { ALIASES, NOT_READ, WITHOUT_EFFECT } from "./ignored_keywords.ts";
import { type Line, parseLine } from "./words.ts";

type SettingName = keyof RawSettings;

/** The directives by their names in lower case, the other names among them. */
const KEYS: ReadonlyMap<string, SettingName> = new Map([
  ...(Object.keys(DIRECTIVES) as SettingName[]).map((
    key,
  ): [string, SettingName] => [key.toLowerCase(), key]),
  ...Object.entries(ALIASES),
]);

/** The subject of an evaluation. */
export interface EvaluationSubject extends MatchSubject {
  /**
   * Replaces the tokens and variables of an argument of Include; null if a variable is not set.
   *
   * @throws {ConfigError} If a token is unknown
   */
  expandInclude(argument: string): string | null;
}

/** The position of an evaluation in the files. */
interface EvaluationContext {
  readonly file: string;
  /** The name that patterns of Host lines are matched against. */
  readonly host: string;
  readonly subject: EvaluationSubject;
  /** Whether this file has no effect, because it was included in a block that does not match. */
  readonly inert: boolean;
}

/** Collects the settings of lines, in order; the first value of each counts. */
export class Evaluation {
  readonly #settings: Partial<Record<SettingName, unknown>> = {};
  readonly #note: (text: string) => void;
  readonly #included: IncludeCount = { files: 0 };

  /** @param note Called with the messages of ssh about lines without effect */
  constructor(note: (text: string) => void = () => {}) {
    this.#note = note;
  }

  /** The settings so far. */
  get settings(): RawSettings {
    return this.#settings as RawSettings;
  }

  /**
   * Applies options of the command line, each `Name=value` or `Name value`.
   *
   * @throws {ConfigError} If one is malformed
   */
  async options(texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      const line = parseLine(text, 0);
      if (line === null) continue;
      const problem = await this.#problemOf("command-line", line, () => {
        if (/^(host|match|include)$/i.test(line.keyword)) {
          throw new ArgumentError(
            `${printable(line.keyword)} directive not supported as a command-line option`,
          );
        }
        this.#set("command-line", line, true);
      });
      if (problem !== null) throw new ConfigError([problem]);
    }
  }

  /**
   * Applies the lines of a file that match a host.
   *
   * @throws {ConfigError} If a line is malformed, also in a block that does not match
   */
  async file(file: ConfigFile, host: string, subject: EvaluationSubject): Promise<void> {
    await this.#file(file, { file: file.name, host, subject, inert: false });
  }

  async #file(file: ConfigFile, place: EvaluationContext): Promise<void> {
    const problems: string[] = [];
    let active = !place.inert;
    for (const line of file.lines) {
      const problem = await this.#problemOf(file.name, line, async () => {
        switch (line.keyword.toLowerCase()) {
          case "host":
            return active = this.#host(line, place);
          case "match":
            return active = await this.#match(line, place);
          case "include":
            return await this.#include(line, { ...place, inert: !active });
          default:
            return this.#set(file.name, line, active);
        }
      });
      if (problem !== null) problems.push(problem);
    }
    if (problems.length > 0) throw new ConfigError(problems);
  }

  #host(line: Line, { host, inert }: EvaluationContext): boolean {
    const patterns = argumentsOf(line).all();
    return !inert && matchesHost(patterns, host);
  }

  async #match(line: Line, { subject, inert }: EvaluationContext): Promise<boolean> {
    argumentsOf(line);
    // In a block that does not match, the criteria are parsed but not evaluated.
    const asked = inert
      ? { ...subject, run: () => Promise.resolve(false), addresses: () => [] }
      : subject;
    const result = await matches(line.rest, asked);
    return !inert && result;
  }

  async #include(line: ConfigLine, place: EvaluationContext): Promise<void> {
    argumentsOf(line).all();
    if (line.include === undefined) {
      throw new ArgumentError("Include needs files, and the text was given without them");
    }
    const { files, problem } = await line.include(this.#included, (argument) => {
      const expanded = place.subject.expandInclude(argument);
      if (expanded === null) {
        this.#note(`${place.file} line ${line.number}: Cannot expand "${printable(argument)}"`);
      }
      return expanded;
    });
    for (const file of files) await this.#file(file, place);
    if (problem !== undefined) throw new ArgumentError(problem);
  }

  #set(file: string, line: Line, active: boolean): void {
    const name = line.keyword.toLowerCase();
    if (name === "refuseconnection") return refuse(file, line, active);
    const key = KEYS.get(name);
    if (key === undefined) return this.#setNothing(file, line, name);
    const args = argumentsOf(line);
    const row = DIRECTIVES[key] as Directive<unknown>;
    const value = row.read(args);
    args.end(name);
    const isNothing = value === undefined || (Array.isArray(value) && value.length === 0);
    if (!active || isNothing || this.#isTaken(key)) return;
    // The tunnels of all directives are one list, in the order of the lines.
    const slot = key === "DynamicForward" ? "LocalForward" : key;
    if (Object.hasOwn(this.#settings, slot)) {
      if (row.add) this.#settings[slot] = row.add(this.#settings[slot], value);
    } else {
      this.#settings[slot] = row.add && Array.isArray(value) ? row.add([], value) : value;
    }
    if (key === "IdentityFile" || key === "CertificateFile") this.#bound(key);
  }

  #setNothing(file: string, line: Line, name: string): void {
    if (Object.hasOwn(WITHOUT_EFFECT, name)) {
      const what = WITHOUT_EFFECT[name]!;
      if (what !== "") {
        this.#note(`${file} line ${line.number}: ${what} option "${name}"`);
      }
    } else if (!NOT_READ.has(name) && !matchesHostList(this.settings.IgnoreUnknown ?? "", name)) {
      throw new UnknownError(`Bad configuration option: ${printable(name)}`);
    }
  }

  /** ProxyCommand and ProxyJump are one setting: the first line counts. */
  #isTaken(key: SettingName): boolean {
    if (key === "ProxyCommand") return (this.settings.ProxyJump?.hosts.length ?? 0) > 0;
    return key === "ProxyJump" && this.settings.ProxyCommand !== undefined;
  }

  #bound(key: "IdentityFile" | "CertificateFile"): void {
    if (this.settings[key]!.length > MAX_IDENTITY_FILES) {
      const what = key === "IdentityFile" ? "identity" : "certificate";
      throw new ArgumentError(`Too many ${what} files specified (max ${MAX_IDENTITY_FILES}).`);
    }
  }

  async #problemOf(
    file: string,
    line: Line,
    run: () => unknown,
  ): Promise<string | null> {
    try {
      requireArguments(line);
      await run();
      return null;
    } catch (error) {
      return describe(file, line, error);
    }
  }
}

/**
 * RefuseConnection: a matching line ends the look-up.
 *
 * @throws {ConfigError} If it matches
 */
function refuse(file: string, line: Line, active: boolean): void {
  const args = argumentsOf(line);
  const reason = args.next();
  if (active) {
    const place = `${file} line ${line.number}`;
    throw new ConfigError([`${place}: RefuseConnection: ${printable(reason)}`]);
  }
  args.end("refuseconnection");
}

/** An unknown keyword, for which ssh formats the position differently. */
class UnknownError extends ArgumentError {}

function describe(file: string, line: Line, error: unknown): string {
  if (!(error instanceof ArgumentError)) throw error;
  const colon = error instanceof UnknownError ? ":" : "";
  return `${file}${colon} line ${line.number}: ${error.message}`;
}

function requireArguments(line: Line): void {
  if (line.rest === "") {
    throw new ArgumentError(`no argument after keyword "${printable(line.keyword.toLowerCase())}"`);
  }
}

function argumentsOf(line: Line): Arguments {
  return new Arguments(line.rest);
}
