import { printable } from "../../errors.ts";
import { ByteSource } from "../../sftp/protocol/byte_source.ts";
import type { SftpChannel } from "../../sftp/protocol/channel.ts";

/** The longest line: a message with a path in it. */
const MAX_LINE_BYTES = 8192;

/** The peer gave up, or broke the protocol. */
export class ScpError extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "ScpError";
  }
}

/** Options of both halves of the protocol. */
export interface ScpCopyOptions {
  readonly recursive: boolean;
  readonly preserve: boolean;
  readonly signal: AbortSignal;
  /** The most bytes per second; null for no limit. */
  readonly rate: number | null;
  /** Called with a message for each file that could not be copied. */
  readonly failed: (message: string) => void;
  /** Called with the progress of a file. */
  readonly onProgress?: (name: string, transferred: number, total: number) => void;
}

/**
 * Sends and receives the messages of the scp protocol: lines, bytes of files, and a zero byte as
 * acknowledgement.
 */
export class ScpProtocol {
  readonly #channel: SftpChannel;
  readonly #source: ByteSource;

  constructor(channel: SftpChannel) {
    this.#channel = channel;
    this.#source = new ByteSource(channel);
  }

  /** Sends a line. */
  say(text: string): Promise<void> {
    return this.#channel.writeAll(new TextEncoder().encode(`${text}\n`));
  }

  /** Sends bytes of a file. */
  send(bytes: Uint8Array): Promise<void> {
    return this.#channel.writeAll(bytes);
  }

  /** Sends an acknowledgement. */
  acknowledge(): Promise<void> {
    return this.#channel.writeAll(new Uint8Array([0]));
  }

  /** Sends an error that does not end the copy. */
  complain(message: string): Promise<void> {
    return this.say(`\x01scp: ${printable(message, MAX_LINE_BYTES / 2)}`);
  }

  /**
   * Receives the answer to a message; null if it is an acknowledgement, otherwise the peer's error.
   *
   * @throws {ScpError} If the peer gives up
   */
  async reply(): Promise<string | null> {
    if (!await this.#source.more()) throw new ScpError("the other side closed the connection");
    const [kind] = await this.#source.take(1);
    if (kind === 0) return null;
    const text = printable(await this.#text(kind === 1 || kind === 2 ? [] : [kind!]));
    if (kind === 1) return text;
    throw new ScpError(text);
  }

  /** The next line, with its first byte; null at the end. */
  async line(): Promise<string | null> {
    if (!await this.#source.more()) return null;
    return await this.#text([]);
  }

  /** The next bytes of a file, in pieces. */
  async bytes(length: number, sink: (piece: Uint8Array) => Promise<void>): Promise<void> {
    for (let left = length; left > 0;) {
      if (!await this.#source.more()) throw new ScpError("the file ends before its size");
      const piece = await this.#source.some(left);
      left -= piece.length;
      await sink(piece);
    }
  }

  async #text(start: number[]): Promise<string> {
    const bytes = start;
    for (;;) {
      if (!await this.#source.more()) throw new ScpError("unexpected end of a line");
      const [byte] = await this.#source.take(1);
      if (byte === 10) return new TextDecoder().decode(new Uint8Array(bytes));
      if (bytes.push(byte!) > MAX_LINE_BYTES) throw new ScpError("a line is too long");
    }
  }
}
