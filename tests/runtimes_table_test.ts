import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CAPABILITIES, report, ROWS, shownTable, tableOf } from "./interop/runtimes/table.ts";

Deno.test("The README has the table of runtimes", async () => {
  const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  assertStringIncludes(readme, `<!-- runtimes -->\n\n${tableOf(ROWS)}\n\n<!-- /runtimes -->`);
});

Deno.test("A test fails if it shows more or less than the table promises", () => {
  const shown = { runtime: "Cloudflare Workers", version: "1", capabilities: CAPABILITIES };
  assertThrows(() => report(shown), Error, "differs in files");
  assertThrows(() => report({ ...shown, capabilities: [] }), Error, "connect, exec, SFTP, tunnels");
  assertThrows(() => report({ ...shown, runtime: "Rhino" }), Error, "no row for Rhino");
});

Deno.test("The table of a run has a row per version, and marks what was not shown", () => {
  const lines = shownTable([
    { runtime: "Node", version: "v22.0.0", capabilities: CAPABILITIES },
    { runtime: "Node", version: "v24.0.0", capabilities: ["connect"] },
  ]).split("\n");
  assertEquals(lines.length, 2 + ROWS.length + 1);
  const of = (version: string) => lines.find((line) => line.includes(version))!;
  assertEquals(of("v22.0.0").match(/\byes\b/g)?.length, CAPABILITIES.length);
  assertEquals(of("v24.0.0").match(/not shown/g)?.length, CAPABILITIES.length - 1);
});
