/** Message numbers (RFC 4250 §4.1). */
export const MSG = {
  DISCONNECT: 1,
  IGNORE: 2,
  UNIMPLEMENTED: 3,
  DEBUG: 4,
  SERVICE_REQUEST: 5,
  SERVICE_ACCEPT: 6,
  EXT_INFO: 7,
  KEXINIT: 20,
  NEWKEYS: 21,
  KEX_INIT: 30,
  KEX_REPLY: 31,
  USERAUTH_REQUEST: 50,
  USERAUTH_FAILURE: 51,
  USERAUTH_SUCCESS: 52,
  USERAUTH_BANNER: 53,
  /** Methods share this one: PK_OK, PASSWD_CHANGEREQ, INFO_REQUEST. */
  USERAUTH_60: 60,
  USERAUTH_61: 61,
  GLOBAL_REQUEST: 80,
  REQUEST_SUCCESS: 81,
  REQUEST_FAILURE: 82,
  CHANNEL_OPEN: 90,
  CHANNEL_OPEN_CONFIRMATION: 91,
  CHANNEL_OPEN_FAILURE: 92,
  CHANNEL_WINDOW_ADJUST: 93,
  CHANNEL_DATA: 94,
  CHANNEL_EXTENDED_DATA: 95,
  CHANNEL_EOF: 96,
  CHANNEL_CLOSE: 97,
  CHANNEL_REQUEST: 98,
  CHANNEL_SUCCESS: 99,
  CHANNEL_FAILURE: 100,
  /** ping@openssh.com (OpenSSH PROTOCOL §1.9). */
  PING: 192,
  PONG: 193,
} as const;

/** Reasons of SSH_MSG_DISCONNECT (RFC 4253 §11.1). */
export const DISCONNECT = {
  HOST_NOT_ALLOWED_TO_CONNECT: 1,
  PROTOCOL_ERROR: 2,
  KEY_EXCHANGE_FAILED: 3,
  MAC_ERROR: 5,
  COMPRESSION_ERROR: 6,
  SERVICE_NOT_AVAILABLE: 7,
  PROTOCOL_VERSION_NOT_SUPPORTED: 8,
  HOST_KEY_NOT_VERIFIABLE: 9,
  CONNECTION_LOST: 10,
  BY_APPLICATION: 11,
  TOO_MANY_CONNECTIONS: 12,
  AUTH_CANCELLED_BY_USER: 13,
  NO_MORE_AUTH_METHODS_AVAILABLE: 14,
  ILLEGAL_USER_NAME: 15,
} as const;

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254 §5.1). */
export const OPEN_FAILURE = {
  ADMINISTRATIVELY_PROHIBITED: 1,
  CONNECT_FAILED: 2,
  UNKNOWN_CHANNEL_TYPE: 3,
  RESOURCE_SHORTAGE: 4,
} as const;

/** SSH_EXTENDED_DATA_STDERR, the only extended data type in use (RFC 4254 §5.2). */
export const STDERR = 1;

/** A signal's name without SIG (RFC 4254 §6.10). */
export type SignalName =
  | "ABRT"
  | "ALRM"
  | "FPE"
  | "HUP"
  | "ILL"
  | "INT"
  | "KILL"
  | "PIPE"
  | "QUIT"
  | "SEGV"
  | "TERM"
  | "USR1"
  | "USR2";

/** The signals that can be sent. */
export const SIGNALS: readonly SignalName[] = [
  ...["ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL"] as const,
  ...["PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"] as const,
];

/** The name of a terminal mode (RFC 4254 §8, RFC 8160). */
export type TerminalMode =
  | "VINTR"
  | "VQUIT"
  | "VERASE"
  | "VKILL"
  | "VEOF"
  | "VEOL"
  | "VEOL2"
  | "VSTART"
  | "VSTOP"
  | "VSUSP"
  | "VDSUSP"
  | "VREPRINT"
  | "VWERASE"
  | "VLNEXT"
  | "VFLUSH"
  | "VSWTCH"
  | "VSTATUS"
  | "VDISCARD"
  | "IGNPAR"
  | "PARMRK"
  | "INPCK"
  | "ISTRIP"
  | "INLCR"
  | "IGNCR"
  | "ICRNL"
  | "IUCLC"
  | "IXON"
  | "IXANY"
  | "IXOFF"
  | "IMAXBEL"
  | "IUTF8"
  | "ISIG"
  | "ICANON"
  | "XCASE"
  | "ECHO"
  | "ECHOE"
  | "ECHOK"
  | "ECHONL"
  | "NOFLSH"
  | "TOSTOP"
  | "IEXTEN"
  | "ECHOCTL"
  | "ECHOKE"
  | "PENDIN"
  | "OPOST"
  | "OLCUC"
  | "ONLCR"
  | "OCRNL"
  | "ONOCR"
  | "ONLRET"
  | "CS7"
  | "CS8"
  | "PARENB"
  | "PARODD"
  | "TTY_OP_ISPEED"
  | "TTY_OP_OSPEED";

/** Opcodes of encoded terminal modes. */
export const TTY_MODES: Readonly<Record<TerminalMode, number>> = {
  VINTR: 1,
  VQUIT: 2,
  VERASE: 3,
  VKILL: 4,
  VEOF: 5,
  VEOL: 6,
  VEOL2: 7,
  VSTART: 8,
  VSTOP: 9,
  VSUSP: 10,
  VDSUSP: 11,
  VREPRINT: 12,
  VWERASE: 13,
  VLNEXT: 14,
  VFLUSH: 15,
  VSWTCH: 16,
  VSTATUS: 17,
  VDISCARD: 18,
  IGNPAR: 30,
  PARMRK: 31,
  INPCK: 32,
  ISTRIP: 33,
  INLCR: 34,
  IGNCR: 35,
  ICRNL: 36,
  IUCLC: 37,
  IXON: 38,
  IXANY: 39,
  IXOFF: 40,
  IMAXBEL: 41,
  IUTF8: 42,
  ISIG: 50,
  ICANON: 51,
  XCASE: 52,
  ECHO: 53,
  ECHOE: 54,
  ECHOK: 55,
  ECHONL: 56,
  NOFLSH: 57,
  TOSTOP: 58,
  IEXTEN: 59,
  ECHOCTL: 60,
  ECHOKE: 61,
  PENDIN: 62,
  OPOST: 70,
  OLCUC: 71,
  ONLCR: 72,
  OCRNL: 73,
  ONOCR: 74,
  ONLRET: 75,
  CS7: 90,
  CS8: 91,
  PARENB: 92,
  PARODD: 93,
  TTY_OP_ISPEED: 128,
  TTY_OP_OSPEED: 129,
};

/** Public key authentication that names the server's key, and how it is announced (OpenSSH PROTOCOL). */
export const HOST_BOUND = {
  METHOD: "publickey-hostbound-v00@openssh.com",
  EXTENSION: "publickey-hostbound@openssh.com",
} as const;

/**
 * Agent forwarding, by IANA's names (RFC 9987) where the server announces the extension, and by OpenSSH's
 * elsewhere: the request of a session, and the channels that the server opens after it.
 */
export const AGENT_FORWARDING = {
  EXTENSION: "agent-forward",
  IANA: { request: "agent-req", channel: "agent-connect" },
  OPENSSH: { request: "auth-agent-req@openssh.com", channel: "auth-agent@openssh.com" },
} as const;

/** Global requests about a server's host keys (draft-miller-sshm-hostkey-update §2, §3). */
export const HOSTKEYS = "hostkeys-00@openssh.com";
export const HOSTKEYS_PROVE = "hostkeys-prove-00@openssh.com";
