import { matchesHostList } from "../patterns.ts";
import type { ConfigFile } from "./config_file.ts";
import { splitWords } from "./words.ts";

/** The names in `Host` lines without wildcards that match a list of patterns. */
export async function hostNames(
  files: readonly ConfigFile[],
  patterns: string,
): Promise<string[]> {
  const names = new Set<string>();
  const count = { files: 0 };
  const add = async ({ lines }: ConfigFile): Promise<void> => {
    for (const { keyword, rest, include } of lines) {
      // An argument that depends on the host matches no file here.
      const included = await include?.(count, (word) => /%|\$\{/.test(word) ? null : word);
      for (const file of included?.files ?? []) await add(file);
      if (!/^host$/i.test(keyword)) continue;
      for (const word of splitWords(rest) ?? []) if (!/[*?!]/.test(word)) names.add(word);
    }
  };
  for (const file of files) await add(file);
  return [...names].filter((name) => matchesHostList(patterns, name));
}
