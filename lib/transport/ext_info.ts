import { ProtocolError } from "../errors.ts";
import { ExtInfo } from "../wire/messages.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** The most extensions in one message, as in OpenSSH. */
const MAX_EXTENSIONS = 1024;

/** EXT_INFO as a message (RFC 8308 §2.3). */
export function encodeExtInfo(extensions: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(extensions);
  const pairs = new Writer();
  for (const [name, value] of entries) pairs.text(name).text(value);
  return ExtInfo.encode({ count: entries.length, pairs: pairs.take() });
}

/** The extensions of EXT_INFO; the first value of a name counts. */
export function decodeExtInfo(payload: Uint8Array): Map<string, Uint8Array> {
  const { count, pairs } = ExtInfo.decode(payload);
  if (count > MAX_EXTENSIONS) throw new ProtocolError("EXT_INFO names too many extensions");
  const reader = new Reader(pairs);
  const extensions = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const name = reader.text();
    const value = reader.string().slice();
    if (!extensions.has(name)) extensions.set(name, value);
  }
  reader.end();
  return extensions;
}
