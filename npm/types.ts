/** The declarations of the npm package, made by TypeScript's compiler, without Deno's global namespace. */
import { dirname, join, relative, resolve } from "node:path";

/** The types used of the compiler, which is loaded only for a build. */
interface Compiler {
  createProgram(files: readonly string[], options: Record<string, unknown>): Program;
  createCompilerHost(options: Record<string, unknown>): object;
}

interface Program {
  emit(
    target: undefined,
    write: (file: string, text: string) => void,
    cancellation: undefined,
    onlyDeclarations: true,
  ): { emitSkipped: boolean };
}

const TYPESCRIPT = "npm:typescript@5.9.3";

/** The file with Deno's types, next to the declarations. */
const DENO_TYPES = "deno_types.d.ts";

/**
 * Makes the declarations of the entrypoints: the text of each file, by path from the root.
 *
 * @param root The repository
 * @param entrypoints Their paths from the root
 */
export async function declarations(
  root: string,
  entrypoints: readonly string[],
): Promise<Map<string, string>> {
  const { default: ts } = await import(TYPESCRIPT) as { default: Compiler };
  const denoTypes = await denoDeclarations();
  try {
    const sources = [...entrypoints.map((path) => join(root, path)), denoTypes];
    const program = ts.createProgram(sources, {
      allowImportingTsExtensions: true,
      declaration: true,
      emitDeclarationOnly: true,
      exactOptionalPropertyTypes: true,
      module: 99, // ESNext
      moduleResolution: 100, // Bundler
      noCheck: true, // `deno check` does it
      outDir: "/",
      rootDir: root,
      paths: { "@std/*": [join(root, "tests/std/*/mod.ts")] },
      strict: true,
      target: 99, // ESNext
      types: [],
    });
    const made = new Map<string, string>();
    program.emit(undefined, (file, text) => made.set(relative("/", file), text), undefined, true);
    const files = reachable(made, entrypoints.map(declarationOf));
    return forAnyCompiler(withoutDeno(files), entrypoints.map(declarationOf));
  } finally {
    await Deno.remove(denoTypes);
  }
}

/** Deno's declarations, which the compiler needs to infer types. */
async function denoDeclarations(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
  const file = await Deno.makeTempFile({ suffix: ".d.ts" });
  await Deno.writeFile(file, stdout);
  return file;
}

/** The path of a module's declarations. */
export function declarationOf(path: string): string {
  return path.replace(/\.[jt]s$/, ".d.ts");
}

/** The files that other files import. */
function reachable(
  files: ReadonlyMap<string, string>,
  from: readonly string[],
): Map<string, string> {
  const found = new Map<string, string>();
  const queue = [...from];
  for (let path; (path = queue.pop()) !== undefined;) {
    if (found.has(path)) continue;
    const text = files.get(path);
    if (text === undefined) throw new Error(`The compiler made no ${path}`);
    found.set(path, text);
    for (const [, specifier] of text.matchAll(SPECIFIER)) {
      queue.push(relative("/", resolve("/", dirname(path), declarationOf(specifier!))));
    }
  }
  return found;
}

/** The import of one of our files. */
const SPECIFIER = /(?<=\bfrom\s+"|\bimport\(")(\.[^"]+)(?=")/g;

/** Imports of declarations, and of Deno's types where they are used. */
function withoutDeno(files: ReadonlyMap<string, string>): Map<string, string> {
  const changed = new Map<string, string>();
  for (const [path, text] of files) {
    const imports = text.replace(SPECIFIER, (specifier) => specifier.replace(/\.ts$/, ".js"));
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
    const types = relative(dirname(`/${path}`), `/${DENO_TYPES}`).replace(/\.d\.ts$/, ".js");
    const named = /\bDeno\./.test(code)
      ? `import type { Deno } from "${types.startsWith(".") ? "" : "./"}${types}";\n`
      : "";
    changed.set(path, named + imports);
  }
  return changed;
}

/**
 * Declarations that compile whatever a program chose to know: `Disposable` is newer than the libraries of
 * many, and those for browsers lack the types of Node. Only `nodeSocket()` returns one of those.
 */
function forAnyCompiler(
  files: ReadonlyMap<string, string>,
  entrypoints: readonly string[],
): Map<string, string> {
  const changed = new Map<string, string>();
  for (const [path, text] of files) {
    const start = entrypoints.includes(path) ? '/// <reference lib="esnext.disposable" />\n' : "";
    changed.set(
      path,
      start + text.replace(/^(?! \*).*"node:/gm, "// @ts-ignore: without Node's types\n$&"),
    );
  }
  return changed;
}
