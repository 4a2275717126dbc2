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
  readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocSymbol[] }>>;
}

/** Kinds of declarations that say by their shape how they are used. */
const TYPES = ["interface", "typeAlias"];

const root = new URL("../", import.meta.url);
const symbols = await exportedSymbols();

Deno.test("Every exported function, class and value has an @example", () => {
  const lacking = symbols.filter(({ declarations }) =>
    declarations.some(({ kind }) => !TYPES.includes(kind)) &&
    !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
  );
  assertEquals(lacking.map(pathAndName).sort(), []);
});

Deno.test("Every exported name has a sentence that says what it is", () => {
  const lacking = symbols.filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => jsDoc?.doc)
  );
  assertEquals(lacking.map(pathAndName).sort(), []);
});

async function exportedSymbols(): Promise<readonly DocSymbol[]> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Object.values<string>(config.exports)],
    cwd: root,
    stderr: "null",
  }).output();
  const { nodes }: Docs = JSON.parse(new TextDecoder().decode(stdout));
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
