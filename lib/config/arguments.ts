import { printable } from "../errors.ts";
import { splitWords } from "./words.ts";

/** An error in the arguments of a directive. */
export class ArgumentError extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "ArgumentError";
  }
}

/** The arguments of a directive, taken one after the other. */
export class Arguments {
  /** The text after the keyword, including comments. */
  readonly text: string;
  readonly #words: readonly string[];
  #at = 0;

  /** @throws {ArgumentError} If a quote is not closed */
  constructor(text: string) {
    const words = splitWords(text);
    if (words === null) throw new ArgumentError("invalid quotes");
    this.text = text;
    this.#words = words;
  }

  /** The number of remaining arguments. */
  get left(): number {
    return this.#words.length - this.#at;
  }

  /**
   * The next argument.
   *
   * @throws {ArgumentError} If it is missing or empty
   */
  next(): string {
    const word = this.#words[this.#at++];
    if (word === undefined || word === "") throw new ArgumentError("missing argument.");
    return word;
  }

  /** The next argument, empty or not; null if there is none. */
  optional(): string | null {
    return this.#words[this.#at++] ?? null;
  }

  /**
   * All remaining arguments.
   *
   * @throws {ArgumentError} If one of them is empty
   */
  all(): string[] {
    const words = this.#words.slice(this.#at);
    this.#at = this.#words.length;
    if (words.includes("")) throw new ArgumentError("empty argument");
    return words;
  }

  /** The raw text, for commands that a shell parses. */
  raw(): string {
    this.#at = this.#words.length;
    return this.text.replace(/^[ \t\r\n=]+/, "");
  }

  /**
   * Ends the reading.
   *
   * @throws {ArgumentError} If an argument is left
   */
  end(keyword: string): void {
    if (this.left > 0) {
      throw new ArgumentError(`keyword ${printable(keyword)} extra arguments at end of line`);
    }
  }
}
