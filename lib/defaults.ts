/** All limits and defaults, each with its reason. Numbers fixed by an RFC are in `wire/`. */

/** Largest `packet_length` accepted. RFC 4253 §6.1 asks for 35000; OpenSSH accepts 256 KiB. */
export const MAX_PACKET_LENGTH = 256 * 1024 + 1024;

/** Largest channel data that a peer may send in one packet: as in OpenSSH. */
export const MAX_CHANNEL_PACKET = 32 * 1024;

/** Largest data that we send in one packet, even if the peer allows more: the minimum of RFC 4253 §6.1. */
export const MAX_SENT_PACKET = 32 * 1024;

/**
 * Largest message that we send, in bytes of payload: OpenSSH ends a connection if a packet exceeds 256 KiB,
 * with padding.
 */
export const MAX_SENT_MESSAGE = 256 * 1024 - 512;

/** The initial receive window of a channel: as in OpenSSH, enough for 1 Gbit/s at 16 ms. */
export const CHANNEL_WINDOW = 2 * 1024 * 1024;

/**
 * The total growth of the windows of one connection: 32 MiB in all carry 1 Gbit/s at 250 ms. With 64 MiB,
 * sshd of OpenSSH 9.2, which queues as much as the window allows, slows down to 1 MB/s.
 */
export const WINDOW_GROWTH = 30 * 1024 * 1024;

/**
 * The least initial window, however many channels there are. At a server one packet, because a client may
 * open thousands; at a client, which opens them itself, enough to keep a thousand as fast as one.
 */
export const MIN_CHANNEL_WINDOW = {
  server: MAX_CHANNEL_PACKET,
  client: 4 * MAX_CHANNEL_PACKET,
} as const;

/** Bytes of one read from the socket; 64 to 256 KiB were measured fastest. */
export const SOCKET_READ_BYTES = 256 * 1024;

/** Writers wait while this many bytes are sealed and not yet taken by the socket. */
export const OUTBOX_HIGH_WATER = 512 * 1024;

/** Writers to a WebSocket wait while it has more unsent bytes than this. */
export const WEB_SOCKET_BUFFER = 1024 * 1024;

/** Largest single write to the socket; half the high water, so that sealing and writing overlap. */
export const SOCKET_WRITE_BYTES = 256 * 1024;

/**
 * The most bytes queued for a peer that does not read its socket: replies, window adjusts, pongs. Beyond it
 * the connection ends.
 */
export const OUTBOX_LIMIT = 8 * 1024 * 1024;

/** The same before the login: enough for any banner. */
export const OUTBOX_LIMIT_BEFORE_LOGIN = 256 * 1024;

/** Rekey after this many bytes in one direction: RFC 4253 §9 recommends 1 GiB. */
export const REKEY_BYTES = 1024 ** 3;

/** Rekey after this many packets: half of the sequence space (RFC 4344 §3.1). */
export const REKEY_PACKETS = 2 ** 31;

/** Rekey after this many milliseconds: RFC 4253 §9 recommends an hour. */
export const REKEY_MS = 60 * 60 * 1000;

/**
 * Milliseconds for which a server lets a client send its KEXINIT first: more than a round trip of a local
 * network, and little compared to others.
 */
export const KEXINIT_PATIENCE_MS = 5;

/** A key exchange that takes longer than this many milliseconds ends the connection. */
export const KEX_TIMEOUT_MS = 30_000;

/**
 * Channel messages accepted between a peer's KEXINIT and its NEWKEYS in a rekey: more than it can have had
 * queued, which is at most its windows.
 */
export const MAX_STRAGGLERS = 4_096;

/** Smallest group accepted in group exchange, in bits: RFC 8270 §3. */
export const DH_GEX_MIN_BITS = 2048;

/** The preferred size of the group, in bits: as strong as a 128-bit cipher, and as in OpenSSH. */
export const DH_GEX_PREFERRED_BITS = 3072;

/** Smallest group that our server grants, in bits: 2048 have only 112 bits of security. */
export const DH_GEX_GRANTED_BITS = 3072;

/** Largest group that our server grants unless group 18 is in its list: 8192 bits are eight times the work. */
export const DH_GEX_LARGEST_GRANTED_BITS = 4096;

/**
 * The share of a server's time for key agreements over finite fields and signatures of long RSA keys, for
 * all clients before the login together. They cost a client nothing, because it can send any value.
 */
export const STRANGERS_WORK_SHARE = 0.5;

/**
 * Longest signature that is verified without waiting for that share, in bytes: of a 4096-bit RSA key, with
 * its label.
 */
export const QUICK_SIGNATURE_BYTES = 536;

/**
 * Longest RSA key whose signature is verified for any client, in bits: it takes about 14 ms. 16384 bits
 * take 56 ms, so a server verifies longer keys only if its policy accepts them, and refuses certificates of
 * longer authorities.
 */
export const STRANGERS_RSA_BITS = 8192;

/**
 * Longest certificate that is read without waiting for that share, in bytes, including the authority's key
 * and signature.
 */
export const QUICK_CERTIFICATE_BYTES = 2048;

/** Largest group accepted, in bits: as in OpenSSH. The work grows with its cube. */
export const DH_GEX_MAX_BITS = 8192;

/** `connect` gives up after this many milliseconds: TCP, identification, kex and auth together. */
export const CONNECT_TIMEOUT_MS = 60_000;

/** A server disconnects a client that is not logged in after this many milliseconds (sshd's LoginGraceTime). */
export const LOGIN_GRACE_MS = 120_000;

/** Failed authentication attempts before the server disconnects (sshd's MaxAuthTries). */
export const MAX_AUTH_TRIES = 6;

/** The most steps of multi-factor authentication in one login. */
export const MAX_AUTH_STEPS = 8;

/** The most authentication attempts of a client, because a hostile server could ask without end. */
export const MAX_CLIENT_AUTH_ATTEMPTS = 64;

/** Prompts accepted in one keyboard-interactive request; OpenSSH has a similar limit. */
export const MAX_PROMPTS = 64;

/**
 * Characters shown of a login's banners; more are dropped. Ten times the longest banner in OpenSSH's tests,
 * and few enough that a server cannot flood a terminal for long.
 */
export const MAX_BANNER = 1024 * 1024;

/** The most memory for Argon2 that a private key file may ask for, in KiB; PuTTY's default is 8 MiB. */
export const ARGON2_MAX_KIB = 1024 * 1024;

/** The most memory times passes, in KiB: about half a minute of one core. */
export const ARGON2_MAX_WORK_KIB = 16 * 1024 * 1024;

/** The most open sessions of one connection (sshd's MaxSessions). */
export const MAX_SESSIONS = 10;

/** How long a session waits for another to end, if the caller sets no limit, in milliseconds. */
export const SESSION_QUEUE_MS = 60_000;

/** The most open channels of any type on a connection. */
export const MAX_CHANNELS = 4096;

/** Channel opens that wait for the program's accept or reject. */
export const MAX_PENDING_OPENS = 256;

/** Unanswered requests of one channel, or of the connection, before the peer must wait. */
export const MAX_PENDING_REQUESTS = 256;

/** sshd's MaxStartups 10:30:100: unauthenticated connections, start : rate % : full. */
export const MAX_STARTUPS: { begin: number; rate: number; full: number } = {
  begin: 10,
  rate: 30,
  full: 100,
};

/** The most sources of connections with penalties: sshd's limit. */
export const MAX_PENALIZED_SOURCES = 65_536;

/** How long a control master may take for its greeting, in milliseconds: it is on this machine. */
export const CONTROL_HELLO_MS = 3_000;

/** The longest message of a control socket; its texts are short. */
export const MAX_CONTROL_MESSAGE = 64 * 1024;

/** How long `close` waits for the peer to take queued data, in milliseconds. */
export const CLOSE_LINGER_MS = 1_000;

/** Milliseconds of silence before a keepalive, where a dead connection must be noticed; as in many VPNs. */
export const RESILIENT_KEEPALIVE_MS = 15_000;

/** Consecutive attempts to reconnect: about two minutes, in which most machines start. */
export const RECONNECT_ATTEMPTS = 10;

/** The delay before the first attempt, in milliseconds, because most losses are short. */
export const RECONNECT_MS = 200;

/** The delay doubles with each attempt, up to this: soon enough after a computer has slept. */
export const RECONNECT_MAX_MS = 30_000;

/**
 * How many milliseconds a new connection waits for the server to listen again on the ports of the lost one,
 * before other calls may use it. Servers answer in a round trip, but one that does not must not block them.
 */
export const RENEWAL_MS = 2_000;

/**
 * How many milliseconds may lie between the end of an SFTP channel and that of its connection for one loss: a
 * machine that shuts down may end its processes before its connections.
 */
export const CHANNEL_FIRST_MS = 2_000;

/** A connection that lasted this many milliseconds resets the count of attempts. */
export const RECONNECT_SETTLED_MS = 5_000;

/** The delay before tunnels try a lost gateway again, in milliseconds: it may be starting. */
export const TUNNELS_RETRY_MS = 1_000;

/**
 * Consecutive losses without an answer, after which an SFTP request fails: it may be the cause of the
 * losses.
 */
export const SFTP_REPEATS = 16;

/** Hosts of a fleet in parallel: as in pssh, and few enough for a laptop's descriptors. */
export const FLEET_CONCURRENCY = 32;

/** Further attempts for a host of a fleet: enough for the end of a reboot, or a full listen queue. */
export const FLEET_RETRIES = 2;

/** The delay before a host of a fleet is tried again, in milliseconds. */
export const FLEET_RETRY_MS = 1_000;

/** The delay doubles with each attempt, up to this. */
export const FLEET_RETRY_MAX_MS = 30_000;

/** Bytes collected of each stream of a host in a fleet: more than one reads of many hosts. */
export const FLEET_MAX_OUTPUT = 1024 * 1024;

/** The longest line of a host that is reported in one piece, in characters. */
export const FLEET_MAX_LINE = 64 * 1024;

/** The least bytes in flight of a transfer with one of many hosts: 100 Mbit/s at 20 ms. */
export const FLEET_LEAST_IN_FLIGHT = 256 * 1024;

/** Milliseconds of silence before a server sends a keepalive. */
export const SERVER_KEEPALIVE_MS = 60_000;

/** Missed keepalive answers before the peer counts as dead (ServerAliveCountMax). */
export const KEEPALIVE_COUNT = 3;

/** Smallest RSA modulus accepted, in bits (OpenSSH's RequiredRSASize is 1024; 2048 is today's floor). */
export const MIN_RSA_BITS = 2048;

/**
 * How long a command may take to end after the signals TERM and KILL, in milliseconds; some servers ignore
 * signals.
 */
export const KILL_GRACE_MS = 5_000;

/**
 * Milliseconds between checks of a command whose standard error is not read. After two checks that find it
 * stalled, it is ended with an error.
 */
export const STALL_MS = 5_000;

/** How long `expect()` waits for a pattern by default, in milliseconds; as in Python's pexpect. */
export const EXPECT_TIMEOUT_MS = 30_000;

/**
 * Characters that `expect()` searches again when more arrive: longer than a prompt, short enough to be
 * quick.
 */
export const EXPECT_WINDOW = 8 * 1024;

/** Bytes that `expect()` keeps of the text before a match. */
export const EXPECT_BUFFER_BYTES = 1024 * 1024;

/** Milliseconds that sudo may take to ask for a password or to check it: PAM may query a directory. */
export const SUDO_TIMEOUT_MS = 30_000;

/** The most output that `output()` and `run()` collect by default, in bytes. */
export const MAX_OUTPUT = 256 * 1024 * 1024;

/** SFTP: the largest message accepted, as OpenSSH's. */
export const SFTP_MAX_MESSAGE = 256 * 1024;

/** SFTP: bytes of one read or write if the server does not announce limits. */
export const SFTP_CHUNK = 32 * 1024;

/** SFTP: the largest read or write, even if the server allows more (OpenSSH's limit). */
export const SFTP_MAX_CHUNK = 255 * 1024;

/** SFTP: bytes in flight of one transfer: 1 Gbit/s at 250 ms. */
export const SFTP_IN_FLIGHT = 32 * 1024 * 1024;

/** SFTP: the same if a transfer may be resumed, which then sends as many bytes again. */
export const SFTP_RESUME_WINDOW = 4 * 1024 * 1024;

/** SFTP: the same over several channels: 300 MB/s at 50 ms. */
export const SFTP_STRIPED_RESUME_WINDOW = 16 * 1024 * 1024;

/**
 * SFTP: the most channels of one transfer: sshd's MaxSessions. Ten of its windows of 2 MiB carry 100 MB/s
 * at 200 ms.
 */
export const SFTP_CHANNELS = 10;

/** SFTP: files in parallel in a transfer: enough to overlap round trips, few enough for the descriptors. */
export const SFTP_FILES_AT_ONCE = 256;

/** SFTP: files in parallel if the server does not announce how many may be open. */
export const SFTP_UNKNOWN_HANDLES = 32;

/** SFTP: folders listed in parallel in a transfer. */
export const SFTP_FOLDERS_AT_ONCE = 32;

/** SFTP: the most open handles of one session at our server. */
export const SFTP_MAX_HANDLES = 256;

/** SFTP: the most open handles of all sessions of one connection: each takes up to two descriptors. */
export const SFTP_CONNECTION_HANDLES = 512;

/** SFTP: the longest path that our server accepts, in bytes: PATH_MAX of Linux. */
export const SFTP_MAX_PATH = 4096;

/** SFTP: a request that is not answered within this many milliseconds fails. */
export const SFTP_TIMEOUT_MS = 120_000;

/** SFTP: the deepest nesting of folders; a deeper tree counts as endless. */
export const SFTP_MAX_DEPTH = 256;

/** SFTP: bytes that a server copies for one request: seconds on the slowest disk. */
export const COPY_DATA_BYTES = 64 * 1024 * 1024;

/** The release whose ssh_config(5) this module implements, for `Match version`. */
export const OPENSSH_VERSION = "OpenSSH_10.5p1";

/** The deepest nesting of included configuration files: ssh's limit, which ends loops. */
export const MAX_CONFIG_DEPTH = 16;

/** The most configuration files in all, because wide trees of that depth would be practically endless. */
export const MAX_CONFIG_FILES = 1024;

/** The largest configuration file in characters: a hundred times the size of hand-written ones. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/** The deepest nesting of jump hosts, which ends circular configurations. */
export const MAX_JUMPS = 16;

/** The most identity files, and certificates, in a configuration (ssh's limit). */
export const MAX_IDENTITY_FILES = 100;
