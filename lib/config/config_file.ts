import { MAX_CONFIG_BYTES, MAX_CONFIG_DEPTH, MAX_CONFIG_FILES } from "../defaults.ts";
import { ConfigError } from "../errors.ts";
import { ArgumentError } from "./arguments.ts";
import { type Line, parseLine, splitWords } from "./words.ts";

/** A configuration file, taken apart into lines. */
export interface ConfigFile {
  /** Its name, for messages. */
  readonly name: string;
  readonly lines: readonly ConfigLine[];
}

/** A line of a file; one of Include has the files that it names. */
export interface ConfigLine extends Line {
  readonly included?: readonly ConfigFile[];
  /** Why a file that it names cannot be read. */
  readonly problem?: string;
}

/** Where the text of files comes from. */
export interface ConfigSource {
  /**
   * The files that an argument of Include stands for, in their order.
   *
   * @throws {ArgumentError} If it cannot stand for any
   */
  find(argument: string): Promise<readonly string[]>;
  /**
   * The text of a file; null if there is none.
   *
   * @throws {ConfigError} If it is not to be trusted or cannot be read
   */
  read(path: string): Promise<string | null>;
}

/** The text of a file, and where it finds others. */
export interface ConfigRoot {
  /** What messages call it. */
  readonly name: string;
  /** What stands in it. */
  readonly text: string;
  /** Where the files come from that it includes. */
  readonly source: ConfigSource;
}

/**
 * Takes a text apart.
 *
 * @throws {ConfigError} If it is larger than any configuration
 */
export function parseFile(name: string, text: string): ConfigFile {
  // Also what a loop of symbolic links or a device would give: bounded before it is taken apart.
  if (text.length > MAX_CONFIG_BYTES) throw new ConfigError([`${name}: file is too large`]);
  const lines = text.split("\n").map((line, index) => parseLine(line, index + 1));
  return { name, lines: lines.filter((line) => line !== null) };
}

/**
 * Takes a text apart, and the files that it includes.
 *
 * @throws {ConfigError} If files include each other without an end
 */
export function loadFile(name: string, text: string, source: ConfigSource): Promise<ConfigFile> {
  let files = 0;
  const load = async (name: string, text: string, depth: number): Promise<ConfigFile> => {
    if (depth > MAX_CONFIG_DEPTH || ++files > MAX_CONFIG_FILES) {
      throw new ConfigError([`${name}: Too many recursive configuration includes`]);
    }
    const file = parseFile(name, text);
    const lines: ConfigLine[] = [];
    for (const line of file.lines) {
      lines.push(/^include$/i.test(line.keyword) ? await include(line, depth) : line);
    }
    return { name, lines };
  };
  const include = async (line: Line, depth: number): Promise<ConfigLine> => {
    const included: ConfigFile[] = [];
    try {
      for (const argument of splitWords(line.rest) ?? []) {
        if (argument === "") break;
        for (const path of await source.find(argument)) {
          const text = await source.read(path);
          if (text !== null) included.push(await load(path, text, depth + 1));
        }
      }
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      return { ...line, included, problem: error.message };
    }
    return { ...line, included };
  };
  return load(name, text, 0);
}
