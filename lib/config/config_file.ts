import { MAX_CONFIG_BYTES, MAX_CONFIG_DEPTH, MAX_CONFIG_FILES } from "../defaults.ts";
import { ConfigError } from "../errors.ts";
import { ArgumentError } from "./arguments.ts";
import { type Line, parseLine, splitWords } from "./words.ts";

/** A configuration file, split into lines. */
export interface ConfigFile {
  /** The name in messages. */
  readonly name: string;
  readonly lines: readonly ConfigLine[];
}

/** A line of a file. */
export interface ConfigLine extends Line {
  /**
   * Finds the files of an Include line. Files whose names depend on the host are read at that time.
   *
   * @param count Counts the files that are read
   * @param expand Replaces tokens and variables; null skips the argument
   */
  readonly include?: (count: IncludeCount, expand: Expand) => Promise<Included>;
}

/** The number of files that have been read. */
export interface IncludeCount {
  files: number;
}

type Expand = (argument: string) => string | null;

/** The files of an Include line, up to the first that cannot be read. */
export interface Included {
  readonly files: readonly ConfigFile[];
  /** The reason why a file cannot be read. */
  readonly problem?: string;
}

/** The source of the text of files. */
export interface ConfigSource {
  /**
   * The files that match an argument of Include, in order.
   *
   * @throws {ArgumentError} If it is not a valid pattern
   */
  find(argument: string): Promise<readonly string[]>;
  /**
   * The text of a file; null if it does not exist.
   *
   * @throws {ConfigError} If it cannot be trusted or read
   */
  read(path: string): Promise<string | null>;
}

/** The text of a file, and the source of the files that it includes. */
export interface ConfigRoot {
  /** The name in messages. */
  readonly name: string;
  /** The text. */
  readonly text: string;
  /** The source of the files that it includes. */
  readonly source: ConfigSource;
}

/**
 * Parses a text.
 *
 * @throws {ConfigError} If it is too large
 */
export function parseFile(name: string, text: string): ConfigFile {
  // The size is limited, because a device could return endless text.
  if (text.length > MAX_CONFIG_BYTES) throw new ConfigError([`${name}: file is too large`]);
  const lines = text.split("\n").map((line, index) => parseLine(line, index + 1));
  return { name, lines: lines.filter((line) => line !== null) };
}

/**
 * Parses a text, and the files that it includes.
 *
 * @throws {ConfigError} If files include each other in a circle
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
