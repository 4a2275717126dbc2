/** Glob(7) over the file system, for the arguments of Include. */
import { globMatcher, isGlob, unescapeGlob } from "../patterns.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";

/** The paths that a pattern stands for, sorted; one without wildcards is itself, whether it is there or not. */
export async function glob(pattern: string): Promise<string[]> {
  let found = [pattern.startsWith("/") ? "/" : ""];
  for (const part of pattern.split("/").filter((part) => part !== "")) {
    const next: string[] = [];
    for (const folder of found) next.push(...await step(folder, part));
    found = next;
  }
  return found;
}

async function step(folder: string, part: string): Promise<string[]> {
  const join = (name: string) =>
    folder === "" || folder.endsWith("/") ? folder + name : `${folder}/${name}`;
  if (!isGlob(part)) return [join(unescapeGlob(part))];
  const matches = globMatcher(part);
  const names: string[] = [];
  try {
    for await (const { name } of runtime.files.readDir(folder === "" ? "." : folder)) {
      if (matches(name)) names.push(name);
    }
  } catch (error) {
    // What cannot be listed matches nothing, as in a shell.
    if (!isError(error, "NotFound", "PermissionDenied", "NotADirectory")) throw error;
  }
  return names.sort().map(join);
}
