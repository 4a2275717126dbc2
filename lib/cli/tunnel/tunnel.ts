import type { Client } from "../../client/client.ts";
import type { Destination } from "../../client/options.ts";
import { Tunnels, type TunnelSpec, type TunnelsState } from "../../client/tunnels.ts";
import { RESILIENT_KEEPALIVE_MS } from "../../defaults.ts";
import type { BindPort } from "../../forward/address.ts";
import { hostPort } from "../../host_port.ts";
import { describeFailure, messageOf } from "../shared/failure.ts";
import { allValues, hasFlag, lastValue, parseMixed, UsageError } from "../shared/flags.ts";
import { socksSpec, tunnelSpec } from "./forward_specs.ts";
import { Log } from "../shared/log.ts";
import { logIn, placeOf } from "../shared/login.ts";
import {
  optionsOfFlag,
  parseDestination,
  parseHops,
  type SshOptions,
  sshOptions,
} from "../shared/ssh_options.ts";
import { InterruptedError } from "../../terminal/ask.ts";
import { onSignals } from "../../terminal/signals.ts";

/** What `tunnel --help` prints. */
export const TUNNEL_HELP = `usage: tunnel [-L […]]… [-R […]]… [-D […]]… [--check] [--once]
              [-J [user@]host[:port],…] [-i key] [-l user] [-p port]
              [-o Key=Value]… [-q] [-v] [user@]gateway

  -L [[bind:]port:]host:hostport  forward a local port to an address reached through
                                  the gateway; a free port unless one is given
  -R [bind:]port:host:hostport    forward a port of the gateway to a local address
  -D [bind:]port                  a SOCKS server here
  --check                         check and print whether each tunnel works, then end
  --once                          end when the gateway is lost, instead of
                                  reconnecting with the same ports

The address of each tunnel is printed when it is up. SIGHUP restarts them all.
To reconnect unattended, log in with a key, an agent or SSH_ASKPASS.
`;

const LETTERS = "c:D:i:J:l:L:m:o:p:qR:v";
const USAGE = 2;
const FAILURE = 1;

interface TunnelArguments {
  readonly target: Destination;
  readonly options: SshOptions;
  readonly hops: readonly Destination[];
  readonly local: readonly TunnelSpec[];
  readonly remote: readonly TunnelSpec[];
  readonly socks: readonly BindPort[];
  readonly check: boolean;
  readonly once: boolean;
}

/**
 * `tunnel`: keeps tunnels through a gateway up until a signal, and reconnects when the gateway is lost.
 *
 * @returns The exit code
 */
export async function tunnel(args: readonly string[]): Promise<number> {
  let job: TunnelArguments;
  try {
    job = await parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`tunnel: ${messageOf(error)}; see tunnel --help`);
    return USAGE;
  }
  const { options, hops } = job;
  const log = new Log(options.LogLevel);
  const place = placeOf(job.target, options);
  // Without keepalives, the loss of the gateway would go unnoticed; a control master might not send any.
  const alive = { ServerAliveInterval: RESILIENT_KEEPALIVE_MS, ...options, ControlPath: null };
  const connect = (): Promise<Client> => logIn(place, alive, log, hops);
  const over = Promise.withResolvers<void>();
  over.promise.catch(() => {});
  await using tunnels = new Tunnels(connect, {
    ...job,
    reconnect: !job.once && !job.check,
    onState: (state, cause) => {
      report(tunnels, job, state, cause, log);
      if (state === "failed") over.reject(cause);
    },
    onError: (error) => log.verbose(`One connection failed: ${messageOf(error)}`),
  });
  using _end = onSignals(["SIGINT", "SIGTERM"], () => {
    over.resolve();
    void tunnels.stop();
  });
  using _again = onSignals(["SIGHUP"], () => void tunnels.restart().catch(() => {}));
  try {
    await tunnels.start();
    if (job.check) return await check(tunnels, job);
    await over.promise;
    return 0;
  } catch (error) {
    if (error instanceof InterruptedError || tunnels.state === "stopped") return FAILURE;
    log.error(describeFailure(error, place).replace(/^ssh: /, "tunnel: "));
    return FAILURE;
  }
}

function report(
  tunnels: Tunnels,
  job: TunnelArguments,
  state: TunnelsState,
  cause: unknown,
  log: Log,
): void {
  log.verbose(`Tunnels: ${state}`);
  if (state === "up" && !job.check) print(lines(tunnels, job));
  if (state === "down") log.info(`tunnel: the gateway is lost: ${messageOf(cause)}`);
}

async function check(tunnels: Tunnels, job: TunnelArguments): Promise<number> {
  const checks = await tunnels.check({ signal: AbortSignal.timeout(CHECK_MS) });
  const words = lines(tunnels, job);
  print(checks.map(({ up }, at) => `${up ? "up  " : "down"} ${words[at]}`));
  return checks.every(({ up }) => up) ? 0 : FAILURE;
}

/** A target that does not answer within this many milliseconds is down. */
const CHECK_MS = 30_000;

function lines(tunnels: Tunnels, { local, remote, socks }: TunnelArguments): string[] {
  const words = [
    ...local.map(({ to }) => ["local", ` -> ${to}`]),
    ...remote.map(({ to }) => ["remote", ` -> ${to}`]),
    ...socks.map(() => ["socks", ""]),
  ] as const;
  return tunnels.addrs.map((addr, at) => `${words[at]![0]} ${nameOf(addr)}${words[at]![1]}`);
}

function nameOf(addr: Deno.Addr): string {
  if (addr.transport === "unix") return addr.path;
  if (!("hostname" in addr)) return addr.transport;
  return hostPort(addr.hostname || "*", addr.port);
}

function print(words: readonly string[]): void {
  console.log(words.join("\n"));
}

async function parse(args: readonly string[]): Promise<TunnelArguments> {
  const { flags, rest } = parseMixed(args, { letters: LETTERS, names: ["check", "once"] });
  const [destination, ...more] = rest;
  if (destination === undefined) throw new UsageError("no gateway given");
  if (more.length > 0) throw new UsageError(`unexpected "${more[0]}"`);
  const local = allValues(flags, "L").map((value) =>
    specOf("local", isTarget(value) ? `0:${value}` : value)
  );
  const remote = allValues(flags, "R").map((value) => specOf("remote", value));
  const socks = allValues(flags, "D").map((value) => socksSpec(value).from as BindPort);
  if (local.length + remote.length + socks.length === 0) {
    throw new UsageError("give -L, -R or -D");
  }
  const target = parseDestination(destination);
  return {
    target,
    options: await sshOptions(flags.flatMap(optionsOfFlag), { target }),
    hops: parseHops(lastValue(flags, "J")),
    local,
    remote,
    socks,
    check: hasFlag(flags, "check"),
    once: hasFlag(flags, "once"),
  };
}

function specOf(kind: "local" | "remote", value: string): TunnelSpec {
  const { from, to } = tunnelSpec(kind, value) as TunnelSpec;
  return { from, to };
}

/** Whether a value is `host:port`, without a port to listen on. */
function isTarget(value: string): boolean {
  return /^(?:\[[^\]]+\]|[^:/]+):\d+$/.test(value);
}
