import { Config } from "../config/config.ts";
import { readConfig, readGrantedConfig } from "../config/read.ts";
import type { HostSettings } from "../config/settings.ts";
import {
  configuredConnection,
  configuredControlPath,
  configuredEnv,
  configuredWay,
} from "../login/settings.ts";
import { runtime } from "../runtime/runtime.ts";
import { type ConnectOptions, isProxied } from "./options.ts";

/** Options completed by settings, with these settings; null if no configuration was read. */
export interface Configured {
  readonly options: ConnectOptions;
  readonly settings: HostSettings | null;
}

/**
 * Adds the settings that `ssh` would take from its configuration files; options given in code take
 * precedence.
 *
 * @param signal Aborts, and kills the command of a `Match exec`
 * @throws {ConfigError} If a file is malformed, or requests something unsupported
 */
export async function configured(
  given: ConnectOptions,
  signal?: AbortSignal,
): Promise<Configured> {
  const { hostname, user, port } = given;
  const config = hostname === undefined ? null : await configOf(given.config);
  if (config === null) return { options: given, settings: null };
  const settings = await config.lookup(hostname!, {
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port }),
    signal,
  });
  return { options: withSettings(given, settings, config), settings };
}

/** The configuration for an option; the default files only if this program may read them. */
async function configOf(option: ConnectOptions["config"]): Promise<Config | null> {
  if (option === false) return null;
  if (option instanceof Config) return option;
  return option === undefined ? await readGrantedConfig() : await readConfig(option);
}

function withSettings(
  given: ConnectOptions,
  settings: HostSettings,
  config: Config,
): ConnectOptions {
  const options: Partial<Record<keyof ConnectOptions, unknown>> = {
    user: settings.User,
    port: settings.Port,
    timeout: settings.ConnectTimeout || undefined,
    env: configuredEnv(settings, mayReadEnvironment() ? runtime.env.toObject() : {}),
    ...configuredConnection(settings),
    controlPath: mayShare(given) ? configuredControlPath(settings) : undefined,
    ...isProxied(given) ? {} : configuredWay(settings),
  };
  const set = [...Object.entries(options), ...Object.entries(given)]
    .filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(set), hostname: settings.HostName, config };
}

/** Whether a control master, which logged in by the configuration files, satisfies the caller's options. */
function mayShare(given: ConnectOptions): boolean {
  const { auth, hostKeys, algorithms, connections = 1 } = given;
  if (connections > 1) return false; // a master has one connection
  return !isProxied(given) && [auth, hostKeys, algorithms].every((option) => option === undefined);
}

/** Whether the whole environment may be read without a prompt, for SendEnv. */
function mayReadEnvironment(): boolean {
  return runtime.isGranted({ name: "env" });
}
