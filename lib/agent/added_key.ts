import { wiping } from "../crypto/wiping.ts";
import { KeyFormatError, printable, ProtocolError } from "../errors.ts";
import { removeArmor } from "../keys/armor.ts";
import { certifiedType, plainAlgorithm } from "../keys/certificate_names.ts";
import { readPrivateParts } from "../keys/key_types.ts";
import type { OpenedKey } from "../keys/opened_key.ts";
import { decodeOpenssh } from "../keys/openssh_format.ts";
import type { PrivateKey, Signer } from "../keys/private_key.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { encodeSignature } from "../keys/signature.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { certifiedSection, plainSection } from "./certified_section.ts";
import {
  decodeDestinations,
  encodeDestinations,
  type KeyDestination,
  RESTRICT_DESTINATION,
} from "./destination.ts";
import { AGENT, CONSTRAIN } from "./protocol.ts";

/** The longest lifetime of a constraint, in seconds: 136 years. */
const MAX_LIFETIME = 2 ** 32 - 1;

/** How a key in a keyring may be used. */
export interface KeyConstraints {
  /** Milliseconds after which the key is removed. */
  readonly lifetime?: number;
  /** Whether the user must confirm each signature. */
  readonly confirm?: boolean;
  /**
   * The hosts that the key may be used for, at least one; any use by default. Such a key signs logins only,
   * for clients that tell the agent which server they are connected to, as OpenSSH's since 8.9 and
   * this module do.
   */
  readonly destinations?: readonly KeyDestination[];
}

/** Options for adding a key to an agent. */
export interface AddKeyOptions extends KeyConstraints {
  /** A certificate of the key; the agent then offers the certificate instead of the key. */
  readonly certificate?: PublicKey;
}

/** A key that a client adds to an agent. */
export interface AddedKey extends KeyConstraints {
  /** The key. Disposing of it wipes it. */
  readonly key: Signer & Disposable;
}

/**
 * Reads ADD_IDENTITY or ADD_ID_CONSTRAINED (RFC 9987 §5.2): the private section of openssh-key-v1, a
 * comment, constraints.
 *
 * @throws {KeyFormatError | ProtocolError} If the key is not acceptable, or a constraint is unknown
 */
export function decodeAddedKey(request: Uint8Array): AddedKey {
  // The key keeps views of it and wipes it when disposed; the owner of the request wipes that.
  const secret = request.slice();
  const wiped = [secret];
  const wipe = () => wiped.forEach((bytes) => bytes.fill(0));
  try {
    const reader = new Reader(secret, 1);
    const certified = certifiedType(new Reader(secret, 1).text()) !== null;
    const certificate = certified ? readCertificate(reader) : null;
    const section = certificate && plainSection(reader, certificate);
    if (section !== null) wiped.push(section);
    const parts = readPrivateParts(section === null ? reader : new Reader(section));
    const comment = reader.text();
    const constraints = request[0] === AGENT.ADD_ID_CONSTRAINED ? readConstraints(reader) : {};
    reader.end();
    const own = parsePublicKey(parts.publicBlob, comment);
    const publicKey = certificate ? parsePublicKey(certificate.blob, comment) : own;
    if (certificate && !certificate.certificate!.publicKey.equals(own)) {
      throw new KeyFormatError("The certificate is not one of the key that comes with it");
    }
    const key: AddedKey["key"] = {
      publicKey,
      sign(algorithm, data) {
        if (!publicKey.algorithms.includes(algorithm)) {
          const name = printable(algorithm, 64);
          throw new TypeError(`A key of type "${publicKey.type}" cannot sign with "${name}"`);
        }
        const plain = plainAlgorithm(algorithm);
        return encodeSignature({ algorithm: plain, bytes: parts.sign(plain, data) });
      },
      [Symbol.dispose]: wipe,
    };
    return { key, ...constraints };
  } catch (error) {
    wipe();
    throw error;
  }
}

/** A certificate replaces the public fields; the private fields follow it. */
function readCertificate(reader: Reader): PublicKey {
  reader.string(); // the type
  return parsePublicKey(reader.string());
}

/** RFC 9987 §5.2.7: an agent must refuse a key with an unknown constraint. */
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
      case CONSTRAIN.EXTENSION: {
        const name = reader.text();
        if (name !== RESTRICT_DESTINATION || constraints.destinations !== undefined) {
          throw new ProtocolError(`Cannot keep the constraint "${printable(name, 64)}"`);
        }
        constraints = { ...constraints, destinations: decodeDestinations(reader.string()) };
        break;
      }
      default:
        throw new ProtocolError(`Unknown constraint ${type}`);
    }
  }
  return constraints;
}

/**
 * ADD_IDENTITY, or ADD_ID_CONSTRAINED if there are constraints; the caller wipes it.
 *
 * @throws {RangeError} If the lifetime is out of range, or the list of destinations is empty
 * @throws {TypeError} If the certificate is for another key, or a destination is incomplete
 */
export function encodeAddedKey(key: PrivateKey, options: AddKeyOptions): Uint8Array {
  const { lifetime, confirm = false, certificate, destinations } = options;
  const places = destinations && encodeDestinations(destinations);
  const constrained = lifetime !== undefined || confirm || places !== undefined;
  if (certificate && !certificate.certificate?.publicKey.equals(key.publicKey)) {
    throw new TypeError("The certificate is not one of this key");
  }
  const life = lifetime === undefined ? null : seconds(lifetime);
  const { secret, comment } = openKey(key);
  const section = wiping(
    secret,
    () => certificate ? certifiedSection(secret, certificate) : secret.slice(),
  );
  const room = section.length + 4 * comment.length + (places?.length ?? 0) + 128;
  const writer = new Writer(room).u8(constrained ? AGENT.ADD_ID_CONSTRAINED : AGENT.ADD_IDENTITY);
  wiping(section, () => writer.bytes(section).text(comment));
  if (life !== null) writer.u8(CONSTRAIN.LIFETIME).u32(life);
  if (confirm) writer.u8(CONSTRAIN.CONFIRM);
  if (places) writer.u8(CONSTRAIN.EXTENSION).text(RESTRICT_DESTINATION).string(places);
  return writer.take();
}

/** The key's private section, as in its export, decoded. */
function openKey(key: PrivateKey): OpenedKey {
  const { bytes } = removeArmor(key.export());
  try {
    return decodeOpenssh(bytes, undefined);
  } finally {
    bytes.fill(0);
  }
}

function seconds(milliseconds: number): number {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds >= 0 && seconds <= MAX_LIFETIME) return seconds;
  throw new RangeError(`Lifetime must be 0 to ${MAX_LIFETIME} s, not ${milliseconds} ms`);
}
