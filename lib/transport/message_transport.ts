import type { Socket } from "./socket.ts";
import type { Role } from "./negotiation.ts";
import type { Trace } from "./trace.ts";

/** Explains why something is not possible on a shared connection, and what to do instead. */
export const NOT_SHARED = "the connection is a control master's; connect with controlPath: false";

/** Sends the messages of a connection. */
export interface MessageSink {
  /** Whether bulk data has to wait. */
  readonly congested: boolean;
  /** Called with each message, if set. */
  readonly trace: Trace | null;
  /** Sends a message, which is borrowed until this returns. */
  send(payload: Uint8Array): void;
  /** Sends channel data straight from the caller's buffer. */
  sendData(recipient: number, type: number, data: Uint8Array): void;
  /** Calls `send` once there is room for bulk data, in the order of the calls. */
  whenRoom(send: () => void): void;
}

/** Carries the messages of a connection (RFC 4254): a transport, or a control master's socket. */
export interface MessageTransport {
  readonly role: Role;
  readonly socket: Pick<Socket, "localAddr" | "remoteAddr">;
  readonly sink: MessageSink;
  /** The identification lines of both ends; empty if not known. */
  readonly identification: { readonly client: string; readonly server: string };
  /**
   * Whether other programs use the connection, too; only the control master may then send global
   * requests.
   */
  readonly shared: boolean;
  /** Bytes that have arrived after the message being handled. */
  readonly ahead: number;
  /** Answers that the current message is unknown. */
  unimplemented(): void;
  /** Ends the connection with an error, once; later calls do nothing. */
  fail(error: unknown): void;
}
