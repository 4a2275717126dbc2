import { Config } from "../config/config.ts";
import { ourList } from "../config/algorithm_lists.ts";
import { readConfig, readGrantedConfig } from "../config/read.ts";
import type { HostSettings } from "../config/settings.ts";
import type { AlgorithmOptions } from "../crypto/suite.ts";
import { ConfigError } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import type { RekeyLimits } from "../transport/key_use.ts";
import { configuredKeys } from "../login/credentials.ts";
import { configuredHostKeys } from "../login/host_trust.ts";
import { type ConnectOptions, isProxied } from "./options.ts";
import type { TcpOptions } from "../login/tcp.ts";

/** What settings say about logging in. */
export type LoginSettings = Omit<HostSettings, "LogLevel">;

/** Options with what the files say filled in, and what they say. */
export interface Configured {
  readonly options: ConnectOptions;
  readonly settings?: HostSettings;
}

/**
 * Fills in what `ssh` would take from its configuration files; what is given in code stays.
 *
 * @throws {ConfigError} If a file makes no sense, or asks for what cannot be done
 */
export async function configured(given: ConnectOptions): Promise<Configured> {
  const { hostname, user, port } = given;
  const config = hostname === undefined ? null : await configOf(given.config);
  if (config === null) return { options: given };
  const settings = await config.lookup(hostname!, {
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port }),
  });
  return { options: await withSettings(given, settings, config), settings };
}

/** The configuration that an option stands for; the usual files only as far as they may be read. */
async function configOf(option: ConnectOptions["config"]): Promise<Config | null> {
  if (option === false) return null;
  if (option instanceof Config) return option;
  return option === undefined ? await readGrantedConfig() : await readConfig(option);
}

async function withSettings(
  given: ConnectOptions,
  settings: HostSettings,
  config: Config,
): Promise<ConnectOptions> {
  const options: Partial<Record<keyof ConnectOptions, unknown>> = {
    user: settings.User,
    port: settings.Port,
    hostKeyAlias: settings.HostKeyAlias,
    auth: given.auth ? undefined : await configuredKeys(settings),
    hostKeys: given.hostKeys ? undefined : configuredHostKeys(settings),
    algorithms: configuredAlgorithms(settings),
    timeout: settings.ConnectTimeout || undefined,
    keepaliveInterval: settings.ServerAliveInterval,
    keepaliveCount: settings.ServerAliveCountMax,
    rekey: configuredRekey(settings),
    tcp: configuredTcp(settings),
    env: configuredEnv(settings, hasEnvironment() ? Deno.env.toObject() : {}),
    ...isProxied(given) ? {} : configuredProxy(settings),
  };
  const set = [...Object.entries(options), ...Object.entries(given)]
    .filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(set), hostname: settings.HostName, config };
}

/** The algorithms that settings name, as far as we have them. */
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

/** When settings have keys exchanged anew. */
export function configuredRekey({ RekeyLimit }: LoginSettings): RekeyLimits | undefined {
  if (RekeyLimit === undefined) return undefined;
  const { bytes = 0, milliseconds } = RekeyLimit;
  return {
    ...(bytes > 0 && { bytes }),
    ...(milliseconds !== undefined && { milliseconds: milliseconds || Infinity }),
  };
}

/**
 * How settings have the TCP connection made.
 *
 * @throws {ConfigError} If BindInterface names none
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

/** The address of an interface of this side. Needs `--allow-sys=networkInterfaces`. */
function addressOf(name: string, family: HostSettings["AddressFamily"]): string {
  const wanted = { any: /^IPv/, inet: /^IPv4$/, inet6: /^IPv6$/ }[family ?? "any"];
  const found = Deno.networkInterfaces()
    .find((each) => each.name === name && wanted.test(each.family));
  if (found === undefined) throw new ConfigError([`BindInterface: "${name}" has no such address`]);
  return found.address;
}

/**
 * What settings have the connection go through, hosts by their aliases.
 *
 * @throws {ConfigError} If the command is to do what it cannot
 */
export function configuredProxy(
  settings: LoginSettings,
): Pick<ConnectOptions, "jump" | "proxyCommand"> {
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

/** Whether the whole environment may be looked at: nobody is asked for the sake of SendEnv. */
function hasEnvironment(): boolean {
  return Deno.permissions.querySync({ name: "env" }).state === "granted";
}
