const TILDE = 0x7e;
const DOT = 0x2e;
const LINE_ENDS = [0x0a, 0x0d];

/** ssh(1), ESCAPE CHARACTERS: after a line end, `~.` disconnects and `~~` is a tilde. */
export class EscapeKeys {
  readonly #disconnect: () => void;
  #atLineStart = true;
  #escaped = false;

  /** @param disconnect Called on `~.` */
  constructor(disconnect: () => void) {
    this.#disconnect = disconnect;
  }

  /** What of the keys is for the far side; a tilde is held back until the next key. */
  filter(keys: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const key of keys) {
      if (this.#escaped) {
        this.#escaped = false;
        if (key === DOT) {
          this.#disconnect();
          return new Uint8Array(0);
        }
        kept.push(TILDE);
        this.#atLineStart = false;
        if (key === TILDE) continue;
      } else if (this.#atLineStart && key === TILDE) {
        this.#escaped = true;
        continue;
      }
      kept.push(key);
      this.#atLineStart = LINE_ENDS.includes(key);
    }
    return Uint8Array.from(kept);
  }
}
