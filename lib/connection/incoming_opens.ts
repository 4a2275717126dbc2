import { MAX_PENDING_OPENS } from "../defaults.ts";
import { AGENT_FORWARDING, OPEN_FAILURE } from "../wire/numbers.ts";
import type { Channel, IncomingOpen } from "./channel.ts";
import { IncomingQueue } from "./incoming_queue.ts";

/** Accepts or rejects a channel that the peer opens; a handler that does neither refuses it. */
export type OpenHandler = (open: IncomingOpen) => void | Promise<void>;

/** A peer's CHANNEL_OPEN, and the two answers to it. */
export interface OpenRequest {
  readonly type: string;
  readonly data: Uint8Array;
  /** @throws {ClosedError} If the connection is over */
  accept(extra: Uint8Array): Channel;
  refuse(reason: number, description: string): void;
}

/** Types that SSH defines. They are served only by handlers of this module, never by a loop of the program. */
const RESERVED: ReadonlySet<string> = new Set([
  "session",
  "x11",
  "direct-tcpip",
  "forwarded-tcpip",
  "direct-streamlocal@openssh.com",
  "forwarded-streamlocal@openssh.com",
  AGENT_FORWARDING.IANA.channel,
  AGENT_FORWARDING.OPENSSH.channel,
  "tun@openssh.com",
]);

/** Decides which handler or loop gets a channel that the peer opens (RFC 4254 §5.1). */
export class IncomingOpens {
  /** Channels of other types, for loops of the program. */
  readonly queue: IncomingQueue<IncomingOpen> = new IncomingQueue(
    (open) => open.reject(),
    MAX_PENDING_OPENS,
  );
  readonly #handlers: Map<string, OpenHandler>;
  #pending = 0;

  constructor(handlers: ReadonlyMap<string, OpenHandler> | undefined) {
    this.#handlers = new Map(handlers);
  }

  /** Whether handlers wait for channels of the peer, for example of a port that it listens on for us. */
  get served(): boolean {
    return this.#handlers.size > 0;
  }

  /** Sets the handler of channels of a type. */
  handle(type: string, handler: OpenHandler): void {
    this.#handlers.set(type, handler);
  }

  receive(request: OpenRequest): void {
    if (this.#pending >= MAX_PENDING_OPENS) {
      return request.refuse(OPEN_FAILURE.RESOURCE_SHORTAGE, "Too many channels");
    }
    const { type } = request;
    const handler = this.#handlers.get(type);
    if (handler !== undefined) {
      const { open, isAnswered } = this.#answerable(request);
      // A handler that throws refuses the channel.
      Promise.try(handler, open).catch(() => {}).then(() => {
        if (!isAnswered()) open.reject();
      });
    } else if (this.queue.awaited && !RESERVED.has(type)) {
      this.queue.offer(this.#answerable(request).open);
    } else {
      request.refuse(OPEN_FAILURE.UNKNOWN_CHANNEL_TYPE, "This channel type is not served here");
    }
  }

  /** Makes the object for handlers, which can be answered once and counts as pending until then. */
  #answerable(
    { type, data, accept, refuse }: OpenRequest,
  ): { open: IncomingOpen; isAnswered: () => boolean } {
    let answered = false;
    this.#pending++;
    const settle = () => {
      if (answered) throw new TypeError("The channel open has been answered already");
      answered = true;
      this.#pending--;
    };
    const open: IncomingOpen = {
      type,
      data,
      accept: (extra = new Uint8Array(0)) => {
        settle();
        return accept(extra);
      },
      reject: (reason = OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, message = "Refused") => {
        settle();
        refuse(reason, message);
      },
    };
    return { open, isAnswered: () => answered };
  }
}
