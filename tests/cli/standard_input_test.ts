import { assertEquals } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import { noise } from "../support/random.ts";
import { run } from "../support/run.ts";

const MIB = 1024 * 1024;

/** A program that hashes its standard input, and tells whether it has read some bulk data without a thread. */
const PROGRAM = `
import { createHash } from "node:crypto";
import { openStandardInput } from "${import.meta.resolve("../../lib/cli/ssh/standard_input.ts")}";
const hash = createHash("sha256");
let total = 0;
let threaded = 0;
const { stdin } = Deno;
const read = stdin.read.bind(stdin);
stdin.read = async (into) => {
  const count = await read(into);
  threaded += count ?? 0;
  return count;
};
using input = await openStandardInput();
const block = new Uint8Array(256 * 1024);
for (let n; (n = await input.read(block)) !== null;) {
  hash.update(block.subarray(0, n));
  total += n;
}
console.log(hash.digest("hex"), total, Deno.build.os !== "linux" || threaded < total === total > 32 * ${MIB});
`;

Deno.test("standard input arrives whole and in order, also as bulk data, which a pipe gives at once", async () => {
  for (const length of [5, 48 * MIB]) {
    const data = noise(length);
    const digest = encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
    const args = ["eval", "--no-check", PROGRAM];
    const { code, text, stderr } = await run(Deno.execPath(), args, { stdin: data });
    assertEquals([code, stderr, text], [0, "", `${digest} ${length} true\n`]);
  }
});
