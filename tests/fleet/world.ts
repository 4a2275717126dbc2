/** Hosts in memory: our servers, which a fleet connects to without a network. */
import { assert } from "@std/assert";
import {
  type Client,
  ConnectError,
  type FleetConnect,
  type FleetHost,
  type FleetResult,
} from "@denossh/ssh";
import type { ServeOptions, SessionHandler } from "@denossh/ssh/server";
import { connectedPair, type ServedConnection } from "@denossh/ssh/testing";

/** The maximum and the current number of open connections. */
export interface Connections {
  open: number;
  most: number;
  made: number;
}

/** The behaviour of the hosts. */
export interface WorldOptions {
  /** Runs commands; prints `<host>: <command>` unless given. */
  readonly handler?: (host: string) => SessionHandler;
  /** Failed connects before a host becomes reachable. */
  readonly downFor?: Readonly<Record<string, number>>;
  readonly serve?: (host: string) => Partial<ServeOptions>;
}

/** Connects to hosts in memory, and counts the connections. */
export interface World {
  readonly connect: FleetConnect;
  readonly connections: Connections;
  /** The hosts in the order of their connects. */
  readonly asked: string[];
  /** Ends the connection of a host, from its side. */
  hangUp(host: string): void;
}

export function memoryHosts({ handler = says, downFor = {}, serve }: WorldOptions = {}): World {
  const connections: Connections = { open: 0, most: 0, made: 0 };
  const asked: string[] = [];
  const served = new Map<string, ServedConnection>();
  const down = new Map(Object.entries(downFor));
  const connect = async (target: FleetHost): Promise<Client> => {
    const host = target as string;
    asked.push(host);
    const left = down.get(host) ?? 0;
    down.set(host, left - 1);
    if (left > 0) throw new ConnectError(`Cannot connect to ${host}: it is down`);
    connections.made++;
    connections.most = Math.max(connections.most, ++connections.open);
    const pair = await connectedPair({
      handler: handler(host),
      ...serve && { serve: serve(host) },
      // The cheapest algorithms, since these tests use many hosts.
      connect: { algorithms: { kex: "curve25519-sha256" } },
    });
    served.set(host, pair.served);
    const close = pair.host.close.bind(pair.host);
    // Also closes the host's end before the test ends.
    pair.host.close = async () => {
      await close();
      await pair.served.close();
    };
    void pair.host.closed.finally(() => {
      connections.open--;
      pair.hostKey[Symbol.dispose]();
    }).catch(() => {});
    return pair.host;
  };
  return { connect, connections, asked, hangUp: (host) => void served.get(host)!.close() };
}

function says(host: string): SessionHandler {
  return (session) => session.print(`${host}: ${session.command}\n`);
}

/** The names of some hosts: `web1`, `web2` and so on. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `web${at + 1}`);
}

/** Why a host failed. */
export function failureOf(results: readonly FleetResult<unknown>[], host: string): unknown {
  const result = results.find((one) => one.host === host);
  assert(result !== undefined && !result.success, `${host} did not fail`);
  return result.error;
}
