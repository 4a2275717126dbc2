import { denoNet } from "./deno_net.ts";
import { readStdin } from "./stdin.ts";
import { denoPosix, descriptorPath } from "./deno_posix.ts";
import type { ProgramOptions, Runtime } from "./parts.ts";
import { onAbort } from "../waiting.ts";
import { builtin } from "./builtin.ts";

/** Deno. Most parts are Deno's own functions, without wrappers. */
export function denoRuntime(): Omit<Runtime, "hasFiles"> {
  return {
    name: "Deno",
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
      spawn: (program, options) => spawn(program, options),
      output: (program, options) =>
        spawn(program, { stdout: "piped", stderr: "piped", ...options }).output(),
    },
    // Overrides some properties; the rest is Deno's.
    terminal: Object.assign(Object.create(Deno), { readStdin }),
    isGranted: (permission) => Deno.permissions.querySync(permission).state === "granted",
    requestPermission: async (permission) =>
      (await Deno.permissions.request(permission)).state === "granted",
    descriptorPath,
    ownArguments: (main, flags) =>
      Deno.build.standalone ? [] : ["run", "-A", "--quiet", ...flags, main],
    onEnd,
    unrefTimer: (timer) => Deno.unrefTimer(timer),
  };
}

/** Deno's `signal` option sends SIGTERM, which a program may ignore. */
function spawn(program: string, { signal, ...options }: ProgramOptions): Deno.ChildProcess {
  signal?.throwIfAborted();
  const child = new Deno.Command(program, options).spawn();
  const killing = onAbort(signal, () => child.kill("SIGKILL"));
  const over = () => killing[Symbol.dispose]();
  child.status.then(over, over);
  return child;
}

/** Events after which a program may end without its `finally` blocks. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

function onEnd(run: () => void): Disposable {
  const ended = ({ defaultPrevented }: { readonly defaultPrevented: boolean }) => {
    if (!defaultPrevented) run();
  };
  for (const end of ENDS) globalThis.addEventListener(end, ended);
  return {
    [Symbol.dispose]() {
      for (const end of ENDS) globalThis.removeEventListener(end, ended);
    },
  };
}
