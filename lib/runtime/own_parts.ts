import type { Runtime } from "./parts.ts";

/**
 * The parts of the runtime that this program runs on, by its features, since others imitate some of them.
 * Only the files of that runtime are loaded. A package that knows the runtime replaces this file.
 */
export const ownParts: Partial<Runtime> = await load();

async function load(): Promise<Partial<Runtime>> {
  const { navigator, process } = globalThis as {
    navigator?: { userAgent?: string };
    process?: { versions?: { node?: string }; getBuiltinModule?: unknown };
  };
  if ("Deno" in globalThis) return (await import("./deno.ts")).denoRuntime();
  // WinterTC asks for this name. Workers may imitate Node, too.
  if (navigator?.userAgent === "Cloudflare-Workers") {
    return (await import("./workers.ts")).workersRuntime();
  }
  if (process?.versions?.node !== undefined && process.getBuiltinModule !== undefined) {
    return (await import("./node.ts")).nodeRuntime();
  }
  return {};
}
