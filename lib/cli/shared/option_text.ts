import { parseLine } from "../../config/words.ts";
import { printable } from "../../errors.ts";
import { UsageError } from "./flags.ts";

/** One `-o` option: the name and the value as written. */
export interface OptionText {
  readonly name: string;
  readonly value: string;
  /** The flag that it came from, if that matters. */
  readonly letter?: string;
}

/**
 * Parses `Key=Value` or `Key Value`, like a line of a configuration file.
 *
 * @throws {UsageError} If the name or the value is missing
 */
export function parseOption(text: string): OptionText {
  const line = parseLine(text, 0);
  if (line === null || line.rest === "") {
    const name = printable((line?.keyword ?? text).toLowerCase());
    throw new UsageError(`command-line: line 0: no argument after keyword "${name}"`);
  }
  return { name: line.keyword, value: line.rest };
}
