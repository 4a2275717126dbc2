import type { Channel, IncomingOpen } from "../connection/channel.ts";
import type { Connection } from "../connection/connection.ts";
import { ClosedError, RequestDeniedError } from "../errors.ts";
import { NOT_SHARED } from "../transport/message_transport.ts";
import { type Socket, streamSocket } from "../transport/socket.ts";
import { onAbort } from "../waiting.ts";
import { AGENT_FORWARDING, OPEN_FAILURE } from "../wire/numbers.ts";
import type { HostProof } from "../keys/key.ts";
import { AgentClient } from "./client.ts";
import { relay } from "./relay.ts";
import { tryBind } from "./session_bind.ts";
import { type AgentAddress, openAgent } from "./source.ts";

/** The names of the session request for an agent and of the channels that the server opens for it. */
const { IANA, OPENSSH } = AGENT_FORWARDING;

/** Maximum parallel connections to the agent from a server. */
const MAX_CONNECTIONS = 64;

/**
 * An agent for a server: true for the user's, the path of a socket, a `Keyring` or another object
 * that connects to one, or a function that serves each connection, which is closed when the function ends.
 */
export type ForwardedAgent = true | AgentAddress | ((channel: Channel) => void | Promise<void>);

/** Forwards an agent to a program on the server. */
export interface AgentForwardOptions {
  /**
   * The agent that the program can use while it runs, as with `ssh -A`. During that time the server's
   * administrators can log in elsewhere with its keys.
   */
  readonly forwardAgent?: ForwardedAgent | false;
}

interface Loan {
  readonly agent: ForwardedAgent;
  readonly end: AbortController;
  sessions: number;
  connections: number;
}

/**
 * The agent that a client forwards to its server; one at a time, because a connection to it names no
 * session.
 */
export class AgentForwarding {
  readonly #connection: Connection;
  readonly #host: HostProof | null;
  readonly #request: string;
  #loan: Loan | null = null;
  #granted = false;

  /**
   * @param host The server; null if a control master logged in to it
   * @param extensions The server's extensions from EXT_INFO
   */
  constructor(
    connection: Connection,
    host: HostProof | null,
    extensions: ReadonlyMap<string, Uint8Array>,
  ) {
    this.#connection = connection;
    this.#host = host;
    this.#request = (extensions.has(AGENT_FORWARDING.EXTENSION) ? IANA : OPENSSH).request;
  }

  /**
   * Forwards an agent to the program of a session until the session's channel closes.
   *
   * @throws {RequestDeniedError} If the server refuses
   * @throws {TypeError} If another agent is forwarded on the connection
   */
  async forward(
    channel: Channel,
    agent: ForwardedAgent,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    // The server's connections to the agent would reach the control master's own agent, if any.
    if (this.#host === null) {
      throw new RequestDeniedError(this.#request, `Cannot forward an agent: ${NOT_SHARED}`);
    }
    const loan = this.#borrow(agent);
    let lent = true;
    const giveBack = () => {
      if (lent) this.#giveBack(loan);
      lent = false;
    };
    channel.closed.then(giveBack, giveBack);
    try {
      await channel.request(this.#request, undefined, options);
      this.#granted = true;
    } catch (error) {
      // OpenSSH's server grants it once; every later session has the agent then, requested or not.
      if (this.#granted && error instanceof RequestDeniedError) return;
      giveBack();
      throw error;
    }
  }

  #borrow(agent: ForwardedAgent): Loan {
    if (this.#loan && this.#loan.agent !== agent) {
      throw new TypeError("Another agent is forwarded on this connection already");
    }
    this.#loan ??= { agent, end: new AbortController(), sessions: 0, connections: 0 };
    this.#loan.sessions++;
    for (const { channel } of [IANA, OPENSSH]) {
      this.#connection.handleOpens(channel, (open) => this.#open(open));
    }
    return this.#loan;
  }

  #giveBack(loan: Loan): void {
    if (--loan.sessions > 0) return;
    this.#loan = null;
    loan.end.abort(new ClosedError("The session that the agent was forwarded to has ended"));
  }

  async #open(open: IncomingOpen): Promise<void> {
    const loan = this.#loan;
    if (!loan || loan.connections >= MAX_CONNECTIONS) {
      return open.reject(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "No agent is forwarded");
    }
    loan.connections++;
    try {
      const { agent, end: { signal } } = loan;
      if (typeof agent === "function") await handOver(open, agent, signal);
      else await connectTo(open, agent === true ? undefined : agent, this.#host!, signal);
    } finally {
      loan.connections--;
    }
  }
}

async function connectTo(
  open: IncomingOpen,
  address: AgentAddress | undefined,
  host: HostProof,
  signal: AbortSignal,
): Promise<void> {
  let agent: Socket;
  try {
    agent = await openAgent(address, { signal, forwarded: true });
  } catch {
    return open.reject(OPEN_FAILURE.CONNECT_FAILED, "The agent cannot be reached");
  }
  const channel = open.accept();
  const close = () => agent.close();
  channel.closed.then(close, close);
  try {
    await tryBind(new AgentClient(agent), host, { forwarding: true, signal });
    await relay(streamSocket(channel), agent, signal);
  } catch (error) {
    channel.abort(error);
  } finally {
    close();
  }
}

async function handOver(
  open: IncomingOpen,
  handler: (channel: Channel) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const channel = open.accept();
  using _aborting = onAbort(signal, (reason) => channel.abort(reason));
  try {
    await handler(channel);
    void channel.close();
  } catch (error) {
    channel.abort(error);
  }
}
