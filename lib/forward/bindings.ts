import { abortable } from "../waiting.ts";
import type { IncomingOpen } from "../connection/channel.ts";
import type { Connection } from "../connection/connection.ts";
import { ProtocolError, RequestDeniedError } from "../errors.ts";
import { NOT_SHARED } from "../transport/message_transport.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import { BoundPort } from "../wire/requests.ts";
import { addrOf, describe, type ForwardAddress } from "./address.ts";
import { decodeForwarded, encodeBind, FAMILIES, type Family, familyOf, NAMES } from "./messages.ts";

/** Takes a connection that came to a binding; who neither accepts nor rejects has refused. */
export type TakeForwarded = (open: IncomingOpen, from: Deno.Addr) => void | Promise<void>;

/** An address on the far side that is listened on for us. */
export interface Binding {
  readonly addr: Deno.NetAddr | Deno.UnixAddr;
  /** Stops it; resolves when the server has confirmed that, or cannot any more. */
  cancel(): Promise<void>;
}

interface Bound {
  readonly address: ForwardAddress;
  readonly take: TakeForwarded;
}

/** The addresses that the server listens on for us: channels for any other are refused. */
export class Bindings {
  readonly #connection: Connection;
  readonly #bound = new Set<Bound>();
  readonly #asking = new Set<Promise<unknown>>();

  constructor(connection: Connection) {
    this.#connection = connection;
    for (const family of FAMILIES) {
      connection.handleOpens(NAMES[family].forwarded, (open) => this.#opened(family, open));
    }
  }

  /** @throws {RequestDeniedError} If the server refuses */
  async bind(
    address: ForwardAddress,
    take: TakeForwarded,
    signal?: AbortSignal,
  ): Promise<Binding> {
    signal?.throwIfAborted();
    const asking = this.#bind(address, take);
    this.#asking.add(asking);
    asking.catch(() => {}).then(() => this.#asking.delete(asking));
    try {
      return await abortable(asking, signal);
    } catch (error) {
      if (signal?.aborted) asking.then((binding) => binding.cancel(), () => {});
      throw error;
    }
  }

  async #bind(asked: ForwardAddress, take: TakeForwarded): Promise<Binding> {
    const { forward, cancel } = NAMES[familyOf(asked)];
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
    const bound: Bound = { address, take };
    this.#bound.add(bound);
    return {
      addr: addrOf(address),
      cancel: async () => {
        if (!this.#bound.delete(bound)) return;
        await this.#connection.request(cancel, encodeBind(address)).catch(() => {});
      },
    };
  }

  async #opened(family: Family, open: IncomingOpen): Promise<void> {
    // The first connection may be in the same packet as the answer to the request for it.
    await Promise.allSettled(this.#asking);
    const { bound, from } = decodeForwarded(family, open.data);
    const binding = this.#find(bound);
    if (binding) return await binding.take(open, from);
    open.reject(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "Nobody here asked for this");
  }

  /** Some servers name the address that they listen on, not the one asked for: the port decides. */
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
  throw new ProtocolError(`The server says that it listens on port ${port}`);
}
