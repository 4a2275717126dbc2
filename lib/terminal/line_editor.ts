import { printable } from "../errors.ts";

/** The longest line in characters, as in a Linux terminal; more keys have no effect. */
const MAX_LINE = 4095;

/** The effect of a key. */
export interface KeyPress {
  /** The text to write to the terminal. */
  readonly shown: string;
  /** The line, if the key has completed it; null if it has ended the input, by Ctrl-C or Ctrl-D. */
  readonly line?: string | null;
}

/**
 * Edits lines that are typed at a terminal in raw mode: Backspace, Ctrl-U, Ctrl-D, Ctrl-C. Other control
 * characters are left out, unless the line is a secret, which may have any.
 */
export class LineEditor {
  readonly #isSecret: boolean;
  #line: string[] = [];
  #escape: "none" | "begun" | "open" = "none";
  #afterReturn = false;

  constructor({ isSecret = false } = {}) {
    this.#isSecret = isSecret;
  }

  /** Handles a key, or a character of pasted text. */
  press(key: string): KeyPress {
    const afterReturn = this.#afterReturn;
    this.#afterReturn = key === "\r";
    if (!this.#isSecret && this.#isEscape(key)) return { shown: "" };
    switch (key) {
      case "\n":
        // The line feed of CR LF does not start another line.
        return afterReturn ? { shown: "" } : this.#complete();
      case "\r":
        return this.#complete();
      case "\x03": // Ctrl-C
      case "\x1c": // Ctrl-\
        return { shown: "", line: null };
      case "\x04": // Ctrl-D
        return this.#line.length === 0 ? { shown: "", line: null } : { shown: "" };
      case "\x08": // Backspace
      case "\x7f":
        return { shown: this.#erased(this.#line.splice(-1)) };
      case "\x15": // Ctrl-U
        return { shown: this.#erased(this.#line.splice(0)) };
      default:
        if (this.#line.length >= MAX_LINE) return { shown: "" };
        if (printable(key) === "" && !this.#isSecret) return { shown: "" };
        this.#line.push(key);
        return { shown: this.#isSecret ? "" : key };
    }
  }

  #erased(keys: readonly string[]): string {
    return this.#isSecret ? "" : "\b \b".repeat(keys.length);
  }

  #complete(): KeyPress {
    return { shown: "\r\n", line: this.#line.splice(0).join("") };
  }

  /** Whether the key belongs to an escape sequence, such as that of an arrow key: ESC [ … letter. */
  #isEscape(key: string): boolean {
    if (key === "\x1b") this.#escape = "begun";
    else if (this.#escape === "begun") this.#escape = key === "[" || key === "O" ? "open" : "none";
    else if (this.#escape === "open") this.#escape = /[@-~]/.test(key) ? "none" : "open";
    else return false;
    return true;
  }
}
