/** The texts of source files, and what they import. */

/** Source texts by their path from the root of the repository, such as `lib/wire/reader.ts`. */
export type Sources = ReadonlyMap<string, string>;

/** Reads the files of a folder, and those in it, whose path matches. */
export async function readSources(top: string, wanted: RegExp): Promise<Sources> {
  const root = new URL("../../", import.meta.url);
  const found = new Map<string, string>();
  const walk = async (folder: string) => {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (wanted.test(path)) {
        found.set(path, await Deno.readTextFile(new URL(path, root)));
      }
    }
  };
  await walk(top);
  return found;
}

/** The file's imports: paths from the root of the repository, other specifiers unchanged. */
export function importsOf(file: string, source: string): string[] {
  const names = String.raw`(?:type\s+)?(?:[\w*]+(?:\s+as\s+\w+)?\s*,?\s*)?(?:\{[^}]*\}\s*)?`;
  const pattern = new RegExp(
    String.raw`^(?:import\s*(?:${names}from\s*)?|export\s+${names}from\s*)["']([^"'\n]+)["']` +
      String.raw`|\bimport\(\s*["']([^"'\n]+)["']`,
    "gm",
  );
  const specifiers = [...withoutComments(source).matchAll(pattern)].map((m) => m[1] ?? m[2]!);
  return specifiers.map((specifier) =>
    specifier.startsWith(".")
      ? new URL(specifier, `file:///${file}`).pathname.slice(1)
      : specifier.replace(/^(@\w+\/\w+).*/, "$1")
  );
}

/** The source without its comments. */
export function withoutComments(source: string): string {
  // Strings are matched first, so that the // of a URL is not taken for a comment.
  return source.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\*[\s\S]*?\*\/|\/\/.*/g,
    (_, string) => string ?? "",
  );
}
