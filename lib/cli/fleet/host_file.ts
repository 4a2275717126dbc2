import { parseTarget } from "../../client/options.ts";
import { matchesWildcards } from "../../patterns.ts";
import { UsageError } from "../shared/flags.ts";

/** A host of a file. */
export interface ListedHost {
  /** `[user@]host[:port]` as written. */
  readonly host: string;
  /** The groups that list it. */
  readonly groups: readonly string[];
}

/**
 * Reads a file of hosts: one host per line, `[group]` before those of a group, `#` before a comment.
 *
 * @throws {UsageError} If a line is malformed
 */
export function parseHostFile(text: string, name: string): ListedHost[] {
  const hosts = new Map<string, string[]>();
  let group: string | null = null;
  for (const [at, whole] of text.split("\n").entries()) {
    const line = whole.replace(/#.*/, "").trim();
    if (line === "") continue;
    const [, heading] = /^\[([\w.-]+)\]$/.exec(line) ?? [];
    if (heading !== undefined) {
      group = heading;
      continue;
    }
    try {
      if (parseTarget(line).hostname.startsWith("[")) {
        throw new TypeError("A bracket is not closed");
      }
    } catch (cause) {
      const why = `expected [user@]host[:port] or [group], not "${line}"`;
      throw new UsageError(`${name} line ${at + 1}: ${why}`, { cause });
    }
    const groups = hosts.get(line) ?? [];
    if (group !== null) groups.push(group);
    hosts.set(line, groups);
  }
  return [...hosts].map(([host, groups]) => ({ host, groups }));
}

/**
 * The hosts that match a pattern (ssh_config(5)) and none that begins with `!`; all hosts without patterns.
 * A pattern matches the host, its name without user and port, or one of its groups.
 */
export function selectHosts(
  hosts: readonly ListedHost[],
  patterns: readonly string[],
): string[] {
  const isAny = (some: readonly string[], { host, groups }: ListedHost): boolean => {
    const names = [host, parseTarget(host).hostname, ...groups].map((name) => name.toLowerCase());
    return some.some((pattern) => names.some((name) => matchesWildcards(pattern, name)));
  };
  const all = patterns.map((pattern) => pattern.toLowerCase());
  const wanted = all.filter((pattern) => !pattern.startsWith("!"));
  const refused = all.filter((pattern) => pattern.startsWith("!")).map((it) => it.slice(1));
  return hosts.filter((host) =>
    (wanted.length === 0 || isAny(wanted, host)) && !isAny(refused, host)
  ).map(({ host }) => host);
}
