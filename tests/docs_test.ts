/** Every name that an entrypoint exports has an example; the doc tests run it. */
import { assertEquals } from "@std/assert";

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly location: { readonly filename: string };
    readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] };
  }[];
}

interface Docs {
  readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocSymbol[] }>>;
}

const root = new URL("../", import.meta.url);

Deno.test("Every exported name has an @example", async () => {
  assertEquals(await namesWithoutExample(), []);
});

/** As `lib/room/file.ts Name`. */
async function namesWithoutExample(): Promise<string[]> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Object.values<string>(config.exports)],
    cwd: root,
    stderr: "null",
  }).output();
  const { nodes }: Docs = JSON.parse(new TextDecoder().decode(stdout));
  const symbols = Object.values(nodes).flatMap((node) => node.symbols)
    // What an entrypoint takes from another is documented there.
    .filter(({ declarations }) => declarations.every(({ kind }) => kind !== "reference"));
  assertEquals(symbols.length > 100, true); // the format of the output is what this expects
  const lacking = symbols.filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
  );
  return [...new Set(lacking.map(pathAndName))].sort();
}

function pathAndName({ name, declarations }: DocSymbol): string {
  return `${declarations[0]!.location.filename.slice(root.href.length)} ${name}`;
}
