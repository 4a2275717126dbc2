/** Project Wycheproof's vectors, read from beside the repository; they are not copied into it. */

const FOLDER = new URL("../../../shared/vectors/", import.meta.url);

/** A group of vectors, or a vector: fields as the files have them. */
// deno-lint-ignore no-explicit-any
export type Vector = Record<string, any>;

/** Registers a test over every vector of a file; ignored, by name, where the file is missing. */
export function wycheproof(file: string, check: (test: Vector, group: Vector) => void): void {
  const url = new URL(`${file}.json`, FOLDER);
  Deno.test({
    name: `Wycheproof's ${file}: every vector is answered as it should be`,
    ignore: !exists(url),
    fn() {
      for (const group of JSON.parse(Deno.readTextFileSync(url)).testGroups) {
        for (const test of group.tests) {
          try {
            check(test, group);
          } catch (cause) {
            throw new Error(`${file} case ${test.tcId} (${test.comment})`, { cause });
          }
        }
      }
    },
  });
}

/** Bytes from the hexadecimal digits of a vector. */
export function hex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(digits.length % 2 === 0 ? digits : `0${digits}`);
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}
