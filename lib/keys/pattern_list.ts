import { matchesWildcards } from "./host_pattern.ts";

/**
 * Whether a comma-separated list of patterns admits a text (ssh_config(5), PATTERNS): one of them
 * matches, and none that begins with `!`.
 */
export function matchesPatternList(list: string, text: string): boolean {
  let admitted = false;
  for (const pattern of list.split(",")) {
    if (pattern.startsWith("!")) {
      if (matchesWildcards(pattern.slice(1), text)) return false;
    } else if (matchesWildcards(pattern, text)) admitted = true;
  }
  return admitted;
}
