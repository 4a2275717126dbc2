import { KeyFormatError } from "../errors.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** How the private section of a key type changes when a certificate replaces its public half. */
interface Form {
  /** The positions of the section's public fields in the public key; the certificate has them. */
  readonly repeated: readonly number[];
  /** The number of private fields that follow. */
  readonly secrets: number;
}

// OpenSSH does not document this: these are the fields that its agent and `ssh-add` exchange.
const ECDSA: Form = { repeated: [0, 1], secrets: 1 };
const FORMS: ReadonlyMap<string, Form> = new Map([
  ["ssh-ed25519", { repeated: [], secrets: 2 }],
  ["ssh-rsa", { repeated: [1, 0], secrets: 4 }],
  ["ecdsa-sha2-nistp256", ECDSA],
  ["ecdsa-sha2-nistp384", ECDSA],
  ["ecdsa-sha2-nistp521", ECDSA],
]);

/**
 * A private section with a certificate in it.
 *
 * @param section The type and the fields of a key, as in openssh-key-v1
 * @param certificate A certificate of the key
 */
export function certifiedSection(section: Uint8Array, certificate: PublicKey): Uint8Array {
  const reader = new Reader(section);
  const type = reader.text();
  for (const _ of formOf(type).repeated) reader.string();
  return new Writer(certificate.blob.length + section.length + 128)
    .text(certificate.type).string(certificate.blob).bytes(reader.remainder()).take();
}

/**
 * Reads the fields after the type and the certificate.
 *
 * @returns The private section of the plain key; the caller wipes it
 * @throws {KeyFormatError | ProtocolError} If the type is unknown, or fields are missing
 */
export function plainSection(reader: Reader, certificate: PublicKey): Uint8Array<ArrayBuffer> {
  const type = certificate.certificate!.publicKey.type;
  const { repeated, secrets } = formOf(type);
  const fields = publicFields(certificate);
  const writer = new Writer(certificate.blob.length + reader.remaining).text(type);
  for (const at of repeated) writer.string(fields[at]!);
  for (let left = secrets; left > 0; left--) writer.string(reader.string());
  return writer.take();
}

/** The fields of the certified key after its type, in wire format. */
function publicFields({ certificate }: PublicKey): Uint8Array[] {
  const fields: Uint8Array[] = [];
  if (certificate === null) return fields;
  const reader = new Reader(certificate.publicKey.blob);
  reader.string(); // the type
  while (reader.remaining > 0) fields.push(reader.string());
  return fields;
}

function formOf(type: string): Form {
  const form = FORMS.get(type);
  if (form === undefined) throw new KeyFormatError(`No agent holds certified keys of type ${type}`);
  return form;
}
