import { matchesWildcards } from "../keys/host_pattern.ts";

/**
 * Whether a text matches a list with commas of ssh_config(5), PATTERNS: a negated pattern that matches
 * settles it, and never makes a match by itself.
 */
export function matchesList(list: string, text: string): boolean {
  let found = false;
  for (const pattern of list.split(",")) {
    const negated = pattern.startsWith("!");
    if (!matchesWildcards(negated ? pattern.slice(1) : pattern, text)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** {@linkcode matchesList} for names of hosts, where case does not count. */
export function matchesHostList(list: string, host: string): boolean {
  return matchesList(list.toLowerCase(), host.toLowerCase());
}
