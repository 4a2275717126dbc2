/**
 * Signatures of security tokens made through a browser (W3C Web Authentication §6.3.3, OpenSSH
 * PROTOCOL.u2f).
 */
import { startsWith } from "@std/bytes";
import { encodeBase64 } from "../encoding.ts";
import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";

/** The algorithm of such signatures by keys of type `sk-ecdsa-sha2-nistp256@openssh.com`. */
export const WEBAUTHN_ECDSA = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

/** A browser's additions to a signature. */
export interface BrowserMarks {
  /** The site that requested the signature. */
  readonly origin: Uint8Array;
  /** The browser's record of the request: JSON, whose hash is signed. */
  readonly clientData: Uint8Array;
  /** The token's extensions, which are signed, too. */
  readonly extensions: Uint8Array;
}

const QUOTE = 0x22;
// §6.1: flags for data after the counter; the first is for new keys, not for signatures.
const HAS_NEW_KEY = 0x40;
const HAS_EXTENSIONS = 0x80;

/** Reads the data after the counter of a signature. */
export function readBrowserMarks(reader: Reader): BrowserMarks {
  return { origin: reader.string(), clientData: reader.string(), extensions: reader.string() };
}

/** Writes the data that {@linkcode readBrowserMarks} reads. */
export function writeBrowserMarks(writer: Writer, marks: BrowserMarks): void {
  writer.string(marks.origin).string(marks.clientData).string(marks.extensions);
}

/**
 * Whether the browser was asked to sign exactly this data, for the site in the signature.
 *
 * @param flags The token's flags
 */
export function isAskedFor(data: Uint8Array, marks: BrowserMarks, flags: number): boolean {
  const { origin, clientData, extensions } = marks;
  if (origin.includes(QUOTE) || origin.includes(0) || (flags & HAS_NEW_KEY) !== 0) return false;
  if (((flags & HAS_EXTENSIONS) !== 0) !== (extensions.length > 0)) return false;
  // §5.8.1.1: the order of these members is fixed, so that they can be compared without a JSON parser.
  const challenge = encodeBase64(data).replaceAll("+", "-").replaceAll("/", "_").replaceAll(
    "=",
    "",
  );
  const encoder = new TextEncoder();
  const beginning = new Uint8Array([
    ...encoder.encode(`{"type":"webauthn.get","challenge":"${challenge}","origin":"`),
    ...origin,
    QUOTE,
  ]);
  return startsWith(clientData, beginning);
}
