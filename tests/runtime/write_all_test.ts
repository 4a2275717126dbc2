import { assertEquals, assertRejects } from "@std/assert";
import { writeAll, writeAllSync } from "../../lib/runtime/write_all.ts";

/** Takes three bytes at a time. */
function narrow() {
  const taken: number[] = [];
  const writeSync = (bytes: Uint8Array) =>
    taken.push(...bytes.subarray(0, 3)) && Math.min(3, bytes.length);
  return { taken, writeSync, write: (bytes: Uint8Array) => Promise.resolve(writeSync(bytes)) };
}

Deno.test("writeAll and writeAllSync write until nothing is left", async () => {
  const bytes = Uint8Array.from({ length: 8 }, (_, i) => i);
  const [later, now] = [narrow(), narrow()];
  await writeAll(later, bytes);
  writeAllSync(now, bytes);
  assertEquals([later.taken, now.taken], [[...bytes], [...bytes]]);
});

Deno.test("writeAll throws the error of a write", async () => {
  const to = { write: () => Promise.reject(new Error("gone")) };
  await assertRejects(() => writeAll(to, new Uint8Array(1)), Error, "gone");
});
