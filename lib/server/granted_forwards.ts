import type { Grant } from "../auth/grant.ts";
import type { ForwardAddress } from "../forward/address.ts";
import { matchesWildcards } from "../patterns.ts";

/** Whether a grant lets a client connect to an address; only TCP addresses can be on its list. */
export function mayOpen(
  { portForwarding, permitOpen }: Pick<Grant, "portForwarding" | "permitOpen">,
  to: ForwardAddress,
): boolean {
  if (!portForwarding || permitOpen === undefined) return portForwarding;
  return "port" in to && permitOpen.some((entry) => {
    const { host, port } = parts(entry);
    // sshd(8): hosts are compared as they are written, and no name is looked up.
    return (host === "*" || host === to.hostname) && matchesPort(port, to.port);
  });
}

/** Whether a grant lets a client have the server listen on an address. */
export function mayListen({ portForwarding, permitListen }: Grant, on: ForwardAddress): boolean {
  if (!portForwarding || permitListen === undefined) return portForwarding;
  return "port" in on && permitListen.some((entry) => {
    const { host, port } = parts(entry);
    return matchesWildcards(host.toLowerCase(), on.hostname.toLowerCase()) &&
      matchesPort(port, on.port);
  });
}

/** `host:port`, `[v6]:port`, or a port alone, which is one of every host. */
function parts(entry: string): { host: string; port: string } {
  const [, bracketed, plain, port = ""] = /^(?:\[(.*)\]:|([^:]*):)?([^:]*)$/.exec(entry) ?? [];
  return { host: bracketed ?? plain ?? "*", port };
}

function matchesPort(port: string, wanted: number): boolean {
  return port === "*" || (/^\d{1,5}$/.test(port) && Number(port) === wanted);
}
