/** The modules of Node's that are used. */
interface Builtins {
  "node:crypto": typeof import("node:crypto");
  "node:dns/promises": typeof import("node:dns/promises");
  "node:fs": typeof import("node:fs");
  "node:net": typeof import("node:net");
  "node:path": typeof import("node:path");
}

/**
 * A module of Node's. Unlike an import it is loaded when it is first used, at once, and a runtime or a
 * bundler that does not have it never hears of it.
 */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  return process.getBuiltinModule(name) as Builtins[Name];
}
