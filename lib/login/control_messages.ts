/** The messages between `ssh -M` and the programs that share its connection (OpenSSH PROTOCOL.mux). */
import { MAX_CONTROL_MESSAGE } from "../defaults.ts";
import { ProtocolError } from "../errors.ts";
import type { Socket } from "../transport/socket.ts";
import { peek32 } from "../wire/hot.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** Types of messages (PROTOCOL.mux §11); those of the proxy mode are in OpenSSH's mux.c alone. */
export const CONTROL = {
  HELLO: 0x00000001,
  NEW_SESSION: 0x10000002,
  ALIVE_CHECK: 0x10000004,
  TERMINATE: 0x10000005,
  STOP_LISTENING: 0x10000009,
  PROXY: 0x1000000f,
  OK: 0x80000001,
  PERMISSION_DENIED: 0x80000002,
  FAILURE: 0x80000003,
  IS_ALIVE: 0x80000005,
  IS_PROXY: 0x8000000f,
} as const;

/** The version of the protocol. */
export const CONTROL_VERSION = 4;

/** Messages on a control socket: SSH strings. */
export class ControlMessages {
  readonly #socket: Socket;
  #bytes = new Uint8Array(0);

  /** @param socket The control socket, at the start of a message */
  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** The bytes that have arrived after the last message. */
  get leftover(): Uint8Array {
    return this.#bytes;
  }

  /** Sends a message. */
  async send(message: Writer): Promise<void> {
    await this.#socket.write(new Writer().string(message.take()).take());
  }

  /**
   * Receives a message; null if the peer has closed the socket.
   *
   * @throws {ProtocolError} If its length is out of range
   */
  async receive(): Promise<Reader | null> {
    if (!await this.#fill(4)) return null;
    const length = peek32(this.#bytes, 0);
    if (length < 4 || length > MAX_CONTROL_MESSAGE) {
      throw new ProtocolError("sends a message of a length out of range");
    }
    if (!await this.#fill(4 + length)) return null;
    const message = new Reader(this.#bytes.subarray(4, 4 + length));
    this.#bytes = this.#bytes.subarray(4 + length);
    return message;
  }

  async #fill(length: number): Promise<boolean> {
    const chunk = new Uint8Array(4096);
    while (this.#bytes.length < length) {
      const n = await this.#socket.read(chunk);
      if (n === null) return false;
      const joined = new Uint8Array(this.#bytes.length + n);
      joined.set(this.#bytes);
      joined.set(chunk.subarray(0, n), this.#bytes.length);
      this.#bytes = joined;
    }
    return true;
  }
}
