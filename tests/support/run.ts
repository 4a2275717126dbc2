import { HANGS_MS, within } from "./within.ts";

/** How to run a program to its end. */
export interface RunOptions {
  /** Its standard input; empty by default. */
  stdin?: string | Uint8Array | undefined;
  /** Milliseconds after which it is killed and the test fails; two minutes by default. */
  timeout?: number | undefined;
  /** Variables added to the environment. */
  env?: Record<string, string> | undefined;
  /** The folder it runs in. */
  cwd?: string | undefined;
}

/** A program's result. */
export interface Ran {
  /** The exit code; 128 and more for a signal. */
  readonly code: number;
  /** Its standard output. */
  readonly stdout: Uint8Array;
  /** Its standard output as text. */
  readonly text: string;
  /** Its standard error as text. */
  readonly stderr: string;
}

/** Runs a program to its end. Any exit code is a result; only a time-out is an error. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.env && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  }).spawn();
  const { stdin = "", timeout = HANGS_MS } = options;
  const fed = ReadableStream.from([typeof stdin === "string" ? encode(stdin) : stdin])
    .pipeTo(child.stdin)
    .catch(() => {}); // it may exit without reading its input
  const finished = Promise.all([child.output(), fed]);
  try {
    const [output] = await within(finished, `${command} ${args.join(" ")}`, timeout);
    const { code, stdout } = output;
    return { code, stdout, text: decode(stdout), stderr: decode(output.stderr) };
  } catch (cause) {
    try {
      child.kill("SIGKILL");
    } catch { /* it ended in this moment */ }
    const [output] = await finished;
    throw new Error(`It was killed; stderr: ${decode(output.stderr)}`, { cause });
  }
}

/** Runs a program that must succeed; throws its error output otherwise. */
export async function must(
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<Ran> {
  const ran = await run(command, args, options);
  if (ran.code !== 0) throw new Error(`${command} ${args.join(" ")}: ${ran.code} ${ran.stderr}`);
  return ran;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
