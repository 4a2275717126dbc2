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

/** A line of a file. */
export interface ConfigLine extends Line {
  /**
   * Finds the files that a line of Include names. Those whose names depend on the host are read then.
   *
   * @param count Counts the files that are read
   * @param expand Replaces tokens and variables; null skips the argument
   */
  readonly include?: (count: IncludeCount, expand: Expand) => Promise<Included>;
}

/** How many files have been read. */
export interface IncludeCount {
  files: number;
}

type Expand = (argument: string) => string | null;

/** The files that a line of Include stands for, up to one that cannot be read. */
export interface Included {
  readonly files: readonly ConfigFile[];
  /** Why a file cannot be read. */
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
  const load = async (
    name: string,
    text: string,
    depth: number,
    count: IncludeCount,
  ): Promise<ConfigFile> => {
    if (depth > MAX_CONFIG_DEPTH || ++count.files > MAX_CONFIG_FILES) {
      throw new ConfigError([`${name}: Too many recursive configuration includes`]);
    }
    const file = parseFile(name, text);
    const lines: ConfigLine[] = [];
    for (const line of file.lines) {
      lines.push(/^include$/i.test(line.keyword) ? await include(line, depth, count) : line);
    }
    return { name, lines };
  };
  const include = async (line: Line, depth: number, count: IncludeCount): Promise<ConfigLine> => {
    const words = splitWords(line.rest) ?? [];
    const read = async (count: IncludeCount, expand: Expand): Promise<Included> => {
      const files: ConfigFile[] = [];
      try {
        for (const word of words) {
          if (word === "") break;
          const argument = expand(word);
          for (const path of argument === null ? [] : await source.find(argument)) {
            const text = await source.read(path);
            if (text !== null) files.push(await load(path, text, depth + 1, count));
          }
        }
      } catch (error) {
        if (!(error instanceof ArgumentError)) throw error;
        return { files, problem: error.message };
      }
      return { files };
    };
    if (words.some((word) => /%|\$\{/.test(word))) return { ...line, include: read };
    const included = await read(count, (word) => word);
    return { ...line, include: () => Promise.resolve(included) };
  };
  return load(name, text, 0, { files: 0 });
}
