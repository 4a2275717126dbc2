import { platformError } from "./errors.ts";
import { ownParts } from "./own_parts.ts";
import type { Runtime, RuntimeParts } from "./parts.ts";

/** The error texts for missing parts: what is missing, and what to do. */
const MISSING: Readonly<Record<keyof RuntimeParts, readonly [what: string, todo: string]>> = {
  net: [
    "Sockets are not available",
    'connect over streams, with the option "transport", such as webSocketTransport() gives',
  ],
  files: [
    "Files are not available",
    "pass keys, host keys and settings as values: importPrivateKey() takes the text of a key",
  ],
  paths: ["Files are not available", "pass data as bytes or streams"],
  posix: ["Files are not available", "serve a backend of your own"],
  sha256: ["Streaming hashes are not available", "verify with a function"],
  env: [
    "Environment variables are not available",
    'give "user", "auth" and "hostKeys" in the options, and no path that begins with "~"',
  ],
  process: ["Processes are not available", "the command line tools need them"],
  programs: ["Programs cannot be started", "use options that do not need them"],
  terminal: ["There is no terminal", "answer questions with functions in the options"],
};

/** The runtime that this program runs on. */
export const runtime: Runtime = withMissingParts(ownParts);

/** Makes a complete runtime from the available parts. Every other part throws when it is used. */
export function withMissingParts(parts: Partial<Runtime>): Runtime {
  const { name = "this runtime" } = parts;
  const rest = {
    name,
    os: "",
    hasFiles: "files" in parts,
    isGranted: () => false,
    requestPermission: () => Promise.resolve(true),
    descriptorPath: () => null,
    ownArguments: () => [],
    onEnd: () => ({ [Symbol.dispose]() {} }),
    unrefTimer: () => {},
  };
  const all = Object.create(rest, Object.getOwnPropertyDescriptors(parts)) as Runtime;
  for (const [part, [what, todo]] of Object.entries(MISSING)) {
    if (part in parts) continue;
    Object.defineProperty(all, part, {
      get(): never {
        throw platformError("NotSupported", `${what} on ${name}: ${todo}`);
      },
    });
  }
  return all;
}
