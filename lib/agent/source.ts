import { ConnectError, printable } from "../errors.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { type ByteStreams, connSocket, type Socket, streamSocket } from "../transport/socket.ts";
import { plainMessage } from "../error_messages.ts";

/** For whom a connection to an agent is, and how long it may take. */
export interface AgentConnectOptions {
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** Whether it is for somebody on another machine, whom an agent may allow less. */
  readonly forwarded?: boolean;
}

/**
 * What connections to an agent can be opened to: a `Keyring`, or the agent that a client forwards.
 */
export interface AgentSource {
  /** Opens a connection to the agent. */
  connect(options?: AgentConnectOptions): Promise<ByteStreams>;
}

/** Where an agent is: the path of its unix socket, or what opens connections to it. */
export type AgentAddress = string | AgentSource;

/**
 * Opens a connection to an agent; if no address is given, to the one of SSH_AUTH_SOCK.
 *
 * @throws {ConnectError} If there is no agent, or it cannot be reached
 */
export async function openAgent(
  address: AgentAddress | undefined,
  options: AgentConnectOptions = {},
): Promise<Socket> {
  options.signal?.throwIfAborted();
  if (typeof address === "object") return streamSocket(await address.connect(options));
  const path = address ?? runtime.env.get("SSH_AUTH_SOCK");
  if (!path) throw new ConnectError("There is no agent: SSH_AUTH_SOCK is not set");
  try {
    return connSocket(await runtime.net.connectUnix(path));
  } catch (cause) {
    if (isError(cause, "NotCapable")) throw cause;
    const why = plainMessage(cause);
    throw new ConnectError(`Cannot connect to the agent at "${path}": ${printable(why)}`, {
      cause,
    });
  }
}
