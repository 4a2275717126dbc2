import { grantedUid } from "../config/file_trust.ts";
import { Connection } from "../connection/connection.ts";
import { CONNECT_TIMEOUT_MS } from "../defaults.ts";
import { ConnectError } from "../errors.ts";
import { hostLabel } from "../known_hosts/host_key_policy.ts";
import {
  ControlSocket,
  folderOf,
  hasControlSocket,
  type ProxiedConnection,
} from "../login/control_socket.ts";
import { Deadline } from "../login/deadline.ts";
import { expandHome } from "../runtime/local_path.ts";
import { runtime } from "../runtime/runtime.ts";
import { PlainTransport } from "../transport/plain_transport.ts";
import { Client, type ClientLogin } from "./client.ts";
import { liveConnection } from "./current_connection.ts";
import type { ConnectOptions } from "./options.ts";
import { plainMessage } from "../error_messages.ts";

/**
 * Shares the connection of the control master at `controlPath`; null if no master answers.
 *
 * @param isAsked Whether the caller gave the path. If it is from a configuration file, permissions are not
 *   prompted for
 * @throws {ConnectError} If another user may have made the socket
 */
export async function sharedClient(
  login: ClientLogin,
  options: ConnectOptions,
  isAsked: boolean,
): Promise<Client | null> {
  const { controlPath = false, transport: ownTransport } = options;
  if (controlPath === false || ownTransport !== undefined) return null;
  const path = expandHome(controlPath);
  if (!isAsked && !await mayUse(path)) return null;
  if (!await hasControlSocket(path)) return null;
  const proxied = await proxiedConnection(path, login, options);
  if (proxied === null) return null;
  const transport = new PlainTransport(proxied.socket, options.trace);
  const connection = new Connection(transport, {
    ...options.window !== undefined && { window: options.window },
  });
  transport.open(connection, proxied.leftover);
  return new Client(liveConnection(transport, connection), login);
}

/** Whether a socket may be used without prompting for a permission. */
async function mayUse(path: string): Promise<boolean> {
  const wanted = [
    { name: "read", path },
    { name: "write", path },
    { name: "read", path: folderOf(path) },
  ] as const;
  return wanted.every((permission) => runtime.isGranted(permission)) && mayConnect(path) &&
    await grantedUid() !== undefined;
}

/** Deno 2.7 and older have no permission for Unix sockets, and throw when asked for it. */
function mayConnect(path: string): boolean {
  try {
    return runtime.isGranted({ name: "net", host: `unix:${path}` });
  } catch {
    return true;
  }
}

/** Null if the master does not answer, or refuses. */
async function proxiedConnection(
  path: string,
  { host }: ClientLogin,
  { timeout = CONNECT_TIMEOUT_MS, signal, onNote }: ConnectOptions,
): Promise<ProxiedConnection | null> {
  using deadline = new Deadline(timeout, (timeout) => {
    const message = `Sharing the connection to ${hostLabel(host)} timed out after ${timeout} ms`;
    return new ConnectError(message, { timeout: true });
  });
  const either = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
  try {
    using control = await ControlSocket.open(path, either);
    return await control.proxy(either);
  } catch (error) {
    either.throwIfAborted();
    if (!(error instanceof ConnectError)) throw error;
    onNote?.(`${plainMessage(error)}: connecting without it`);
    return null;
  }
}
