/** What a channel looks like at the moment, for logs and for finding out why nothing moves. */
export interface ChannelState {
  /** `"closing"` is when one end has closed and the other has not; `"failed"`, when the connection died. */
  readonly phase: "open" | "closing" | "closed" | "failed";
  /** `"eof"` once the peer has sent its last byte, `"shut"` once this end reads no more. */
  readonly reading: "open" | "eof" | "shut";
  /** `"shut"` once this end has said that it writes no more, `"ended"` if the peer takes no more. */
  readonly writing: "open" | "shut" | "ended";
  /**
   * Whether the peer may send nothing until somebody reads: a command whose output nobody reads stops
   * here, and its exit status with it.
   */
  readonly stalled: boolean;
  /** Bytes that the peer may still send. */
  readonly receiveWindow: number;
  /** Bytes that this end may still send. */
  readonly sendWindow: number;
  /** The most bytes that this end could send at once so far: the peer's window. */
  readonly largestSendWindow: number;
  /** Milliseconds that writes have waited for the peer's window so far. */
  readonly waitedForWindow: number;
  /** Bytes that have come and have not been read. */
  readonly readableBytes: number;
  /** Bytes of standard error that have come and have not been read. */
  readonly readableStderrBytes: number;
  /** Bytes sent since the channel was opened. */
  readonly bytesSent: number;
  /** Requests that the peer has not answered yet. */
  readonly pendingRequests: number;
}

/** One line about a channel. */
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
