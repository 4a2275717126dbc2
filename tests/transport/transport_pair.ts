/** Two transports in memory before their handshake, whose sockets record the calls. */
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { generateKey } from "../../lib/keys/mod.ts";
import { memoryPair } from "../../lib/testing/memory_pair.ts";
import type { Role } from "../../lib/transport/negotiation.ts";
import { type Socket, streamSocket } from "../../lib/transport/socket.ts";
import { Transport, type TransportOptions } from "../../lib/transport/transport.ts";

/** The calls on a socket. */
export interface SocketCalls {
  /** Bytes read so far. */
  read: number;
  /** How often it was shut for writing. */
  closedWrite: number;
  /** How often it was closed. */
  closed: number;
}

export interface TransportPair extends AsyncDisposable {
  readonly client: Transport;
  readonly server: Transport;
  readonly sockets: Readonly<Record<Role, SocketCalls>>;
}

const hostKey = await generateKey("ed25519");

/** Makes both ends; `handshake` of both is left to the test. */
export function transportPair(
  options: { readonly [role in Role]?: Partial<TransportOptions> } = {},
): TransportPair {
  const [near, far] = memoryPair();
  const sockets: Record<Role, SocketCalls> = {
    client: { read: 0, closedWrite: 0, closed: 0 },
    server: { read: 0, closedWrite: 0, closed: 0 },
  };
  const make = (role: Role, streams: typeof near) =>
    new Transport(counted(streamSocket(streams), sockets[role]), {
      role,
      suite: resolveSuite(),
      hostKeys: [hostKey],
      ...options[role],
    });
  const [client, server] = [make("client", near), make("server", far)];
  return {
    client,
    server,
    sockets,
    async [Symbol.asyncDispose]() {
      client.disconnect();
      server.disconnect();
      await Promise.all([client.finished, server.finished]);
    },
  };
}

/** Both ends after the first key exchange. */
export async function greetedPair(
  options: { readonly [role in Role]?: Partial<TransportOptions> } = {},
): Promise<TransportPair> {
  const pair = transportPair(options);
  await Promise.all([pair.client.handshake(), pair.server.handshake()]);
  return pair;
}

function counted(socket: Socket, calls: SocketCalls): Socket {
  return {
    ...socket,
    async read(into) {
      const n = await socket.read(into);
      calls.read += n ?? 0;
      return n;
    },
    closeWrite() {
      calls.closedWrite++;
      socket.closeWrite();
    },
    close() {
      calls.closed++;
      socket.close();
    },
  };
}
