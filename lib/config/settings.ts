import type { ForwardSetting } from "./forwards.ts";
import type { JumpHost } from "./proxy_jump.ts";

/** Whether to add keys read from files to the agent. */
export interface AddKeysSetting {
  /** Whether to add them, to ask before, or to add them so that each use must be confirmed. */
  readonly add: "yes" | "no" | "ask" | "confirm";
  /** How long the agent keeps them, in milliseconds; null means without limit. */
  readonly lifetime: number | null;
}

/** When to exchange keys again. */
export interface RekeySetting {
  /** After how many bytes; 0 means the cipher's limit. */
  readonly bytes?: number;
  /** After how many milliseconds. */
  readonly milliseconds?: number;
}

/**
 * The settings of a host, under their names in ssh_config(5). Settings that no file and no option gives are
 * missing. Times are in milliseconds, and file names are complete.
 */
export interface HostSettings {
  /** The user to log in as. */
  readonly User?: string;
  /** The name or address to connect to. */
  readonly HostName: string;
  /** The port to connect to. */
  readonly Port?: number;
  /** The family of addresses to use. */
  readonly AddressFamily?: "any" | "inet" | "inet6";
  /** Whether to suppress all prompts. */
  readonly BatchMode?: boolean;
  /** Whether to use the unchanged name if it is not found in any canonical domain. */
  readonly CanonicalizeFallbackLocal?: boolean;
  /** Whether to complete the name with the canonical domains. */
  readonly CanonicalizeHostname?: "no" | "yes" | "always";
  /** Whether to check the host key of the address, too. */
  readonly CheckHostIP?: boolean;
  /** Whether to compress. */
  readonly Compression?: boolean;
  /** Whether several programs share one connection. */
  readonly ControlMaster?: "no" | "yes" | "auto" | "ask" | "autoask";
  /** Whether ssh-keysign(8) may sign with the host key. */
  readonly EnableSSHKeysign?: boolean;
  /** Whether to ignore all tunnels set so far. */
  readonly ClearAllForwardings?: boolean;
  /** Whether a tunnel that cannot start ends the connection. */
  readonly ExitOnForwardFailure?: boolean;
  /** The hash of displayed fingerprints. */
  readonly FingerprintHash?: "MD5" | "SHA1" | "SHA256" | "SHA384" | "SHA512";
  /** Whether to forward X11. */
  readonly ForwardX11?: boolean;
  /** Whether remote X11 clients have full access to the display. */
  readonly ForwardX11Trusted?: boolean;
  /** Whether other hosts may connect to local tunnels. */
  readonly GatewayPorts?: boolean;
  /** Whether to hash names that are added to known_hosts. */
  readonly HashKnownHosts?: boolean;
  /** Whether to log in with the host key of this machine. */
  readonly HostbasedAuthentication?: boolean;
  /** Whether to use only the configured keys, even if the agent has more. */
  readonly IdentitiesOnly?: boolean;
  /** Whether to log in with keyboard-interactive. */
  readonly KbdInteractiveAuthentication?: boolean;
  /** Whether to skip the host key check for localhost. */
  readonly NoHostAuthenticationForLocalhost?: boolean;
  /** Whether to log in with a password. */
  readonly PasswordAuthentication?: boolean;
  /** Whether to run LocalCommand. */
  readonly PermitLocalCommand?: boolean;
  /** Whether ProxyCommand passes a connected descriptor. */
  readonly ProxyUseFdpass?: boolean;
  /** Whether to log in with keys. */
  readonly PubkeyAuthentication?: "no" | "yes" | "unbound" | "host-bound";
  /** Whether to request a terminal. */
  readonly RequestTTY?: "no" | "yes" | "force" | "auto";
  /** Whether to run nothing, a subsystem, or a command or shell. */
  readonly SessionType?: "none" | "subsystem" | "default";
  /** Whether standard input is empty. */
  readonly StdinNull?: boolean;
  /** Whether to go to the background after the login. */
  readonly ForkAfterAuthentication?: boolean;
  /** Whether to remove an existing Unix socket before listening. */
  readonly StreamLocalBindUnlink?: boolean;
  /** How to handle unknown host keys. */
  readonly StrictHostKeyChecking?: "no" | "yes" | "ask" | "accept-new";
  /** Whether to use TCP keepalives. */
  readonly TCPKeepAlive?: boolean;
  /** Whether to tunnel IP packets or Ethernet frames. */
  readonly Tunnel?: "no" | "point-to-point" | "ethernet";
  /** Whether to look up host keys in the DNS. */
  readonly VerifyHostKeyDNS?: "no" | "yes" | "ask";
  /** Whether to show the randomart of host keys. */
  readonly VisualHostKey?: boolean;
  /** Whether to accept further host keys from the server. */
  readonly UpdateHostKeys?: "no" | "yes" | "ask";
  /** Whether the escape character opens a command line. */
  readonly EnableEscapeCommandline?: boolean;
  /** Whether the tools warn of weak algorithms, such as a key exchange that is not post-quantum. */
  readonly WarnWeakCrypto?: boolean;
  /** The most dots in a name that is completed with a domain. */
  readonly CanonicalizeMaxDots?: number;
  /** The number of attempts to connect. */
  readonly ConnectionAttempts?: number;
  /** How long untrusted X11 clients are accepted, in milliseconds. */
  readonly ForwardX11Timeout?: number;
  /** The number of password prompts. */
  readonly NumberOfPasswordPrompts?: number;
  /** The number of unanswered keepalives after which the connection is closed. */
  readonly ServerAliveCountMax?: number;
  /** Milliseconds without data before a keepalive is sent; 0 means never. */
  readonly ServerAliveInterval?: number;
  /** The minimum size of RSA keys, in bits. */
  readonly RequiredRSASize?: number;
  /** Milliseconds between packets that hide the timing of keystrokes; 0 disables them. */
  readonly ObscureKeystrokeTiming?: number;
  /** The local address to connect from. */
  readonly BindAddress?: string;
  /** The local interface to connect from. */
  readonly BindInterface?: string;
  /** The ciphers to offer, as an expression. */
  readonly Ciphers?: string;
  /** The socket of the control master; null for none. */
  readonly ControlPath?: string | null;
  /** The signature algorithms for host keys, as an expression. */
  readonly HostKeyAlgorithms?: string;
  /** The name of the host in known_hosts. */
  readonly HostKeyAlias?: string;
  /** The signature algorithms for host-based authentication, as an expression. */
  readonly HostbasedAcceptedAlgorithms?: string;
  /** The agent's socket, `$NAME` or `SSH_AUTH_SOCK` for a variable with it, or `none`. */
  readonly IdentityAgent?: string;
  /** Patterns of keywords that may be unknown. */
  readonly IgnoreUnknown?: string;
  /** The devices of keyboard-interactive. */
  readonly KbdInteractiveDevices?: string;
  /** The key exchange methods to offer, as an expression. */
  readonly KexAlgorithms?: string;
  /** The signature algorithms for certificates, as an expression. */
  readonly CASignatureAlgorithms?: string;
  /**
   * The command to run locally after the login; its tokens about the host key are not replaced. Null for
   * none.
   */
  readonly LocalCommand?: string | null;
  /** The command to run on the server; null for none. */
  readonly RemoteCommand?: string | null;
  /** The log level. */
  readonly LogLevel?: LogLevelSetting;
  /** The message authentication codes to offer, as an expression. */
  readonly MACs?: string;
  /** The PKCS#11 library of a token with keys; null for none. */
  readonly PKCS11Provider?: string | null;
  /** The library for FIDO keys; null for none. */
  readonly SecurityKeyProvider?: string | null;
  /** The authentication methods in their order, separated by commas. */
  readonly PreferredAuthentications?: string;
  /** The signature algorithms for the user's keys, as an expression. */
  readonly PubkeyAcceptedAlgorithms?: string;
  /** The files with revoked host keys; an empty list for none. */
  readonly RevokedHostKeys?: readonly string[];
  /** The path of xauth(1). */
  readonly XAuthLocation?: string;
  /**
   * The program that prints host keys, with its arguments; its tokens about the host key are not replaced.
   * Null for none.
   */
  readonly KnownHostsCommand?: string | null;
  /** The tag for `Match tagged`. */
  readonly Tag?: string;
  /** Text to append to the identification line; null for none. */
  readonly VersionAddendum?: string | null;
  /** Tunnels that serve SOCKS locally. */
  readonly DynamicForward?: readonly ForwardSetting[];
  /** Tunnels from a local port. */
  readonly LocalForward?: readonly ForwardSetting[];
  /** Tunnels from a port of the server. */
  readonly RemoteForward?: readonly ForwardSetting[];
  /** The files with the user's keys. */
  readonly IdentityFile?: readonly string[];
  /** The domains to complete names with. */
  readonly CanonicalDomains?: readonly string[];
  /** The files with the user's certificates. */
  readonly CertificateFile?: readonly string[];
  /** The system-wide known_hosts files. */
  readonly GlobalKnownHostsFile?: readonly string[];
  /** The known_hosts files of the user. */
  readonly UserKnownHostsFile?: readonly string[];
  /** Patterns of the variables to send. */
  readonly SendEnv?: readonly string[];
  /** Variables to set, as `NAME=value`. */
  readonly SetEnv?: readonly string[];
  /** The time after which channels without data are closed, as `type=time`; `none` means never. */
  readonly ChannelTimeout?: readonly string[];
  /** Source locations to log in more detail than LogLevel. */
  readonly LogVerbose?: readonly string[];
  /** Permitted targets of a RemoteForward without a target: `host:port`, `any` or `none`. */
  readonly PermitRemoteOpen?: readonly string[];
  /** Whether to add keys read from files to the agent. */
  readonly AddKeysToAgent?: AddKeysSetting;
  /** Whether to forward the agent, or the socket of the agent to forward. */
  readonly ForwardAgent?: boolean | string;
  /** The time limit for connecting, in milliseconds; 0 for none. */
  readonly ConnectTimeout?: number;
  /** The local and the remote tun device. */
  readonly TunnelDevice?: readonly [local: number | "any", remote: number | "any"];
  /** Aliases of the DNS to follow, as `patterns:patterns`. */
  readonly CanonicalizePermittedCNAMEs?: readonly string[];
  /** Whether a shared connection stays open, or for how many milliseconds. */
  readonly ControlPersist?: boolean | number;
  /** The escape character; null for none. */
  readonly EscapeChar?: string | null;
  /** The classes of service for interactive and for other programs. */
  readonly IPQoS?: readonly [interactive: string, bulk: string];
  /** When to exchange keys again. */
  readonly RekeyLimit?: RekeySetting;
  /** The umask for Unix sockets. */
  readonly StreamLocalBindMask?: number;
  /** The facility in the system log. */
  readonly SyslogFacility?: string;
  /** The command to connect with; null for none. */
  readonly ProxyCommand?: string | null;
  /** The jump hosts, in their order; an empty list for none. */
  readonly ProxyJump?: readonly JumpHost[];
}

/** The log level. */
export type LogLevelSetting =
  | "QUIET"
  | "FATAL"
  | "ERROR"
  | "INFO"
  | "VERBOSE"
  | "DEBUG"
  | "DEBUG2"
  | "DEBUG3";
