/** Reads the files of vectors in this folder; `README.md` has their format. */
import { assertEquals } from "@std/assert";
import { decodeBase64 } from "../../lib/encoding.ts";
import { COLUMNS, type VectorSet } from "./columns.ts";

type Column<Set extends VectorSet> = (typeof COLUMNS)[Set][number];

/** One case: Wycheproof's number and verdict, and the bytes of each column. */
export type Vector<Set extends VectorSet> =
  & { readonly id: number; readonly result: "valid" | "acceptable" | "invalid" }
  & Readonly<Record<Column<Set>, Uint8Array<ArrayBuffer>>>;

/** Every case of a file, in its order. */
export function readVectors<Set extends VectorSet>(set: Set): Vector<Set>[] {
  const url = new URL(`${set}.txt`, import.meta.url);
  const [head, ...lines] = Deno.readTextFileSync(url).trimEnd().split("\n");
  const columns = ["id", "result", ...COLUMNS[set]];
  assertEquals(head!.split(" "), columns, url.pathname);
  let above: string[] = [];
  return lines.map((line) => {
    const fields = line.split(" ").map((field, at) => field === '"' ? above[at]! : field);
    assertEquals(fields.length, columns.length, `${set}: ${line.slice(0, 40)}`);
    above = fields;
    const [id, result, ...rest] = fields;
    const bytes = rest.map((field, at) => [COLUMNS[set][at]!, decode(field)]);
    return { id: Number(id), result, ...Object.fromEntries(bytes) };
  });
}

/** Registers a test that runs `check` on every case of a file. */
export function testVectors<Set extends VectorSet>(
  set: Set,
  check: (vector: Vector<Set>) => void,
): void {
  Deno.test(`Wycheproof's ${set}: every vector gets its verdict`, () => {
    for (const vector of readVectors(set)) {
      try {
        check(vector);
      } catch (cause) {
        throw new Error(`${set}, case ${vector.id} (${vector.result})`, { cause });
      }
    }
  });
}

function decode(field: string): Uint8Array<ArrayBuffer> {
  if (field === "-") return new Uint8Array();
  return decodeBase64(field.padEnd(Math.ceil(field.length / 4) * 4, "="))!;
}
