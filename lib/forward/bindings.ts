import { RECONNECT_MAX_MS, RECONNECT_MS } from "../defaults.ts";
import { abortable, sleep } from "../waiting.ts";
import type { IncomingOpen } from "../connection/channel.ts";
import type { Connection } from "../connection/connection.ts";
import { ProtocolError, RequestDeniedError } from "../errors.ts";
import { NOT_SHARED } from "../transport/message_transport.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import { BoundPort } from "../wire/requests.ts";
import { addrOf, describe, type ForwardAddress } from "./address.ts";
import { decodeForwarded, encodeBind, FAMILIES, type Family, familyOf, NAMES } from "./messages.ts";

/** Handles a connection to a binding; a handler that neither accepts nor rejects refuses it. */
export type TakeForwarded = (open: IncomingOpen, from: Deno.Addr) => void | Promise<void>;

/** An address on which the server listens for us. */
export interface Binding {
  readonly addr: Deno.NetAddr | Deno.UnixAddr;
  /** Whether the server listens. After reconnecting it may not listen yet. */
  readonly isUp: boolean;
  /** Stops listening; resolves when the server has confirmed it, or the connection has ended. */
  cancel(): Promise<void>;
}

interface Bound {
  readonly address: ForwardAddress;
  readonly take: TakeForwarded;
  /** Called if the server refuses it after reconnecting. */
  readonly refused: ((error: RequestDeniedError) => void) | undefined;
  readonly end: AbortController;
  isUp: boolean;
}

/** The addresses on which the server listens for us; channels for other addresses are refused. */
export class Bindings {
  #connection: Connection;
  readonly #bound = new Set<Bound>();
  readonly #asking = new Set<Promise<unknown>>();

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#serve(connection);
  }

  #serve(connection: Connection): void {
    for (const family of FAMILIES) {
      connection.handleOpens(NAMES[family].forwarded, (open) => this.#opened(family, open));
    }
  }

  /**
   * Requests all addresses again on a new connection. Refused ones are requested repeatedly, because the
   * server still listens there for the lost connection until it notices its end.
   *
   * @param over Aborted when the new connection has ended
   */
  async renew(connection: Connection, over: AbortSignal): Promise<void> {
    this.#connection = connection;
    this.#serve(connection);
    await Promise.all([...this.#bound].map((bound) => this.#again(bound, over)));
  }

  async #again(bound: Bound, over: AbortSignal, pause: number = RECONNECT_MS): Promise<void> {
    const { forward } = NAMES[familyOf(bound.address)];
    bound.isUp = false;
    try {
      await this.#connection.request(forward, encodeBind(bound.address));
      if (this.#bound.has(bound)) bound.isUp = true;
      else await this.#cancel(bound);
    } catch (error) {
      if (!(error instanceof RequestDeniedError)) return; // the connection has ended
      bound.refused?.(error);
      sleep(pause, AbortSignal.any([over, bound.end.signal]))
        .then(() => this.#again(bound, over, Math.min(2 * pause, RECONNECT_MAX_MS)), () => {});
    }
  }

  /** @throws {RequestDeniedError} If the server refuses */
  async bind(
    address: ForwardAddress,
    take: TakeForwarded,
    signal?: AbortSignal,
    refused?: (error: RequestDeniedError) => void,
  ): Promise<Binding> {
    signal?.throwIfAborted();
    const asking = this.#bind(address, take, refused);
    this.#asking.add(asking);
    asking.catch(() => {}).then(() => this.#asking.delete(asking));
    try {
      return await abortable(asking, signal);
    } catch (error) {
      if (signal?.aborted) asking.then((binding) => binding.cancel(), () => {});
      throw error;
    }
  }

  async #bind(
    asked: ForwardAddress,
    take: TakeForwarded,
    refused: Bound["refused"],
  ): Promise<Binding> {
    const { forward } = NAMES[familyOf(asked)];
    if (this.#connection.shared) {
      const message = `Cannot listen on ${describe(asked)} of the server: ${NOT_SHARED}`;
      throw new RequestDeniedError(forward, message);
    }
    const reply = await this.#connection.request(forward, encodeBind(asked)).catch((cause) => {
      if (!(cause instanceof RequestDeniedError)) throw cause;
      const message = `The server refused to listen on ${describe(asked)}`;
      throw new RequestDeniedError(forward, message, { cause });
    });
    const address = "port" in asked && asked.port === 0
      ? { ...asked, port: chosenPort(reply) }
      : asked;
    const bound: Bound = { address, take, refused, end: new AbortController(), isUp: true };
    this.#bound.add(bound);
    return {
      addr: addrOf(address),
      get isUp() {
        return bound.isUp;
      },
      cancel: async () => {
        if (!this.#bound.delete(bound)) return;
        bound.end.abort();
        if (bound.isUp) await this.#cancel(bound);
      },
    };
  }

  async #cancel({ address }: Bound): Promise<void> {
    const { cancel } = NAMES[familyOf(address)];
    await this.#connection.request(cancel, encodeBind(address)).catch(() => {});
  }

  async #opened(family: Family, open: IncomingOpen): Promise<void> {
    // The first connection may arrive in the same packet as the answer to the request.
    await Promise.allSettled(this.#asking);
    const { bound, from } = decodeForwarded(family, open.data);
    const binding = this.#find(bound);
    if (binding) return await binding.take(open, from);
    open.reject(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "The channel was not requested");
  }

  /** Some servers send the address they listen on instead of the requested one, so a unique port decides. */
  #find(to: ForwardAddress): Bound | undefined {
    const all = [...this.#bound];
    if ("path" in to) {
      return all.find(({ address }) => "path" in address && address.path === to.path);
    }
    const ports = all.filter(({ address }) => "port" in address && address.port === to.port);
    return ports.find(({ address }) => "port" in address && address.hostname === to.hostname) ??
      ports[0];
  }
}

function chosenPort(reply: Uint8Array): number {
  const { port } = BoundPort.decode(reply);
  if (port >= 1 && port <= 65535) return port;
  throw new ProtocolError(`The server sent an invalid port: ${port}`);
}
