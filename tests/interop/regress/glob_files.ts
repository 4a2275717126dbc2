import { matchesWildcards } from "../../../lib/patterns.ts";

/** The files that an Include names, whose last step may have wildcards; sorted. */
export async function globFiles(pattern: string): Promise<string[]> {
  const path = pattern.startsWith("/") ? pattern : `/etc/ssh/${pattern}`;
  const slash = path.lastIndexOf("/");
  const [folder, last] = [path.slice(0, slash), path.slice(slash + 1)];
  if (!/[*?]/.test(last)) return [path];
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (matchesWildcards(last, name)) names.push(`${folder}/${name}`);
  }
  return names.sort();
}
