/** `ssh -M`: a control master that answers `ssh -O`. */
import { acceptEach } from "../../runtime/connections.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { CONTROL, CONTROL_VERSION, ControlMessages } from "../../login/control_messages.ts";
import { connSocket, type Socket } from "../../transport/socket.ts";
import type { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { messageOf } from "../shared/failure.ts";
import type { Log } from "../shared/log.ts";
import type { SshOptions } from "../shared/ssh_options.ts";

/** The umask for making a socket: only its owner may use it. */
const OWNER_ONLY = 0o177;

/**
 * Becomes the master at ControlPath if ControlMaster is `yes` or `ask`; null otherwise, or if there is a
 * master already. It answers check, exit and stop. Sessions are refused, because descriptors cannot be
 * received here; `ssh` then connects by itself. So `auto` leaves the socket to a master that can share
 * sessions.
 *
 * @param exit Called when the master is told to end
 */
export function startControlMaster(
  { ControlMaster, ControlPath: path }: SshOptions,
  { exit, log }: { readonly exit: () => void; readonly log: Log },
): Disposable | null {
  if (ControlMaster !== "yes" && ControlMaster !== "ask" || !path) return null;
  try {
    return new ListeningMaster(listen(path), exit, log);
  } catch (error) {
    if (!isError(error, "AddrInUse")) throw error;
    log.error(`ControlSocket ${path} already exists, disabling multiplexing`);
    return null;
  }
}

function listen(path: string): Deno.UnixListener {
  const mask = runtime.process.umask(OWNER_ONLY);
  try {
    return runtime.net.listenUnix(path);
  } finally {
    runtime.process.umask(mask);
  }
}

class ListeningMaster implements Disposable {
  readonly #stopping = new AbortController();
  readonly #exit: () => void;
  readonly #log: Log;

  constructor(listener: Deno.UnixListener, exit: () => void, log: Log) {
    this.#exit = exit;
    this.#log = log;
    void acceptEach(
      listener,
      this.#stopping.signal,
      (conn) => void this.#serve(connSocket(conn)),
      (error) => log.verbose(`mux: ${messageOf(error)}`),
    );
  }

  /** Stops listening and removes the socket. */
  [Symbol.dispose](): void {
    this.#stopping.abort();
  }

  async #serve(socket: Socket): Promise<void> {
    const messages = new ControlMessages(socket);
    try {
      await messages.send(new Writer().u32(CONTROL.HELLO).u32(CONTROL_VERSION));
      const hello = await messages.receive();
      if (hello?.u32() !== CONTROL.HELLO || hello.u32() !== CONTROL_VERSION) return;
      for (let request; (request = await messages.receive()) !== null;) {
        const { answer, after } = this.#answer(request);
        await messages.send(answer);
        if (after === undefined) continue;
        after();
        return;
      }
    } catch (error) {
      this.#log.verbose(`mux: ${messageOf(error)}`);
    } finally {
      socket.close();
    }
  }

  /** The answer to a request. If there is an `after`, it is called after sending, and the connection ends. */
  #answer(request: Reader): { answer: Writer; after?: () => void } {
    const type = request.u32();
    const id = request.u32();
    switch (type) {
      case CONTROL.ALIVE_CHECK:
        return { answer: new Writer().u32(CONTROL.IS_ALIVE).u32(id).u32(runtime.process.pid) };
      case CONTROL.STOP_LISTENING:
        this[Symbol.dispose]();
        return { answer: new Writer().u32(CONTROL.OK).u32(id) };
      case CONTROL.TERMINATE:
        return { answer: new Writer().u32(CONTROL.OK).u32(id), after: this.#exit };
      default: {
        const why = "this master does not share sessions";
        const answer = new Writer().u32(CONTROL.PERMISSION_DENIED).u32(id).text(why);
        // End the connection, because descriptors follow, which are not messages.
        return { answer, after: () => {} };
      }
    }
  }
}
