/** Bundles programs for other runtimes into one file each. */
import { must } from "../../support/run.ts";

/**
 * Bundles a program with Deno's bundler, which is esbuild, as users do.
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
