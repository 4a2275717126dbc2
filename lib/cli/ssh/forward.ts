import type { Client } from "../../client/client.ts";
import {
  type ConfiguredForward,
  type ConfiguredForwards,
  describeEnd,
  startConfigured,
} from "../../client/configured_forwards.ts";
import type { ForwardTarget } from "../../forward/address.ts";
import { messageOf } from "../shared/failure.ts";
import type { Log } from "../shared/log.ts";
import { drain } from "../../runtime/drain.ts";
import { openStandardInput } from "./standard_input.ts";
import { openStandardOutput } from "./standard_output.ts";
import type { SshOptions } from "../shared/ssh_options.ts";

/** Starts the tunnels that the options ask for; those that cannot start are reported and skipped. */
export async function startForwards(
  client: Client,
  settings: SshOptions,
  log: Log,
): Promise<ConfiguredForwards> {
  const forwards = await startConfigured(client, settings, {
    onError: (error) => log.verbose(`forwarding: ${messageOf(error)}`),
  });
  for (const tunnel of forwards.tunnels) tell(tunnel, log);
  return forwards;
}

function tell({ kind, setting, forwarder, error }: ConfiguredForward, log: Log): void {
  if (forwarder === null) {
    return log.info(`Warning: ${kind} forwarding failed: ${messageOf(error)}`);
  }
  const { addr } = forwarder;
  const isFree = "port" in setting.from && setting.from.port === 0;
  if (kind === "remote" && addr.transport === "tcp" && isFree) {
    const to = describeEnd(setting.to!);
    log.info(`Allocated port ${addr.port} for remote forward to ${to}`);
  }
  log.verbose(`${kind === "dynamic" ? "socks" : kind} forwarding from ${describe(addr)}`);
}

/** -W: connects standard input and output to an address through the server. */
export async function relay(client: Client, to: ForwardTarget): Promise<void> {
  await using conn = await client.dial(to);
  using stdin = await openStandardInput();
  const sending = drain((into) => stdin.read(into), conn).then(() => conn.closeWrite());
  // The server may close first; further input is then dropped.
  sending.catch(() => {});
  using stdout = await openStandardOutput();
  await drain((into) => conn.read(into), stdout);
}

function describe(addr: Deno.Addr): string {
  return addr.transport === "tcp" ? `${addr.hostname}:${addr.port}` : JSON.stringify(addr);
}
