import { withoutLeadingZeros } from "./reader.ts";

const utf8 = new TextEncoder();

/** Builds one message with the verbs of {@linkcode Reader}; grows as needed. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  bytes(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  string(value: Uint8Array): this {
    return this.u32(value.length).bytes(value);
  }

  text(value: string): this {
    const start = this.#length;
    const at = this.#room(4 + value.length) + 4;
    this.#view.setUint32(start, value.length);
    if (writeAscii(this.#bytes, at, value)) return this;
    this.#length = start;
    const bytes = utf8.encode(value);
    this.string(bytes);
    bytes.fill(0); // a password may be in it
    return this;
  }

  names(value: readonly string[]): this {
    return this.text(value.join(","));
  }

  /**
   * A magnitude as an `mpint`: leading zeros are dropped, and one is added if the top bit is set (RFC
   * 4251 §5).
   */
  mpint(magnitude: Uint8Array): this {
    const stripped = withoutLeadingZeros(magnitude);
    if (stripped.length === 0) return this.u32(0);
    if ((stripped[0]! & 0x80) === 0) return this.string(stripped);
    return this.u32(stripped.length + 1).u8(0).bytes(stripped);
  }

  /** Overwrites the four bytes at `offset`, for lengths known only afterwards. */
  patch(offset: number, value: number): this {
    this.#view.setUint32(offset, value);
    return this;
  }

  /** The message; the writer must not be used afterwards. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      // The content may include a secret (a password, a shared secret).
      this.#bytes.fill(0);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }
}

/** Writes text without an object for its bytes, as almost all text is ASCII; returns whether it is. */
function writeAscii(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    bytes[at + i] = code;
  }
  return true;
}
