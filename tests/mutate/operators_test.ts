import { assertEquals, assertThrows } from "@std/assert";
import { mutationOf, parseList } from "./list.ts";
import { mutate, mutationsOf } from "./operators.ts";
import { tokens } from "./tokens.ts";

const cases: [operator: string, source: string, changed: string[]][] = [
  ["condition", "if (a > (b)) f();", ["if (false) f();", "if (true) f();"]],
  ["comparison", "x = a < b;", ["x = a <= b;"]],
  ["comparison", "const m: Map<string, number> = a === b;", [
    "const m: Map<string, number> = a !== b;",
  ]],
  ["logic", "x = a && b;", ["x = a || b;"]],
  ["literal", "x = true;", ["x = false;"]],
  ["literal", "const o = { true: 1 };", []],
  ["literal", "f(x): Promise<X | false> { return true; }", [
    "f(x): Promise<X | false> { return false; }",
  ]],
  ["number", "x = 255 + 1n;", ["x = 256 + 1n;", "x = 255 + 2n;"]],
  ["number", "f(x: Parameters<F>[0]) { return x[0]; }", [
    "f(x: Parameters<F>[0]) { return x[1]; }",
  ]],
  ["await", "x = await f();", ["x = f();"]],
  ["await", "async () => { return await f(); }", []],
  ["await", "try { if (a) { return await f(); } } catch {}", [
    "try { if (a) { return f(); } } catch {}",
  ]],
  ["await", "try { g(); } finally { h(); } return await f();", []],
  ["await", "{ using a = g(); return await f(); }", ["{ using a = g(); return f(); }"]],
  ["await", "{ { using a = g(); } return await f(); }", []],
  ["await", "for await (const x of y) z();", []],
  ["await", "function g() { { using a = b(); } return await f(); }", []],
  ["await", "const g = async () => await f();", []],
  ["await", "{ using a = b(); return await f(); }", ["{ using a = b(); return f(); }"]],
  ["await", "try { if (a) { return await f(); } } catch {}", [
    "try { if (a) { return f(); } } catch {}",
  ]],
  ["statement", "{\n  this.#close(cause);\n  return 1;\n}", ["{\n  ;\n  return 1;\n}"]],
  ["statement", "{\n  this.#open = false;\n}", ["{\n  ;\n}"]],
  ["statement", "{\n  const x = f();\n}", []],
  ["using", "using file = open();", ["const file = open();"]],
  ["using", "await using file = open();", ["const file = open();"]],
];
for (const [operator, source, changed] of cases) {
  Deno.test(`The operator ${operator} changes ${JSON.stringify(source)}`, () => {
    const made = mutationsOf(source, [operator]).map((mutation) => mutate(source, mutation));
    assertEquals(made, changed);
  });
}

Deno.test("Comments, strings, templates, regular expressions and types are never changed", () => {
  const source = [
    "// if (a) true",
    '/* 1 */ const s = "1 < 2", t = `1 ${`true`}`, r = /[/"]1/;',
    "export interface Options {",
    "  readonly size: 1 | 2;",
    "}",
    "type Phase = true | 3;",
    "const STATUS: {",
    "  readonly OK: 0;",
    "};",
    'import { a } from "./1.ts";',
    'function shutdown(how: "both" | 0 | 1 | 2): void {}',
  ].join("\n");
  const all = ["condition", "comparison", "logic", "literal", "number"];
  assertEquals(mutationsOf(source, all), []);
});

Deno.test("Tokens distinguish a regular expression from a division", () => {
  const texts = (source: string) => tokens(source).map(({ text }) => text).join(" ");
  assertEquals(texts("a / b / c"), "a / b / c");
  assertEquals(texts("f(/b/g)"), "f ( )");
});

Deno.test("An entry of a list has a file, a text that occurs in it once, and its replacement", () => {
  const text = "# why\nlib/a.ts\n- a < b\n+ a <= b\n\nlib/b.ts\n- x\n+ y\n= it is never read\n";
  const [first, second] = parseList(text);
  assertEquals(second, {
    file: "lib/b.ts",
    original: "x",
    mutated: "y",
    reason: "it is never read",
  });
  assertEquals(mutate("if (a < b) c", mutationOf("if (a < b) c", first!)), "if (a <= b) c");
  assertThrows(() => mutationOf("a < b, a < b", first!), TypeError, "exactly once");
});

Deno.test("The list of harmless changes is of code that is there", async () => {
  const root = new URL("../../", import.meta.url);
  const entries = parseList(await Deno.readTextFile(new URL("harmless.txt", import.meta.url)));
  const gone: string[] = [];
  for (const { file, original } of entries) {
    const lines = (await Deno.readTextFile(new URL(file, root))).split("\n");
    const source = lines.map((line) => line.trim()).join(" ");
    if (!source.includes(original)) gone.push(`${file}: ${original}`);
  }
  assertEquals(gone, []);
});
