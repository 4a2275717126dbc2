import { builtin } from "./builtin.ts";
import { nodeFiles } from "./node_files.ts";
import { nodeNet } from "./node_net.ts";
import { nodePrograms } from "./node_programs.ts";
import { nodeTerminal } from "./node_terminal.ts";
import type { LocalTerminal, OwnProcess, Runtime } from "./parts.ts";

/** The systems with other names than in Deno. */
const SYSTEMS: Readonly<Record<string, string>> = { win32: "windows", sunos: "solaris" };

/**
 * Node, Bun and Electron.
 *
 * @throws {Error} On a version of Node that lacks built-ins which this module uses.
 */
export function nodeRuntime(): Omit<Runtime, "hasFiles"> {
  refuseOldNode();
  const { env, platform } = builtin("node:process");
  let terminal: LocalTerminal | null = null;
  return {
    name: "Bun" in globalThis ? "Bun" : "Node",
    os: SYSTEMS[platform] ?? platform,
    net: nodeNet,
    files: nodeFiles(),
    get paths() {
      return builtin("node:path");
    },
    get posix() {
      return builtin("node:fs");
    },
    sha256: () => builtin("node:crypto").createHash("sha256"),
    env: { get: (name) => env[name], toObject: () => ({ ...env }) as Record<string, string> },
    process: nodeProcess(),
    programs: nodePrograms,
    get terminal() {
      return terminal ??= nodeTerminal();
    },
    isGranted: () => true,
    requestPermission: () => Promise.resolve(true),
    descriptorPath: (fd) => platform === "linux" ? `/proc/self/fd/${fd}` : null,
    ownArguments: () => [builtin("node:process").argv[1] ?? ""],
    onEnd(run) {
      const process = builtin("node:process");
      process.on("exit", run);
      return { [Symbol.dispose]: () => void process.off("exit", run) };
    },
    unrefTimer: (timer) => (timer as unknown as { unref(): void }).unref(),
  };
}

/** Without this error, the first call would fail with "Promise.withResolvers is not a function". */
function refuseOldNode(): void {
  const { process } = globalThis as unknown as {
    process: { version: string; getBuiltinModule?: unknown };
  };
  if (process.getBuiltinModule === undefined || !("withResolvers" in Promise)) {
    throw new Error(`@denossh/ssh needs Node 22.3 or later, and this is Node ${process.version}`);
  }
}

function nodeProcess(): OwnProcess {
  const process = builtin("node:process");
  return {
    get args() {
      return process.argv.slice(2);
    },
    pid: process.pid,
    get ppid() {
      return process.ppid;
    },
    execPath: () => process.execPath,
    kill: (pid, signal) => void process.kill(pid, signal),
    uid: () => process.getuid?.() ?? null,
    hostname: () => builtin("node:os").hostname(),
    cwd: () => process.cwd(),
    chdir: (path) => process.chdir(path),
    umask: (mask) => process.umask(mask),
    addSignalListener: (signal, handler) => void process.on(signal, handler),
    removeSignalListener: (signal, handler) => void process.off(signal, handler),
    exit: (code) => process.exit(code),
  };
}
