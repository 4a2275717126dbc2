import { assertEquals } from "@std/assert";
import { byFolder } from "./coverage.ts";

Deno.test("Coverage is summed by folder, wings included", () => {
  const file = (path: string, ...[found, hit, branches, taken]: number[]) =>
    `SF:/home/lib/x/${path}\nDA:1,1\nLH:${hit}\nLF:${found}\nBRF:${branches}\nBRH:${taken}\n` +
    "end_of_record\n";
  const lcov = file("lib/b/wing/one.ts", 10, 5, 4, 1) + file("lib/a/one.ts", 3, 3, 0, 0) +
    file("lib/b/wing/two.ts", 30, 15, 4, 3);
  const share = (found: number, hit: number) => ({ found, hit });
  assertEquals([...byFolder(lcov, "/home/lib/x/")], [
    ["lib/a", { lines: share(3, 3), branches: share(0, 0) }],
    ["lib/b/wing", { lines: share(40, 20), branches: share(8, 4) }],
  ]);
});
