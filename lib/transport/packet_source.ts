import type { Opener } from "../crypto/packet_cipher.ts";
import { SOCKET_READ_BYTES } from "../defaults.ts";
import type { Socket } from "./socket.ts";

/** Shares the event loop with other connections, read by read. */
export interface ReadPace {
  /** The part of its buffer that the next read may fill, at most 1. */
  readonly readPart: number;
  /** Called after a read, before its packets are handled. */
  readBegins(): void;
  /** Called while the handler of a packet waits. */
  readRests(): void;
  /** Called after the packets were handled. The next read waits for the promise, if one is returned. */
  readEnds(): Promise<void> | null;
}

/** Reads without pauses. */
const UNPACED: ReadPace = {
  readPart: 1,
  readBegins() {},
  readRests() {},
  readEnds: () => null,
};

/**
 * The whole inbound loop. It awaits the socket, and pauses between two reads if `after` or the pace says
 * so. A handler that returns a promise (key exchange, authentication) holds the next packet back, because
 * keys or the phase switch between the two.
 *
 * @param leftover The bytes that arrived after the identification
 * @param handle Gets each payload, borrowed until it returns
 * @param after Called after the packets of a read, with its bytes. The next read waits for the promise, if
 *   one is returned
 * @param isOpen Once false, data is read and dropped until the socket ends: closing a socket with unread
 *   data resets the connection, and the peer would lose our DISCONNECT
 */
export async function readPackets(
  socket: Socket,
  opener: Pick<Opener, "push" | "next">,
  leftover: Uint8Array,
  handle: (payload: Uint8Array) => void | Promise<void>,
  after: (bytes: number) => Promise<void> | null,
  isOpen: () => boolean,
  pace: ReadPace = UNPACED,
): Promise<void> {
  const inbox = new Uint8Array(SOCKET_READ_BYTES);
  let bytes = leftover;
  for (;;) {
    pace.readBegins();
    if (isOpen()) opener.push(bytes);
    for (let payload; isOpen() && (payload = opener.next()) !== null;) {
      const pause = handle(payload);
      if (!pause) continue;
      pace.readRests();
      await pause;
      pace.readBegins();
    }
    if (isOpen()) {
      const pause = after(bytes.length);
      const turn = pace.readEnds();
      if (turn) await turn;
      if (pause) await pause;
    }
    const { readPart } = pace;
    const room = readPart === 1 ? inbox : inbox.subarray(0, readPart * inbox.length);
    const n = await socket.read(room);
    if (n === null) return;
    bytes = inbox.subarray(0, n);
  }
}
