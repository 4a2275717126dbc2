import { ProtocolError } from "../errors.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A cursor over the payload of one message (RFC 4251 §5). Every read checks the length first; byte
 * results are views on the payload, so who keeps one past the handler copies it.
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

  /** A `string` of UTF-8 text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return utf8.decode(this.string());
  }

  /** A `name-list`: US-ASCII names, none empty and none over 64 characters (RFC 4251 §6). */
  names(): string[] {
    const list = this.string();
    if (list.length === 0) return [];
    for (const byte of list) {
      if (byte <= 0x20 || byte >= 0x7f) throw new ProtocolError("Name list has a non-ASCII name");
    }
    const names = utf8.decode(list).split(",");
    for (const name of names) {
      if (name === "") throw new ProtocolError("Name list has an empty name");
    }
    return names;
  }

  /** A non-negative `mpint` as its magnitude without leading zeros; zero is empty. */
  mpint(): Uint8Array {
    const value = this.string();
    if (value.length === 0) return value;
    if ((value[0]! & 0x80) !== 0) throw new ProtocolError("Negative number where none is allowed");
    if (value[0] !== 0) return value;
    // RFC 4251 §5: unnecessary leading zeros must not be there; zero itself is the empty string.
    if (value.length === 1 || (value[1]! & 0x80) === 0) {
      throw new ProtocolError("Number has needless leading zeros");
    }
    return value.subarray(1);
  }

  /** What is left of the payload. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining !== 0) {
      throw new ProtocolError(`Message has ${this.remaining} bytes too many`);
    }
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#bytes.length - start) throw new ProtocolError("Message ends too early");
    this.#offset = start + length;
    return start;
  }
}
