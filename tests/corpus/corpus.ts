/** Inputs that fuzzing or users found, and the verdict that each must get. `README.md` has the format. */
import { concat } from "@std/bytes";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { type ParserName, PARSERS, verdictOf } from "./parsers.ts";

/** One stored input. */
export interface Kept {
  readonly line: number;
  readonly verdict: string;
  readonly input: Uint8Array<ArrayBuffer>;
  /** Its origin, or its peculiarity. */
  readonly note: string;
}

const TERM = /^(?:"(?:[^"\\]|\\.)*"|hex:(?:[0-9a-f]{2})*)(?:\*\d+)?/;

/** The inputs of a parser. */
export function readCorpus(name: ParserName): Kept[] {
  const lines = Deno.readTextFileSync(new URL(`${name}.txt`, import.meta.url)).split("\n");
  return lines.flatMap((line, at) => {
    if (line === "" || line.startsWith("#")) return [];
    try {
      return [{ line: at + 1, ...parseLine(line) }];
    } catch (cause) {
      throw new Error(`tests/corpus/${name}.txt:${at + 1}`, { cause });
    }
  });
}

function parseLine(line: string): Omit<Kept, "line"> {
  const [, verdict, text] = /^(\S+)\s+(.*)$/.exec(line)!;
  const parts: Uint8Array[] = [];
  let left = `+${text}`;
  while (left.startsWith("+")) {
    const [term] = TERM.exec(left.slice(1)) ?? [];
    if (term === undefined) throw new TypeError(`Not an input: ${left.slice(1, 41)}`);
    parts.push(termBytes(term));
    left = left.slice(1 + term.length);
  }
  return { verdict: verdict!, input: concat(parts), note: left.trim() };
}

/** A JSON string or `hex:` with hexadecimal digits; `*N` repeats it. */
function termBytes(term: string): Uint8Array<ArrayBuffer> {
  const [, quoted, digits, times = "1"] = /^(?:(".*")|hex:([0-9a-f]*))(?:\*(\d+))?$/s.exec(term)!;
  const bytes = quoted === undefined
    ? decodeHex(digits!)
    : new TextEncoder().encode(JSON.parse(quoted));
  const repeated = new Uint8Array(bytes.length * Number(times));
  for (let at = 0; at < repeated.length; at += bytes.length) repeated.set(bytes, at);
  return repeated;
}

/**
 * Tries an input of a fuzz test: any verdict and any documented error is accepted.
 *
 * @throws {Error} With the line for the corpus, if anything else happens
 */
export async function mustSurvive(
  name: ParserName,
  input: string | Uint8Array<ArrayBuffer>,
): Promise<string> {
  return await keeping(name, input, (bytes) => verdictOf(name, bytes));
}

/** Runs a fuzz test's check of an input; if it fails, the error has the line for the corpus. */
export async function keeping<T>(
  name: ParserName,
  input: string | Uint8Array<ArrayBuffer>,
  check: (bytes: Uint8Array<ArrayBuffer>) => T | Promise<T>,
): Promise<T> {
  const bytes = typeof input === "string" ? new Uint8Array(new TextEncoder().encode(input)) : input;
  try {
    return await check(bytes);
  } catch (cause) {
    const names = PARSERS[name].errors.map((known) => known.name).join(" or ");
    throw new Error(
      `Keep it: add this to tests/corpus/${name}.txt, with the verdict that is right` +
        `${names && ` (such as ${names})`} for VERDICT:\nVERDICT ${written(bytes)} fuzzing`,
      { cause },
    );
  }
}

/** Formats an input for the corpus: as text if that is shorter. */
export function written(input: Uint8Array): string {
  const hex = `hex:${encodeHex(input)}`;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const text = JSON.stringify(decoder.decode(input));
    return text.length < hex.length ? text : hex;
  } catch {
    return hex;
  }
}
