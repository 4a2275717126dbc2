/** The tables of docs/attacks.md name tests that exist. */
import { assert, assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));

/** A test that the table names, with the file that has it. */
interface NamedTest {
  readonly file: string;
  readonly name: string;
}

const rows = (await read("docs/attacks.md")).split("\n").filter((line) => /^\| [^-]/.test(line))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
  .filter(([fault]) => fault !== "fault");

Deno.test("Each row of docs/attacks.md has a fault, a peer and our test", () => {
  assert(rows.length > 80, `${rows.length} rows`);
  for (const [fault, peer, tests, ...more] of rows) {
    assert(fault && peer && more.length === 0, fault);
    assert(testsIn(tests!).length > 0, fault);
  }
});

Deno.test("Each test that docs/attacks.md names exists", async () => {
  const missing: NamedTest[] = [];
  for (const test of rows.flatMap(([, , tests]) => testsIn(tests!))) {
    const source = await read(`tests/${test.file}`).catch(() => "");
    if (!patternOf(test.name).test(source)) missing.push(test);
  }
  assertEquals(missing, []);
});

Deno.test("Each CVE in the name of a hostile test has its row in docs/attacks.md", async () => {
  const listed = new Set(rows.flatMap(([fault, peer]) => cves(`${fault} ${peer}`)));
  const missing: string[] = [];
  for await (const { name } of Deno.readDir(new URL("tests/hostile/", root))) {
    const source = await read(`tests/hostile/${name}`);
    missing.push(...cves(source).filter((cve) => !listed.has(cve)));
  }
  assertEquals(missing, []);
});

Deno.test("docs/attacks.md is not published, as the tests that it lists are not", async () => {
  const { publish } = JSON.parse(await read("deno.json"));
  assert(publish.exclude.includes("docs/attacks.md"));
  assert(!publish.include.some((path: string) => path.startsWith("tests")));
});

Deno.test("SECURITY.md links to docs/attacks.md", async () => {
  assert((await read("SECURITY.md")).includes("(docs/attacks.md)"));
});

/** `file`: "name", "name"; `file`: "name" */
function testsIn(cell: string): NamedTest[] {
  return [...cell.matchAll(/`([^`]+\.ts)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file, names]) =>
    [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => ({ file: file!, name: name! }))
  );
}

/**
 * Matches a string literal with this text: … stands for an expression, an apostrophe for any quote,
 * and CVEs may follow in parentheses.
 */
function patternOf(name: string): RegExp {
  const parts = name.split("…").map((part) =>
    part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("'", `\\\\?["']`)
  );
  return new RegExp(`["'\`]${parts.join("\\$\\{[^`]+?\\}")}(?: \\([^()"\`]*\\))?["'\`]`);
}

function cves(text: string): string[] {
  return text.match(/CVE-\d{4}-\d+/g) ?? [];
}
