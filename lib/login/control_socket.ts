/** The control socket of a running `ssh -M` (OpenSSH PROTOCOL.mux). */
import { grantedUid } from "../config/file_trust.ts";
import { CONTROL_HELLO_MS } from "../defaults.ts";
import { ConnectError, printable, ProtocolError } from "../errors.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { connSocket, type Socket } from "../transport/socket.ts";
import { onAbort, withLimits } from "../waiting.ts";
import type { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { CONTROL, CONTROL_VERSION, ControlMessages } from "./control_messages.ts";
import { plainMessage } from "../error_messages.ts";

const ASK = {
  check: CONTROL.ALIVE_CHECK,
  exit: CONTROL.TERMINATE,
  stop: CONTROL.STOP_LISTENING,
  proxy: CONTROL.PROXY,
} as const;

/**
 * Whether a usable control socket exists at a path.
 *
 * @throws {ConnectError} If other users may have put it there
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

/** A connection in proxy mode, which carries the packets of the SSH connection. */
export interface ProxiedConnection {
  readonly socket: Socket;
  /** The bytes that have arrived already. */
  readonly leftover: Uint8Array;
}

/** A connection to a control master. */
export class ControlSocket implements Disposable {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #messages: ControlMessages;
  #requests = 0;
  #taken = false;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    this.#messages = new ControlMessages(socket);
  }

  /**
   * Connects, and checks the version of the master.
   *
   * @throws {ConnectError} If it is not a master of that version
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
    await this.#ask("proxy", CONTROL.IS_PROXY, signal);
    this.#taken = true;
    return { socket: this.#socket, leftover: this.#messages.leftover };
  }

  /** The master's process number. */
  async check(signal?: AbortSignal): Promise<number> {
    return (await this.#ask("check", CONTROL.IS_ALIVE, signal)).u32();
  }

  /** Ends the master and its connection. */
  async exit(signal?: AbortSignal): Promise<void> {
    try {
      await this.#ask("exit", CONTROL.OK, signal);
    } catch (error) {
      // OpenSSH's master ends before it answers.
      if (!(error instanceof MasterClosedError)) throw error;
    }
  }

  /** Makes the master refuse further requests. */
  async stop(signal?: AbortSignal): Promise<void> {
    await this.#ask("stop", CONTROL.OK, signal);
  }

  /** Closes the socket, unless it has become a connection's. */
  [Symbol.dispose](): void {
    if (!this.#taken) this.#socket.close();
  }

  async #greet(signal: AbortSignal | undefined): Promise<void> {
    const late = () => this.#error("does not answer");
    const hello = this.#withAbort(signal, async () => {
      await this.#send(new Writer().u32(CONTROL.HELLO).u32(CONTROL_VERSION));
      return await this.#receive();
    });
    const answer = await withLimits(hello, { timeout: CONTROL_HELLO_MS, late });
    // Extensions follow, which are ignored.
    const [type, version] = this.#decode(() => [answer.u32(), answer.u32()]);
    if (type !== CONTROL.HELLO) throw this.#error("is not of a control master");
    if (version !== CONTROL_VERSION) {
      throw this.#error(`speaks version ${version} instead of ${CONTROL_VERSION}`);
    }
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
    if (about !== request) throw this.#error("answers another request");
    if (type === wanted) return answer;
    if (type !== CONTROL.PERMISSION_DENIED && type !== CONTROL.FAILURE) {
      throw this.#error("sends an unknown answer");
    }
    const why = printable(this.#decode(() => answer.text()), 256);
    throw this.#error(`refuses "${what}": ${why}`);
  }

  async #send(message: Writer): Promise<void> {
    await this.#io(this.#messages.send(message));
  }

  async #receive(): Promise<Reader> {
    const message = await this.#io(this.#messages.receive());
    if (message === null) throw this.#closed();
    return message;
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
      throw cause instanceof ProtocolError ? this.#error(plainMessage(cause)) : this.#closed(cause);
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

/** The master has disconnected. */
class MasterClosedError extends ConnectError {}
