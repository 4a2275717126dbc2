import { startsWith } from "@std/bytes";
import { decodeBase64 } from "../encoding.ts";
import { printable } from "../errors.ts";
import { Writer } from "../wire/writer.ts";
import { type HostMatcher, hostMatcher } from "./host_pattern.ts";

/** Longest comment kept, in characters: it is only ever shown. */
export const MAX_COMMENT = 1024;

/** One line of known_hosts that is about a host. */
export interface KnownHost {
  /** The line's number, from 1. */
  readonly line: number;
  /** What the line is about: a key of the host, an authority that certifies hosts, or a bad key. */
  readonly marker: "" | "@cert-authority" | "@revoked";
  /** The hosts as they stand there: patterns, or a hash. */
  readonly hosts: string;
  /** The type of the key. */
  readonly type: string;
  /** The key as it travels; it may be of a type that is not supported. */
  readonly blob: Uint8Array;
  /** What stands behind the key, or `""`. */
  readonly comment: string;
}

/** The same with what decides about names. */
export interface HostEntry extends KnownHost {
  readonly matches: HostMatcher;
}

/**
 * One line, trimmed: an optional marker, the hosts, the key's type, the key in base64, perhaps a comment
 * (sshd(8)); null for a comment, and for what makes no sense.
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
  // The key itself is not parsed: a key of a type that we do not know still makes the host known.
  if (!startsWith(blob, new Writer().text(type).take())) return null;
  const comment = printable(rest.join(" "), MAX_COMMENT);
  return { line: number, marker, hosts, matches, type, blob, comment };
}
