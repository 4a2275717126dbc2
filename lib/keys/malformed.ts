import { KeyFormatError, ProtocolError } from "../errors.ts";
import { plainMessage } from "../error_messages.ts";

/**
 * Runs a parser of keys, and converts errors about the bytes to {@linkcode KeyFormatError}.
 *
 * @param what The name of the text or bytes in the error, such as `"Public key"`
 */
export function parsing<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new KeyFormatError(`${what} is malformed: ${plainMessage(cause)}`, { cause });
  }
}
