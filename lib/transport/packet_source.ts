import type { Opener } from "../crypto/packet_cipher.ts";
import { SOCKET_READ_BYTES } from "../defaults.ts";
import type { Socket } from "./socket.ts";

/**
 * The whole inbound loop. While data flows it awaits the socket and nothing else; a handler that
 * returns a promise (key exchange, authentication) holds the next packet back, since keys or the
 * phase switch between the two.
 *
 * @param leftover What arrived behind the identification
 * @param handle Gets each payload, borrowed until it returns
 * @param tick Called after each batch of packets; the next one waits for its promise, if it returns one
 * @param isOpen Once false, what comes is read and dropped until the socket ends: a socket closed
 *   with unread data resets the connection, and the peer would lose our DISCONNECT
 */
export async function readPackets(
  socket: Socket,
  opener: Pick<Opener, "push" | "next">,
  leftover: Uint8Array,
  handle: (payload: Uint8Array) => void | Promise<void>,
  tick: () => Promise<void> | null | undefined | void,
  isOpen: () => boolean,
): Promise<void> {
  const inbox = new Uint8Array(SOCKET_READ_BYTES);
  let bytes = leftover;
  for (;;) {
    if (isOpen()) opener.push(bytes);
    for (let payload; isOpen() && (payload = opener.next()) !== null;) {
      const pause = handle(payload);
      if (pause) await pause;
    }
    if (isOpen()) {
      const pause = tick();
      if (pause) await pause;
    }
    const n = await socket.read(inbox);
    if (n === null) return;
    bytes = inbox.subarray(0, n);
  }
}
