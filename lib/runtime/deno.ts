import { denoNet } from "./deno_net.ts";
import { denoPosix, descriptorPath } from "./deno_posix.ts";
import type { Runtime } from "./parts.ts";
import { builtin } from "./builtin.ts";

/** Deno: most of its functions are the parts themselves, so that nothing stands in between. */
export function denoRuntime(): Runtime {
  return {
    os: Deno.build.os,
    net: denoNet,
    files: Deno,
    get paths() {
      return builtin("node:path");
    },
    get posix() {
      return denoPosix();
    },
    sha256: () => builtin("node:crypto").createHash("sha256"),
    env: Deno.env,
    process: Deno,
    programs: {
      spawn: (program, options) => new Deno.Command(program, options).spawn(),
      output: (program, options) => new Deno.Command(program, options).output(),
    },
    terminal: Deno,
    isGranted: (permission) => Deno.permissions.querySync(permission).state === "granted",
    descriptorPath,
    unrefTimer: (timer) => Deno.unrefTimer(timer),
  };
}
