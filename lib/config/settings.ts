import type { ForwardSetting } from "./forwards.ts";
import type { JumpHost } from "./proxy_jump.ts";

/** What is done with the keys that are read from files. */
export interface AddKeysSetting {
  /** Whether they are added to the agent, after asking, or so that each use is to be confirmed. */
  readonly add: "yes" | "no" | "ask" | "confirm";
  /** For how many milliseconds the agent keeps them; null is for ever. */
  readonly lifetime: number | null;
}

/** When keys are exchanged anew. */
export interface RekeySetting {
  /** After how many bytes; 0 is the cipher's own limit. */
  readonly bytes?: number;
  /** After how many milliseconds. */
  readonly milliseconds?: number;
}

/**
 * What ssh_config(5) says about a host, under the names that the manual has. What no file and no option
 * says is missing. Times are in milliseconds, names of files are ready to be opened.
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
  /** Whether nobody is to be asked for anything. */
  readonly BatchMode?: boolean;
  /** Whether a name that is in no canonical domain is tried as it is. */
  readonly CanonicalizeFallbackLocal?: boolean;
  /** Whether the name is completed with the canonical domains. */
  readonly CanonicalizeHostname?: "no" | "yes" | "always";
  /** Whether the host key of the address is checked, too. */
  readonly CheckHostIP?: boolean;
  /** Whether to compress. */
  readonly Compression?: boolean;
  /** Whether one connection is to serve several programs. */
  readonly ControlMaster?: "no" | "yes" | "auto" | "ask" | "autoask";
  /** Whether a helper signs with the host's key. */
  readonly EnableSSHKeysign?: boolean;
  /** Whether all tunnels are forgotten. */
  readonly ClearAllForwardings?: boolean;
  /** Whether a tunnel that cannot start ends the connection. */
  readonly ExitOnForwardFailure?: boolean;
  /** The digest that keys are shown by. */
  readonly FingerprintHash?: "MD5" | "SHA1" | "SHA256" | "SHA384" | "SHA512";
  /** Whether X11 is forwarded. */
  readonly ForwardX11?: boolean;
  /** Whether X11 clients of the far side may do everything. */
  readonly ForwardX11Trusted?: boolean;
  /** Whether tunnels of this side are open to other hosts. */
  readonly GatewayPorts?: boolean;
  /** Whether known_hosts hides the names that are added. */
  readonly HashKnownHosts?: boolean;
  /** Whether to log in by the host's key. */
  readonly HostbasedAuthentication?: boolean;
  /** Whether only keys that are named here are tried, of those that the agent has. */
  readonly IdentitiesOnly?: boolean;
  /** Whether to log in by answering questions. */
  readonly KbdInteractiveAuthentication?: boolean;
  /** Whether the host key of the machine itself is not checked. */
  readonly NoHostAuthenticationForLocalhost?: boolean;
  /** Whether to log in by password. */
  readonly PasswordAuthentication?: boolean;
  /** Whether LocalCommand is run. */
  readonly PermitLocalCommand?: boolean;
  /** Whether ProxyCommand hands over a connected descriptor. */
  readonly ProxyUseFdpass?: boolean;
  /** Whether to log in by key. */
  readonly PubkeyAuthentication?: "no" | "yes" | "unbound" | "host-bound";
  /** Whether to ask for a terminal. */
  readonly RequestTTY?: "no" | "yes" | "force" | "auto";
  /** Whether to run nothing, a subsystem, or a command or shell. */
  readonly SessionType?: "none" | "subsystem" | "default";
  /** Whether standard input is not read. */
  readonly StdinNull?: boolean;
  /** Whether to go to the background when logged in. */
  readonly ForkAfterAuthentication?: boolean;
  /** Whether a unix socket that is in the way is removed. */
  readonly StreamLocalBindUnlink?: boolean;
  /** What is done about host keys that are not known. */
  readonly StrictHostKeyChecking?: "no" | "yes" | "ask" | "accept-new";
  /** Whether TCP looks after the connection. */
  readonly TCPKeepAlive?: boolean;
  /** Whether to tunnel packets, or frames. */
  readonly Tunnel?: "no" | "point-to-point" | "ethernet";
  /** Whether host keys are looked up in the DNS. */
  readonly VerifyHostKeyDNS?: "no" | "yes" | "ask";
  /** Whether host keys are drawn. */
  readonly VisualHostKey?: boolean;
  /** Whether to learn of other host keys from the server. */
  readonly UpdateHostKeys?: "no" | "yes" | "ask";
  /** Whether the escape character leads to a command line. */
  readonly EnableEscapeCommandline?: boolean;
  /** Whether the tools warn of algorithms that are weak, such as a key exchange that is not post-quantum. */
  readonly WarnWeakCrypto?: boolean;
  /** The number of dots from which on a name is complete. */
  readonly CanonicalizeMaxDots?: number;
  /** How often to try to connect. */
  readonly ConnectionAttempts?: number;
  /** For how long untrusted X11 clients are let in, in milliseconds. */
  readonly ForwardX11Timeout?: number;
  /** How often to ask for a password. */
  readonly NumberOfPasswordPrompts?: number;
  /** Questions without an answer after which the server is given up. */
  readonly ServerAliveCountMax?: number;
  /** Milliseconds of silence before the server is asked for a sign of life; 0 is never. */
  readonly ServerAliveInterval?: number;
  /** The least bits of RSA keys. */
  readonly RequiredRSASize?: number;
  /** Milliseconds between packets that hide when keys are pressed; 0 hides nothing. */
  readonly ObscureKeystrokeTiming?: number;
  /** The address of this side. */
  readonly BindAddress?: string;
  /** The interface of this side. */
  readonly BindInterface?: string;
  /** The ciphers to offer, as an expression. */
  readonly Ciphers?: string;
  /** The socket that programs share a connection by; null is none. */
  readonly ControlPath?: string | null;
  /** The signature algorithms for host keys, as an expression. */
  readonly HostKeyAlgorithms?: string;
  /** The name that known_hosts has the host under. */
  readonly HostKeyAlias?: string;
  /** The signature algorithms for keys of hosts that vouch for users, as an expression. */
  readonly HostbasedAcceptedAlgorithms?: string;
  /** The agent's socket, `$NAME` or `SSH_AUTH_SOCK` for a variable with it, or `none`. */
  readonly IdentityAgent?: string;
  /** Patterns of keywords that may be unknown. */
  readonly IgnoreUnknown?: string;
  /** The ways of asking questions. */
  readonly KbdInteractiveDevices?: string;
  /** The key exchange methods to offer, as an expression. */
  readonly KexAlgorithms?: string;
  /** The signature algorithms for certificates, as an expression. */
  readonly CASignatureAlgorithms?: string;
  /** The command to run here after logging in; tokens about the host key remain. Null is none. */
  readonly LocalCommand?: string | null;
  /** The command to run there; null is none. */
  readonly RemoteCommand?: string | null;
  /** How much is said. */
  readonly LogLevel?: LogLevelSetting;
  /** The message authentication codes to offer, as an expression. */
  readonly MACs?: string;
  /** The library of a token with keys; null is none. */
  readonly PKCS11Provider?: string | null;
  /** The library for FIDO keys; null is none. */
  readonly SecurityKeyProvider?: string | null;
  /** The methods of authentication in their order, with commas between. */
  readonly PreferredAuthentications?: string;
  /** The signature algorithms for the user's keys, as an expression. */
  readonly PubkeyAcceptedAlgorithms?: string;
  /** The files with host keys that are refused; an empty list is none. */
  readonly RevokedHostKeys?: readonly string[];
  /** The path of xauth(1). */
  readonly XAuthLocation?: string;
  /** The program, with its arguments, that prints host keys; tokens about the host key remain. Null is none. */
  readonly KnownHostsCommand?: string | null;
  /** What `Match tagged` is about. */
  readonly Tag?: string;
  /** Text after the name of this software in the identification; null is none. */
  readonly VersionAddendum?: string | null;
  /** Where SOCKS is served. */
  readonly DynamicForward?: readonly ForwardSetting[];
  /** Tunnels that begin here. */
  readonly LocalForward?: readonly ForwardSetting[];
  /** Tunnels that begin there. */
  readonly RemoteForward?: readonly ForwardSetting[];
  /** The files with the user's keys. */
  readonly IdentityFile?: readonly string[];
  /** The domains that complete a name. */
  readonly CanonicalDomains?: readonly string[];
  /** The files with the user's certificates. */
  readonly CertificateFile?: readonly string[];
  /** The files with the host keys that everybody trusts. */
  readonly GlobalKnownHostsFile?: readonly string[];
  /** The files with the host keys that the user trusts. */
  readonly UserKnownHostsFile?: readonly string[];
  /** Patterns of variables that are sent. */
  readonly SendEnv?: readonly string[];
  /** Variables that are set, as `NAME=value`. */
  readonly SetEnv?: readonly string[];
  /** After how long channels without data are closed, as `type=time`; `none` is never. */
  readonly ChannelTimeout?: readonly string[];
  /** What is said more of than LogLevel says. */
  readonly LogVerbose?: readonly string[];
  /** Where a RemoteForward without a target may lead: `host:port`, `any` or `none`. */
  readonly PermitRemoteOpen?: readonly string[];
  /** What is done with keys that are read from files. */
  readonly AddKeysToAgent?: AddKeysSetting;
  /** Whether the agent is lent to the server, or the socket of the one that is. */
  readonly ForwardAgent?: boolean | string;
  /** Milliseconds for connecting; 0 is no limit. */
  readonly ConnectTimeout?: number;
  /** The tun devices of this side and of the far side. */
  readonly TunnelDevice?: readonly [local: number | "any", remote: number | "any"];
  /** Which other names the DNS may lead to, as `patterns:patterns`. */
  readonly CanonicalizePermittedCNAMEs?: readonly string[];
  /** Whether a shared connection stays, or for how many milliseconds. */
  readonly ControlPersist?: boolean | number;
  /** The character that escapes begin with; null is none. */
  readonly EscapeChar?: string | null;
  /** The class of packets of interactive programs, and of others. */
  readonly IPQoS?: readonly [interactive: string, bulk: string];
  /** When keys are exchanged anew. */
  readonly RekeyLimit?: RekeySetting;
  /** The bits that the mode of a unix socket lacks. */
  readonly StreamLocalBindMask?: number;
  /** Where the system's log has it. */
  readonly SyslogFacility?: string;
  /** The command that connects; null is none. */
  readonly ProxyCommand?: string | null;
  /** The hosts to go through, in their order; an empty list is none. */
  readonly ProxyJump?: readonly JumpHost[];
}

/** How much is said. */
export type LogLevelSetting =
  | "QUIET"
  | "FATAL"
  | "ERROR"
  | "INFO"
  | "VERBOSE"
  | "DEBUG"
  | "DEBUG2"
  | "DEBUG3";
