import {
  AuthError,
  ConnectError,
  HostKeyError,
  NegotiationError,
  printable,
} from "../../errors.ts";
import type { LoginPlace } from "./login.ts";
import { plainMessage } from "../../error_messages.ts";

/** Describes why a login or a session failed, in one line in the form of `ssh`. */
export function describeFailure(error: unknown, { host, port, user }: LoginPlace): string {
  if (error instanceof AuthError) {
    const why = rootOf(error);
    // The accepted methods are unknown if no credential reached the server.
    const accepted = printable(error.remaining.join(","));
    return [
      `${user}@${host}: Permission denied${accepted && ` (${accepted})`}.`,
      ...why === null ? [] : [why],
      ...error.skippedKeys,
    ].join(" ");
  }
  if (error instanceof HostKeyError) return `Host key verification failed. ${plainMessage(error)}`;
  if (error instanceof NegotiationError) {
    return `Unable to negotiate with ${host} port ${port}: ${plainMessage(error)}`;
  }
  if (error instanceof ConnectError && error.message.startsWith("Cannot connect to ")) {
    return `ssh: ${dialFailure(error, host, port)}`;
  }
  return `ssh: ${messageOf(error)}`;
}

/** An error's message as one line; a system error about a file begins with the file's name. */
export function messageOf(error: unknown): string {
  const message = plainMessage(error);
  const line = printable(message.replace(/\s*\n\s*/g, "; "), 1000);
  const system = /^(.*?) \(os error \d+\)(?:: \w+ '(.*)')?$/.exec(line);
  if (!system) return line;
  return system[2] === undefined ? system[1]! : `${system[2]}: ${system[1]}`;
}

function dialFailure(error: ConnectError, host: string, port: number): string {
  const why = messageOf(error.cause);
  const unresolved = /^failed to lookup address information: (.*)$/.exec(why);
  return unresolved
    ? `Could not resolve hostname ${printable(host)}: ${unresolved[1]}`
    : `connect to host ${printable(host)} port ${port}: ${why}`;
}

/** Why a credential was not tried: the innermost cause about credentials. */
function rootOf(error: AuthError): string | null {
  let root: AuthError | null = null;
  for (let cause = error.cause; cause instanceof AuthError; cause = cause.cause) root = cause;
  return root && plainMessage(root);
}
