import { SshError } from "./errors.ts";

/** An error's message, to be part of another one: without the code of an {@linkcode SshError}. */
export function plainMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message } = error;
  const code = error instanceof SshError ? suffix(error) : null;
  return code !== null && message.endsWith(code) ? message.slice(0, -code.length) : message;
}

/** Gives an error another message; its code stays at the end. */
export function reword<E extends SshError>(error: E, message: string): E {
  error.message = message + suffix(error);
  return error;
}

function suffix({ code }: SshError): string {
  return ` [${code}]`;
}
