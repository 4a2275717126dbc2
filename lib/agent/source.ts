import { ConnectError, printable } from "../errors.ts";
import { isError, systemReason } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { type ByteStreams, connSocket, type Socket, streamSocket } from "../transport/socket.ts";
import { connectablePath, userAgentPath } from "./agent_path.ts";

/** Options for opening a connection to an agent. */
export interface AgentConnectOptions {
  /** Aborts connecting. */
  readonly signal?: AbortSignal;
  /** Whether the connection is for a client on another machine, which an agent may restrict. */
  readonly forwarded?: boolean;
}

/**
 * A source of connections to an agent: a `Keyring`, or the agent that a client forwards.
 */
export interface AgentSource {
  /** Opens a connection to the agent. */
  connect(options?: AgentConnectOptions): Promise<ByteStreams>;
}

/**
 * The address of an agent: the path of its unix socket, or of its pipe on Windows, or an object that opens
 * connections to it.
 */
export type AgentAddress = string | AgentSource;

/**
 * Opens a connection to an agent; by default to the user's.
 *
 * @throws {ConnectError} If no agent is configured, or it cannot be reached
 */
export async function openAgent(
  address: AgentAddress | undefined,
  options: AgentConnectOptions = {},
): Promise<Socket> {
  options.signal?.throwIfAborted();
  if (typeof address === "object") return streamSocket(await address.connect(options));
  const path = address ?? userAgentPath();
  if (!path) throw new ConnectError(`There is no agent: ${noAgent()}`);
  try {
    return connSocket(await runtime.net.connectUnix(connectablePath(path)));
  } catch (cause) {
    if (isError(cause, "NotCapable")) throw cause;
    const why = cause instanceof Error ? systemReason(cause) : String(cause);
    throw new ConnectError(`Cannot connect to the agent at "${path}": ${printable(why)}`, {
      cause,
    });
  }
}

function noAgent(): string {
  const unset = "SSH_AUTH_SOCK is not set";
  if (runtime.os !== "windows") return unset;
  return `${unset}, and neither OpenSSH's agent nor Pageant has a pipe: start one of them`;
}
