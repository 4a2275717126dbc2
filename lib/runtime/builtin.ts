/** The modules of Node that are used. */
interface Builtins {
  "node:buffer": typeof import("node:buffer");
  "node:child_process": typeof import("node:child_process");
  "node:crypto": typeof import("node:crypto");
  "node:dns/promises": typeof import("node:dns/promises");
  "node:fs": typeof import("node:fs");
  "node:net": typeof import("node:net");
  "node:os": typeof import("node:os");
  "node:path": typeof import("node:path");
  "node:process": typeof import("node:process");
  "node:stream": typeof import("node:stream");
  "node:tty": typeof import("node:tty");
  "node:util": typeof import("node:util");
}

const loaded: Partial<Builtins> = {};

/**
 * A built-in module of Node. Unlike an import it is loaded on first use, synchronously, and invisible to
 * bundlers for other platforms.
 */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  return loaded[name] ??= load(name);
}

function load<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  return process.getBuiltinModule(name) as Builtins[Name];
}
