import { onAbort } from "../waiting.ts";
import type { ChildProcess as NodeChild } from "node:child_process";
import { builtin } from "./builtin.ts";
import { platformError } from "./errors.ts";
import { webReadable, webWritable } from "./node_streams.ts";
import type {
  ChildProcess,
  ProgramOptions,
  ProgramOutput,
  Programs,
  ProgramStatus,
} from "./parts.ts";

/** Other programs, through Node. */
export const nodePrograms: Programs = {
  spawn,
  async output(program, options): Promise<ProgramOutput> {
    const { stdout: out = "piped", stderr: err = "piped" } = options;
    const child = spawn(program, { ...options, stdout: out, stderr: err });
    const [status, stdout, stderr] = await Promise.all([
      child.status,
      out === "piped" ? bytesOf(child.stdout) : new Uint8Array(0),
      err === "piped" ? bytesOf(child.stderr) : new Uint8Array(0),
    ]);
    return { ...status, stdout, stderr };
  },
};

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const STDIO = { piped: "pipe", inherit: "inherit", null: "ignore" } as const;

function spawn(program: string, options: ProgramOptions): ChildProcess {
  const { args = [], cwd, env, clearEnv = false, signal } = options;
  const { stdin = "inherit", stdout = "inherit", stderr = "inherit" } = options;
  signal?.throwIfAborted();
  const child = builtin("node:child_process").spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: clearEnv ? env ?? {} : { ...builtin("node:process").env, ...env },
    stdio: [STDIO[stdin], STDIO[stdout], STDIO[stderr]],
  });
  // The error is thrown below, and emitted again later.
  child.on("error", () => {});
  if (child.pid === undefined) throw startError(program);
  const status = statusOf(child);
  const killing = onAbort(signal, () => void child.kill("SIGKILL"));
  status.finally(() => killing[Symbol.dispose]());
  const input = child.stdin && webWritable(child.stdin);
  const output = child.stdout && webReadable(child.stdout);
  const errors = child.stderr && webReadable(child.stderr);
  return {
    get stdin() {
      return piped(input, "stdin");
    },
    get stdout() {
      return piped(output, "stdout");
    },
    get stderr() {
      return piped(errors, "stderr");
    },
    status,
    kill: (signal) => void child.kill(signal as NodeJS.Signals),
  };
}

function piped<S>(stream: S | null, name: string): S {
  if (stream === null) throw new TypeError(`Cannot get "${name}": it is not piped`);
  return stream;
}

/** Why a program was not started. Deno throws it immediately; Node emits it later. */
function startError(program: string): Error {
  if (/[\\/]/.test(program)) {
    const { accessSync, constants } = builtin("node:fs");
    try {
      accessSync(program, constants.X_OK);
    } catch (error) {
      return error as Error;
    }
  }
  return platformError(
    "NotFound",
    `Cannot start "${program}": the program or the folder does not exist`,
  );
}

function statusOf(child: NodeChild): Promise<ProgramStatus> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      const numbers: Record<string, number | undefined> = builtin("node:os").constants.signals;
      // As in shells.
      const ended = code ?? 128 + (numbers[signal ?? ""] ?? 0);
      resolve({ success: ended === 0, code: ended, signal: signal as Deno.Signal | null });
    });
  });
}
