/** Runs `examples/demo`, and what it prints if all is well. */
import { type Ran, run, type RunOptions } from "./run.ts";

export const DEMO: readonly string[] = [
  "run",
  "-A",
  "--no-check",
  new URL("../../examples/demo/main.ts", import.meta.url).pathname,
];

/** Runs the demo to its end. */
export function demo(args: readonly string[], options?: RunOptions): Promise<Ran> {
  return run(Deno.execPath(), [...DEMO, ...args], options);
}

/** What the demo prints about 8 MiB. */
export const SHOWN: RegExp = new RegExp(
  [
    "  server       .+",
    "  host key     ssh-ed25519 SHA256:\\S+",
    "  kex          \\S+",
    "  cipher       \\S+",
    "  \\$ echo hello +.+",
    "  sent         8 MiB +[\\d.]+ MB/s   SHA-256 .+",
    "  fetched      8 MiB +[\\d.]+ MB/s   SHA-256 equal",
  ].map((line) => `${line}\n`).join(""),
);
