import type { AlgorithmOptions } from "../../crypto/suite.ts";
import type { ServeOptions } from "../../server/options.ts";
import type { PenaltyOptions } from "../../server/penalties.ts";
import { ArgumentError, Arguments } from "../../config/arguments.ts";
import { channelTimeouts, rekeyLimit } from "../../config/special_values.ts";
import {
  choice,
  flag,
  integer,
  parseTime,
  time,
  unsupported,
  word,
  words,
} from "../../config/values.ts";
import { printable } from "../../errors.ts";
import { configuredRekey, configuredTimeouts } from "../../login/settings.ts";
import { UsageError } from "../shared/flags.ts";
import type { OptionText } from "../shared/option_text.ts";
import { plainMessage } from "../../error_messages.ts";

const FORWARDING = choice(
  {
    yes: "yes",
    all: "all",
    local: "local",
    remote: "remote",
    no: "no",
  } as const,
);

/** The options of sshd_config(5) that `-o` accepts. */
const OPTIONS = {
  AcceptEnv: words,
  AllowAgentForwarding: flag,
  AllowStreamLocalForwarding: FORWARDING,
  AllowTcpForwarding: FORWARDING,
  AuthenticationMethods: words,
  Banner: word,
  Ciphers: word,
  Compression: choice({ yes: "yes", delayed: "delayed", no: "no" } as const),
  ClientAliveCountMax: between(1, 1_000_000),
  ClientAliveInterval: duration,
  ChannelTimeout: channelTimeouts,
  HostKeyAlgorithms: word,
  KexAlgorithms: word,
  LoginGraceTime: duration,
  MACs: word,
  MaxAuthTries: between(1, 1000),
  MaxSessions: between(0, 1_000_000),
  MaxStartups: maxStartups,
  PasswordAuthentication: flag,
  PermitOpen: words,
  PermitTTY: flag,
  PermitUserEnvironment: word,
  PubkeyAcceptedAlgorithms: word,
  PubkeyAuthentication: flag,
  PerSourceMaxStartups: between(1, 1_000_000),
  PerSourcePenalties: penalties,
  RekeyLimit: rekeyLimit,
  RevokedKeys: word,
  TCPKeepAlive: flag,
  TrustedUserCAKeys: word,
  UnusedConnectionTimeout: duration,
  X11Forwarding: flag,
};

type OptionName = keyof typeof OPTIONS;

/** The options given with `-o`. */
export type SshdOptions = { readonly [K in OptionName]?: ReturnType<typeof OPTIONS[K]> };

/**
 * Reads `-o` options of a server. As in OpenSSH, the first value of a name counts, except that AcceptEnv
 * collects all of them. Case is ignored in names.
 *
 * @throws {UsageError} If one is unknown or malformed
 */
export function sshdOptions(options: readonly OptionText[]): SshdOptions {
  const values: Partial<Record<OptionName, unknown>> = {};
  for (const { name, value } of options) {
    const key = (Object.keys(OPTIONS) as OptionName[])
      .find((key) => key.toLowerCase() === name.toLowerCase());
    if (key === undefined) throw new UsageError(`Bad configuration option: ${printable(name)}`);
    const parsed = parseValue(key, value);
    if (key === "AcceptEnv") {
      values[key] = [...values[key] as string[] ?? [], ...parsed as string[]];
    } else values[key] ??= parsed;
  }
  return values as SshdOptions;
}

function parseValue(name: OptionName, text: string): unknown {
  try {
    const args = new Arguments(text);
    const value = OPTIONS[name](args);
    args.end(name);
    return value;
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new UsageError(`${name}: ${plainMessage(cause)}`, { cause });
  }
}

/** A whole number between two others. */
function between(least: number, most: number): (args: Arguments) => number {
  return (args) => {
    const number = integer(args);
    if (number < least || number > most) throw unsupported(`${number}`);
    return number;
  };
}

/** A time in milliseconds; `none` is 0. */
function duration(args: Arguments): number {
  return time(args) ?? 0;
}

/** The limits and algorithms, as options of the server. */
export function limitsOf(options: SshdOptions): Partial<ServeOptions> {
  const { LoginGraceTime, MaxAuthTries, MaxSessions, MaxStartups } = options;
  const { PerSourceMaxStartups, PerSourcePenalties } = options;
  const { ClientAliveInterval, ClientAliveCountMax } = options;
  const { UnusedConnectionTimeout, TCPKeepAlive } = options;
  const rekey = configuredRekey(options);
  const channelTimeouts = configuredTimeouts(options);
  return {
    ...(LoginGraceTime !== undefined && { loginGraceTime: LoginGraceTime }),
    ...(MaxAuthTries !== undefined && { maxAuthTries: MaxAuthTries }),
    ...(MaxSessions !== undefined && { maxSessions: MaxSessions }),
    ...(MaxStartups !== undefined && { maxStartups: MaxStartups }),
    ...(PerSourceMaxStartups !== undefined && { maxStartupsPerSource: PerSourceMaxStartups }),
    ...(PerSourcePenalties !== undefined && { penalties: PerSourcePenalties }),
    ...(rekey !== undefined && { rekey }),
    ...(ClientAliveInterval !== undefined && { keepaliveInterval: ClientAliveInterval }),
    ...(ClientAliveCountMax !== undefined && { keepaliveCount: ClientAliveCountMax }),
    ...(UnusedConnectionTimeout !== undefined &&
      { unusedConnectionTimeout: UnusedConnectionTimeout }),
    ...(TCPKeepAlive !== undefined && { tcpKeepAlive: TCPKeepAlive }),
    ...(channelTimeouts !== undefined && { channelTimeouts }),
  };
}

/** `start:rate:full`, or one number for all. */
function maxStartups(args: Arguments): { begin: number; rate: number; full: number } {
  const value = args.next();
  const match = /^(\d{1,6})(?::(\d{1,3}):(\d{1,6}))?$/.exec(value);
  const begin = Number(match?.[1]);
  const rate = Number(match?.[2] ?? 100);
  const full = Number(match?.[3] ?? begin);
  if (!(begin >= 1 && rate <= 100 && full >= begin)) {
    throw unsupported(value);
  }
  return { begin, rate, full };
}

/** The algorithms of the options. */
export function algorithmsOf(
  { Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms, PubkeyAcceptedAlgorithms, Compression = "no" }:
    SshdOptions,
): AlgorithmOptions {
  return {
    // Compression starts only after the login, as in sshd.
    ...(Compression !== "no" && { compression: "zlib@openssh.com,none" }),
    ...(PubkeyAcceptedAlgorithms !== undefined && { userKey: PubkeyAcceptedAlgorithms }),
    ...(Ciphers !== undefined && { cipher: Ciphers }),
    ...(MACs !== undefined && { mac: MACs }),
    ...(KexAlgorithms !== undefined && { kex: KexAlgorithms }),
    ...(HostKeyAlgorithms !== undefined && { hostKey: HostKeyAlgorithms }),
  };
}

/** sshd's names of the supported penalties. */
const PENALTIES: Readonly<Record<string, keyof PenaltyOptions>> = {
  "authfail": "authFail",
  "invaliduser": "invalidUser",
  "noauth": "noAuth",
  "grace-exceeded": "graceExceeded",
  "min": "min",
  "max": "max",
};

/** `yes`, `no`, or words such as `authfail:10s`; false for no. */
function penalties(args: Arguments): PenaltyOptions | false {
  const words = args.all();
  if (words.length === 1 && /^no$/i.test(words[0]!)) return false;
  if (words.length === 1 && /^yes$/i.test(words[0]!)) return {};
  const entries = words.map((word) => {
    const [name = "", time = ""] = word.split(":");
    const key = PENALTIES[name.toLowerCase()];
    const milliseconds = parseTime(time);
    if (key === undefined || milliseconds === null) throw unsupported(word);
    return [key, milliseconds] as const;
  });
  return Object.fromEntries(entries);
}
