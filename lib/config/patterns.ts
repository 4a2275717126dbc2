import { matchesPatternList } from "../keys/pattern_list.ts";

/** {@linkcode matchesPatternList} for names of hosts, where case does not count. */
export function matchesHostList(list: string, host: string): boolean {
  return matchesPatternList(list.toLowerCase(), host.toLowerCase());
}
