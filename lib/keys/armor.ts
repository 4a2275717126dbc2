import { KeyFormatError, printable } from "../errors.ts";
import { decodeBase64, encodeBase64 } from "../encoding.ts";

/** Characters per line: `ssh-keygen` writes this many, and RFC 7468 §2 requires it. */
const SSH_LINE = 70;
const PEM_LINE = 64;

/** The contents of a text block between BEGIN and END lines. */
export interface Armored {
  /** The label after BEGIN, such as `"OPENSSH PRIVATE KEY"`. */
  readonly label: string;
  /** Header lines, as in legacy PEM; names as written. */
  readonly headers: ReadonlyMap<string, string>;
  /** The bytes; the caller wipes them. */
  readonly bytes: Uint8Array;
}

/**
 * Decodes the block (RFC 7468 §2). Text around it is skipped, such as OpenSSL's bag attributes, and so are
 * other blocks, such as EC parameters or a certificate before a key.
 *
 * @param what The name of the text in errors
 * @param wanted The labels to look for; any by default
 * @throws {KeyFormatError} If there is no such block, or its content is not base64
 */
export function removeArmor(text: string, what = "Private key", wanted = /(?:)/): Armored {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  const labels = lines.map((line) => /^-----BEGIN ([A-Z0-9 ]+)-----$/.exec(line)?.[1]);
  const begin = labels.findIndex((label) => label !== undefined && wanted.test(label));
  if (begin < 0) throw noBlock(text, what, labels.find((label) => label !== undefined));
  const label = labels[begin]!;
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

function noBlock(text: string, what: string, other: string | undefined): KeyFormatError {
  const inline = /-----BEGIN [A-Z0-9 ]+-----(?<between>\\r?\\n|\\n| )/.exec(text)?.groups;
  if (inline !== undefined) {
    const has = inline.between === " " ? "spaces" : 'the two characters "\\n"';
    return new KeyFormatError(
      `${what} has ${has} where its lines must end: keep its line feeds, or store the file in base64 ` +
        "and decode it first",
    );
  }
  return new KeyFormatError(
    other === undefined
      ? `${what} has no BEGIN line`
      : `${what} is not in the text, which has "${printable(other, 64)}"`,
  );
}
