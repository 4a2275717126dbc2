/** Programs for other runtimes: one file each, with all that it imports. */
import { must } from "../../support/run.ts";

/**
 * Bundles a program by Deno's own bundler, which is esbuild, as its users would.
 *
 * @param source A program of `tests/interop/peers/runtimes` or `examples`, from the root of the repository
 * @param into The file to write
 */
export async function bundle(source: string, into: string): Promise<string> {
  const root = new URL("../../../", import.meta.url);
  const flags = ["--quiet", "--platform=browser", "--external=cloudflare:*"];
  await must(Deno.execPath(), ["bundle", ...flags, "-o", into, new URL(source, root).pathname]);
  return into;
}
