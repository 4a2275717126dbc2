/** Glob(7) over the file system, for the arguments of Include. */

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

/** Whether a name matches a pattern without slashes; wildcards do not stand for a dot in front. */
export function matchesGlob(pattern: string, name: string): boolean {
  if (name.startsWith(".") && !/^\\?\./.test(pattern)) return false;
  return expressionOf(pattern).test(name);
}

async function step(folder: string, part: string): Promise<string[]> {
  const join = (name: string) =>
    folder === "" || folder.endsWith("/") ? folder + name : `${folder}/${name}`;
  if (!/[*?[]/.test(part)) return [join(part.replace(/\\(.)/gs, "$1"))];
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder === "" ? "." : folder)) {
      if (matchesGlob(part, name)) names.push(name);
    }
  } catch (error) {
    // What cannot be listed matches nothing, as in a shell.
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) {
      if (!(error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  return names.sort().map(join);
}

function expressionOf(pattern: string): RegExp {
  const source = pattern.replace(
    /\\(.)|\[([!^]?)(\]?[^\]]*)\]|[*?]|[.+^${}()|[\]\\]/gs,
    (found, escaped: string | undefined, not: string | undefined, members: string | undefined) => {
      if (escaped !== undefined) return literal(escaped);
      if (members !== undefined) {
        return `[${not ? "^" : ""}${members.replace(/[\\\]^[]/g, "\\$&")}]`;
      }
      return found === "*" ? ".*" : found === "?" ? "." : literal(found);
    },
  );
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return /^\b$/; // a range such as [z-a], which stands for no name
  }
}

function literal(text: string): string {
  return text.replace(/[.+^${}()|[\]\\*?]/g, "\\$&");
}
