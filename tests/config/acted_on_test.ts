import { assertEquals } from "@std/assert";
import { DIRECTIVES } from "../../lib/config/directives.ts";

const LIB = new URL("../../lib/", import.meta.url);

/** Directives that the look-up itself acts on. */
const OF_LOOKUP = ["CanonicalDomains", "IgnoreUnknown", "Tag"];

Deno.test("the documentation lists the directives without effect", async () => {
  const words = new Set<string>();
  for (const path of sources(LIB)) {
    if (path.pathname.startsWith(`${LIB.pathname}config/`)) continue;
    for (const [word] of (await Deno.readTextFile(path)).matchAll(/\b[A-Z]\w+/g)) words.add(word);
  }
  const missing = Object.keys(DIRECTIVES)
    .filter((name) => !words.has(name) && !name.startsWith("Canonicalize"))
    .filter((name) => !OF_LOOKUP.includes(name));
  const text = (await Deno.readTextFile(new URL("config/mod.ts", LIB))).replace(/\n \* /g, " ");
  const [, list] = /parsed and have no effect: ([^;]*);/.exec(text)!;
  assertEquals(list!.split(/, | and /), missing.sort());
});

function* sources(folder: URL): Generator<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const url = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) yield* sources(url);
    else if (name.endsWith(".ts")) yield url;
  }
}
