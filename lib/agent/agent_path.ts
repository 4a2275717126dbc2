import { namedPipes, pipePath, PIPES } from "../runtime/named_pipes.ts";
import { runtime } from "../runtime/runtime.ts";

/** The pipe of OpenSSH's agent on Windows. */
const OPENSSH_PIPE = "openssh-ssh-agent";

/** The properties of the machine that determine the path of the agent. */
export interface AgentSurroundings {
  /** The operating system, as in `runtime.os`. */
  readonly os: string;
  /** The value of an environment variable. */
  variable(name: string): string | undefined;
  /** The names of the pipes on Windows; null if they cannot be listed. */
  pipes(): string[] | null;
}

/**
 * The path of the user's agent: SSH_AUTH_SOCK, or on Windows the pipe of OpenSSH's agent, or of Pageant.
 * Null if there is none.
 */
export function userAgentPath(
  { os, variable, pipes }: AgentSurroundings = surroundings(),
): string | null {
  const named = variable("SSH_AUTH_SOCK");
  if (named) return named;
  if (os !== "windows") return null;
  const names = pipes() ?? [OPENSSH_PIPE];
  const name = names.includes(OPENSSH_PIPE) ? OPENSSH_PIPE : pageantOf(variable("USERNAME"), names);
  return name === null ? null : PIPES + name;
}

/**
 * The properties of this machine.
 *
 * @param variable Reads an environment variable
 */
export function surroundings(
  variable: AgentSurroundings["variable"] = (name) => runtime.env.get(name),
): AgentSurroundings {
  return { os: runtime.os, variable, pipes: namedPipes };
}

/**
 * The pipe of a user's Pageant is named `pageant.USER.HASH`, with a hash that only the system can compute.
 * Every user may create pipes, so none is trusted if several have such a name.
 */
function pageantOf(user: string | undefined, names: readonly string[]): string | null {
  if (!user) return null;
  const start = `pageant.${user}.`.toLowerCase();
  const found = names.filter((name) =>
    name.toLowerCase().startsWith(start) && /^[0-9a-f]{64}$/.test(name.slice(start.length))
  );
  return found.length === 1 ? found[0]! : null;
}

/** The path to connect to; on Windows, paths of pipes may be written as for OpenSSH or PuTTY. */
export function connectablePath(path: string, os: string = runtime.os): string {
  return os === "windows" ? pipePath(path) ?? path : path;
}
