import { parseLine } from "../../config/words.ts";
import { printable } from "../../errors.ts";
import { UsageError } from "./flags.ts";

/** One `-o`: the name and the value as they were written. */
export interface OptionText {
  readonly name: string;
  readonly value: string;
  /** The letter that stood for it, where that makes a difference. */
  readonly letter?: string;
}

/**
 * Takes `Key=Value` or `Key Value` apart, as a line of a configuration file.
 *
 * @throws {UsageError} If there is no name or no value
 */
export function parseOption(text: string): OptionText {
  const line = parseLine(text, 0);
  if (line === null || line.rest === "") {
    const name = printable((line?.keyword ?? text).toLowerCase());
    throw new UsageError(`command-line: line 0: no argument after keyword "${name}"`);
  }
  return { name: line.keyword, value: line.rest };
}
