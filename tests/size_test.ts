/** The size of an entrypoint in a bundle: the core once, and not larger than now. */
import { assertEquals } from "@std/assert";
import { coreBytes } from "../lib/crypto/core_module.ts";
import { importsOf } from "./support/sources.ts";

const ROOT = new URL("../", import.meta.url);
const ENTRYPOINTS = ["mod.ts", "lib/keys/mod.ts", "lib/server/mod.ts"];
/** Bytes of generated text; the test fails if the core grows by a tenth. */
const CORE_LIMIT = 275_000;
/** Code that is loaded on first use, so that an import does not take longer for it. */
const LOADED_LATER = [
  "lib/cli/",
  "lib/client/configured",
  "lib/client/shared_client.ts",
  "lib/config/lookup.ts",
  "lib/config/directives.ts",
  "lib/forward/x11_",
  "lib/keys/krl",
  "lib/keys/private_key.ts",
  "lib/login/credentials.ts",
  "lib/login/host_trust.ts",
  "lib/server/",
  "lib/sftp/remote/",
  "lib/sftp/server/",
  "lib/sftp/transfer/",
];

for (const entrypoint of ENTRYPOINTS) {
  Deno.test(`A bundle of ${entrypoint} has the core once`, async () => {
    const core = [...await reachable(entrypoint)].filter(([path]) => path.startsWith("wasm/"));
    assertEquals(core.map(([path]) => path).sort(), ["wasm/pkg/core.js", "wasm/pkg/module.ts"]);
    const bytes = core.reduce((sum, [, { length }]) => sum + length, 0);
    assertEquals(bytes < CORE_LIMIT, true, `${bytes} bytes`);
  });
}

Deno.test("The core for runtimes without relaxed SIMD differs in the swizzles only", () => {
  const [relaxed, plain] = [coreBytes("relaxed"), coreBytes("simd128")];
  assertEquals(plain.length, relaxed.length);
  assertEquals(WebAssembly.validate(plain), true);
  const different: string[] = [];
  for (let at = 0; at < plain.length; at++) {
    if (plain[at] === relaxed[at]) continue;
    const [was, is] = [relaxed, plain].map((wasm) => wasm.subarray(at - 1, at + 2).join(" "));
    different.push(`${was} to ${is}`);
    at++; // the second byte that differs belongs to the same instruction
  }
  assertEquals(new Set(different), new Set(["253 128 2 to 253 142 0"]));
  assertEquals(different.length > 1000, true, `${different.length} swizzles`);
});

Deno.test("The import of mod.ts loads nothing that only some programs need", async () => {
  const loaded = [...await reachable("mod.ts", withoutLater)].map(([path]) => path);
  assertEquals(loaded.includes("lib/client/connect.ts"), true);
  assertEquals(loaded.filter((path) => LOADED_LATER.some((room) => path.startsWith(room))), []);
});

/** The source without dynamic and type-only imports. */
function withoutLater(source: string): string {
  return source
    .replaceAll(/\bimport\(\s*"[^"]+"\s*\)/g, "")
    .replaceAll(/^(?:import|export) type [^;]*;/gm, "");
}

/** The files that an entrypoint loads, with their texts. */
async function reachable(
  entrypoint: string,
  edit = (source: string) => source,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>([[entrypoint, ""]]);
  // The map grows during the iteration.
  for (const path of texts.keys()) {
    const text = edit(await Deno.readTextFile(new URL(path, ROOT)));
    texts.set(path, text);
    if (path.startsWith("wasm/")) continue;
    for (const target of importsOf(path, text)) {
      if (/^(lib|wasm)\//.test(target) && !texts.has(target)) texts.set(target, "");
    }
  }
  return texts;
}
