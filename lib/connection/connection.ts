import { KEEPALIVE_COUNT, MAX_CHANNEL_PACKET, MAX_CHANNELS, MAX_SENT_PACKET } from "../defaults.ts";
import {
  ChannelOpenError,
  type ClosedError,
  ConnectError,
  DisconnectError,
  printable,
  ProtocolError,
} from "../errors.ts";
import { connectionClosed } from "./lazy_error.ts";
import { type MessageTransport, NOT_SHARED } from "../transport/message_transport.ts";
import type { UpperLayer } from "../transport/transport.ts";
import { sendable } from "./request.ts";
import {
  DATA_HEADER,
  EXTENDED_DATA_HEADER,
  peek32,
  readData,
  WINDOW_ADJUST_LENGTH,
  writeWindowAdjust,
} from "../wire/hot.ts";
import {
  ChannelClose,
  ChannelEof,
  ChannelFailure,
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelOpenFailure,
  ChannelRequest,
  ChannelSuccess,
} from "../wire/messages.ts";
import { DISCONNECT, MSG, OPEN_FAILURE } from "../wire/numbers.ts";
import { Channel, type ChannelOwner, type IncomingOpen } from "./channel.ts";
import { ChannelCore, type ChannelHost, type ChannelPeer } from "./channel_core.ts";
import { ChannelTable, type Opening } from "./channel_table.ts";
import { ChunkMemory } from "./chunk_memory.ts";
import { type GlobalHandler, GlobalRequests } from "./global_requests.ts";
import { type ChannelTimeouts, closeIdleChannels } from "./idle_channels.ts";
import { IncomingOpens, type OpenHandler } from "./incoming_opens.ts";
import { type CallOptions, onAbort } from "../waiting.ts";
import { type ConnectionBudget, type WindowOptions, windowsOf } from "./window_budget.ts";
import { type X11Arrival, X11Forwards } from "./x11_forwards.ts";

export interface ConnectionOptions {
  readonly window?: WindowOptions;
  /** The round trip of an answer that the peer sent while idle, in milliseconds, if known. */
  readonly roundTrip?: number | null;
  /** Handlers of the channels that the peer opens, by type; other types are refused. */
  readonly opens?: ReadonlyMap<string, OpenHandler>;
  /** Handlers of the peer's global requests, by type; others are refused. */
  readonly globals?: ReadonlyMap<string, GlobalHandler>;
}

/** The channels and global requests of one connection (RFC 4254), either role. */
export class Connection implements UpperLayer, ChannelHost, ChannelOwner {
  readonly role: "client" | "server";
  readonly memory: ChunkMemory = new ChunkMemory();
  readonly #transport: MessageTransport;
  readonly #incoming: IncomingOpens;
  readonly #globals: GlobalRequests;
  readonly #budget: ConnectionBudget | null;
  readonly #channels: ChannelTable;
  /** When open channels were confirmed on which the peer has not sent a request yet, by their numbers. */
  readonly #confirmedAt = new Map<number, number>();
  readonly #adjust = new Uint8Array(WINDOW_ADJUST_LENGTH);
  #x11: X11Forwards | null = null;
  #lastClosed: ChannelCore | null = null;
  #error: { error: unknown } | null = null;
  #heard = false;
  #keepalive: ReturnType<typeof setInterval> | undefined;
  #stopIdleCheck: (() => void) | null = null;

  constructor(transport: MessageTransport, options: ConnectionOptions = {}) {
    this.#transport = transport;
    this.role = transport.role;
    this.#incoming = new IncomingOpens(options.opens);
    // The server's answers go to the control master, which disconnects a client with an unknown request.
    const refusal = transport.shared ? NOT_SHARED : null;
    this.#globals = new GlobalRequests(options.globals, (payload) => this.send(payload), refusal);
    const { initial, budget } = windowsOf(options.window, options.roundTrip ?? null, this.role);
    this.#budget = budget;
    this.#channels = new ChannelTable(
      () => budget?.open() ?? initial,
      (bytes) => budget?.give(bytes),
    );
  }

  /** Whether it is the connection of a control master, on which global requests cannot be sent. */
  get shared(): boolean {
    return this.#transport.shared;
  }

  /** Channels open now or being opened. */
  get channelCount(): number {
    return this.#channels.count;
  }

  /** Whether the connection has ended. */
  get isOver(): boolean {
    return this.#error !== null;
  }

  /**
   * Whether a channel is open or being opened, a global request is unanswered, or the peer may open
   * channels for us.
   */
  get busy(): boolean {
    return this.#channels.busy || this.#globals.waiting || this.#incoming.served;
  }

  /** The shortest round trip in milliseconds; null if not known, or if windows have a fixed size. */
  get roundTrip(): number | null {
    return this.#budget?.roundTrip ?? null;
  }

  /** Bytes of data sent and received on the open channels. */
  get carried(): number {
    let sum = 0;
    for (const channel of this.#channels.open()) sum += channel.carried;
    return sum;
  }

  get incoming(): AsyncIterable<IncomingOpen, undefined> {
    return this.#incoming.queue;
  }

  openChannel(
    type: string,
    options: CallOptions & { readonly extra?: Uint8Array } = {},
  ): Promise<Channel> {
    return this.open(type, options.extra, options);
  }

  /**
   * Opens a channel (RFC 4254 §5.1).
   *
   * @param type The channel's type, such as `"session"`
   * @param data The type-specific data after the fixed fields
   * @throws {ChannelOpenError} If the peer refuses
   * @throws {ClosedError} If the connection is over
   */
  open(
    type: string,
    data: Uint8Array = new Uint8Array(0),
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Channel> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#error) return Promise.reject(this.#closedError());
    let opening: Opening;
    try {
      opening = this.#ask(type, data);
    } catch (error) {
      return Promise.reject(error);
    }
    const abandoning = onAbort(signal, (reason) => {
      opening.abandoned = true;
      opening.promise.reject(reason);
    });
    const start = performance.now();
    const opened = () => this.#budget?.sawRoundTrip(performance.now() - start);
    opening.promise.promise.then(opened, () => {});
    return opening.promise.promise.finally(() => abandoning[Symbol.dispose]());
  }

  /**
   * Sends a global request and waits for its answer (RFC 4254 §4).
   *
   * @throws {RequestDeniedError} If the peer refuses
   */
  request(
    type: string,
    data: Uint8Array = new Uint8Array(0),
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    if (this.#error) return Promise.reject(this.#closedError());
    return this.#globals.request(type, data, options);
  }

  /** Sends a global request that needs no answer. */
  notify(type: string, data: Uint8Array = new Uint8Array(0)): void {
    this.#globals.notify(type, data);
  }

  /** Sets the handler of the peer's channels of a type. */
  handleOpens(type: string, handler: OpenHandler): void {
    this.#incoming.handle(type, handler);
  }

  /** Sets the handler of the peer's global requests of a type. */
  handleGlobals(type: string, handler: GlobalHandler): void {
    this.#globals.handle(type, handler);
  }

  /**
   * Sends keepalive requests to a silent peer, and ends the connection if it does not answer.
   *
   * @param interval Milliseconds of silence before each request
   * @param count Unanswered requests that end the connection
   */
  keepalive(interval: number, count: number = KEEPALIVE_COUNT): void {
    let missed = 0;
    this.#heard = false;
    clearInterval(this.#keepalive);
    this.#keepalive = setInterval(() => {
      if (this.#heard) missed = 0;
      else if (missed++ >= count) {
        const message = `The peer has not answered for ${interval * missed} ms`;
        return this.#transport.fail(new ConnectError(message, { timeout: true }));
      }
      this.#heard = false;
      if (missed > 0) this.request("keepalive@openssh.com").catch(() => {});
    }, interval);
  }

  /** Closes channels without traffic, until the connection ends. */
  closeIdle(timeouts: ChannelTimeouts): void {
    this.#stopIdleCheck?.();
    this.#stopIdleCheck = closeIdleChannels(timeouts, () => this.#channels.open());
  }

  /** Dispatches one message; returns a promise if the peer has too many unanswered requests and must wait. */
  handle(payload: Uint8Array): void | Promise<void> {
    this.#heard = true;
    switch (payload[0]) {
      case MSG.CHANNEL_DATA: {
        const data = readData(payload, DATA_HEADER);
        return this.#channels.get(peek32(payload, 1)).receiveData(0, data);
      }
      case MSG.CHANNEL_EXTENDED_DATA: {
        const data = readData(payload, EXTENDED_DATA_HEADER);
        return this.#channels.get(peek32(payload, 1)).receiveData(peek32(payload, 5), data);
      }
      case MSG.CHANNEL_WINDOW_ADJUST:
        if (payload.length !== WINDOW_ADJUST_LENGTH) {
          throw new ProtocolError("Window adjust of a wrong length");
        }
        // Here and below, messages without effect for a channel that was just closed are ignored, as by
        // OpenSSH.
        return this.#channels.find(peek32(payload, 1))?.receiveWindowAdjust(peek32(payload, 5));
      case MSG.CHANNEL_EOF:
        return this.#channels.get(ChannelEof.decode(payload).recipient).receiveEof();
      case MSG.CHANNEL_CLOSE:
        return this.#channels.get(ChannelClose.decode(payload).recipient).receiveClose();
      case MSG.CHANNEL_REQUEST: {
        const { recipient, type, wantReply, data } = ChannelRequest.decode(payload);
        this.#answered(recipient);
        const channel = this.#channels.find(recipient);
        if (channel !== null) return channel.receiveRequest(type, wantReply, data);
        return this.#lateRequest(recipient, type, data);
      }
      case MSG.CHANNEL_SUCCESS:
        return this.#channels.find(ChannelSuccess.decode(payload).recipient)?.receiveReply(true);
      case MSG.CHANNEL_FAILURE:
        return this.#channels.find(ChannelFailure.decode(payload).recipient)?.receiveReply(false);
      case MSG.CHANNEL_OPEN:
        return this.#incomingOpen(payload);
      case MSG.CHANNEL_OPEN_CONFIRMATION:
        return this.#confirmed(payload);
      case MSG.CHANNEL_OPEN_FAILURE:
        return this.#refused(payload);
      case MSG.GLOBAL_REQUEST:
        return this.#globals.receive(payload);
      case MSG.REQUEST_SUCCESS:
        return this.#globals.receiveSuccess(payload);
      case MSG.REQUEST_FAILURE:
        return this.#globals.receiveFailure(payload);
      default:
        this.#transport.unimplemented();
    }
  }

  /**
   * Records that a message arrived: any message answers a keepalive, such as the UNIMPLEMENTED of old
   * servers.
   */
  heard(): void {
    this.#heard = true;
  }

  /** Called when the transport has ended. */
  closed(cause: unknown): void {
    if (this.#error) return;
    this.#error = { error: cause };
    clearInterval(this.#keepalive);
    this.#stopIdleCheck?.();
    this.#channels.fail(cause);
    this.#globals.fail(cause);
    const inOrder = cause instanceof DisconnectError &&
      (cause.by === "us" || cause.reason === DISCONNECT.BY_APPLICATION);
    this.#incoming.queue.end(inOrder ? undefined : cause);
  }

  x11(): X11Forwards {
    if (this.#x11) return this.#x11;
    const forwards = new X11Forwards();
    this.handleOpens(
      "x11",
      ({ data, accept, reject }) =>
        forwards.take({ data, reject, accept: (from) => this.#arrival(accept(), from) }),
    );
    return this.#x11 = forwards;
  }

  send(payload: Uint8Array): void {
    this.#transport.sink.send(payload);
  }

  sendData(recipient: number, type: number, data: Uint8Array): void {
    this.#transport.sink.sendData(recipient, type, data);
  }

  sendWindowAdjust(recipient: number, bytes: number): void {
    writeWindowAdjust(this.#adjust, recipient, bytes);
    this.send(this.#adjust);
  }

  get ahead(): number {
    return this.#transport.ahead;
  }

  get congested(): boolean {
    return this.#transport.sink.congested;
  }

  whenRoom(send: () => void): void {
    this.#transport.sink.whenRoom(send);
  }

  /** Called when a channel's writer waits for the peer. */
  stalled(recipient: number): void {
    this.#transport.sink.trace?.waiting(recipient);
  }

  /** Frees the number of a channel that both ends have closed. */
  released(channel: ChannelCore): void {
    if (!this.#channels.release(channel)) return; // a closed channel was aborted
    this.#confirmedAt.delete(channel.opening.id);
    this.#lastClosed = channel;
  }

  /** Some servers send the exit status right after CLOSE; other requests for a closed channel are ignored. */
  #lateRequest(id: number, type: string, data: Uint8Array): void {
    if (this.role === "server") {
      throw new ProtocolError(`Request for channel ${id}, which is not open`);
    }
    if (this.#lastClosed?.opening.id === id) this.#lastClosed.requests.receiveExit(type, data);
  }

  /** Measures a round trip: a client sends its first request as soon as the channel is confirmed. */
  #answered(id: number): void {
    const start = this.#confirmedAt.get(id);
    if (start === undefined) return;
    this.#confirmedAt.delete(id);
    this.#budget?.sawRoundTrip(performance.now() - start);
  }

  #ask(type: string, data: Uint8Array): Opening {
    const opening = this.#channels.add(type);
    try {
      const { id: sender, window } = opening;
      const message = { type, sender, window, maxPacket: MAX_CHANNEL_PACKET, data };
      this.send(
        sendable(ChannelOpen.encode(message), `The request for a channel of ${printable(type)}`),
      );
      return opening;
    } catch (error) {
      this.#channels.release(opening);
      throw error;
    }
  }

  #confirmed(payload: Uint8Array): void {
    const answer = ChannelOpenConfirmation.decode(payload);
    const opening = this.#channels.opening(answer.recipient);
    const channel = this.#create(opening, answer, "us");
    if (opening.abandoned) channel.close();
    else opening.promise.resolve(channel);
  }

  #refused(payload: Uint8Array): void {
    const { recipient, reason, description } = ChannelOpenFailure.decode(payload);
    const opening = this.#channels.opening(recipient);
    this.#channels.release(opening);
    const text = printable(description) || `reason ${reason}`;
    opening.promise.reject(
      new ChannelOpenError(reason, `The peer refused a ${opening.type} channel: ${text}`),
    );
  }

  #incomingOpen(payload: Uint8Array): void {
    const request = ChannelOpen.decode(payload);
    const { type, sender, maxPacket, data } = request;
    if (maxPacket === 0) throw new ProtocolError("Channel with a maximum packet size of 0");
    const refuse = (reason: number, description: string) =>
      this.send(
        ChannelOpenFailure.encode({ recipient: sender, reason, description, language: "" }),
      );
    const full = () => refuse(OPEN_FAILURE.RESOURCE_SHORTAGE, "Too many channels");
    if (this.channelCount >= MAX_CHANNELS) return full();
    const accept = (extra: Uint8Array): Channel => {
      if (this.#error) throw this.#closedError();
      // If too many channels were opened since the request, refuse it; the table then throws.
      if (this.channelCount >= MAX_CHANNELS) full();
      const opening = this.#channels.add(type);
      try {
        const payload = ChannelOpenConfirmation.encode({
          recipient: sender,
          sender: opening.id,
          window: opening.window,
          maxPacket: MAX_CHANNEL_PACKET,
          data: extra,
        });
        this.send(sendable(payload, `The confirmation of a channel of ${printable(type)}`));
      } catch (error) {
        this.#channels.release(opening);
        refuse(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "Refused");
        throw error;
      }
      this.#confirmedAt.set(opening.id, performance.now());
      return this.#create(opening, request, "peer");
    };
    this.#incoming.receive({ type, data, accept, refuse });
  }

  #create(
    { type, id, window }: Opening,
    theirs: { sender: number; window: number; maxPacket: number; data: Uint8Array },
    openedBy: "us" | "peer",
  ): Channel {
    const { maxPacket } = theirs;
    const core = new ChannelCore(this, {
      type,
      id,
      remoteId: theirs.sender,
      sendWindow: maxPacket === 0 ? 0 : theirs.window,
      extra: theirs.data,
      maxSend: Math.min(maxPacket, MAX_SENT_PACKET),
      receiveWindow: window,
      openedBy,
      budget: this.#budget,
      maxReceive: MAX_CHANNEL_PACKET,
    });
    this.#channels.opened(id, core);
    core.peer = this.#peer();
    return new Channel(core, this);
  }

  #peer(): ChannelPeer {
    const { socket, identification, role } = this.#transport;
    const peer = identification[role === "client" ? "server" : "client"];
    return {
      localAddr: socket.localAddr,
      remoteAddr: socket.remoteAddr,
      openssh: /^SSH-2\.0-(OpenSSH|denossh)_/.test(peer),
    };
  }

  /** The channel of an X client, with the client's address. */
  #arrival(channel: Channel, remoteAddr: Deno.NetAddr): X11Arrival {
    const core = this.#channels.get(channel.id);
    core.peer = { ...core.peer, remoteAddr };
    return {
      conn: channel,
      unread: (bytes) => core.stdout.unread(bytes),
      close: () => channel.close(),
      abort: (reason) => channel.abort(reason),
    };
  }

  #closedError(): ClosedError {
    return connectionClosed(this.#error!.error);
  }
}
