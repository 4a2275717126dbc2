import { KeyFormatError, printable } from "../errors.ts";
import { decodeBase64, encodeBase64 } from "../encoding.ts";

/** Characters a line: what `ssh-keygen` writes, and what RFC 7468 §2 asks for. */
const SSH_LINE = 70;
const PEM_LINE = 64;

/** The contents of a text between BEGIN and END lines. */
export interface Armored {
  /** What stands after BEGIN, such as `"OPENSSH PRIVATE KEY"`. */
  readonly label: string;
  /** Header lines, as legacy PEM has them; names as they stand. */
  readonly headers: ReadonlyMap<string, string>;
  /** The bytes; the caller wipes them. */
  readonly bytes: Uint8Array;
}

/**
 * Takes off the armour (RFC 7468 §2); text around it is skipped.
 *
 * @param what How the text is called in errors
 * @throws {KeyFormatError} If there is none, or what is inside is not base64
 */
export function removeArmor(text: string, what = "Private key"): Armored {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  const begin = lines.findIndex((line) => /^-----BEGIN [A-Z0-9 ]+-----$/.test(line));
  if (begin < 0) throw new KeyFormatError(`${what} has no BEGIN line`);
  const label = lines[begin]!.slice("-----BEGIN ".length, -"-----".length);
  const end = lines.indexOf(`-----END ${label}-----`, begin);
  if (end < 0) {
    throw new KeyFormatError(`${what} has no END line for "${printable(label, 64)}"`);
  }

  const headers = new Map<string, string>();
  let at = begin + 1;
  for (; at < end; at++) {
    const colon = lines[at]!.indexOf(":");
    if (colon < 0) break;
    headers.set(lines[at]!.slice(0, colon), lines[at]!.slice(colon + 1).trim());
  }
  const bytes = decodeBase64(lines.slice(at, end).join(""));
  if (bytes === null) throw new KeyFormatError(`${what} is not base64 between its lines`);
  return { label, headers, bytes };
}

/** Puts bytes between BEGIN and END lines, below headers if there are any. */
export function addArmor(
  label: string,
  bytes: Uint8Array,
  headers: ReadonlyMap<string, string> = new Map(),
): string {
  const head = Array.from(headers, ([name, value]) => `${name}: ${value}`);
  if (head.length > 0) head.push("");
  const length = label.startsWith("OPENSSH") || label.startsWith("SSH") ? SSH_LINE : PEM_LINE;
  const body = encodeBase64(bytes).match(new RegExp(`.{1,${length}}`, "g")) ?? [];
  return [`-----BEGIN ${label}-----`, ...head, ...body, `-----END ${label}-----`, ""].join("\n");
}
