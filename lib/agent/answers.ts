import { KeyFormatError, printable, ProtocolError } from "../errors.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { Reader } from "../wire/reader.ts";
import { AGENT, ExtensionResponse, IdentitiesAnswer } from "./protocol.ts";

/** The most keys that an agent may list: OpenSSH's own limit. */
const MAX_IDENTITIES = 2048;

/** The most extensions that an agent may name; the known ones can be counted on two hands. */
const MAX_EXTENSIONS = 256;

/** The keys of a list; those of types that are not supported are left out. */
export function decodeIdentities(answer: Uint8Array): PublicKey[] {
  const { count, keys } = IdentitiesAnswer.decode(answer);
  if (count > MAX_IDENTITIES) throw new ProtocolError(`Agent lists ${count} keys`);
  const reader = new Reader(keys);
  const found: PublicKey[] = [];
  for (let left = count; left > 0; left--) {
    const blob = reader.string();
    const comment = reader.text();
    try {
      found.push(parsePublicKey(blob, comment));
    } catch (error) {
      if (!(error instanceof KeyFormatError)) throw error;
    }
  }
  reader.end();
  return found;
}

/**
 * What an agent says to an extension: an answer of the extension's own behind its name, or SUCCESS
 * (RFC 9987 §5.8), behind which older agents put the answer.
 */
export function decodeExtensionAnswer(answer: Uint8Array, name: string): Uint8Array {
  if (answer[0] === AGENT.SUCCESS) return answer.slice(1);
  const response = ExtensionResponse.decode(answer);
  if (response.name === name) return response.contents;
  throw new ProtocolError(`Agent answers the extension "${printable(response.name, 64)}"`);
}

/** The names in the answer to a query. */
export function decodeExtensionNames(contents: Uint8Array): string[] {
  const reader = new Reader(contents);
  const names: string[] = [];
  while (reader.remaining > 0) {
    if (names.length === MAX_EXTENSIONS) throw new ProtocolError("Agent names too many extensions");
    names.push(printable(reader.text(), 64));
  }
  return names;
}
