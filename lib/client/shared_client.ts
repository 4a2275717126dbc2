import { grantedUid } from "../config/file_trust.ts";
import { Connection } from "../connection/connection.ts";
import { CONNECT_TIMEOUT_MS } from "../defaults.ts";
import { ConnectError } from "../errors.ts";
import { hostLabel } from "../known_hosts/host_key_policy.ts";
import {
  ControlSocket,
  hasControlSocket,
  type ProxiedConnection,
} from "../login/control_socket.ts";
import { Deadline } from "../login/deadline.ts";
import { expandHome } from "../login/home.ts";
import { runtime } from "../runtime/runtime.ts";
import { PlainTransport } from "../transport/plain_transport.ts";
import { Client, type ClientLogin } from "./client.ts";
import type { ConnectOptions } from "./options.ts";

/**
 * Shares the connection of the control master of `controlPath`; null if there is none that answers.
 *
 * @param isAsked Whether the path is the caller's rather than a configuration file's, which nothing may
 *   be asked for
 * @throws {ConnectError} If others may have put the socket there
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
  return new Client(transport, connection, login);
}

async function mayUse(path: string): Promise<boolean> {
  const names = ["read", "write"] as const;
  return names.every((name) => runtime.isGranted({ name, path })) &&
    await grantedUid() !== undefined;
}

/** A master that does not answer, or refuses, is passed over; null then. */
async function proxiedConnection(
  path: string,
  { host }: ClientLogin,
  { timeout = CONNECT_TIMEOUT_MS, signal, onNote }: ConnectOptions,
): Promise<ProxiedConnection | null> {
  using deadline = new Deadline(timeout, () => {
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
    onNote?.(`${error.message}: connecting without it`);
    return null;
  }
}
