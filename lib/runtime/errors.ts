import { plainMessage } from "../error_messages.ts";

/** Errors of the runtime that the module distinguishes, with their names in errno.h. */
const ERRNO = {
  AddrInUse: ["EADDRINUSE"],
  AddrNotAvailable: ["EADDRNOTAVAIL"],
  AlreadyExists: ["EEXIST"],
  BrokenPipe: ["EPIPE"],
  Busy: ["EBUSY"],
  ConnectionRefused: ["ECONNREFUSED"],
  FilesystemLoop: ["ELOOP"],
  InvalidData: [],
  IsADirectory: ["EISDIR"],
  NotADirectory: ["ENOTDIR"],
  /** A permission of the runtime, such as `--allow-net`, is missing. */
  NotCapable: [],
  NotFound: ["ENOENT"],
  NotSupported: ["ENOSYS", "ENOTSUP", "EOPNOTSUPP"],
  PermissionDenied: ["EACCES", "EPERM"],
  TimedOut: ["ETIMEDOUT"],
  WouldBlock: ["EAGAIN"],
} as const satisfies Record<string, readonly string[]>;

/** The name of an error, as in `Deno.errors`. */
export type PlatformErrorName = keyof typeof ERRNO;

/**
 * An error like those of the runtime's functions: on Deno, of the class in `Deno.errors`; elsewhere, with
 * the same name and Node's code.
 */
export function platformError(name: PlatformErrorName, message?: string): Error {
  const Known = denoErrors()?.[name];
  if (Known) return new Known(message);
  const [code] = ERRNO[name];
  return Object.assign(new Error(message), { name, ...(code && { code }) });
}

/** Why the system refuses to listen on an address, and what to do. */
const LISTEN_REFUSALS: Readonly<Partial<Record<PlatformErrorName, string>>> = {
  AddrInUse: "it is in use; choose another one, or end the program that uses it",
  AddrNotAvailable: "no interface of this machine has this address",
  PermissionDenied:
    "permission denied; ports below 1024 and folders of other users need more rights",
};

/**
 * The error for an address that cannot be listened on, which names it and says what to do.
 *
 * @param at The address, as `host:port`, or the path
 * @param error What the runtime threw
 */
export function listenError(at: string, error: unknown): unknown {
  for (const [name, why] of Object.entries(LISTEN_REFUSALS)) {
    if (!isError(error, name as PlatformErrorName)) continue;
    const known = platformError(name as PlatformErrorName, `Cannot listen on ${at}: ${why}`);
    return Object.assign(known, { cause: error });
  }
  return error;
}

/** Whether an error of the runtime has one of these names or its code. */
export function isError(error: unknown, ...names: readonly PlatformErrorName[]): error is Error {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return names.some((name) =>
    error.name === name || (ERRNO[name] as readonly unknown[]).includes(code)
  );
}

/** Whether an error was thrown by the runtime's functions. */
export function isPlatformError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return "code" in error || error.name in ERRNO || error.name in (denoErrors() ?? {});
}

/** The reason in an error of the runtime, without the name or number of the error and the failed call. */
export function systemReason(error: Error): string {
  return plainMessage(error).replace(/[:,] \w+ '.*'$/s, "").replace(/ \(os error \d+\)$/, "")
    .replace(/^E[A-Z0-9]+: (.)/, (_, first) => first.toUpperCase());
}

function denoErrors(): typeof Deno.errors | undefined {
  return (globalThis as { Deno?: typeof Deno }).Deno?.errors;
}
