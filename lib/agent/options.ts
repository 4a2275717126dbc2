/** How to talk to an agent. */
export interface AgentOptions {
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** Milliseconds that each answer may take, 60,000 unless given; 0 is no limit. */
  readonly timeout?: number;
}

/** Options of one request to an agent. */
export interface AgentRequestOptions {
  /** Gives up waiting for the answer, which ends the connection to the agent. */
  readonly signal?: AbortSignal;
}
