import type { Client } from "../client/client.ts";
import type { ForwardEnd, ForwardKind, ForwardSetting } from "../config/forwards.ts";
import type { BindAddress, ForwardTarget } from "../forward/address.ts";
import { messageOf } from "./failure.ts";
import type { Log } from "./log.ts";
import { drain } from "./pipes.ts";
import { openStandardOutput } from "./standard_output.ts";
import type { SshOptions } from "./ssh_options.ts";

/** A tunnel that is asked for. */
export interface Forward {
  readonly kind: ForwardKind;
  readonly setting: ForwardSetting;
}

/** Tunnels at work; disposing of them ends them. */
export interface Forwards extends AsyncDisposable {
  /** Whether every one that was asked for works. */
  readonly complete: boolean;
}

/** Every address, as an empty address and `*` ask for it, where a tunnel begins. */
const ANY = { local: "0.0.0.0", remote: "", dynamic: "0.0.0.0" } as const;

/** The tunnels that the options ask for. */
function forwardsOf(options: SshOptions): Forward[] {
  const of = (kind: ForwardKind, settings: readonly ForwardSetting[] = []) =>
    settings.map((setting) => ({ kind, setting }));
  const all = [
    ...of("local", options.LocalForward),
    ...of("remote", options.RemoteForward),
    ...of("dynamic", options.DynamicForward),
  ];
  if (!options.GatewayPorts) return all;
  // What begins here and names no address is open to everybody then.
  return all.map(({ kind, setting }) => ({
    kind,
    setting: kind === "remote" ? setting : { ...setting, from: opened(setting.from) },
  }));
}

function opened(from: ForwardEnd): ForwardEnd {
  return "path" in from || from.hostname !== null ? from : { ...from, hostname: "*" };
}

/** Starts the tunnels; one that cannot start is reported and left out. */
export async function startForwards(
  client: Client,
  options: SshOptions,
  log: Log,
): Promise<Forwards> {
  const stack = new AsyncDisposableStack();
  let complete = true;
  for (const { kind, setting } of forwardsOf(options)) {
    try {
      const tunnel = stack.use(
        await startLocally(kind, setting, options, () => start(client, kind, setting, log)),
      );
      if (kind === "remote" && tunnel.addr.transport === "tcp" && isFree(setting.from)) {
        const to = describeEnd(setting.to!);
        log.info(`Allocated port ${tunnel.addr.port} for remote forward to ${to}`);
      }
      log.verbose(
        `${kind === "dynamic" ? "socks" : kind} forwarding from ${describe(tunnel.addr)}`,
      );
    } catch (error) {
      complete = false;
      log.info(`Warning: ${kind} forwarding failed: ${messageOf(error)}`);
    }
  }
  return { complete, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** -W: standard input and output are a connection from the far side. */
export async function relay(client: Client, to: ForwardTarget): Promise<void> {
  await using conn = await client.dial(to);
  const sending = Deno.stdin.readable.pipeTo(conn.writable, { preventCancel: true });
  // The far side may close first; what is still typed has nowhere to go then.
  sending.catch(() => {});
  using stdout = await openStandardOutput();
  await drain((into) => conn.read(into), stdout);
}

/** StreamLocalBindUnlink and StreamLocalBindMask, where a tunnel begins at a unix socket of this side. */
async function startLocally<T>(
  kind: ForwardKind,
  { from }: ForwardSetting,
  { StreamLocalBindUnlink, StreamLocalBindMask: mask }: SshOptions,
  start: () => Promise<T>,
): Promise<T> {
  if (kind === "remote" || "port" in from) return await start();
  if (StreamLocalBindUnlink) {
    await Deno.remove(from.path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  const tunnel = await start();
  if (mask !== undefined) await Deno.chmod(from.path, 0o777 & ~mask);
  return tunnel;
}

function start(
  client: Client,
  kind: ForwardKind,
  setting: ForwardSetting,
  log: Log,
) {
  const onError = (error: unknown) => log.verbose(`${kind} forwarding: ${messageOf(error)}`);
  const from = bindOf(kind, setting.from);
  if (setting.to === null) {
    if (kind === "remote") throw new Error("SOCKS on the far side is not supported");
    if ("path" in from) throw new Error("SOCKS on a unix socket is not supported");
    return client.forwardSocks({ ...from, onError });
  }
  const to = describeEnd(setting.to);
  return kind === "remote"
    ? client.forwardRemote({ from, to, onError })
    : client.forwardLocal({ from, to, onError });
}

function bindOf(kind: ForwardKind, end: ForwardEnd): BindAddress {
  if ("path" in end) return end;
  const { hostname, port } = end;
  if (hostname === null) return { port };
  return { port, hostname: hostname === "" || hostname === "*" ? ANY[kind] : hostname };
}

function describeEnd(end: ForwardEnd): string {
  if ("path" in end) return end.path;
  const { hostname, port } = end;
  return hostname?.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function isFree(end: ForwardEnd): boolean {
  return "port" in end && end.port === 0;
}

function describe(addr: Deno.Addr): string {
  return addr.transport === "tcp" ? `${addr.hostname}:${addr.port}` : JSON.stringify(addr);
}
