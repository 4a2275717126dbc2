import { matchesWildcards } from "../patterns.ts";
import type { ForwardAddress } from "./address.ts";

/**
 * Whether a list of `host:port`, as of `permitopen` and PermitRemoteOpen, allows connecting to an
 * address: host and port may be `*`. It contains only TCP addresses.
 */
export function listsTarget(list: readonly string[], to: ForwardAddress): boolean {
  return "port" in to && list.some((entry) => {
    const { host, port } = parts(entry);
    // sshd(8): hosts are compared as written, without resolving names.
    return (host === "*" || host === to.hostname) && matchesPort(port, to.port);
  });
}

/** Whether a list of `[host:]port`, as of `permitlisten`, allows listening on an address. */
export function listsBind(list: readonly string[], on: ForwardAddress): boolean {
  return "port" in on && list.some((entry) => {
    const { host, port } = parts(entry);
    return matchesWildcards(host.toLowerCase(), on.hostname.toLowerCase()) &&
      matchesPort(port, on.port);
  });
}

/** `host:port`, `[v6]:port`, or a port alone, which matches every host. */
function parts(entry: string): { host: string; port: string } {
  const [, bracketed, plain, port = ""] = /^(?:\[(.*)\]:|([^:]*):)?([^:]*)$/.exec(entry) ?? [];
  return { host: bracketed ?? plain ?? "*", port };
}

function matchesPort(port: string, wanted: number): boolean {
  return port === "*" || (/^\d{1,5}$/.test(port) && Number(port) === wanted);
}
