import { KeyFormatError } from "../errors.ts";
import { decodeBase64, encodeBase64 } from "../encoding.ts";
import type { PublicKey } from "./key.ts";

/** The first line of the format. */
export const RFC4716_BEGIN = "---- BEGIN SSH2 PUBLIC KEY ----";
const END = "---- END SSH2 PUBLIC KEY ----";

/** RFC 4716 §3.1: the longest line. */
const MAX_LINE = 72;

/** Characters of base64 per line, as in `ssh-keygen`. */
const LINE_LENGTH = 70;

/**
 * Parses a public key in RFC 4716 format: its blob and its comment.
 *
 * @throws {KeyFormatError} If the text is malformed
 */
export function decodeRfc4716(text: string): { blob: Uint8Array; comment: string } {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trimEnd());
  const begin = lines.indexOf(RFC4716_BEGIN);
  const end = lines.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new KeyFormatError("Public key lacks a BEGIN or END line");
  let comment = "";
  let at = begin + 1;
  while (at < end && lines[at]!.includes(":")) {
    let header = lines[at++]!;
    // §3.3: a backslash at the end joins the next line.
    while (header.endsWith("\\") && at < end) header = header.slice(0, -1) + lines[at++]!;
    const colon = header.indexOf(":");
    const value = header.slice(colon + 1).trim();
    if (header.slice(0, colon).toLowerCase() === "comment") comment = unquoted(value);
  }
  const blob = decodeBase64(lines.slice(at, end).join(""));
  if (blob === null) throw new KeyFormatError("Public key is not base64 between its lines");
  return { blob, comment };
}

/** Formats a public key in RFC 4716 format. */
export function encodeRfc4716({ blob }: PublicKey, comment: string): string {
  const header = comment === "" ? [] : folded(`Comment: "${comment}"`);
  const body = encodeBase64(blob).match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return [RFC4716_BEGIN, ...header, ...body, END, ""].join("\n");
}

/** A header, wrapped to the allowed length; a non-ASCII character counts as four. */
function folded(header: string): string[] {
  const lines = [""];
  let length = 0;
  for (const character of header) {
    const size = character.charCodeAt(0) < 0x80 ? 1 : 4;
    if (length + size > MAX_LINE - 1) {
      lines[lines.length - 1] += "\\";
      lines.push("");
      length = 0;
    }
    lines[lines.length - 1] += character;
    length += size;
  }
  return lines;
}

function unquoted(value: string): string {
  return /^".*"$/.test(value) ? value.slice(1, -1) : value;
}
