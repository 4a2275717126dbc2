/** The control socket of a running `ssh -M` (OpenSSH PROTOCOL.mux). */
import { grantedUid } from "../config/file_trust.ts";
import { CONTROL_HELLO_MS, MAX_CONTROL_MESSAGE } from "../defaults.ts";
import { ConnectError, printable, ProtocolError } from "../errors.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { connSocket, type Socket } from "../transport/socket.ts";
import { onAbort, withLimits } from "../waiting.ts";
import { peek32 } from "../wire/hot.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** Types of messages (PROTOCOL.mux §11); that of the proxy mode is in OpenSSH's mux.c alone. */
const HELLO = 0x00000001;
const ASK = {
  check: 0x10000004,
  exit: 0x10000005,
  stop: 0x10000009,
  proxy: 0x1000000f,
} as const;
const OK = 0x80000001;
const PERMISSION_DENIED = 0x80000002;
const FAILURE = 0x80000003;
const ALIVE = 0x80000005;
const PROXY = 0x8000000f;
const VERSION = 4;

/**
 * Whether there is a control socket at a path that may be used.
 *
 * @throws {ConnectError} If others may have put it there
 */
export async function hasControlSocket(path: string): Promise<boolean> {
  const refuse = (why: string) =>
    new ConnectError(`Cannot use the control socket "${printable(path)}": ${why}`);
  let info: Deno.FileInfo;
  try {
    info = await runtime.files.lstat(path);
  } catch (error) {
    if (isError(error, "NotFound", "NotADirectory")) return false;
    throw error;
  }
  if (info.isSymlink) throw refuse("it is a symbolic link");
  if (info.isSocket === false) throw refuse("it is not a socket");
  const known = await grantedUid();
  const uid = known === undefined ? runtime.process.uid() : known;
  if (info.uid !== uid) throw refuse("it belongs to another user");
  const { mode } = await runtime.files.stat(folderOf(path));
  const open = mode !== null && (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
  if (open) throw refuse("everyone may write to its folder");
  return true;
}

/** The folder of a control socket, in which others could replace it. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash + 1);
}

/** A connection that is in proxy mode: its packets are those of the SSH connection. */
export interface ProxiedConnection {
  readonly socket: Socket;
  /** What has arrived already. */
  readonly leftover: Uint8Array;
}

/** A connection to a control master. */
export class ControlSocket implements Disposable {
  readonly #socket: Socket;
  readonly #path: string;
  #bytes = new Uint8Array(0);
  #requests = 0;
  #taken = false;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
  }

  /**
   * Connects, and checks that a master of our version answers.
   *
   * @throws {ConnectError} If none does
   */
  static async open(path: string, signal?: AbortSignal): Promise<ControlSocket> {
    signal?.throwIfAborted();
    let conn: Deno.Conn;
    try {
      conn = await runtime.net.connectUnix(path);
    } catch (cause) {
      if (isError(cause, "NotCapable")) throw cause;
      throw new ConnectError(`Control socket "${printable(path)}" does not answer`, { cause });
    }
    const control = new ControlSocket(connSocket(conn), path);
    try {
      await control.#greet(signal);
      return control;
    } catch (error) {
      control[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Makes the socket carry the packets of the master's SSH connection.
   *
   * @throws {ConnectError} If the master refuses
   */
  async proxy(signal?: AbortSignal): Promise<ProxiedConnection> {
    await this.#ask("proxy", PROXY, signal);
    this.#taken = true;
    return { socket: this.#socket, leftover: this.#bytes };
  }

  /** The master's process number. */
  async check(signal?: AbortSignal): Promise<number> {
    return (await this.#ask("check", ALIVE, signal)).u32();
  }

  /** Ends the master, and what uses its connection. */
  async exit(signal?: AbortSignal): Promise<void> {
    try {
      await this.#ask("exit", OK, signal);
    } catch (error) {
      // OpenSSH's master ends before it has answered.
      if (!(error instanceof MasterClosedError)) throw error;
    }
  }

  /** Makes the master take no more requests. */
  async stop(signal?: AbortSignal): Promise<void> {
    await this.#ask("stop", OK, signal);
  }

  /** Closes the socket, unless it has become a connection's. */
  [Symbol.dispose](): void {
    if (!this.#taken) this.#socket.close();
  }

  async #greet(signal: AbortSignal | undefined): Promise<void> {
    const late = () => this.#error("does not answer");
    const hello = this.#withAbort(signal, async () => {
      await this.#send(new Writer().u32(HELLO).u32(VERSION));
      return await this.#receive();
    });
    const answer = await withLimits(hello, { timeout: CONTROL_HELLO_MS, late });
    // Extensions follow, which do not concern us.
    const [type, version] = this.#decode(() => [answer.u32(), answer.u32()]);
    if (type !== HELLO) throw this.#error("is no control master's");
    if (version !== VERSION) throw this.#error(`speaks version ${version} instead of ${VERSION}`);
  }

  async #ask(
    what: keyof typeof ASK,
    wanted: number,
    signal: AbortSignal | undefined,
  ): Promise<Reader> {
    const request = this.#requests++;
    const answer = await this.#withAbort(signal, async () => {
      await this.#send(new Writer().u32(ASK[what]).u32(request));
      return await this.#receive();
    });
    const [type, about] = this.#decode(() => [answer.u32(), answer.u32()]);
    if (about !== request) throw this.#error("answers what was not asked");
    if (type === wanted) return answer;
    if (type !== PERMISSION_DENIED && type !== FAILURE) {
      throw this.#error("answers what is unknown");
    }
    const why = printable(this.#decode(() => answer.text()), 256);
    throw this.#error(`refuses "${what}": ${why}`);
  }

  async #send(message: Writer): Promise<void> {
    await this.#io(this.#socket.write(new Writer().string(message.take()).take()));
  }

  async #receive(): Promise<Reader> {
    await this.#fill(4);
    const length = peek32(this.#bytes, 0);
    if (length < 4 || length > MAX_CONTROL_MESSAGE) {
      throw this.#error("sends a message of a length out of range");
    }
    await this.#fill(4 + length);
    const message = new Reader(this.#bytes.subarray(4, 4 + length));
    this.#bytes = this.#bytes.subarray(4 + length);
    return message;
  }

  async #fill(length: number): Promise<void> {
    const chunk = new Uint8Array(4096);
    while (this.#bytes.length < length) {
      const n = await this.#io(this.#socket.read(chunk));
      if (n === null) throw this.#closed();
      const joined = new Uint8Array(this.#bytes.length + n);
      joined.set(this.#bytes);
      joined.set(chunk.subarray(0, n), this.#bytes.length);
      this.#bytes = joined;
    }
  }

  #decode<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw this.#error("sends a message that is too short");
    }
  }

  async #withAbort<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    using _aborting = onAbort(signal, () => this.#socket.close());
    try {
      return await run();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  async #io<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw this.#closed(cause);
    }
  }

  #closed(cause?: unknown): MasterClosedError {
    const message = `Control socket "${printable(this.#path)}" was closed by the master`;
    return new MasterClosedError(message, { cause });
  }

  #error(what: string): ConnectError {
    return new ConnectError(`Control socket "${printable(this.#path)}" ${what}`);
  }
}

/** The master has hung up. */
class MasterClosedError extends ConnectError {}
