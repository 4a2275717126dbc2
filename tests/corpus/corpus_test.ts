/** Replays the stored inputs. */
import { assert, assertEquals } from "@std/assert";
import { heap } from "../../lib/crypto/wasm.ts";
import { readCorpus, written } from "./corpus.ts";
import { type ParserName, PARSERS, verdictOf } from "./parsers.ts";

/**
 * The bytes that a parser may allocate for an input: buffers (8 MiB for Argon2 as used by PuTTY), and
 * a few times its length.
 */
const FREE_BYTES = 16 * 1024 * 1024;
const TIMES_ITS_LENGTH = 64;

for (const name of Object.keys(PARSERS) as ParserName[]) {
  Deno.test(`The stored inputs of ${name} get their verdicts, in limited memory`, async () => {
    const corpus = readCorpus(name);
    assert(corpus.length > 0);
    for (const { line, verdict, input, note } of corpus) {
      const what = `tests/corpus/${name}.txt:${line} ${note}`;
      const { result, bytes } = await allocated(() => verdictOf(name, input));
      assertEquals(result, verdict, what);
      const limit = FREE_BYTES + TIMES_ITS_LENGTH * input.length;
      assert(bytes <= limit, `${what}: ${bytes} bytes for an input of ${input.length}`);
    }
  });
}

Deno.test("Every file of the corpus has a parser", () => {
  const files = [...Deno.readDirSync(new URL(".", import.meta.url))].map(({ name }) => name);
  const names = files.filter((name) => name.endsWith(".txt")).map((name) => name.slice(0, -4));
  assertEquals(names.sort(), Object.keys(PARSERS).sort());
});

Deno.test("A formatted input parses to the same input", () => {
  assertEquals(written(new TextEncoder().encode('a "b"\né')), '"a \\"b\\"\\né"');
  assertEquals(written(Uint8Array.of(0xff, 1)), "hex:ff01");
});

/** Runs a function and counts the bytes of the arrays that are made meanwhile, and of the core's memory. */
async function allocated<T>(run: () => Promise<T>): Promise<{ result: T; bytes: number }> {
  const before = heap().length;
  let bytes = 0;
  const { Uint8Array } = globalThis;
  globalThis.Uint8Array = new Proxy(Uint8Array, {
    construct(target, args, self) {
      if (typeof args[0] === "number") bytes += args[0];
      return Reflect.construct(target, args, self);
    },
  });
  try {
    return { result: await run(), bytes: bytes + heap().length - before };
  } finally {
    globalThis.Uint8Array = Uint8Array;
  }
}
