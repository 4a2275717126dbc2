import { encodeHex } from "../encoding.ts";
import { KeyFormatError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { certified } from "./certificate_names.ts";
import type { Certificate, PublicKey } from "./key.ts";
import type { KeyType } from "./key_type.ts";
import { ParsedPublicKey, parsePlainKey } from "./parsed_key.ts";
import { decodeSignature } from "./signature.ts";

const KINDS = { user: 1, host: 2 } as const;

/** Maximum number of principals: OpenSSH's limit. */
const MAX_PRINCIPALS = 256;

/** The fields of a certificate, before it is signed. */
export type CertificateFields = Omit<Certificate, "authority" | "signatureAlgorithm">;

/** An option or extension as the certificate encodes it. */
export interface CertificateOption {
  readonly name: string;
  readonly data: Uint8Array;
}

// OpenSSH PROTOCOL.certkeys: type, nonce, the key's own fields, serial, kind, key id, principals,
// valid after, valid before, critical options, extensions, reserved, authority, signature.

/**
 * Reads a certificate of a key of the type; keeps the blob.
 *
 * @param authorityBits The longest key that an authority may have
 * @throws {KeyFormatError | ProtocolError} If it is not an acceptable certificate, or the signature is not
 *   of its authority
 */
export function decodeCertificate(
  type: KeyType,
  blob: Uint8Array,
  comment: string,
  authorityBits: number,
): PublicKey {
  const reader = new Reader(blob);
  reader.string(); // the type, known already
  reader.string(); // the nonce
  const start = reader.offset;
  const parts = type.readPublic(reader);
  const plain = new Writer().text(type.name).bytes(blob.subarray(start, reader.offset)).take();
  const fields = {
    publicKey: parsePlainKey(plain, comment),
    serial: reader.u64(),
    kind: kindOf(reader.u32()),
    keyId: textOf(reader),
    principals: principalsOf(reader.string()),
    validAfter: reader.u64(),
    validBefore: reader.u64(),
    criticalOptions: valuesOf(reader.string()),
    extensions: valuesOf(reader.string()),
  };
  reader.string(); // reserved
  // An authority must be a plain key; certificates are refused here.
  const authority = parsePlainKey(reader.string().slice(), "");
  if (authority.bits > authorityBits) {
    throw new KeyFormatError(`Certificate's authority has more than ${authorityBits} bits`);
  }
  const signed = blob.subarray(0, reader.offset);
  const signature = reader.string();
  reader.end();
  const { algorithm } = decodeSignature(signature);
  // Signatures of authorities with SHA-1 are never accepted. Whether a token was touched for the signature
  // is not checked.
  const acceptable = authority.algorithms.includes(algorithm);
  if (!acceptable || !authority.verify(algorithm, signed, signature, { noTouchRequired: true })) {
    throw new KeyFormatError(
      acceptable
        ? "Certificate's signature is not its authority's"
        : `Certificate is signed by "${printable(algorithm, 64)}", which is not acceptable`,
    );
  }
  const certificate = { ...fields, authority, signatureAlgorithm: algorithm };
  return new ParsedPublicKey(type, parts, blob, comment, certificate);
}

/** A certificate up to its signature. */
export function encodeCertificate(
  fields: CertificateFields,
  nonce: Uint8Array,
  authority: PublicKey,
): Uint8Array {
  const { publicKey, serial, kind, keyId, principals, validAfter, validBefore } = fields;
  const key = new Reader(publicKey.blob);
  key.string(); // the type
  const names = new Writer();
  for (const principal of principals) names.text(principal);
  return new Writer().text(certified(publicKey.type)).string(nonce).bytes(key.remainder())
    .u64(serial).u32(KINDS[kind]).text(keyId).string(names.take())
    .u64(validAfter).u64(validBefore)
    .string(encodeOptions(fields.criticalOptions)).string(encodeOptions(fields.extensions))
    .string(new Uint8Array(0)).string(authority.blob).take();
}

/** The options or extensions of a certificate, in their order. */
function decodeOptions(bytes: Uint8Array): CertificateOption[] {
  const reader = new Reader(bytes);
  const options: CertificateOption[] = [];
  while (reader.remaining > 0) options.push({ name: textOf(reader), data: reader.string() });
  return options;
}

// PROTOCOL.certkeys: sorted by name; a value is a string in the string.
function encodeOptions(options: ReadonlyMap<string, string>): Uint8Array {
  const writer = new Writer();
  for (const name of [...options.keys()].sort()) {
    const value = options.get(name)!;
    writer.text(name).string(value === "" ? new Uint8Array(0) : new Writer().text(value).take());
  }
  return writer.take();
}

function valuesOf(bytes: Uint8Array): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name, data } of decodeOptions(bytes)) {
    if (values.has(name)) {
      throw new KeyFormatError(`Certificate has "${printable(name, 64)}" twice`);
    }
    values.set(name, valueOf(data));
  }
  return values;
}

/** The value: a string in the string; other contents of unknown options in hex. */
function valueOf(data: Uint8Array): string {
  const isString = data.length >= 4 && new Reader(data).u32() === data.length - 4;
  return isString ? new Reader(data).text() : encodeHex(data);
}

function kindOf(number: number): Certificate["kind"] {
  if (number === KINDS.user) return "user";
  if (number === KINDS.host) return "host";
  throw new KeyFormatError(`Certificate is for neither a user nor a host: kind ${number}`);
}

function principalsOf(bytes: Uint8Array): string[] {
  const reader = new Reader(bytes);
  const principals: string[] = [];
  while (reader.remaining > 0) {
    if (principals.length === MAX_PRINCIPALS) {
      throw new KeyFormatError(`Certificate has more than ${MAX_PRINCIPALS} principals`);
    }
    principals.push(textOf(reader));
  }
  return principals;
}

/** Text without a NUL, at which programs in C would cut it. */
function textOf(reader: Reader): string {
  const text = reader.text();
  if (text.includes("\0")) throw new KeyFormatError("Certificate has a NUL in a text");
  return text;
}
