/** Finds the tests that reach a file, by following imports. */

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"'\n]+)["']/g;

/** Reads sources once each. */
export class ImportGraph {
  readonly #root: URL;
  readonly #names: Readonly<Record<string, string>>;
  readonly #imports = new Map<string, string[]>();
  readonly #reach = new Map<string, Set<string>>();

  /** @param names The paths of the package names in `deno.json`, from the root */
  constructor(root: URL, names: Readonly<Record<string, string>>) {
    this.#root = root;
    this.#names = names;
  }

  /** Every file that a file imports, directly or through others, as paths from the root. */
  reach(file: string): ReadonlySet<string> {
    const known = this.#reach.get(file);
    if (known !== undefined) return known;
    const found = new Set<string>();
    const waiting = [file];
    for (let next; (next = waiting.pop()) !== undefined;) {
      if (found.has(next)) continue;
      found.add(next);
      waiting.push(...this.#of(next));
    }
    this.#reach.set(file, found);
    return found;
  }

  #of(file: string): string[] {
    let imports = this.#imports.get(file);
    if (imports === undefined) {
      const text = file.endsWith(".ts") ? Deno.readTextFileSync(new URL(file, this.#root)) : "";
      imports = [...text.matchAll(IMPORT)].flatMap(([, name]) => this.#resolve(file, name!));
      this.#imports.set(file, imports);
    }
    return imports;
  }

  #resolve(file: string, name: string): string[] {
    const path = name.startsWith(".")
      ? new URL(name, `file:///${file}`).pathname.slice(1)
      : this.#names[name]?.replace(/^\.\//, "");
    if (path === undefined || !/^(lib|tests|mod\.ts)/.test(path)) return [];
    try {
      Deno.statSync(new URL(path, this.#root));
      return [path];
    } catch {
      return []; // a text that looks like an import
    }
  }
}
