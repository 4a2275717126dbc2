import type { Runtime } from "./parts.ts";

/**
 * The parts of the current runtime, which is detected by features, because runtimes imitate each other.
 * Only its files are loaded. A package for one runtime replaces this file.
 */
export const ownParts: Partial<Runtime> = await load();

async function load(): Promise<Partial<Runtime>> {
  if ("Deno" in globalThis) return (await import("./deno.ts")).denoRuntime();
  // Read only here, because Deno loads its Node compatibility layer when "process" is read.
  const { navigator, process } = globalThis as {
    navigator?: { userAgent?: string };
    process?: { versions?: { node?: string }; getBuiltinModule?: unknown };
  };
  // The name that WinterTC requires. Checked before Node, which Workers may imitate.
  if (navigator?.userAgent === "Cloudflare-Workers") {
    return (await import("./workers.ts")).workersRuntime();
  }
  if (process?.versions?.node !== undefined && process.getBuiltinModule !== undefined) {
    return (await import("./node.ts")).nodeRuntime();
  }
  return {};
}
