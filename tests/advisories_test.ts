/** Checks the Rust crates against a committed copy of RustSec's advisories. */
import { assertEquals } from "@std/assert";
import { isIn, lockedCrates, parseAdvisory, problems } from "../wasm/advisories.ts";

const folder = new URL("../wasm/", import.meta.url);

const ranges: [version: string, range: string, inside: boolean][] = [
  ["0.17.14", ">= 0.17.12", true],
  ["0.17.9", ">= 0.17.12", false],
  ["0.5.5", ">= 0.5.2, < 0.6.0", true],
  ["0.6.0", ">= 0.5.2, < 0.6.0", false],
  ["1.2.3", "> 1.2.3", false],
  ["1.2.3", "<= 1.2.3", true],
  ["1.2.3", "= 1.2.3", true],
  ["1.2.4", "= 1.2.3", false],
  ["1.9.0", "^1.2.3", true],
  ["2.0.0", "^1.2.3", false],
  ["0.9.4", "^0.9.3", true],
  ["0.10.0", "^0.9.3", false],
  ["0.0.4", "^0.0.3", false],
  ["1.2.9", "~1.2.3", true],
  ["1.3.0", "~1.2.3", false],
  ["1.4.0", "1.2", true],
  ["1.0.0-rc.1", ">= 1.0.0", false],
  ["1.0.0", ">= 1.0.0-rc.1", true],
  ["1.0.0-rc.2", ">= 1.0.0-rc.1", true],
  ["1.0.0+build", ">= 1.0.0", true],
];
for (const [version, range, inside] of ranges) {
  Deno.test(`Version ${version} is ${inside ? "in" : "not in"} the range "${range}"`, () => {
    assertEquals(isIn(version, range), inside);
  });
}

const ADVISORY = `\`\`\`toml
[advisory]
id = "RUSTSEC-2025-0009"
package = "ring"
categories = ["denial-of-service"]

[versions]
patched = [">= 0.17.12"]
unaffected = ["< 0.1.0"]
\`\`\`

# Some AES functions may panic
`;

Deno.test("RustSec advisories are read, except withdrawn ones", () => {
  assertEquals(parseAdvisory(ADVISORY), {
    id: "RUSTSEC-2025-0009",
    crate: "ring",
    title: "Some AES functions may panic",
    patched: [">= 0.17.12"],
    unaffected: ["< 0.1.0"],
  });
  assertEquals(parseAdvisory(ADVISORY.replace("[versions]", 'withdrawn = "2026-01-01"')), null);
});

Deno.test("A locked crate with an advisory, or one that was not checked, is a problem", () => {
  const copy = { crates: ["ring"], advisories: [parseAdvisory(ADVISORY)!] };
  const of = (name: string, version: string) => problems([{ name, version }], copy).length;
  assertEquals([of("ring", "0.17.14"), of("ring", "0.0.9")], [0, 0]);
  assertEquals([of("ring", "0.17.11"), of("left-pad", "1.0.0")], [1, 1]);
});

Deno.test("No advisory applies to a crate of the core", async () => {
  const locked = lockedCrates(await Deno.readTextFile(new URL("Cargo.lock", folder)));
  const copy = JSON.parse(await Deno.readTextFile(new URL("advisories.json", folder)));
  assertEquals(locked.length > 50, true);
  assertEquals(problems(locked, copy), []);
});
