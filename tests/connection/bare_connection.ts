/** A connection without a transport, whose peer is the test. */
import type { Channel } from "../../lib/connection/channel.ts";
import { Connection, type ConnectionOptions } from "../../lib/connection/connection.ts";
import type { MessageSink, MessageTransport } from "../../lib/transport/message_transport.ts";
import { writeData } from "../../lib/wire/hot.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";

const ADDRESSES = {
  localAddr: { transport: "tcp", hostname: "192.0.2.1", port: 4022 },
  remoteAddr: { transport: "tcp", hostname: "192.0.2.2", port: 22 },
} as const;

/** Options of {@linkcode bareConnection}. */
export interface BareOptions extends ConnectionOptions {
  readonly shared?: boolean;
  readonly identification?: { readonly client: string; readonly server: string };
}

/** The peer: what it got, and what the connection did to its transport. */
export interface BarePeer {
  readonly connection: Connection;
  /** The messages that the connection sent and {@linkcode BarePeer.take} has not removed. */
  readonly sent: Uint8Array[];
  /** The errors with which the connection ended its transport. */
  readonly failures: unknown[];
  /** Bytes that have arrived after the message being handled. */
  ahead: number;
  /** How many messages were answered as unknown. */
  unimplemented: number;
  /** The numbers of the peer's channels for which writes waited. */
  readonly stalled: number[];
  /** Whether the socket takes no bulk data; setting it to false calls those that wait for room. */
  congested: boolean;
  /** Gives a message to the connection, which handles it before this returns. */
  receive(payload: Uint8Array): void | Promise<void>;
  /** Removes the first message with a number; throws if there is none. */
  take(number: number): Uint8Array;
  /** The numbers of the messages sent, which are removed. */
  numbers(): number[];
  /** Our channel, which the peer confirms as number `sender`. */
  open(
    options?: { sender?: number; window?: number; maxPacket?: number; type?: string },
  ): Promise<Channel>;
}

/** Makes a connection; it waits for nothing and has no timers, until they are asked for. */
export function bareConnection(
  role: "client" | "server",
  { shared = false, identification, ...options }: BareOptions = {},
): BarePeer {
  const sent: Uint8Array[] = [];
  const waiting: (() => void)[] = [];
  const stalled: number[] = [];
  let isCongested = false;
  const sink: MessageSink = {
    get congested() {
      return isCongested;
    },
    trace: { waiting: (recipient: number) => stalled.push(recipient) } as unknown as MessageSink[
      "trace"
    ],
    send: (payload) => void sent.push(payload.slice()),
    sendData: (recipient, type, data) => {
      const payload = new Uint8Array((type === 0 ? 9 : 13) + data.length);
      writeData(payload, recipient, type, data);
      sent.push(payload);
    },
    whenRoom: (send) => void waiting.push(send),
  };
  const transport: MessageTransport = {
    role,
    socket: ADDRESSES,
    sink,
    identification: identification ?? { client: "", server: "" },
    shared,
    get ahead() {
      return peer.ahead;
    },
    unimplemented: () => void peer.unimplemented++,
    fail: (error) => {
      peer.failures.push(error);
      connection.closed(error);
    },
  };
  const connection = new Connection(transport, options);
  const peer: BarePeer = {
    connection,
    sent,
    failures: [],
    ahead: 0,
    unimplemented: 0,
    stalled,
    get congested() {
      return isCongested;
    },
    set congested(value) {
      isCongested = value;
      if (!value) { for (const send of waiting.splice(0)) send(); }
    },
    receive: (payload) => connection.handle(payload),
    take: (number) => {
      const at = sent.findIndex(([first]) => first === number);
      if (at === -1) throw new Error(`No message ${number} among ${sent.map(([n]) => n)}`);
      return sent.splice(at, 1)[0]!;
    },
    numbers: () => sent.splice(0).map(([number]) => number!),
    open: async (
      { sender = 7, window = 100_000, maxPacket = 32_768, type = "session" } = {},
    ) => {
      const opening = connection.open(type);
      const { sender: recipient } = m.ChannelOpen.decode(peer.take(MSG.CHANNEL_OPEN));
      const data = new Uint8Array(0);
      peer.receive(
        m.ChannelOpenConfirmation.encode({ recipient, sender, window, maxPacket, data }),
      );
      return await opening;
    },
  };
  return peer;
}
