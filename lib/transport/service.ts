/** Requests and accepts a service: ssh-userauth is the only one (RFC 4253 §10). */
import { printable, ProtocolError } from "../errors.ts";
import { ServiceAccept, ServiceRequest } from "../wire/messages.ts";
import { DISCONNECT, MSG } from "../wire/numbers.ts";
import type { Link } from "./link.ts";

/** A link to a requested service. */
export interface ServiceLink extends Link {
  /** Resolves when the service has been accepted; the peer's EXT_INFO is known by then. */
  accepted(): Promise<void>;
  /** Milliseconds from the request to its acceptance; null until then. */
  readonly roundTrip: number | null;
}

/**
 * Requests a service. The host key is proved by a signature, so messages may follow the request
 * immediately, which saves a round trip; the acceptance is checked before the first answer is returned.
 */
export function requestService(link: Link, service: string): ServiceLink {
  const start = performance.now();
  link.send(ServiceRequest.encode({ service }));
  let roundTrip: number | null = null;
  let acceptance: Promise<void> | null = null;
  const accepted = () =>
    acceptance ??= link.receive().then((payload) => {
      // Old servers send no name.
      const named = payload.length > 1 || payload[0] !== MSG.SERVICE_ACCEPT;
      if (named && ServiceAccept.decode(payload).service !== service) {
        throw new ProtocolError("Another service was accepted");
      }
      roundTrip = performance.now() - start;
      // The answer to the messages sent ahead follows it.
      link.acknowledge();
    });
  return {
    ...link,
    get extensions() {
      return link.extensions;
    },
    get roundTrip() {
      return roundTrip;
    },
    accepted,
    receive: () => accepted().then(() => link.receive()),
  };
}

/** Waits for the request of a service and accepts it; any other ends the connection. */
export async function acceptService(link: Link, service: string): Promise<void> {
  const request = ServiceRequest.decode(await link.receive());
  if (request.service !== service) {
    throw new ProtocolError(`Unknown service "${printable(request.service, 64)}"`, {
      disconnectReason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    });
  }
  link.send(ServiceAccept.encode({ service }));
}
