import type { ForwardEnd, ForwardKind, ForwardSetting } from "../config/forwards.ts";
import type { HostSettings } from "../config/settings.ts";
import { ConnectError, printable } from "../errors.ts";
import type { BindAddress, BindPort, ForwardAddress } from "../forward/address.ts";
import { listsTarget } from "../forward/address_list.ts";
import type { Forwarder } from "../forward/forwarder.ts";
import type { ForwardOptions, RemoteSocksOptions, TunnelOptions } from "../forward/forwarding.ts";
import { hostPort } from "../host_port.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { plainMessage } from "../error_messages.ts";

/** Messages about tunnels from files or a command line, which have different log levels. */
type ForwardSettings = Omit<HostSettings, "LogLevel">;

/** The tunnel functions of a client. */
export interface TunnelStarter {
  forwardLocal(options: ForwardOptions<BindAddress>): Promise<Forwarder>;
  forwardRemote(options: ForwardOptions<BindAddress>): Promise<Forwarder>;
  forwardSocks(options: BindPort & TunnelOptions): Promise<Forwarder>;
  forwardRemoteSocks(options: RemoteSocksOptions<BindAddress>): Promise<Forwarder>;
}

/** A tunnel from the configuration files: started, or the error. */
export interface ConfiguredForward {
  /** Of LocalForward, RemoteForward or DynamicForward. */
  readonly kind: ForwardKind;
  /** The line in the files. */
  readonly setting: ForwardSetting;
  /** The tunnel; null if it could not be started. */
  readonly forwarder: Forwarder | null;
  /** Why it could not be started; null if it could. */
  readonly error: Error | null;
}

/** The tunnels from the configuration files; disposing of them ends them. */
export interface ConfiguredForwards extends AsyncDisposable {
  /** All of them, in the order of the files. */
  readonly tunnels: readonly ConfiguredForward[];
}

/** The listening address for an empty address and `*`. */
const ANY = { local: "0.0.0.0", remote: "", dynamic: "0.0.0.0" } as const;

/** Starts the tunnels of settings; a failure does not affect the others. */
export async function startConfigured(
  client: TunnelStarter,
  settings: ForwardSettings,
  options: TunnelOptions,
): Promise<ConfiguredForwards> {
  const stack = new AsyncDisposableStack();
  const tunnels: ConfiguredForward[] = [];
  const permit = permitOf(settings);
  for (const { kind, setting } of forwardsOf(settings)) {
    try {
      const forwarder = stack.use(
        await startHere(
          kind,
          setting,
          settings,
          () => start(client, kind, setting, { ...options, permit }),
        ),
      );
      tunnels.push({ kind, setting, forwarder, error: null });
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      tunnels.push({ kind, setting, forwarder: null, error });
    }
  }
  return { tunnels, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Starts the tunnels of settings; with ExitOnForwardFailure, one failure ends them all. */
export async function startConfiguredOrExit(
  client: TunnelStarter,
  settings: HostSettings | null,
  options: TunnelOptions,
): Promise<ConfiguredForwards> {
  if (settings === null) return { tunnels: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  const forwards = await startConfigured(client, settings, options);
  const failed = forwards.tunnels.find(({ error }) => error !== null);
  if (failed === undefined || !settings.ExitOnForwardFailure) return forwards;
  await forwards[Symbol.asyncDispose]();
  const what = `${failed.kind} forwarding from ${printable(describeEnd(failed.setting.from))}`;
  throw new ConnectError(`Cannot start ${what}: ${plainMessage(failed.error)}`, {
    cause: failed.error,
  });
}

function forwardsOf(
  settings: ForwardSettings,
): { kind: ForwardKind; setting: ForwardSetting }[] {
  const of = (kind: ForwardKind, tunnels: readonly ForwardSetting[] = []) =>
    tunnels.map((setting) => ({ kind, setting }));
  const all = [
    ...of("local", settings.LocalForward),
    ...of("remote", settings.RemoteForward),
    ...of("dynamic", settings.DynamicForward),
  ];
  if (!settings.GatewayPorts) return all;
  // With GatewayPorts, local tunnels without an address are reachable from other machines.
  return all.map(({ kind, setting }) => ({
    kind,
    setting: kind === "remote" ? setting : { ...setting, from: opened(setting.from) },
  }));
}

function opened(from: ForwardEnd): ForwardEnd {
  return "path" in from || from.hostname !== null ? from : { ...from, hostname: "*" };
}

/** StreamLocalBindUnlink and StreamLocalBindMask, for tunnels that listen on a local Unix socket. */
async function startHere<T>(
  kind: ForwardKind,
  { from }: ForwardSetting,
  { StreamLocalBindUnlink, StreamLocalBindMask: mask }: ForwardSettings,
  start: () => Promise<T>,
): Promise<T> {
  if (kind === "remote" || "port" in from) return await start();
  if (StreamLocalBindUnlink) {
    await runtime.files.remove(from.path).catch((error) => {
      if (!isError(error, "NotFound")) throw error;
    });
  }
  const tunnel = await start();
  if (mask !== undefined) await runtime.files.chmod(from.path, 0o777 & ~mask);
  return tunnel;
}

function start(
  client: TunnelStarter,
  kind: ForwardKind,
  setting: ForwardSetting,
  { permit, ...options }: TunnelOptions & { permit: (target: ForwardAddress) => boolean },
): Promise<Forwarder> {
  const from = bindOf(kind, setting.from);
  if (setting.to === null) {
    if (kind === "remote") return client.forwardRemoteSocks({ from, permit, ...options });
    if ("path" in from) throw new TypeError("SOCKS on a unix socket is not supported");
    return client.forwardSocks({ ...from, ...options });
  }
  const tunnel = { from, to: describeEnd(setting.to), ...options };
  return kind === "remote" ? client.forwardRemote(tunnel) : client.forwardLocal(tunnel);
}

/** PermitRemoteOpen: the targets that SOCKS clients of the server may connect to. */
function permitOf(
  { PermitRemoteOpen: list = ["any"] }: ForwardSettings,
): (target: ForwardAddress) => boolean {
  const [word] = list;
  if (list.length === 1 && /^(any|none)$/i.test(word!)) return () => /any/i.test(word!);
  return (target) => listsTarget(list, target);
}

function bindOf(kind: ForwardKind, end: ForwardEnd): BindAddress {
  if ("path" in end) return end;
  const { hostname, port } = end;
  if (hostname === null) return { port };
  return { port, hostname: hostname === "" || hostname === "*" ? ANY[kind] : hostname };
}

/** An end as text, without a hostname if none was given. */
export function describeEnd(end: ForwardEnd): string {
  if ("path" in end) return end.path;
  const { hostname, port } = end;
  if (hostname === null) return `${port}`;
  return hostPort(hostname, port);
}
