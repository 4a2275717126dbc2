import { SFTP_MAX_MESSAGE } from "../defaults.ts";
import { ProtocolError } from "../errors.ts";
import { peek32 } from "../wire/hot.ts";
import type { SftpBackend } from "./backend.ts";
import { ByteSource } from "./byte_source.ts";
import type { SftpChannel } from "./channel.ts";
import { Handles } from "./handles.ts";
import * as msg from "./messages.ts";
import { FXP, SFTP_VERSION } from "./numbers.ts";
import { type Context, extensionsOf, OPERATIONS, statusFrame } from "./operations.ts";
import { Outbox } from "./outbox.ts";
import { lost, SftpStatus, statusOf } from "./status.ts";

/** Answers that may wait for a client to take them; then its requests wait. */
const QUEUE_BYTES = 2 * 1024 * 1024;

/**
 * How to serve.
 *
 * @example
 * ```ts
 * import type { ServeSftpOptions } from "@denossh/ssh/sftp";
 *
 * const careful: ServeSftpOptions = { umask: 0o077 };
 * ```
 */
export interface ServeSftpOptions {
  /** Refuse every change, whatever the backend would allow. */
  readonly readOnly?: boolean;
  /** Permission bits that new files and directories do not get, beside the process's own umask. */
  readonly umask?: number;
}

/**
 * Serves one SFTP session: reads requests in order, answers them in order, and never holds more
 * than a few megabytes for a client.
 *
 * @param channel Where the client is; at the end of a session that went well only its sending
 * side is closed, since an SSH session still has its exit status to send
 * @param backend What is served, such as `localFiles`
 * @param options Limits on top of the backend's own
 * @returns When the client has sent its EOF and all its handles are closed
 * @throws {SftpError} If the client breaks the protocol or goes away in the middle of a message
 *
 * @example
 * ```ts
 * import { localFiles, serveSftp, SftpClient, streamChannel } from "@denossh/ssh/sftp";
 * import { assert } from "@std/assert";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const backend = localFiles({ root: Deno.cwd() });
 * const serving = serveSftp(streamChannel(up.readable, down.writable), backend, { readOnly: true });
 *
 * const sftp = await SftpClient.open(streamChannel(down.readable, up.writable));
 * assert((await sftp.stat("/")).isDirectory);
 * await sftp.close();
 * await serving;
 * ```
 */
export async function serveSftp(
  channel: SftpChannel,
  backend: SftpBackend,
  options: ServeSftpOptions = {},
): Promise<void> {
  const session = new Session(channel, backend, options);
  try {
    await session.run();
    await channel.closeWrite();
  } catch (cause) {
    channel.close().catch(() => {}); // not awaited: the client need not answer
    throw lost(cause);
  }
}

class Session {
  readonly #source: ByteSource;
  readonly #outbox: Outbox;
  readonly #handles: Handles = new Handles();
  readonly #context: Context;
  readonly #buffers: Buffers = new Buffers();
  /** WRITEs are gathered here, one at a time. */
  readonly #scratch: Uint8Array = new Uint8Array(SFTP_MAX_MESSAGE);
  #failure: unknown = null;

  constructor(channel: SftpChannel, backend: SftpBackend, options: ServeSftpOptions) {
    const { readOnly = false, umask = 0 } = options;
    const buffer = (length: number) => this.#buffers.take(length);
    this.#context = { backend, handles: this.#handles, readOnly, umask, buffer };
    this.#source = new ByteSource(channel);
    this.#outbox = new Outbox(channel, (cause) => {
      this.#failure = cause;
      channel.close().catch(() => {}); // so that a read that waits for more requests ends
    });
  }

  async run(): Promise<void> {
    try {
      if (!await this.#source.more()) return;
      await this.#greet();
      while (this.#failure === null && await this.#source.more()) {
        await this.#answer();
        await this.#outbox.below(QUEUE_BYTES);
      }
      await this.#outbox.below(0);
    } finally {
      await this.#handles.closeAll();
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** INIT and VERSION (filexfer-02 §4). */
  async #greet(): Promise<void> {
    const { type, id: version } = await this.#request();
    if (type !== FXP.INIT) throw new ProtocolError("The client does not begin with INIT");
    if (version < SFTP_VERSION) throw new ProtocolError(`The client speaks version ${version}`);
    const extensions = extensionsOf(this.#context.backend);
    this.#outbox.push([msg.encodeVersion(FXP.VERSION, SFTP_VERSION, extensions)]);
  }

  async #answer(): Promise<void> {
    const { type, id, body } = await this.#request();
    let frame: Uint8Array<ArrayBuffer>;
    try {
      const operation = OPERATIONS.get(type);
      frame = operation
        ? await operation(this.#context, id, body)
        : statusFrame(id, SftpStatus.OP_UNSUPPORTED);
    } catch (cause) {
      const { status, message } = statusOf(cause);
      frame = statusFrame(id, status, message);
    }
    this.#outbox.push([frame], () => this.#buffers.give(frame.buffer));
  }

  async #request(): Promise<{ type: number; id: number; body: Uint8Array }> {
    const header = await this.#source.take(msg.FRAME_HEADER);
    const length = peek32(header, 0) - (msg.FRAME_HEADER - 4);
    const type = header[4]!;
    const id = peek32(header, 5);
    if (length < 0 || length > SFTP_MAX_MESSAGE) {
      throw new ProtocolError("Message length is absurd");
    }
    return { type, id, body: await this.#source.take(length, this.#scratch) };
  }
}

/** Memory for answers to READs, which mostly ask for the same length. */
class Buffers {
  #length = 0;
  #free: ArrayBuffer[] = [];

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length !== this.#length) this.#free = [];
    this.#length = length;
    return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(length));
  }

  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === this.#length) this.#free.push(buffer);
  }
}
