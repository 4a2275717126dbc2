/**
 * Every function, class and value that an entrypoint exports has an example, and every export a
 * sentence; the doc tests run the examples.
 */
import { assert, assertEquals } from "@std/assert";

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly location: { readonly filename: string };
    readonly jsDoc?: {
      readonly doc?: string;
      readonly tags?: readonly { readonly kind: string }[];
    };
  }[];
}

interface Docs {
  /** 1 in Deno 2.5 and older, where all names are in one list. */
  readonly version: number;
  readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocSymbol[] }>>;
}

/** Kinds of declarations that say by their shape how they are used. */
const TYPES = ["interface", "typeAlias"];

const root = new URL("../", import.meta.url);
const symbols = await exportedSymbols();

const ignore = symbols === null;

Deno.test("Every exported function, class and value has an @example", { ignore }, () => {
  const lacking = symbols!.filter(({ declarations }) =>
    declarations.some(({ kind }) => !TYPES.includes(kind)) &&
    !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
  );
  assertEquals(lacking.map(pathAndName).sort(), []);
});

Deno.test("Every exported name has a sentence that says what it is", { ignore }, () => {
  const lacking = symbols!.filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => jsDoc?.doc)
  );
  assertEquals(lacking.map(pathAndName).sort(), []);
});

/** Null if this version of Deno has another format. */
async function exportedSymbols(): Promise<readonly DocSymbol[] | null> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Object.values<string>(config.exports)],
    cwd: root,
    stderr: "null",
  }).output();
  const { version, nodes }: Docs = JSON.parse(new TextDecoder().decode(stdout));
  if (version === 1) return null;
  const symbols = Object.values(nodes).flatMap((node) => node.symbols)
    // A name that one entrypoint takes from another is documented there.
    .filter(({ declarations }) => declarations.every(({ kind }) => kind !== "reference"));
  assert(symbols.length > 100, "deno doc --json has changed its format");
  return symbols;
}

/** As `lib/room/file.ts Name`. */
function pathAndName({ name, declarations }: DocSymbol): string {
  return `${declarations[0]!.location.filename.slice(root.href.length)} ${name}`;
}
