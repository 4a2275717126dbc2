import { denoRuntime } from "./deno.ts";
import { platformError } from "./errors.ts";
import type { Runtime, RuntimeParts } from "./parts.ts";

/** What is thrown when a part is used that the runtime lacks: what is missing, and what to do. */
const MISSING: Readonly<Record<keyof RuntimeParts, string>> = {
  net:
    'Sockets are not available on this runtime: connect over streams, with the option "transport"',
  files: "Files are not available on this runtime: pass keys, host keys and settings as values",
  paths: "Files are not available on this runtime: pass data as bytes or streams",
  posix: "Files are not available on this runtime: serve a backend of your own",
  sha256: "Streaming hashes are not available on this runtime: verify with a function",
  env: "Environment variables are not available on this runtime: " +
    'give "user", "auth" and "hostKeys" in the options',
  process: "Processes are not available on this runtime: the command line tools need them",
  programs: "Programs cannot be started on this runtime: use options that need none",
  terminal: "There is no terminal on this runtime: answer questions with functions in the options",
};

/** The runtime that this program runs on. */
export const runtime: Runtime = withMissingParts("Deno" in globalThis ? denoRuntime() : {});

/** A whole runtime from the parts that there are. Every other part throws as soon as it is used. */
export function withMissingParts(parts: Partial<Runtime>): Runtime {
  const rest = {
    os: "",
    isGranted: () => false,
    requestPermission: () => Promise.resolve(true),
    descriptorPath: () => null,
    isCompiled: false,
    unrefTimer: () => {},
  };
  const all = Object.create(rest, Object.getOwnPropertyDescriptors(parts)) as Runtime;
  for (const [part, message] of Object.entries(MISSING)) {
    if (part in parts) continue;
    Object.defineProperty(all, part, {
      get(): never {
        throw platformError("NotSupported", message);
      },
    });
  }
  return all;
}
