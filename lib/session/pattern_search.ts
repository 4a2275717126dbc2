import { EXPECT_BUFFER_BYTES, EXPECT_WINDOW } from "../defaults.ts";

/** A pattern to wait for: a literal text, or a regular expression. */
export type Pattern = string | RegExp;

/** A match of a pattern. */
export interface PatternMatch {
  /** The index of the pattern, from 0. */
  readonly index: number;
  /** The text that the pattern matched. */
  readonly text: string;
  /** The text since the last match, at most the last 1 MiB. */
  readonly before: string;
  /** The captures of a regular expression, in order; undefined for a group that did not match. */
  readonly captures: readonly (string | undefined)[];
  /** The captures of its named groups. */
  readonly groups: Readonly<Record<string, string | undefined>>;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Searches for patterns in UTF-8 bytes as they arrive. It keeps the newest ones up to a limit, and
 * searches a bounded part of them again, so that the work grows in proportion to the input.
 */
export class PatternSearch {
  readonly #patterns: readonly Pattern[];
  /** How many characters before the newest ones a match may begin. */
  readonly #lookback: number;
  #bytes = new Uint8Array(4096);
  #length = 0;
  /** Number of decoded bytes; the others are an incomplete character. */
  #decoded = 0;
  /** The newest text, which is searched for matches, and the offset of its bytes. */
  #window: string;
  #windowAt = 0;
  /** Characters at the start of the window that serve only `^` and lookbehind. */
  #context: number;
  /** Characters of the window that were searched for texts already. */
  #searched = 0;
  #matchEnd = 0;

  /**
   * @param patterns At least one
   * @param before The character before the first byte, or `""`
   * @throws {TypeError} If a pattern is neither a text nor a regular expression, or is an empty text
   */
  constructor(patterns: readonly Pattern[], before = "") {
    if (patterns.length === 0) throw new TypeError("Give at least one pattern to expect");
    this.#patterns = patterns.map(checkedPattern);
    const texts = patterns.filter((pattern) => typeof pattern === "string");
    this.#lookback = Math.max(EXPECT_WINDOW, ...texts.map(({ length }) => length));
    this.#window = before;
    this.#context = before.length;
  }

  /** Adds bytes; they are copied. */
  push(chunk: Uint8Array): void {
    this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#length);
    this.#length += chunk.length;
    this.#decode(wholeCharacters(this.#bytes.subarray(this.#decoded, this.#length)));
  }

  /** Ends the input, and decodes an incomplete character at its end. */
  end(): void {
    this.#decode(this.#length - this.#decoded);
  }

  /** The match that begins first, or null; the earlier pattern if several begin there. */
  find(): PatternMatch | null {
    let first: { at: number; index: number; found: RegExpExecArray | [string] } | null = null;
    for (const [index, pattern] of this.#patterns.entries()) {
      const found = this.#findOne(pattern);
      if (found !== null && (first === null || found.at < first.at)) first = { ...found, index };
    }
    if (first === null) {
      this.#forget();
      return null;
    }
    const { at, index, found } = first;
    const [text, ...captures] = found;
    const before = decoder.decode(this.#bytes.subarray(0, this.#byteAt(at)));
    this.#matchEnd = this.#byteAt(at + text.length);
    return { index, text, before, captures, groups: { ...("groups" in found && found.groups) } };
  }

  /** The bytes after the last match, owned by the caller. */
  rest(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(this.#matchEnd, this.#length);
  }

  /** All kept bytes, owned by the caller. */
  kept(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #findOne(pattern: Pattern): { at: number; found: RegExpExecArray | [string] } | null {
    if (typeof pattern === "string") {
      const from = Math.max(this.#context, this.#searched - pattern.length + 1);
      const at = this.#window.indexOf(pattern, from);
      return at === -1 ? null : { at, found: [pattern] };
    }
    pattern.lastIndex = this.#context;
    const found = pattern.exec(this.#window);
    return found === null ? null : { at: found.index, found };
  }

  #decode(bytes: number): void {
    const end = this.#decoded + bytes;
    this.#window += decoder.decode(this.#bytes.subarray(this.#decoded, end));
    this.#decoded = end;
  }

  /** Shortens the window when it is twice as long as necessary. */
  #forget(): void {
    this.#searched = this.#window.length;
    let surplus = this.#window.length - this.#lookback;
    if (surplus <= this.#lookback) return;
    if (isLowSurrogate(this.#window.charCodeAt(surplus))) surplus++;
    this.#windowAt = this.#byteAt(surplus);
    this.#window = this.#window.slice(surplus - 1);
    this.#context = 1;
    this.#searched -= surplus - 1;
  }

  /** The offset of the byte at which a character of the window begins. */
  #byteAt(character: number): number {
    const bytes = this.#bytes.subarray(this.#windowAt, this.#decoded);
    return this.#windowAt + skipCharacters(bytes, character - this.#context);
  }

  /** Makes room for more bytes; drops the oldest if there are too many. */
  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    // The bytes of the window always stay. The oldest half is dropped together, so that bytes are rarely
    // moved.
    const surplus = this.#length + bytes - 2 * EXPECT_BUFFER_BYTES;
    const dropped = surplus > 0 ? Math.min(this.#windowAt, surplus + EXPECT_BUFFER_BYTES) : 0;
    const kept = this.#bytes.subarray(dropped, this.#length);
    const room = Math.min(2 * kept.length, 2 * EXPECT_BUFFER_BYTES);
    const roomier = new Uint8Array(Math.max(room, kept.length + bytes));
    roomier.set(kept);
    this.#bytes = roomier;
    this.#length = kept.length;
    this.#decoded -= dropped;
    this.#windowAt -= dropped;
  }
}

/**
 * Copies a regular expression with the flag `g`, because the caller may be using its own, and checks other
 * patterns.
 */
function checkedPattern(pattern: Pattern): Pattern {
  if (pattern instanceof RegExp) {
    return new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, "")}g`);
  }
  if (typeof pattern === "string" && pattern !== "") return pattern;
  const given = pattern === "" ? "an empty text" : typeof pattern;
  throw new TypeError(`A pattern to expect must be text or a regular expression, not ${given}`);
}

/** The number of bytes without an incomplete UTF-8 character at the end. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let held = 1; held <= Math.min(3, bytes.length); held++) {
    const byte = bytes[bytes.length - held]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return bytes.length - (held < sequenceLength(byte) ? held : 0);
  }
  return bytes.length;
}

function sequenceLength(lead: number): number {
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

/** The bytes that a number of characters (code units of UTF-16) take at the start. */
function skipCharacters(bytes: Uint8Array, characters: number): number {
  // In UTF-8 a character has at least one byte, so a step never goes too far.
  const stepper = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  let missing = characters;
  while (missing > 0 && at < bytes.length) {
    const step = bytes.subarray(at, at + missing);
    at += step.length;
    missing -= stepper.decode(step, { stream: true }).length;
  }
  return at + Math.min(0, missing);
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
