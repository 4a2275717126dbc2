import { ProtocolError } from "../errors.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Reads and writes one field. */
export interface Kind<T> {
  read(reader: Reader): T;
  write(writer: Writer, value: T): void;
}

export const byte: Kind<number> = { read: (r) => r.u8(), write: (w, v) => w.u8(v) };
export const boolean: Kind<boolean> = { read: (r) => r.bool(), write: (w, v) => w.bool(v) };
export const uint32: Kind<number> = { read: (r) => r.u32(), write: (w, v) => w.u32(v) };
export const uint64: Kind<bigint> = { read: (r) => r.u64(), write: (w, v) => w.u64(v) };
export const text: Kind<string> = { read: (r) => r.text(), write: (w, v) => w.text(v) };
export const cText: Kind<string> = { read: (r) => r.cText(), write: text.write };
export const names: Kind<string[]> = { read: (r) => r.names(), write: (w, v) => w.names(v) };

// Bytes are copied on the way in: the payload belongs to the packet core and is soon overwritten.
export const string: Kind<Uint8Array> = {
  read: (r) => r.string().slice(),
  write: (w, v) => w.string(v),
};
/** A non-negative number as its magnitude. */
export const mpint: Kind<Uint8Array> = {
  read: (r) => r.mpint().slice(),
  write: (w, v) => w.mpint(v),
};
export const remainder: Kind<Uint8Array> = {
  read: (r) => r.remainder().slice(),
  write: (w, v) => w.bytes(v),
};

/** A field of exactly `length` bytes, without a length before it. */
export const fixed = (length: number): Kind<Uint8Array> => ({
  read: (r) => r.bytes(length).slice(),
  write: (w, v) => w.bytes(v),
});

// deno-lint-ignore no-explicit-any
export type Fields = Record<string, Kind<any>>;

/** The values of a table of fields. */
export type FieldValues<F extends Fields> = {
  [K in keyof F]: F[K] extends Kind<infer T> ? T : never;
};

/** The value that a table of fields describes. */
export type ValueOf<M> = M extends MessageLayout<infer V> ? V : never;

/** One row of the message table: a number and an ordered list of fields. */
export interface MessageLayout<V> {
  readonly name: string;
  readonly number: number;
  encode(value: V): Uint8Array<ArrayBuffer>;
  /** @throws {ProtocolError} If the payload is of another message, too short or too long */
  decode(payload: Uint8Array): V;
}

/** A row for {@linkcode MessageLayout}, the fields in wire order. */
export function message<F extends Fields>(
  name: string,
  number: number,
  fields: F,
): MessageLayout<FieldValues<F>> {
  const body = layout(fields);
  return {
    name,
    number,
    encode: (value) => body.write(new Writer().u8(number), value).take(),
    decode(payload) {
      const reader = new Reader(payload);
      if (reader.u8() !== number) throw new ProtocolError(`Expected ${name}, got ${payload[0]}`);
      return body.read(reader);
    },
  };
}

/** Fields without a message number: the payload of a request or a signed blob. */
export interface Layout<V> {
  encode(value: V): Uint8Array<ArrayBuffer>;
  /** @throws {ProtocolError} If the bytes are too short or too long */
  decode(bytes: Uint8Array): V;
  /** Appends the fields. */
  write(writer: Writer, value: V): Writer;
  /** Reads the fields, which must end the message. */
  read(reader: Reader): V;
}

/** A row for {@linkcode Layout}, the fields in wire order. */
export function layout<F extends Fields>(fields: F): Layout<FieldValues<F>> {
  const order = Object.entries(fields);
  const write = (writer: Writer, value: FieldValues<F>): Writer => {
    for (const [key, kind] of order) kind.write(writer, value[key as keyof F]);
    return writer;
  };
  const read = (reader: Reader): FieldValues<F> => {
    const value: Record<string, unknown> = {};
    for (const [key, kind] of order) value[key] = kind.read(reader);
    reader.end();
    return value as FieldValues<F>;
  };
  return {
    encode: (value) => write(new Writer(), value).take(),
    decode: (bytes) => read(new Reader(bytes)),
    write,
    read,
  };
}
