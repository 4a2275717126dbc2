import type { IncomingOpen } from "../connection/channel.ts";
import type { Connection } from "../connection/connection.ts";
import { closeQuietly } from "../runtime/connections.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import { decodeDirect, FAMILIES, type Family, NAMES } from "./messages.ts";
import { type ForwardPermit, ServedBindings } from "./served_bindings.ts";
import { connectTo } from "./sockets.ts";
import { splice } from "./splice.ts";

/** What a client may do in this side's network; without a policy it is refused. */
export interface ForwardPermits {
  /** The targets that it may connect to. */
  readonly local?: ForwardPermit | undefined;
  /** The addresses on which it may listen here. */
  readonly remote?: ForwardPermit | undefined;
}

/**
 * Serves a client's tunnels. Everything that was opened for it ends with its connection.
 *
 * @param over Resolves with the error that ended the connection
 */
export function serveForwards(
  connection: Connection,
  permits: ForwardPermits,
  over: Promise<unknown>,
): void {
  const end = new AbortController();
  over.then((cause) => end.abort(cause));
  const bindings = new ServedBindings(connection, end.signal);
  const { local = () => false, remote = () => false } = permits;
  for (const family of FAMILIES) {
    const { direct, forward, cancel } = NAMES[family];
    connection.handleOpens(direct, (open) => dialFor(open, family, local, end.signal));
    connection.handleGlobals(forward, (data) => bindings.bind(family, data, remote));
    connection.handleGlobals(cancel, (data) => bindings.cancel(family, data));
  }
}

async function dialFor(
  open: IncomingOpen,
  family: Family,
  permit: ForwardPermit,
  signal: AbortSignal,
): Promise<void> {
  const target = decodeDirect(family, open.data);
  if (await permit(target) !== true) {
    return open.reject(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "This target is not allowed");
  }
  let conn;
  try {
    conn = await connectTo(target, signal);
  } catch (error) {
    return open.reject(OPEN_FAILURE.CONNECT_FAILED, `Cannot connect: ${reasonOf(error)}`);
  }
  try {
    await splice(open.accept(), conn, { signal });
  } finally {
    closeQuietly(conn);
  }
}

/** The kind of an error, such as ConnectionRefused; its message may contain internal details. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown reason";
  return error.name.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
