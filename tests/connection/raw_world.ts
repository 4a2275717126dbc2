/** One real end, and one that sends any message, after key exchange and authentication. */
import { Connection, type ConnectionOptions } from "../../lib/connection/connection.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import type { Role } from "../../lib/transport/negotiation.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import type { RekeyLimits } from "../../lib/transport/key_use.ts";
import { Transport } from "../../lib/transport/transport.ts";

/** The raw end: sends payloads and records those received. */
export class RawEnd {
  readonly transport: Transport;
  readonly received: Uint8Array[] = [];
  #news = Promise.withResolvers<void>();

  constructor(transport: Transport) {
    this.transport = transport;
    transport.open({
      handle: (payload) => {
        this.received.push(payload.slice());
        this.#wake();
      },
      closed: () => this.#wake(),
    });
  }

  send(payload: Uint8Array): void {
    this.transport.sink.sendNow(payload);
  }

  /** Waits for a message with one of the numbers and removes it from the record. */
  async next(...numbers: number[]): Promise<Uint8Array> {
    const isOne = (payload: Uint8Array) => numbers.includes(payload[0]!);
    for (;;) {
      const at = this.received.findIndex(isOne);
      if (at >= 0) return this.received.splice(at, 1)[0]!;
      const news = this.#news.promise;
      const over = await Promise.race([
        news.then(() => null),
        this.transport.closed.then((cause) => ({ cause })),
      ]);
      if (over && !this.received.some(isOne)) throw over.cause;
    }
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

export interface RawWorld extends AsyncDisposable {
  readonly transport: Transport;
  readonly connection: Connection;
  readonly raw: RawEnd;
}

const hostKey = await generateKey("ed25519");

/**
 * Two transports after authentication (which tests/auth covers): ours in `role`, and the raw one.
 *
 * @param peer The identification of the raw end; ours unless given
 */
export async function rawWorld(
  role: Role,
  options: ConnectionOptions = {},
  rekey: RekeyLimits = {},
  peer?: string,
): Promise<RawWorld> {
  const [near, far] = memoryPair();
  const make = (who: Role, streams: typeof near) =>
    new Transport(streamSocket(streams), {
      role: who,
      suite: resolveSuite(),
      hostKeys: [hostKey],
      rekey,
    });
  const transport = make(role, near);
  const other = make(role === "client" ? "server" : "client", far);
  await Promise.all([transport.handshake(), other.handshake()]);
  if (peer !== undefined) {
    Object.defineProperty(transport, "identification", { value: { client: peer, server: peer } });
  }
  const connection = new Connection(transport, options);
  transport.open(connection);
  const raw = new RawEnd(other);
  return {
    transport,
    connection,
    raw,
    async [Symbol.asyncDispose]() {
      transport.disconnect();
      other.disconnect();
      await Promise.all([transport.finished, other.finished]);
    },
  };
}
