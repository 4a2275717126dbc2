import { parseTarget, type Target } from "../client/options.ts";
import { UsageError } from "./flags.ts";
import {
  collectOptions,
  integer,
  list,
  oneOf,
  type OptionText,
  type OptionValues,
  parseOption,
  rekeyLimit,
  text,
  time,
  words,
  yesNo,
} from "./option_values.ts";

const LEVELS = {
  quiet: "quiet",
  fatal: "error",
  error: "error",
  info: "info",
  verbose: "verbose",
  debug: "verbose",
  debug1: "verbose",
  debug2: "verbose",
  debug3: "verbose",
} as const;

/** How much is said on standard error. */
export type LogLevel = typeof LEVELS[keyof typeof LEVELS];

/** ssh_config(5): what can be given with `-o`. */
const OPTIONS = {
  BatchMode: yesNo,
  Ciphers: text,
  Compression: yesNo,
  ConnectTimeout: time,
  ExitOnForwardFailure: yesNo,
  ForwardAgent: text,
  ForwardX11: yesNo,
  ForwardX11Trusted: yesNo,
  GlobalKnownHostsFile: words,
  HashKnownHosts: yesNo,
  HostKeyAlgorithms: text,
  HostName: text,
  IdentitiesOnly: yesNo,
  IdentityAgent: text,
  IdentityFile: (value: string): string[] => [value],
  KbdInteractiveAuthentication: yesNo,
  KexAlgorithms: text,
  LogLevel: (value: string): LogLevel =>
    LEVELS[oneOf(...Object.keys(LEVELS) as (keyof typeof LEVELS)[])(value)],
  MACs: text,
  NumberOfPasswordPrompts: integer(1, 100),
  PasswordAuthentication: yesNo,
  Port: integer(1, 65535),
  PreferredAuthentications: list,
  PubkeyAuthentication: yesNo,
  RekeyLimit: rekeyLimit,
  RequestTTY: oneOf("auto", "force", "no", "yes"),
  SendEnv: words,
  ServerAliveCountMax: integer(1, 1_000_000),
  ServerAliveInterval: time,
  SetEnv: words,
  StrictHostKeyChecking: oneOf("yes", "no", "off", "accept-new", "ask"),
  User: text,
  UserKnownHostsFile: words,
};

/** Options about things that we do not have, with the values that ask for no more than that. */
const IGNORED: Readonly<Record<string, RegExp>> = {
  AddKeysToAgent: /^no$/i,
  AddressFamily: /^any$/i,
  CanonicalizeHostname: /^no$/i,
  CheckHostIP: /./,
  ClearAllForwardings: /./,
  ConnectionAttempts: /^1$/,
  ControlMaster: /^(no|auto)$/i,
  ControlPath: /./,
  ControlPersist: /./,
  FingerprintHash: /^sha256$/i,
  GSSAPIAuthentication: /./,
  GSSAPIDelegateCredentials: /^no$/i,
  HostbasedAuthentication: /^no$/i,
  IPQoS: /./,
  PermitLocalCommand: /^no$/i,
  ProxyCommand: /^none$/i,
  ProxyJump: /^none$/i,
  RemoteCommand: /^none$/i,
  TCPKeepAlive: /./,
  Tunnel: /^no$/i,
  UpdateHostKeys: /^(no|ask)$/i,
  VerifyHostKeyDNS: /^no$/i,
  VisualHostKey: /^no$/i,
};

/** What was asked for with `-o` and the flags that stand for an option. */
export type SshOptions = OptionValues<typeof OPTIONS>;

/**
 * Reads `-o` options, those that letters stand for among them.
 *
 * @throws {UsageError} If one is unknown or malformed
 */
export function sshOptions(options: readonly OptionText[]): SshOptions {
  try {
    return collectOptions(OPTIONS, options, ["IdentityFile", "SendEnv", "SetEnv"], IGNORED);
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new UsageError(`command-line: ${cause.message}`, { cause });
  }
}

/** The option that a letter stands for in `ssh` and `sftp`, or null. */
export function optionOfFlag(name: string, value: string): OptionText | null {
  switch (name) {
    case "o":
      return parseOption(value);
    case "A":
      return { name: "ForwardAgent", value: "yes" };
    case "a":
      return { name: "ForwardAgent", value: "no" };
    case "C":
      return { name: "Compression", value: "yes" };
    case "c":
      return { name: "Ciphers", value };
    case "i":
      return { name: "IdentityFile", value };
    case "l":
      return { name: "User", value };
    case "m":
      return { name: "MACs", value };
    case "q":
      return { name: "LogLevel", value: "quiet" };
    case "v":
      return { name: "LogLevel", value: "verbose" };
    case "X":
      return { name: "ForwardX11", value: "yes" };
    case "x":
      return { name: "ForwardX11", value: "no" };
    default:
      return null;
  }
}

/**
 * Takes `[user@]host` or `ssh://[user@]host[:port]` apart, as `ssh` does: without the scheme a colon is
 * part of an IPv6 address.
 *
 * @throws {UsageError} If it is none of these
 */
export function parseDestination(destination: string): Target {
  if (destination.startsWith("ssh://")) {
    try {
      return parseTarget(destination);
    } catch (cause) {
      throw new UsageError(`Cannot parse the destination "${destination}"`, { cause });
    }
  }
  const at = destination.lastIndexOf("@");
  const hostname = destination.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  // A name that begins with a dash would be an option to whoever runs ssh with it.
  if (at === 0 || hostname === "" || /^-|[\s\p{Cc}]/u.test(hostname)) {
    throw new UsageError(`Cannot parse the destination "${destination}"`);
  }
  return { hostname, port: null, user: at < 0 ? null : destination.slice(0, at) };
}
