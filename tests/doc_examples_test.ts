/**
 * Runs every example of the documentation, in pages and in comments, as `deno test --doc` does. That
 * loads and compiles the library once for each; here they share it. `deno check --doc` checks their
 * types.
 */
import { assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);
const missed: string[] = [];

for (const file of ["README.md", "mod.ts", ...await filesIn("docs/"), ...await filesIn("lib/")]) {
  const text = await Deno.readTextFile(new URL(file, root));
  const [pattern, margin] = file.endsWith(".md")
    ? [/^```ts\n([^]*?)^```$/gm, /^/gm] as const
    : [/^ *\* ```ts\n([^]*?)^ *\* ```$/gm, /^ *\* ?/gm] as const;
  const examples = [...text.matchAll(pattern)];
  for (const { index, 1: code } of examples) {
    const line = text.slice(0, index).split("\n").length;
    Deno.test(`The example of ${file}:${line} runs`, () => load(code!.replace(margin, ""), line));
  }
  const blocks = text.match(/```ts$/gm)?.length ?? 0;
  if (blocks !== examples.length) missed.push(file);
}

Deno.test("Every block of TypeScript that is not marked as ignored is an example", () => {
  assertEquals(missed, []);
});

/** Imports an example; errors have the lines of its file, which begin after `line`. */
async function load(code: string, line: number): Promise<void> {
  const source = code.replaceAll(
    /^(import .*|\} )from "(@[^"]+)";$/gm,
    (_, names, name) => `${names}from "${import.meta.resolve(name)}";`,
  );
  const blob = new Blob(["\n".repeat(line), source], { type: "application/typescript" });
  const url = URL.createObjectURL(blob);
  try {
    await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The pages and modules in a folder. */
async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) files.push(...await filesIn(`${folder}${name}/`));
    else if (/\.(md|ts)$/.test(name)) files.push(`${folder}${name}`);
  }
  return files.sort();
}
