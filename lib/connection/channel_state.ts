/** A snapshot of a channel, for logs and to find out why it is stalled. */
export interface ChannelState {
  /** `"closing"`: only one end has closed; `"failed"`: the connection failed. */
  readonly phase: "open" | "closing" | "closed" | "failed";
  /** `"eof"`: the peer has sent EOF; `"shut"`: this end does not read any more. */
  readonly reading: "open" | "eof" | "shut";
  /** `"shut"`: this end has sent EOF; `"ended"`: the peer does not read any more. */
  readonly writing: "open" | "shut" | "ended";
  /**
   * Whether the peer must wait until this end reads. A command whose output is not read stalls here, and
   * its exit status does not arrive.
   */
  readonly stalled: boolean;
  /** Bytes that the peer may still send. */
  readonly receiveWindow: number;
  /** Bytes that this end may still send. */
  readonly sendWindow: number;
  /** The largest window of the peer so far, in bytes. */
  readonly largestSendWindow: number;
  /** Milliseconds that writes have waited for the peer's window so far. */
  readonly waitedForWindow: number;
  /** Received bytes that have not been read. */
  readonly readableBytes: number;
  /** Received bytes of standard error that have not been read. */
  readonly readableStderrBytes: number;
  /** Bytes sent since the channel was opened. */
  readonly bytesSent: number;
  /** Requests that the peer has not answered yet. */
  readonly pendingRequests: number;
}

/** Describes a channel in one line. */
export function describeChannel(
  channel: { readonly id: number; readonly name: string; readonly state: ChannelState },
): string {
  const { state } = channel;
  const unread = state.readableBytes + state.readableStderrBytes;
  const parts = [
    state.phase === "open" ? null : state.phase,
    state.reading === "open" ? null : `reading ${state.reading}`,
    state.writing === "open" ? null : `writing ${state.writing}`,
    state.stalled ? "stalled" : null,
    unread > 0 ? `${unread} bytes unread` : null,
    `window ${state.receiveWindow} in, ${state.sendWindow} out`,
  ];
  return `Channel ${channel.id} "${channel.name}" (${parts.filter(Boolean).join(", ")})`;
}
