/** The table of directives, in the order in which `ssh -G` prints them. */
import { algorithmNames, algorithms, type ListKind } from "./algorithm_lists.ts";
import {
  adding,
  choice,
  type Directive,
  directive,
  flag,
  textOrNone,
  time,
  wordsOnce,
} from "./directive.ts";
import { forward, type ForwardSetting, sameForward, showEnd } from "./forwards.ts";
import { type JumpValue, proxyJump, showJump } from "./proxy_jump.ts";
import type { HostSettings } from "./settings.ts";
import * as special from "./special_values.ts";
import { command, integer, port, word } from "./values.ts";

/** The settings in the files, before file names are completed. */
export type RawSettings =
  & {
    readonly [K in keyof Omit<HostSettings, "HostName" | "ProxyJump">]?: HostSettings[K];
  }
  & { readonly HostName?: string; readonly ProxyJump?: JumpValue };

/** A row for each setting. */
export type DirectiveTable = {
  readonly [K in keyof RawSettings]-?: Directive<NonNullable<RawSettings[K]> | NullOf<K>>;
};

type NullOf<K extends keyof RawSettings> = null extends RawSettings[K] ? null : never;

const YES_NO = { yes: "yes", true: "yes", no: "no", false: "no" } as const;
const YES_NO_ASK = { ...YES_NO, ask: "ask" } as const;
const text = directive(word);
const list = (kind: ListKind) =>
  directive<string>(
    algorithms(kind),
    () => algorithmNames(kind, undefined).join(","),
    (value) => algorithmNames(kind, value).join(","),
  );
const same = (a: string, b: string) => a === b;
const files = (...otherwise: string[]) =>
  adding<string>((args) => [args.next()], String, same, otherwise);
const forwards = (kind: "local" | "remote" | "dynamic") =>
  adding<ForwardSetting>(
    (args) => [forward(kind)(args)],
    ({ from, to }) => kind === "dynamic" ? showEnd(from) : `${showEnd(from)} ${showTo(to)}`,
    sameForward,
  );
const showTo = (to: ForwardSetting["to"]) => to === null ? "[socks]:0" : showEnd(to);

/** Every directive that sets something, by its name in the manual. */
export const DIRECTIVES: DirectiveTable = {
  User: text,
  HostName: text,
  Port: directive(port, 22),
  AddressFamily: choice({ any: "any", inet: "inet", inet6: "inet6" }, "any"),
  BatchMode: flag(false),
  CanonicalizeFallbackLocal: flag(true),
  CanonicalizeHostname: choice({ ...YES_NO, always: "always" }, "no"),
  CheckHostIP: flag(false),
  Compression: directive(special.yesNoOnly, false, (value) => value ? "yes" : "no"),
  ControlMaster: choice({ ...YES_NO_ASK, auto: "auto", autoask: "autoask" }, "no"),
  EnableSSHKeysign: flag(false),
  ClearAllForwardings: flag(false),
  ExitOnForwardFailure: flag(false),
  FingerprintHash: directive(special.fingerprintHash, "SHA256"),
  ForwardX11: flag(false),
  ForwardX11Trusted: flag(true),
  GatewayPorts: flag(false),
  HashKnownHosts: flag(false),
  HostbasedAuthentication: flag(false),
  IdentitiesOnly: flag(false),
  KbdInteractiveAuthentication: flag(true),
  NoHostAuthenticationForLocalhost: flag(false),
  PasswordAuthentication: flag(true),
  PermitLocalCommand: flag(false),
  ProxyUseFdpass: flag(false),
  PubkeyAuthentication: choice(
    { ...YES_NO, unbound: "unbound", "host-bound": "host-bound" },
    "yes",
  ),
  RequestTTY: choice({ ...YES_NO, force: "force", auto: "auto" }, "auto"),
  SessionType: choice({ none: "none", subsystem: "subsystem", default: "default" }, "default", {}),
  StdinNull: flag(false),
  ForkAfterAuthentication: flag(false),
  StreamLocalBindUnlink: flag(false),
  StrictHostKeyChecking: choice(
    { ...YES_NO_ASK, off: "no", "accept-new": "accept-new" },
    "ask",
  ),
  TCPKeepAlive: flag(true),
  Tunnel: choice(
    {
      yes: "point-to-point",
      true: "point-to-point",
      no: "no",
      false: "no",
      "point-to-point": "point-to-point",
      ethernet: "ethernet",
    },
    "no",
  ),
  VerifyHostKeyDNS: choice(YES_NO_ASK, "no"),
  VisualHostKey: flag(false),
  UpdateHostKeys: choice(YES_NO_ASK, "yes"),
  EnableEscapeCommandline: flag(false),
  WarnWeakCrypto: directive(special.warnWeakCrypto, true, (value) => value ? "yes" : "no"),
  CanonicalizeMaxDots: directive(integer, 1),
  ConnectionAttempts: directive(integer, 1),
  ForwardX11Timeout: time(1200_000),
  NumberOfPasswordPrompts: directive(integer, 3),
  ServerAliveCountMax: directive(integer, 3),
  ServerAliveInterval: time(({ BatchMode }) => BatchMode ? 300_000 : 0),
  RequiredRSASize: directive(integer, 1024),
  ObscureKeystrokeTiming: directive(special.keystrokeInterval, 20, special.showKeystrokeInterval),
  BindAddress: text,
  BindInterface: text,
  Ciphers: list("cipher"),
  ControlPath: textOrNone(word),
  HostKeyAlgorithms: list("signature"),
  HostKeyAlias: directive(word, undefined, (alias) => alias.toLowerCase()),
  HostbasedAcceptedAlgorithms: list("user"),
  IdentityAgent: directive(special.identityAgent),
  IgnoreUnknown: text,
  KbdInteractiveDevices: text,
  KexAlgorithms: list("kex"),
  CASignatureAlgorithms: list("ca"),
  LocalCommand: textOrNone(command),
  RemoteCommand: textOrNone(command),
  LogLevel: directive(special.logLevel, "INFO", special.showLogLevel),
  MACs: list("mac"),
  PKCS11Provider: textOrNone(word),
  SecurityKeyProvider: textOrNone(word, "internal"),
  PreferredAuthentications: text,
  PubkeyAcceptedAlgorithms: list("user"),
  XAuthLocation: directive(word, "/usr/bin/xauth"),
  KnownHostsCommand: textOrNone(command),
  Tag: text,
  VersionAddendum: {
    read: special.versionAddendum,
    show: (value) => value === null ? [""] : [value],
  },
  DynamicForward: forwards("dynamic"),
  LocalForward: forwards("local"),
  RemoteForward: forwards("remote"),
  IdentityFile: files(
    "~/.ssh/id_rsa",
    "~/.ssh/id_ecdsa",
    "~/.ssh/id_ecdsa_sk",
    "~/.ssh/id_ed25519",
    "~/.ssh/id_ed25519_sk",
    "~/.ssh/id_mldsa44_ed25519",
  ),
  CanonicalDomains: wordsOnce(special.domains, ["none"]),
  CertificateFile: files(),
  GlobalKnownHostsFile: wordsOnce(special.wordsOrNone("globalknownhostsfile"), [
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
  ]),
  UserKnownHostsFile: wordsOnce(special.wordsOrNone("userknownhostsfile"), [
    "~/.ssh/known_hosts",
    "~/.ssh/known_hosts2",
  ]),
  RevokedHostKeys: wordsOnce(special.revokedFiles, ["none"]),
  SendEnv: {
    read: special.sendEnv,
    add: special.addEnv,
    show: (patterns) => patterns,
  },
  SetEnv: { read: special.setEnv, show: (pairs) => pairs },
  LogVerbose: wordsOnce((args) => special.wordsOrNone("logverbose")(args).slice(0, 1), ["none"]),
  ChannelTimeout: wordsOnce(special.channelTimeouts, ["none"]),
  PermitRemoteOpen: wordsOnce(special.permitRemoteOpen, ["any"]),
  AddKeysToAgent: directive(
    special.addKeys,
    { add: "no", lifetime: null },
    special.showAddKeys,
  ),
  ForwardAgent: directive<boolean | string>(
    special.forwardAgent,
    false,
    (value) => typeof value === "string" ? value : value ? "yes" : "no",
  ),
  ConnectTimeout: time(),
  TunnelDevice: directive(special.tunnelDevice, ["any", "any"], (devices) => devices.join(":")),
  CanonicalizePermittedCNAMEs: wordsOnce(special.permittedNames, ["none"]),
  ControlPersist: directive<boolean | number>(
    special.controlPersist,
    false,
    (value) => typeof value === "number" ? `${value / 1000}` : value ? "yes" : "no",
  ),
  EscapeChar: directive<string | null>(special.escapeChar, "~", special.showEscapeChar),
  IPQoS: directive(special.ipQos, ["ef", "cs0"], (classes) => classes.join(" ")),
  RekeyLimit: {
    read: special.rekeyLimit,
    add: special.addRekey,
    show: (limit) => [special.showRekey(limit)],
    otherwise: {},
  },
  StreamLocalBindMask: directive(special.bindMask, 0o177, (mask) => `0${mask.toString(8)}`),
  SyslogFacility: directive((args) => args.next().toUpperCase(), "USER"),
  ProxyCommand: textOrNone(command),
  ProxyJump: {
    read: proxyJump,
    show: (jump) => jump.hosts.length === 0 ? [] : [showJump(jump)],
  },
};
