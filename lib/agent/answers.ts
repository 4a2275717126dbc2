import { KeyFormatError, printable, ProtocolError } from "../errors.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { Reader } from "../wire/reader.ts";
import { AGENT, ExtensionResponse, IdentitiesAnswer } from "./protocol.ts";

/** Maximum keys in an agent's list: OpenSSH's limit. */
const MAX_IDENTITIES = 2048;

/** Maximum extensions that an agent may name; fewer than ten are known. */
const MAX_EXTENSIONS = 256;

/** The keys of a list, without those of unsupported types. */
export function decodeIdentities(answer: Uint8Array): PublicKey[] {
  const { count, keys } = IdentitiesAnswer.decode(answer);
  if (count > MAX_IDENTITIES) {
    throw new ProtocolError(`Agent lists ${count} keys: at most ${MAX_IDENTITIES} are accepted`);
  }
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
 * An agent's answer to an extension: the extension's name and its own answer, or SUCCESS
 * (RFC 9987 §5.8), after which older agents put the answer.
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
