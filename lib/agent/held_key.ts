import { printable, ProtocolError } from "../errors.ts";
import { readPrivateParts } from "../keys/key_types.ts";
import type { Signer } from "../keys/private_key.ts";
import { parsePublicKey } from "../keys/public_key.ts";
import { encodeSignature } from "../keys/signature.ts";
import { Reader } from "../wire/reader.ts";
import { AGENT, CONSTRAIN } from "./protocol.ts";

/** How a key in a keyring may be used. */
export interface KeyConstraints {
  /** Milliseconds after which it is forgotten. */
  readonly lifetime?: number;
  /** Whether each signature has to be confirmed. */
  readonly confirm?: boolean;
}

/** A key as a client of an agent adds it. */
export interface AddedKey extends KeyConstraints {
  /** The key; disposing wipes it. */
  readonly key: Signer & Disposable;
}

/**
 * Reads ADD_IDENTITY or ADD_ID_CONSTRAINED (RFC 9987 §5.2): the private section of openssh-key-v1, a
 * comment, constraints.
 *
 * @throws {KeyFormatError | ProtocolError} If it is no acceptable key, or a constraint is unknown
 */
export function decodeAddedKey(request: Uint8Array): AddedKey {
  // The key keeps views on it, and wipes it in the end; whose the request is wipes that.
  const secret = request.slice();
  try {
    const reader = new Reader(secret, 1);
    const parts = readPrivateParts(reader);
    const publicKey = parsePublicKey(parts.publicBlob, reader.text());
    const constraints = request[0] === AGENT.ADD_ID_CONSTRAINED ? readConstraints(reader) : {};
    reader.end();
    const key: AddedKey["key"] = {
      publicKey,
      sign(algorithm, data) {
        if (!publicKey.algorithms.includes(algorithm)) {
          const name = printable(algorithm, 64);
          throw new TypeError(`A key of type "${publicKey.type}" cannot sign by "${name}"`);
        }
        return encodeSignature({ algorithm, bytes: parts.sign(algorithm, data) });
      },
      [Symbol.dispose]: () => void secret.fill(0),
    };
    return { key, ...constraints };
  } catch (error) {
    secret.fill(0);
    throw error;
  }
}

/** RFC 9987 §5.2.7: a key under a constraint that we do not know must not be taken. */
function readConstraints(reader: Reader): KeyConstraints {
  let constraints: KeyConstraints = {};
  while (reader.remaining > 0) {
    const type = reader.u8();
    switch (type) {
      case CONSTRAIN.LIFETIME:
        constraints = { ...constraints, lifetime: reader.u32() * 1000 };
        break;
      case CONSTRAIN.CONFIRM:
        constraints = { ...constraints, confirm: true };
        break;
      default:
        throw new ProtocolError(`Unknown constraint ${type}`);
    }
  }
  return constraints;
}
