import { startsWith } from "@std/bytes";
import { decodeBase64 } from "../encoding.ts";
import { printable } from "../errors.ts";
import { Writer } from "../wire/writer.ts";
import { type HostMatcher, hostMatcher } from "./host_pattern.ts";

/** Maximum length of a comment, in characters; the rest is dropped, since comments are only shown. */
export const MAX_COMMENT = 1024;

/** One line of known_hosts that names hosts. */
export interface KnownHost {
  /** The line's number, from 1. */
  readonly line: number;
  /** The kind of the line: a host key, an authority that certifies hosts, or a revoked key. */
  readonly marker: "" | "@cert-authority" | "@revoked";
  /** The hosts as written: patterns, or a hash. */
  readonly hosts: string;
  /** The type of the key. */
  readonly type: string;
  /** The key in wire format; its type may be unsupported. */
  readonly blob: Uint8Array;
  /** The comment, or `""`. */
  readonly comment: string;
}

/** The same with a matcher for names. */
export interface HostEntry extends KnownHost {
  readonly matches: HostMatcher;
}

/**
 * One line, trimmed: an optional marker, the hosts, the key's type, the key in base64, perhaps a comment
 * (sshd(8)); null for a comment or an invalid line.
 */
export function parseHostLine(line: string, number: number): HostEntry | null {
  if (line.startsWith("#")) return null;
  const fields = line.split(/[ \t]+/);
  const marker = line.startsWith("@") ? fields.shift() : "";
  if (marker !== "" && marker !== "@cert-authority" && marker !== "@revoked") return null;
  if (fields.length < 3) return null;
  const [hosts, type, base64, ...rest] = fields as [string, string, string, ...string[]];
  const matches = hostMatcher(hosts);
  const blob = decodeBase64(base64);
  if (matches === null || blob === null) return null;
  // The key itself is not parsed: a key of an unknown type still makes the host known.
  if (!startsWith(blob, new Writer().text(type).take())) return null;
  const comment = printable(rest.join(" "), MAX_COMMENT);
  return { line: number, marker, hosts, matches, type, blob, comment };
}
