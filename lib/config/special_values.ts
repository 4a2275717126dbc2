/** Values of single directives. */
import { printable } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";
import type { AddKeysSetting, HostSettings, LogLevelSetting, RekeySetting } from "./settings.ts";
import { bytes, choice, parseTime, portNumber, time, unsupported } from "./values.ts";

/** The names of LogLevel. */
export const logLevel: (args: Arguments) => LogLevelSetting = named<LogLevelSetting>(
  { SILENT: "QUIET", DEBUG1: "DEBUG" },
  ["QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3"],
  (text) => `unsupported log level '${text}'`,
);

/** LogLevel in the form of `-G`. */
export function showLogLevel(level: LogLevelSetting): string {
  return level === "QUIET" ? "SILENT" : level;
}

/** The names of FingerprintHash. */
export const fingerprintHash: (args: Arguments) => HashSetting = named<HashSetting>(
  {},
  ["MD5", "SHA1", "SHA256", "SHA384", "SHA512"],
  (text) => `Invalid hash algorithm "${text}".`,
);

type HashSetting = NonNullable<HostSettings["FingerprintHash"]>;

function named<V extends string>(
  aliases: Readonly<Record<string, V>>,
  names: readonly V[],
  complaint: (text: string) => string,
): (args: Arguments) => V {
  return (args) => {
    const text = args.next();
    const upper = text.toUpperCase();
    const name = aliases[upper] ?? names.find((each) => each === upper);
    if (name === undefined) throw new ArgumentError(complaint(printable(text)));
    return name;
  };
}

/** AddKeysToAgent: `yes`, `no`, `ask`, `confirm [time]` or a time. */
export function addKeys(args: Arguments): AddKeysSetting {
  const text = args.next();
  const more = args.optional();
  const lifetime = parseTime(more ?? text);
  if (more === null && lifetime !== null) return { add: "yes", lifetime: lifetime || null };
  if (more !== null && (text.toLowerCase() !== "confirm" || lifetime === null)) {
    throw new ArgumentError("unsupported option");
  }
  const words = { yes: "yes", true: "yes", no: "no", false: "no", ask: "ask", confirm: "confirm" };
  const add = Object.hasOwn(words, text.toLowerCase())
    ? words[text.toLowerCase() as keyof typeof words] as AddKeysSetting["add"]
    : undefined;
  if (add === undefined) throw unsupported(text);
  return { add, lifetime: more === null ? null : lifetime || null };
}

/** AddKeysToAgent in the form of `-G`. */
export function showAddKeys({ add, lifetime }: AddKeysSetting): string {
  const seconds = lifetime === null ? "" : `${lifetime / 1000}`;
  if (add === "confirm") return `confirm ${seconds}`.trimEnd();
  if (add === "yes") return seconds || "true";
  return add === "no" ? "false" : add;
}

/** ForwardAgent: `yes`, `no`, the path of a socket, or a variable with the path. */
export function forwardAgent(args: Arguments): boolean | string {
  const text = args.next();
  if (/^(yes|true)$/i.test(text)) return true;
  return /^(no|false)$/i.test(text) ? false : agentPath(text);
}

/** IdentityAgent. */
export function identityAgent(args: Arguments): string {
  return agentPath(args.next());
}

function agentPath(text: string): string {
  if (/^\$(?!\{)/.test(text) && !/^\$[A-Za-z0-9_]+$/.test(text)) {
    throw new ArgumentError(`Invalid environment name ${printable(text)}.`);
  }
  return text;
}

/** ControlPersist: `yes`, `no` or a time. */
export function controlPersist(args: Arguments): boolean | number {
  const text = args.next();
  if (/^(yes|true|0)$/i.test(text)) return true;
  if (/^(no|false)$/i.test(text)) return false;
  const milliseconds = parseTime(text);
  if (milliseconds === null) throw new ArgumentError("Bad ControlPersist argument.");
  return milliseconds || true;
}

/** EscapeChar: a character, `^x` or `none`, which is null. */
export function escapeChar(args: Arguments): string | null {
  const text = args.next();
  if (/^none$/i.test(text)) return null;
  if (/^\^[\x40-\x7f]$/.test(text)) return String.fromCharCode(text.charCodeAt(1) & 31);
  if (text.length !== 1 || text > "\x7f") throw new ArgumentError("Bad escape character.");
  return text;
}

/** EscapeChar in the form of `-G`. */
export function showEscapeChar(char: string | null): string {
  if (char === null) return "none";
  const code = char.charCodeAt(0);
  if (code < 32 || code === 127) return `\\^${String.fromCharCode(code ^ 64)}`;
  if (char === " ") return "\\040";
  return char === "\\" ? "\\\\" : char;
}

/** RekeyLimit: bytes, optionally followed by a time. */
export function rekeyLimit(args: Arguments): RekeySetting {
  const size = bytes(args);
  const span = args.left > 0 ? time(args) : undefined;
  return { bytes: size, ...(span !== undefined && { milliseconds: span }) };
}

/** Combines two RekeyLimits: the first value counts, for bytes and time separately. */
export function addRekey(held: RekeySetting, more: RekeySetting): RekeySetting {
  return { ...more, ...held };
}

/** RekeyLimit in the form of `-G`. */
export function showRekey({ bytes = 0, milliseconds = 0 }: RekeySetting): string {
  return `${BigInt(bytes)} ${milliseconds / 1000}`; // exact up to exabytes
}

/** StreamLocalBindMask: an octal number. */
export function bindMask(args: Arguments): number {
  const text = args.next();
  const mask = /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN;
  if (!(mask <= 0o777)) throw new ArgumentError("Bad mask.");
  return mask;
}

/** TunnelDevice: `number[:number]`, each of which may be `any`. */
export function tunnelDevice(args: Arguments): readonly [number | "any", number | "any"] {
  const [local, remote = "any", ...more] = args.next().split(":").map(device);
  if (local === undefined || more.length > 0) throw new ArgumentError("Bad tun device.");
  return [local, remote];
}

function device(text: string): number | "any" {
  if (/^any$/i.test(text)) return "any";
  if (!/^\d{1,9}$/.test(text)) throw new ArgumentError("Bad tun device.");
  return Number(text);
}

const CLASSES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((high) =>
      [1, 2, 3].map((low) => [`af${high}${low}`, high * 32 + low * 8])
    ),
  ),
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((number) => [`cs${number}`, number * 32])),
  ef: 0xb8,
  le: 0x04,
  va: 0xb0,
};

/** Classes of RFC 1349, for which OpenSSH 10 uses the default of the system. */
const OLD_CLASSES = /^(lowdelay|throughput|reliability)$/;

/** IPQoS: a class for interactive programs, optionally followed by one for others. */
export function ipQos(args: Arguments): readonly [string, string] {
  const interactive = packetClass(args.next());
  const second = args.optional();
  return [interactive, second === null ? interactive : packetClass(second)];
}

function packetClass(text: string): string {
  const lower = text.toLowerCase();
  if (lower === "none" || OLD_CLASSES.test(lower)) return "none";
  const value = Object.hasOwn(CLASSES, lower)
    ? CLASSES[lower]!
    : lower === ""
    ? NaN
    : Number(lower);
  if (!(value >= 0 && value <= 255)) throw new ArgumentError(`Bad IPQoS value: ${printable(text)}`);
  const name = Object.keys(CLASSES).find((name) => CLASSES[name] === value);
  return name ?? `0x${value.toString(16).padStart(2, "0")}`;
}

/** Words; `none` must be the only one. */
export function wordsOrNone(keyword: string): (args: Arguments) => string[] {
  return (args) => aloneOr(keyword, args.all(), ["none"]);
}

/** RevokedHostKeys: one file or more, or `none` alone. */
export function revokedFiles(args: Arguments): string[] {
  const files = args.all();
  if (files.length === 0) throw new ArgumentError("no revokedhostkeys specified");
  return aloneOr("revokedhostkeys", files, ["none"]);
}

/** CanonicalDomains. */
export function domains(args: Arguments): string[] {
  return aloneOr("canonicaldomains", args.all(), ["none"]).map((domain) => {
    if (!/^[a-z0-9]/i.test(domain)) {
      throw new ArgumentError(`domain name "${printable(domain)}" starts with invalid character`);
    }
    if (/[^a-z0-9._-]|\.\./i.test(domain)) {
      throw new ArgumentError(`domain name "${printable(domain)}" contains invalid characters`);
    }
    return domain.toLowerCase().replace(/\.$/, "");
  });
}

/** CanonicalizePermittedCNAMEs. */
export function permittedNames(args: Arguments): string[] {
  const rules = aloneOr("canonicalizepermittedcnames", args.all(), ["none"]);
  for (const rule of rules) {
    if (rule !== "none" && !/^[^:]+:./s.test(rule)) {
      throw new ArgumentError(`Invalid permitted CNAME "${printable(rule)}"`);
    }
  }
  return rules;
}

/** PermitRemoteOpen. */
export function permitRemoteOpen(args: Arguments): string[] {
  if (args.left === 0) throw new ArgumentError("missing permitremoteopen specification");
  const targets = aloneOr("permitremoteopen", args.all(), ["any", "none"]);
  for (const target of targets) {
    if (/^(any|none)$/i.test(target)) continue;
    const parts = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(target);
    if (!parts || parts[1] === "") throw new ArgumentError("missing host in permitremoteopen");
    const port = parts[2] ?? "";
    if (port !== "*" && !portNumber(port)) {
      throw new ArgumentError("bad port number in permitremoteopen");
    }
  }
  return targets;
}

/** SendEnv: patterns; those that begin with a dash remove earlier patterns. */
export function sendEnv(args: Arguments): string[] {
  const patterns = args.all();
  if (patterns.some((pattern) => pattern.includes("="))) {
    throw new ArgumentError("Invalid environment name.");
  }
  return patterns;
}

/** Adds a line of SendEnv: duplicates stay, and patterns that match a removal go. */
export function addEnv(held: readonly string[], more: readonly string[]): readonly string[] {
  return more.reduce<readonly string[]>(
    (patterns, next) =>
      next.startsWith("-")
        ? patterns.filter((pattern) => !matchesWildcards(next.slice(1), pattern))
        : [...patterns, next],
    held,
  );
}

/** SetEnv: `NAME=value` each; the first value of a name counts. */
export function setEnv(args: Arguments): string[] {
  const kept = new Map<string, string>();
  for (const pair of args.all()) {
    const equals = pair.indexOf("=");
    if (equals < 0) throw new ArgumentError("Invalid SetEnv.");
    const name = pair.slice(0, equals);
    if (!kept.has(name)) kept.set(name, pair);
  }
  return [...kept.values()];
}

/** ObscureKeystrokeTiming: `yes`, `no` or `interval:milliseconds`; 0 is `no`. */
export function keystrokeInterval(args: Arguments): number {
  const text = args.next();
  if (/^(yes|true)$/.test(text)) return KEYSTROKE_INTERVAL_MS;
  if (/^(no|false)$/.test(text)) return 0;
  const [, digits] = /^interval:\+?(\d+)$/.exec(text) ?? [];
  if (digits === undefined) throw new ArgumentError(`unsupported argument "${printable(text)}"`);
  const milliseconds = Number(digits);
  if (milliseconds < 1 || milliseconds > 1000) throw new ArgumentError("value out of range.");
  return milliseconds;
}

/** OpenSSH's interval unless one is given. */
const KEYSTROKE_INTERVAL_MS = 20;

/** ObscureKeystrokeTiming in the form of `-G`. */
export function showKeystrokeInterval(milliseconds: number): string {
  if (milliseconds === 0) return "no";
  return milliseconds === KEYSTROKE_INTERVAL_MS ? "yes" : `${milliseconds}`;
}

/** ChannelTimeout: `type=time` each, or `none` alone. */
export function channelTimeouts(args: Arguments): string[] {
  const timeouts = args.all();
  if (timeouts.length === 0) throw new ArgumentError("no channeltimeout specified");
  for (const timeout of aloneOr("channeltimeout", timeouts, ["none"])) {
    if (!/^none$/i.test(timeout) && parseChannelTimeout(timeout) === null) {
      throw new ArgumentError(`invalid channel timeout ${printable(timeout)}`);
    }
  }
  return timeouts;
}

/** One `type=time`, with the time in milliseconds; null if malformed. */
export function parseChannelTimeout(
  text: string,
): { readonly type: string; readonly milliseconds: number } | null {
  const [, type, time] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  const milliseconds = time === undefined ? null : parseTime(time);
  return milliseconds === null ? null : { type: type!, milliseconds };
}

/**
 * VersionAddendum: the rest of the line, as in ssh with anything that looks like a comment; null for
 * `none`.
 */
export function versionAddendum(args: Arguments): string | null {
  args.raw(); // all of it, including an equals sign at the start
  const { text } = args;
  if (text.includes("\r")) throw new ArgumentError("Invalid versionaddendum argument");
  return /^none$/i.test(text) ? null : text;
}

/** WarnWeakCrypto: `yes`, `no`, or `no-pq-kex`, the one warning that can be disabled. */
export const warnWeakCrypto: (args: Arguments) => boolean = choice({
  yes: true,
  true: true,
  no: false,
  false: false,
  "no-pq-kex": false,
});

/** Compression accepts only `yes` and `no`. */
export const yesNoOnly: (args: Arguments) => boolean = choice({ yes: true, no: false });

function aloneOr(keyword: string, words: string[], loners: readonly string[]): string[] {
  const loner = words.find((word) => loners.includes(word.toLowerCase()));
  if (loner !== undefined && words.length > 1) {
    throw new ArgumentError(
      `keyword ${keyword} "${printable(loner)}" argument must appear alone.`,
    );
  }
  return words;
}
