/** The errors of `Deno.errors` that a socket throws. */
export type PlatformErrorName = "TimedOut" | "WouldBlock";

/**
 * An error as Deno's own sockets throw it: an instance of the class in `Deno.errors` where there is
 * Deno, and elsewhere an error of the same name.
 */
export function platformError(name: PlatformErrorName, message: string): Error {
  const { Deno: platform } = globalThis as { Deno?: typeof Deno };
  if (platform) return new platform.errors[name](message);
  const error = new Error(message);
  error.name = name;
  return error;
}
