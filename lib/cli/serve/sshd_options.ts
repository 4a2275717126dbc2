import type { AlgorithmOptions } from "../../crypto/suite.ts";
import type { ServeOptions } from "../../server/options.ts";
import type { PenaltyOptions } from "../../server/penalties.ts";
import { UsageError } from "../shared/flags.ts";
import {
  collectOptions,
  integer,
  oneOf,
  type OptionText,
  type OptionValues,
  rekeyLimit,
  text,
  time,
  words,
  yesNo,
} from "../shared/option_values.ts";

/** sshd_config(5): what can be given with `-o`. */
const OPTIONS = {
  AcceptEnv: words,
  AllowAgentForwarding: yesNo,
  AllowStreamLocalForwarding: oneOf("yes", "all", "local", "remote", "no"),
  AllowTcpForwarding: oneOf("yes", "all", "local", "remote", "no"),
  AuthenticationMethods: words,
  Banner: text,
  Ciphers: text,
  Compression: oneOf("yes", "delayed", "no"),
  ClientAliveCountMax: integer(1, 1_000_000),
  ClientAliveInterval: time,
  HostKeyAlgorithms: text,
  KexAlgorithms: text,
  LoginGraceTime: time,
  MACs: text,
  MaxAuthTries: integer(1, 1000),
  MaxSessions: integer(0, 1_000_000),
  MaxStartups: maxStartups,
  PasswordAuthentication: yesNo,
  PermitOpen: words,
  PubkeyAcceptedAlgorithms: text,
  PubkeyAuthentication: yesNo,
  PerSourceMaxStartups: integer(1, 1_000_000),
  PerSourcePenalties: penalties,
  RekeyLimit: rekeyLimit,
  RevokedKeys: text,
  TrustedUserCAKeys: text,
  X11Forwarding: yesNo,
};

/** What was asked for with `-o`. */
export type SshdOptions = OptionValues<typeof OPTIONS>;

/**
 * Reads `-o` options of a server.
 *
 * @throws {UsageError} If one is unknown or malformed
 */
export function sshdOptions(options: readonly OptionText[]): SshdOptions {
  return collectOptions(OPTIONS, options, ["AcceptEnv"]);
}

/** The options that are limits or algorithms, as the server takes them. */
export function limitsOf(options: SshdOptions): Partial<ServeOptions> {
  const { LoginGraceTime, MaxAuthTries, MaxSessions, MaxStartups, RekeyLimit } = options;
  const { PerSourceMaxStartups, PerSourcePenalties } = options;
  const { ClientAliveInterval, ClientAliveCountMax } = options;
  return {
    ...(LoginGraceTime !== undefined && { loginGraceTime: LoginGraceTime }),
    ...(MaxAuthTries !== undefined && { maxAuthTries: MaxAuthTries }),
    ...(MaxSessions !== undefined && { maxSessions: MaxSessions }),
    ...(MaxStartups !== undefined && { maxStartups: MaxStartups }),
    ...(PerSourceMaxStartups !== undefined && { maxStartupsPerSource: PerSourceMaxStartups }),
    ...(PerSourcePenalties && { penalties: PerSourcePenalties }),
    ...(RekeyLimit !== undefined && { rekey: RekeyLimit }),
    ...(ClientAliveInterval !== undefined && { keepaliveInterval: ClientAliveInterval }),
    ...(ClientAliveCountMax !== undefined && { keepaliveCount: ClientAliveCountMax }),
  };
}

/** `start:rate:full`, or one number for all. */
function maxStartups(value: string): { begin: number; rate: number; full: number } {
  const match = /^(\d{1,6})(?::(\d{1,3}):(\d{1,6}))?$/.exec(value);
  const begin = Number(match?.[1]);
  const rate = Number(match?.[2] ?? 100);
  const full = Number(match?.[3] ?? begin);
  if (!(begin >= 1 && rate <= 100 && full >= begin)) {
    throw new UsageError(`unsupported value "${value}"`);
  }
  return { begin, rate, full };
}

/** The algorithms that the options ask for. */
export function algorithmsOf(
  { Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms, PubkeyAcceptedAlgorithms, Compression = "no" }:
    SshdOptions,
): AlgorithmOptions {
  return {
    // Before the login there is none, whatever is asked for: sshd has long dropped it too.
    ...(Compression !== "no" && { compression: "zlib@openssh.com,none" }),
    ...(PubkeyAcceptedAlgorithms !== undefined && { userKey: PubkeyAcceptedAlgorithms }),
    ...(Ciphers !== undefined && { cipher: Ciphers }),
    ...(MACs !== undefined && { mac: MACs }),
    ...(KexAlgorithms !== undefined && { kex: KexAlgorithms }),
    ...(HostKeyAlgorithms !== undefined && { hostKey: HostKeyAlgorithms }),
  };
}

/** How sshd names the penalties that we have. */
const PENALTIES: Readonly<Record<string, keyof PenaltyOptions>> = {
  "authfail": "authFail",
  "noauth": "noAuth",
  "grace-exceeded": "graceExceeded",
  "min": "min",
  "max": "max",
};

/** `yes`, `no`, or words such as `authfail:10s`; null for no. */
function penalties(value: string): PenaltyOptions | null {
  if (/^no$/i.test(value)) return null;
  if (/^yes$/i.test(value)) return {};
  const entries = value.split(/\s+/).map((word) => {
    const [name = "", duration = ""] = word.split(":");
    const key = PENALTIES[name.toLowerCase()];
    if (key === undefined) throw new UsageError(`unsupported value "${value}"`);
    return [key, time(duration)] as const;
  });
  return Object.fromEntries(entries);
}
