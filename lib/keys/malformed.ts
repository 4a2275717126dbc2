import { KeyFormatError, ProtocolError } from "../errors.ts";
import { plainMessage } from "../error_messages.ts";

/**
 * Runs a parser of keys: what a reader throws about the bytes becomes a {@linkcode KeyFormatError}.
 *
 * @param what How the text or bytes are called in the error, such as `"Public key"`
 */
export function parsing<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new KeyFormatError(`${what} is malformed: ${plainMessage(cause)}`, { cause });
  }
}
