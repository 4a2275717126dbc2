import { ourList } from "../config/algorithm_lists.ts";
import type { HostSettings } from "../config/settings.ts";
import { parseChannelTimeout } from "../config/special_values.ts";
import type { ChannelTimeouts } from "../connection/idle_channels.ts";
import type { AlgorithmOptions } from "../crypto/suite.ts";
import { ConfigError } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import { runtime } from "../runtime/runtime.ts";
import type { RekeyLimits } from "../transport/key_use.ts";
import type { TcpOptions } from "./tcp.ts";

/** The settings of a login; all are optional. */
export type LoginSettings = Partial<Omit<HostSettings, "LogLevel">>;

/** Debian's ServerAliveInterval with BatchMode. */
const BATCH_KEEPALIVE_MS = 300_000;

/** The options of a connection from settings, except those for keys and trust. */
export interface ConfiguredConnection {
  readonly algorithms?: AlgorithmOptions;
  readonly hostKeyAlias?: string;
  readonly keepaliveInterval?: number;
  readonly keepaliveCount?: number;
  readonly rekey?: RekeyLimits;
  readonly tcp?: TcpOptions;
  readonly versionAddendum?: string;
  readonly channelTimeouts?: ChannelTimeouts;
}

/**
 * The options of a connection from settings, except those for keys and trust.
 *
 * @throws {ConfigError} If the interface of BindInterface has no address
 */
export function configuredConnection(settings: LoginSettings): ConfiguredConnection {
  const { HostKeyAlias, ServerAliveCountMax, BatchMode, VersionAddendum } = settings;
  const algorithms = configuredAlgorithms(settings);
  const rekey = configuredRekey(settings);
  const tcp = configuredTcp(settings);
  const channelTimeouts = configuredTimeouts(settings);
  const keepaliveInterval = settings.ServerAliveInterval ??
    (BatchMode ? BATCH_KEEPALIVE_MS : undefined);
  return {
    ...algorithms && { algorithms },
    ...rekey && { rekey },
    ...tcp && { tcp },
    ...keepaliveInterval !== undefined && { keepaliveInterval },
    ...ServerAliveCountMax !== undefined && { keepaliveCount: ServerAliveCountMax },
    ...HostKeyAlias !== undefined && { hostKeyAlias: HostKeyAlias },
    ...VersionAddendum && { versionAddendum: VersionAddendum },
    ...channelTimeouts && { channelTimeouts },
  };
}

/** The limits of ChannelTimeout; the first limit of a pattern counts. */
export function configuredTimeouts(
  { ChannelTimeout = [] }: Pick<LoginSettings, "ChannelTimeout">,
): ChannelTimeouts | undefined {
  const timeouts = new Map<string, number>();
  for (const text of ChannelTimeout) {
    const timeout = parseChannelTimeout(text); // null for `none`
    if (timeout && !timeouts.has(timeout.type)) timeouts.set(timeout.type, timeout.milliseconds);
  }
  return timeouts.size === 0 ? undefined : Object.fromEntries(timeouts);
}

/** The supported algorithms in settings. */
export function configuredAlgorithms(settings: LoginSettings): AlgorithmOptions | undefined {
  const { KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs, Compression } = settings;
  const { PubkeyAcceptedAlgorithms } = settings;
  const options: AlgorithmOptions = {
    ...(KexAlgorithms !== undefined && { kex: ourList("kex", KexAlgorithms) }),
    ...(HostKeyAlgorithms !== undefined && { hostKey: ourList("signature", HostKeyAlgorithms) }),
    ...(PubkeyAcceptedAlgorithms !== undefined &&
      { userKey: ourList("user", PubkeyAcceptedAlgorithms) }),
    ...(Ciphers !== undefined && { cipher: ourList("cipher", Ciphers) }),
    ...(MACs !== undefined && { mac: ourList("mac", MACs) }),
    ...(Compression && { compression: "zlib@openssh.com,zlib,none" }),
  };
  return Object.keys(options).length > 0 ? options : undefined;
}

/** The limits of RekeyLimit. */
export function configuredRekey(
  { RekeyLimit }: Pick<LoginSettings, "RekeyLimit">,
): RekeyLimits | undefined {
  if (RekeyLimit === undefined) return undefined;
  const { bytes = 0, milliseconds } = RekeyLimit;
  return {
    ...(bytes > 0 && { bytes }),
    ...(milliseconds !== undefined && { milliseconds: milliseconds || Infinity }),
  };
}

/**
 * Options of the TCP connection.
 *
 * @throws {ConfigError} If the interface of BindInterface has no address
 */
export function configuredTcp(settings: LoginSettings): TcpOptions | undefined {
  const { AddressFamily, BindAddress, BindInterface, TCPKeepAlive, ConnectionAttempts } = settings;
  const localAddress = BindAddress ?? (BindInterface && addressOf(BindInterface, AddressFamily));
  const options: TcpOptions = {
    ...(AddressFamily !== undefined && { family: AddressFamily }),
    ...(localAddress !== undefined && { localAddress }),
    ...(TCPKeepAlive !== undefined && { keepAlive: TCPKeepAlive }),
    ...(ConnectionAttempts !== undefined && { attempts: ConnectionAttempts }),
  };
  return Object.keys(options).length > 0 ? options : undefined;
}

/** The address of an interface of this machine. Needs `--allow-sys=networkInterfaces`. */
function addressOf(name: string, family: HostSettings["AddressFamily"]): string {
  const wanted = { any: /^IPv/, inet: /^IPv4$/, inet6: /^IPv6$/ }[family ?? "any"];
  const found = runtime.net.networkInterfaces()
    .find((each) => each.name === name && wanted.test(each.family));
  if (found === undefined) {
    throw new ConfigError([`BindInterface: "${name}" has no address of this family`]);
  }
  return found.address;
}

/** The route to the host from settings. */
export interface ConfiguredWay {
  /** The jump hosts, by their aliases. */
  readonly jump?: readonly HopTarget[];
  /** The command whose standard input and output carry the connection. */
  readonly proxyCommand?: string;
}

/** A jump host. */
export interface HopTarget {
  readonly hostname: string;
  readonly user?: string;
  readonly port?: number;
}

/**
 * The route to the host from settings: jump hosts, a command, or neither.
 *
 * @throws {ConfigError} If the command has to pass file descriptors
 */
export function configuredWay(settings: LoginSettings): ConfiguredWay {
  const { ProxyCommand, ProxyJump } = settings;
  if (settings.ProxyUseFdpass && ProxyCommand) {
    throw new ConfigError(["ProxyUseFdpass is not supported: a command cannot pass descriptors"]);
  }
  if (ProxyCommand) return { proxyCommand: ProxyCommand };
  if (!ProxyJump || ProxyJump.length === 0) return {};
  return {
    jump: ProxyJump.map(({ hostname, user, port }) => ({
      hostname,
      ...(user !== null && { user }),
      ...(port !== null && { port }),
    })),
  };
}

/**
 * The control socket of the master whose connection is shared; undefined for none. As with `ssh`, a
 * connection that becomes a master itself shares none.
 */
export function configuredControlPath(
  { ControlPath, ControlMaster = "no" }: LoginSettings,
): string | undefined {
  return ControlMaster === "yes" || ControlMaster === "ask" ? undefined : ControlPath ?? undefined;
}

/** The variables that SendEnv takes from an environment, and those of SetEnv. */
export function configuredEnv(
  { SendEnv = [], SetEnv = [] }: Pick<HostSettings, "SendEnv" | "SetEnv">,
  environment: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  const sent = Object.entries(environment)
    .filter(([name]) => SendEnv.some((pattern) => matchesWildcards(pattern, name)));
  const set = SetEnv.map((pair): [string, string] => {
    const equals = pair.indexOf("=");
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
  const all = [...sent, ...set].filter(([name]) => name !== "");
  return all.length > 0 ? Object.fromEntries(all) : undefined;
}
