/** Decides where a key with destinations is visible and may be used, as OpenSSH's agent does. */
import { equals } from "@std/bytes";
import { ProtocolError } from "../errors.ts";
import { certificateProblem } from "../keys/certificate.ts";
import { matchesWildcards } from "../patterns.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { HOST_BOUND, MSG } from "../wire/numbers.ts";
import { HostBoundSigned, PublicKeySigned } from "../wire/requests.ts";
import type { DestinationHost, KeyDestination } from "./destination.ts";
import type { SessionBinding } from "./session_bind.ts";

/** What an agent knows about its client. */
export interface AgentUse {
  /** The sessions that the connection is used for, which its client has proved, in order. */
  readonly bindings: readonly SessionBinding[];
  /** Whether the client is on this machine and has never failed to prove a session. */
  readonly local: boolean;
}

/** The program itself, which uses the agent without a connection. */
export const OWN_USE: AgentUse = { bindings: [], local: true };

/** Whether a client may see a key. */
export function maySee(
  destinations: readonly KeyDestination[],
  { bindings, local }: AgentUse,
): boolean {
  const last = bindings.at(-1);
  if (last === undefined) return local;
  if (!wayAllowed(destinations, bindings)) return false;
  // A key that ends at a host is not for the programs on that host.
  return !last.forwarding || destinations.some(({ from }) => isHost(from, last.hostKey));
}

/**
 * Whether a key may sign: only for the login of a session that the client has proved, at the end of a
 * permitted path.
 *
 * @param data The data to sign
 */
export function maySign(
  key: PublicKey,
  destinations: readonly KeyDestination[],
  data: Uint8Array,
  { bindings }: AgentUse,
): boolean {
  const last = bindings.at(-1);
  const login = readLogin(data);
  if (last === undefined || last.forwarding || login === null) return false;
  if (!equals(login.publicKey, key.blob) || !equals(login.sessionId, last.sessionId)) return false;
  // The first hop's host is proved by the session; from further away the login itself has to name it.
  if (login.hostKey === null ? bindings.length > 1 : !equals(login.hostKey, last.hostKey.blob)) {
    return false;
  }
  return wayAllowed(destinations, bindings, login.user);
}

/** Whether each hop is one of the destinations; the user is known for the last hop only. */
function wayAllowed(
  destinations: readonly KeyDestination[],
  bindings: readonly SessionBinding[],
  user?: string,
): boolean {
  return bindings.every(({ hostKey, forwarding }, hop) => {
    const isLast = hop === bindings.length - 1;
    if (!isLast && !forwarding) return false;
    const before = bindings[hop - 1]?.hostKey;
    return destinations.some(({ from, to }) =>
      (before === undefined ? from === undefined : isHost(from, before)) && isHost(to, hostKey) &&
      (!isLast || user === undefined || to.user === undefined || matchesWildcards(to.user, user))
    );
  });
}

function isHost(host: DestinationHost | undefined, key: PublicKey): boolean {
  if (host === undefined) return false;
  const { hostname, hostKeys = [], authorities = [] } = host;
  const { certificate } = key;
  if (certificate === null) return hostKeys.some((known) => known.equals(key));
  const principal = certificate.principals.filter((name) => matchesWildcards(hostname, name));
  return certificateProblem(certificate, { kind: "host", authorities, principal }) === null;
}

interface SignedLogin {
  readonly user: string;
  readonly sessionId: Uint8Array;
  readonly publicKey: Uint8Array;
  /** The server's host key, in logins that are bound to it. */
  readonly hostKey: Uint8Array | null;
}

/**
 * The fields of login data to sign (RFC 4252 §7, OpenSSH PROTOCOL §3.1); null if the data is
 * something else.
 */
function readLogin(data: Uint8Array): SignedLogin | null {
  for (
    const [row, name] of [[HostBoundSigned, HOST_BOUND.METHOD], [
      PublicKeySigned,
      "publickey",
    ]] as const
  ) {
    try {
      const login = row.decode(data);
      const { number, service, method, signed } = login;
      if (number !== MSG.USERAUTH_REQUEST || service !== "ssh-connection" || !signed) return null;
      if (method === name) return { hostKey: null, ...login };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  return null;
}
