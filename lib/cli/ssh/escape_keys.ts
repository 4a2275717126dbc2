const TILDE = "~";
/** Not the value of a byte. */
const NO_KEY = -1;
const DOT = 0x2e;
const LINE_ENDS = [0x0a, 0x0d];

/**
 * ssh(1), ESCAPE CHARACTERS: after a line end, `~.` disconnects and `~~` is a tilde; EscapeChar may name
 * another character, or none.
 */
export class EscapeKeys {
  readonly #disconnect: () => void;
  readonly #char: number;
  #atLineStart = true;
  #escaped = false;

  /**
   * @param disconnect Called on `~.`
   * @param char The escape character, or null
   */
  constructor(disconnect: () => void, char: string | null = TILDE) {
    this.#disconnect = disconnect;
    this.#char = char === null ? NO_KEY : char.charCodeAt(0);
  }

  /** The keys to send; an escape character is held back until the next key. */
  filter(keys: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const key of keys) {
      if (this.#escaped) {
        this.#escaped = false;
        if (key === DOT) {
          this.#disconnect();
          return new Uint8Array(0);
        }
        kept.push(this.#char);
        this.#atLineStart = false;
        if (key === this.#char) continue;
      } else if (this.#atLineStart && key === this.#char) {
        this.#escaped = true;
        continue;
      }
      kept.push(key);
      this.#atLineStart = LINE_ENDS.includes(key);
    }
    return Uint8Array.from(kept);
  }
}
