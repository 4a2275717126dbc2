import { equalConstantTime, hmac } from "../crypto/digest.ts";
import { decodeBase64, encodeBase64 } from "../encoding.ts";
import { matchesWildcards } from "../patterns.ts";

/** Whether a line of known_hosts matches a host, given in the notation of that file. */
export type HostMatcher = (name: string) => boolean;

const HASH_MARK = "|1|";
const SHA1_BYTES = 20;

/** A host in the notation of known_hosts: in lower case, `[name]:port` unless the port is 22. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** A host name that readers of the file cannot recover: `|1|salt|HMAC-SHA1(salt, name)`. */
export function hashHostName(name: string, salt: Uint8Array): string {
  return `${HASH_MARK}${encodeBase64(salt)}|${encodeBase64(hashed(name, salt))}`;
}

/** The matcher for a line's first field; null if it is malformed. */
export function hostMatcher(field: string): HostMatcher | null {
  return field.startsWith(HASH_MARK) ? hashMatcher(field) : patternMatcher(field);
}

/**
 * A line's first field after removing a host; null if none is left, as for a hash. If a wildcard
 * matches the host, it stays and an exception for the host is added.
 */
export function withoutHost(field: string, name: string): string | null {
  const left = field.split(",")
    .filter((pattern) => pattern.toLowerCase() !== name && !changesFirst(pattern));
  if (!left.some((pattern) => !pattern.startsWith("!"))) return null;
  const hosts = left.join(",");
  return patternMatcher(hosts)(name) ? `${hosts},!${name}` : hosts;
}

/** Whether one of the names is not a host name, and would have another meaning at the start of the line. */
function changesFirst(pattern: string): boolean {
  return /^[#@]/.test(pattern) || pattern.startsWith(HASH_MARK) || pattern !== pattern.trim();
}

function hashMatcher(field: string): HostMatcher | null {
  const [salt, hash, ...more] = field.slice(HASH_MARK.length).split("|").map(decodeBase64);
  if (!salt || !hash || more.length > 0 || hash.length !== SHA1_BYTES) return null;
  return (name) => equalConstantTime(hashed(name, salt), hash);
}

// sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": a negated match takes precedence over all others in the line.
function patternMatcher(field: string): HostMatcher {
  const patterns = field.toLowerCase().split(",");
  const negated = patterns.filter((p) => p.startsWith("!")).map((p) => p.slice(1));
  const plain = patterns.filter((p) => !p.startsWith("!"));
  return (name) =>
    plain.some((p) => matchesWildcards(p, name)) && !negated.some((p) => matchesWildcards(p, name));
}

function hashed(name: string, salt: Uint8Array): Uint8Array {
  return hmac("SHA-1", salt, new TextEncoder().encode(name));
}
