/**
 * Every exported function, class and value has an example, and every export a sentence; the doc tests
 * run the examples. Pages begin with a summary, and show no internal type.
 */
import { assert, assertEquals } from "@std/assert";

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly location: { readonly filename: string };
    readonly jsDoc?: {
      readonly doc?: string;
      readonly tags?: readonly { readonly kind: string; readonly doc?: string }[];
    };
    readonly def?: { readonly constructors?: readonly DocConstructor[] };
  }[];
}

interface DocConstructor {
  readonly params: unknown;
}

interface DocModule {
  readonly module_doc?: { readonly doc?: string };
  readonly symbols: readonly DocSymbol[];
}

interface Docs {
  /** 1 in Deno 2.5 and older, where all names are in one list. */
  readonly version: number;
  readonly nodes: Readonly<Record<string, DocModule>>;
}

/** Kinds of declarations that need no example. */
const TYPES = ["interface", "typeAlias"];
/** Columns of code that a page of documentation shows; longer lines are cut off. */
const PAGE_COLUMNS = 76;

const root = new URL("../", import.meta.url);
const modules = await entrypoints();
const symbols = modules?.flatMap((module) => module.symbols)
  // A name that one entrypoint takes from another is documented there.
  .filter(({ declarations }) => declarations.every(({ kind }) => kind !== "reference"));

const ignore = modules === null;

Deno.test("Every exported function, class and value has an @example", { ignore }, () => {
  const lacking = symbols!.filter(({ declarations }) =>
    declarations.some(({ kind }) => !TYPES.includes(kind)) &&
    !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
  );
  assertEquals(lacking.map(pathAndName).sort(), []);
});

Deno.test("Every exported name has a description", { ignore }, () => {
  const lacking = symbols!.filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => jsDoc?.doc)
  );
  assertEquals(lacking.map(pathAndName).sort(), []);
});

Deno.test("Every entrypoint has an example program, and says where to begin", { ignore }, () => {
  const texts = modules!.map(({ module_doc }) => module_doc?.doc ?? "");
  assert(texts.length > 5);
  const code = (text: string) => /^```(ts|sh)$/m.test(text);
  assertEquals(texts.filter((text) => !code(text)), []);
  const begin = (text: string) => /^- \{@linkcode \w/m.test(text) || /--help/.test(text);
  assertEquals(texts.filter((text) => !begin(text)), []);
});

Deno.test("Links of the pages lead to exported names", { ignore }, () => {
  const names = new Set(symbols!.map(({ name }) => name));
  const texts = modules!.map(({ module_doc }) => module_doc?.doc ?? "");
  const links = texts.flatMap((text) =>
    [...text.matchAll(/\{@linkcode (\w+)/g)].map((it) => it[1]!)
  );
  assert(links.length > 20);
  assertEquals(links.filter((name) => !names.has(name)), []);
});

Deno.test("Public constructors take only public types", { ignore }, () => {
  const names = new Set(symbols!.map(({ name }) => name));
  const internal: string[] = [];
  for (const { name, declarations } of symbols!) {
    for (
      const { params } of declarations.flatMap(({ def }) => def?.constructors ?? [])
    ) {
      // Not type parameters, which have one letter.
      const types = [...JSON.stringify(params).matchAll(/"typeName":"(\w\w+)"/g)].map((it) =>
        it[1]!
      );
      internal.push(
        ...types.filter((type) => !names.has(type) && !BUILT_IN.has(type))
          .map((type) => `${name}: hide its constructor (@ignore), or export ${type}`),
      );
    }
  }
  assertEquals(internal, []);
});

Deno.test("No line of an example is longer than a page of documentation shows", async () => {
  const long: string[] = [];
  for (const path of await sourcesOf(new URL("lib/", root), [new URL("mod.ts", root)])) {
    const source = await Deno.readTextFile(path);
    for (const [, code] of source.matchAll(/^ *\* ```ts.*\n([^]*?)^ *\* ```$/gm)) {
      const lines = code!.split("\n").map((line) => line.replace(/^ *\* ?/, ""));
      long.push(
        ...lines.filter((line) => line.length > PAGE_COLUMNS)
          .map((line) => `${path.href.slice(root.href.length)}: ${line}`),
      );
    }
  }
  assertEquals(long, []);
});

/** Types of TypeScript and the web that appear in constructors. */
const BUILT_IN = new Set(["ErrorOptions", "Promise", "Readonly", "Omit", "Pick", "Uint8Array"]);

/** The sources below a folder. */
async function sourcesOf(folder: URL, found: URL[] = []): Promise<URL[]> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await sourcesOf(new URL(`${name}/`, folder), found);
    else if (name.endsWith(".ts")) found.push(new URL(name, folder));
  }
  return found;
}

/** The documentation of each entrypoint; null if this version of Deno has another format. */
async function entrypoints(): Promise<readonly DocModule[] | null> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Object.values<string>(config.exports)],
    cwd: root,
    stderr: "null",
  }).output();
  const { version, nodes }: Docs = JSON.parse(new TextDecoder().decode(stdout));
  if (version === 1) return null;
  const modules = Object.values(nodes);
  const count = modules.flatMap((module) => module.symbols).length;
  assert(count > 100, "deno doc --json has changed its format");
  return modules;
}

/** As `lib/room/file.ts Name`. */
function pathAndName({ name, declarations }: DocSymbol): string {
  return `${declarations[0]!.location.filename.slice(root.href.length)} ${name}`;
}
