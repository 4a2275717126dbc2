import { ProtocolError } from "../errors.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A cursor over the payload of one message (RFC 4251 §5). Every read checks the length first; byte
 * results are views on the payload, so a handler that keeps one copies it.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  get offset(): number {
    return this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A `string` of bytes. */
  string(): Uint8Array {
    return this.bytes(this.u32());
  }

  /** A `string` of UTF-8 text; invalid bytes become U+FFFD. */
  text(): string {
    return utf8.decode(this.string());
  }

  /**
   * A `name-list` (RFC 4251 §5). Names that break the rules of §6 are kept, because a peer may list them
   * beside good ones and they match nothing; empty names are dropped, because libssh 0.10 ends its lists
   * with a comma, and so is a NUL at the end, as in C strings.
   */
  names(): string[] {
    return withoutNul(this.text()).split(",").filter((name) => name !== "");
  }

  /** Text that may end with a NUL, as from a C program; OpenSSH accepts it. */
  cText(): string {
    return withoutNul(this.text());
  }

  /**
   * A non-negative `mpint` as its magnitude without leading zeros; zero is empty. Extra zeros are
   * accepted although RFC 4251 §5 forbids them: routers and agents send them, and OpenSSH accepts them.
   */
  mpint(): Uint8Array {
    const value = this.string();
    // Zero has no first byte, and `undefined` is never greater.
    if (value[0]! >= 0x80) throw new ProtocolError("Negative number where not allowed");
    return withoutLeadingZeros(value);
  }

  /** The rest of the payload. */
  remainder(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining !== 0) {
      throw new ProtocolError(`Message has ${this.remaining} trailing bytes`);
    }
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#bytes.length - start) throw new ProtocolError("Message ends too early");
    this.#offset = start + length;
    return start;
  }
}

/** A view on a big-endian number without its leading zeros. */
export function withoutLeadingZeros(number: Uint8Array): Uint8Array {
  let start = 0;
  while (number[start] === 0) start++;
  return number.subarray(start);
}

function withoutNul(text: string): string {
  return text.endsWith("\0") ? text.slice(0, -1) : text;
}
