import type { AlgorithmOptions } from "../crypto/suite.ts";
import type { ServeOptions } from "../server/options.ts";
import { UsageError } from "./flags.ts";
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
} from "./option_values.ts";

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
  PubkeyAuthentication: yesNo,
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
  const { ClientAliveInterval, ClientAliveCountMax } = options;
  return {
    algorithms: {
      ...algorithmsOf(options),
      // Before the login there is none, whatever is asked for: sshd has long dropped it too.
      ...(/yes|delayed/.test(options.Compression ?? "") &&
        { compression: "zlib@openssh.com,none" }),
    },
    ...(LoginGraceTime !== undefined && { loginGraceTime: LoginGraceTime }),
    ...(MaxAuthTries !== undefined && { maxAuthTries: MaxAuthTries }),
    ...(MaxSessions !== undefined && { maxSessions: MaxSessions }),
    ...(MaxStartups !== undefined && { maxStartups: MaxStartups }),
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
function algorithmsOf(
  { Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms }: SshdOptions,
): AlgorithmOptions {
  return {
    ...(Ciphers !== undefined && { cipher: Ciphers }),
    ...(MACs !== undefined && { mac: MACs }),
    ...(KexAlgorithms !== undefined && { kex: KexAlgorithms }),
    ...(HostKeyAlgorithms !== undefined && { hostKey: HostKeyAlgorithms }),
  };
}
