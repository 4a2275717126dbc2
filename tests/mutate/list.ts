/** Reads hand-written changes, and the list of harmless survivors. */
import type { Mutation } from "./operators.ts";

/** One entry of a list: a text of a file, and its replacement. */
export interface Entry {
  readonly file: string;
  readonly original: string;
  readonly mutated: string;
  /** Why the change is harmless; null in a list of changes to make. */
  readonly reason: string | null;
}

/**
 * Reads a list: blocks between empty lines, each with the file's path, a line `- original`, a line
 * `+ mutated` and, in the list of harmless ones, a line `= reason`. `#` begins a comment.
 */
export function parseList(text: string): Entry[] {
  return text.split(/\n(?:[ \t]*\n)+/)
    .map((block) => block.split("\n").filter((line) => line !== "" && !line.startsWith("#")))
    .filter((lines) => lines.length > 0)
    .map((lines) => {
      const field = (mark: string) =>
        lines.slice(1).filter((line) => line.startsWith(`${mark} `) || line === mark)
          .map((line) => line.slice(2)).join("\n");
      const reason = field("=");
      return {
        file: lines[0]!,
        original: field("-"),
        mutated: field("+"),
        reason: reason === "" ? null : reason,
      };
    });
}

/**
 * The change of an entry.
 *
 * @throws {TypeError} If the file does not contain the text exactly once
 */
export function mutationOf(source: string, { file, original, mutated }: Entry): Mutation {
  const from = source.indexOf(original);
  if (original === "" || from === -1 || source.indexOf(original, from + 1) !== -1) {
    throw new TypeError(`${file} does not have "${original}" exactly once`);
  }
  return { operator: "list", from, to: from + original.length, replacement: mutated };
}
