import { encodeHex } from "../encoding.ts";
import { KeyFormatError } from "../errors.ts";

/** The tags that keys use (X.690 §8). */
export const TAG = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  SEQUENCE: 0x30,
  CONTEXT_0: 0xa0,
  CONTEXT_1: 0xa1,
} as const;

/** A cursor over DER (X.690); every result is a view on the bytes. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The contents of the next element, which must have the tag. */
  element(tag: number): Uint8Array {
    if (this.#byte() !== tag) {
      throw new KeyFormatError(`DER lacks an element ${tag}`);
    }
    const length = this.#length();
    const start = this.#offset;
    if (length > this.#bytes.length - start) throw new KeyFormatError("DER ends too early");
    this.#offset = start + length;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** The contents of the next element if it has the tag, else null. */
  optional(tag: number): Uint8Array | null {
    return this.#bytes[this.#offset] === tag ? this.element(tag) : null;
  }

  sequence(): DerReader {
    return new DerReader(this.element(TAG.SEQUENCE));
  }

  /** The next element if it is a sequence, else null. */
  optionalSequence(): DerReader | null {
    const contents = this.optional(TAG.SEQUENCE);
    return contents === null ? null : new DerReader(contents);
  }

  octets(): Uint8Array {
    return this.element(TAG.OCTET_STRING);
  }

  /** A non-negative number without leading zeros; zero is empty. */
  number(): Uint8Array {
    const value = this.element(TAG.INTEGER);
    const [first, second] = value;
    const needless = first === 0 && second !== undefined && second < 0x80;
    if (first === undefined || first >= 0x80 || needless) {
      throw new KeyFormatError("DER has a number that is negative or not in its shortest form");
    }
    return first === 0 ? value.subarray(1) : value;
  }

  /** A number below 256. */
  small(): number {
    const value = this.number();
    if (value.length > 1) {
      throw new KeyFormatError("DER has a large number where a version must be");
    }
    return value[0] ?? 0;
  }

  /** A number of at most 32 bits. */
  uint32(): number {
    const value = this.number();
    if (value.length > 4) throw new KeyFormatError("DER has a number that is too large");
    return value.reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** The same if there is a number next, else null. */
  optionalUint32(): number | null {
    return this.#bytes[this.#offset] === TAG.INTEGER ? this.uint32() : null;
  }

  /** The bytes of a bit string without a partial byte. */
  bits(): Uint8Array {
    const contents = this.element(TAG.BIT_STRING);
    if (contents[0] !== 0) throw new KeyFormatError("DER has a bit string of broken bytes");
    return contents.subarray(1);
  }

  /** Whether everything was read. */
  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** An object identifier as its contents in hex. */
  oid(): string {
    return encodeHex(this.element(TAG.OBJECT_IDENTIFIER));
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.#offset !== this.#bytes.length) {
      throw new KeyFormatError("DER has trailing bytes");
    }
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    // Indefinite lengths are not DER, and keys are smaller than 16 MiB.
    if (count === 0 || count > 3) throw new KeyFormatError("DER has an impossible length");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw new KeyFormatError("DER has a length that is not in its shortest form");
    }
    return length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset++];
    if (byte === undefined) throw new KeyFormatError("DER ends too early");
    return byte;
  }
}
