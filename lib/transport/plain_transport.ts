import { CLOSE_LINGER_MS } from "../defaults.ts";
import { ConnectError, DisconnectError, ProtocolError } from "../errors.ts";
import { onTimeout } from "../waiting.ts";
import { DISCONNECT, MSG } from "../wire/numbers.ts";
import { messageName } from "./link.ts";
import type { MessageTransport } from "./message_transport.ts";
import { PacketSink } from "./packet_sink.ts";
import { readPackets } from "./packet_source.ts";
import { PlainOpener, PlainSealer } from "./plain_packets.ts";
import type { Socket } from "./socket.ts";
import { Trace, type TraceEvent } from "./trace.ts";
import type { UpperLayer } from "./transport.ts";

/**
 * The messages of a connection shared by a control master, which has done the key exchange and the
 * login.
 */
export class PlainTransport implements MessageTransport {
  readonly role = "client";
  readonly shared = true;
  readonly socket: Socket;
  readonly sink: PacketSink<PlainSealer>;
  /** The control master does not report them. */
  readonly identification = { client: "", server: "" };
  readonly agreed = null;
  readonly hostKey = null;
  readonly host = null;
  readonly extensions: ReadonlyMap<string, Uint8Array> = new Map();
  /** Resolves, never rejects, with the error that ended the connection. */
  readonly closed: Promise<unknown>;
  /** Resolves when the socket is closed too. */
  readonly finished: Promise<void>;
  readonly #over = Promise.withResolvers<unknown>();
  readonly #done = Promise.withResolvers<void>();
  readonly #opener = new PlainOpener();
  #upperLayer: UpperLayer | null = null;
  #isOpen = true;
  #lingering: Disposable | null = null;

  constructor(socket: Socket, trace?: (event: TraceEvent) => void) {
    this.socket = socket;
    this.sink = new PacketSink(socket, (error) => this.#lost(error), new PlainSealer());
    if (trace) this.sink.trace = new Trace(trace);
    this.closed = this.#over.promise;
    this.finished = this.#done.promise;
  }

  get ahead(): number {
    return this.#opener.buffered;
  }

  /** Hands messages to the upper layer until the end; `leftover` arrived before them. */
  open(upperLayer: UpperLayer, leftover: Uint8Array): void {
    this.#upperLayer = upperLayer;
    this.#read(leftover);
  }

  /** Does nothing: an answer would reach the server with a wrong packet number. */
  unimplemented(): void {}

  // deno-lint-ignore require-await -- what cannot be done is a rejection
  async rekey(): Promise<void> {
    throw new TypeError("Only the control master exchanges the keys of a shared connection");
  }

  /** Leaves the shared connection. */
  disconnect(): void {
    const reason = DISCONNECT.BY_APPLICATION;
    this.fail(new DisconnectError(reason, "us", "Closed by the application"));
  }

  fail(error: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // The master closes the channels that we leave open.
    this.sink.close();
    this.#over.resolve(error);
    this.#upperLayer?.closed(error);
    if (error instanceof ConnectError) return this.socket.close();
    this.#lingering = onTimeout(CLOSE_LINGER_MS, () => this.socket.close());
    this.sink.drained().then(() => this.socket.close());
  }

  /** The socket has ended; with a reset if the master ended before it read all of our bytes. */
  #lost(cause?: unknown): void {
    const isEnd = cause === undefined || cause instanceof ConnectError;
    this.fail(
      isEnd ? new ConnectError("The control master closed the connection", { cause }) : cause,
    );
  }

  async #read(leftover: Uint8Array): Promise<void> {
    try {
      const handle = (payload: Uint8Array) => this.#handle(payload);
      const isOpen = () => this.#isOpen;
      await readPackets(this.socket, this.#opener, leftover, handle, () => null, isOpen);
      this.#lost();
    } catch (error) {
      this.#lost(error);
    }
    this.#lingering?.[Symbol.dispose]();
    this.socket.close();
    this.#done.resolve();
  }

  #handle(payload: Uint8Array): void | Promise<void> {
    const number = payload[0]!;
    this.sink.trace?.received(payload);
    if (number >= MSG.GLOBAL_REQUEST && number <= 127) return this.#upperLayer!.handle(payload);
    if (number === MSG.IGNORE || number === MSG.DEBUG || number === MSG.UNIMPLEMENTED) return;
    throw new ProtocolError(`Unexpected ${messageName(number)}`);
  }
}
