import { ProtocolError } from "../errors.ts";
import type { Socket } from "../transport/socket.ts";
import { Writer } from "../wire/writer.ts";

/** The longest message that is accepted, in bytes: the limit of OpenSSH's agent and client. */
export const MAX_AGENT_MESSAGE = 256 * 1024;

/** Splits an agent's connection into messages, each preceded by its length (RFC 9987 §5). */
export class Frames {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * The next message, owned by the caller; null at the end.
   *
   * @throws {ProtocolError} If the message is empty or too long, or the connection ends inside it
   */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const header = new Uint8Array(4);
    const had = await this.#fill(header);
    if (had === 0) return null;
    if (had < header.length) throw cut();
    const length = new DataView(header.buffer).getUint32(0);
    if (length === 0 || length > MAX_AGENT_MESSAGE) {
      throw new ProtocolError(
        `Agent message of ${length} bytes: 1 to ${MAX_AGENT_MESSAGE} are accepted`,
      );
    }
    const message = new Uint8Array(length);
    if (await this.#fill(message) === length) return message;
    message.fill(0);
    throw cut();
  }

  async write(message: Uint8Array): Promise<void> {
    const frame = new Writer(message.length + 4).string(message).take();
    try {
      await this.#socket.write(frame);
    } finally {
      frame.fill(0); // a passphrase may be in it
    }
  }

  async #fill(into: Uint8Array): Promise<number> {
    let at = 0;
    while (at < into.length) {
      const n = await this.#socket.read(into.subarray(at));
      if (n === null) break;
      at += n;
    }
    return at;
  }
}

function cut(): ProtocolError {
  return new ProtocolError("Agent connection ends in the middle of a message");
}
