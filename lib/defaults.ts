/** Every number that we chose, each with its reason. Numbers fixed by an RFC stand in `wire/`. */

/** Largest `packet_length` accepted. RFC 4253 §6.1 asks for 35000; OpenSSH accepts 256 KiB. */
export const MAX_PACKET_LENGTH = 256 * 1024 + 1024;

/** Largest channel data that we ask a peer to send in one packet: what OpenSSH asks for. */
export const MAX_CHANNEL_PACKET = 32 * 1024;

/** Largest data that we put in one packet, even if the peer allows more: RFC 4253 §6.1's floor. */
export const MAX_SENT_PACKET = 32 * 1024;

/**
 * Largest message that we send, in bytes of payload: OpenSSH ends a connection at a packet of more than
 * 256 KiB, with padding.
 */
export const MAX_SENT_MESSAGE = 256 * 1024 - 512;

/** The receive window that a channel starts with: OpenSSH's own, enough for 1 Gbit/s at 16 ms. */
export const CHANNEL_WINDOW = 2 * 1024 * 1024;

/**
 * By how much the windows of one connection may grow together: 32 MiB in all carry 1 Gbit/s at 250 ms.
 * With 64 MiB OpenSSH 9.2's sshd, which queues as much as the window allows, crawls at 1 MB/s.
 */
export const WINDOW_GROWTH = 30 * 1024 * 1024;

/**
 * The least that a channel starts with, however many there are. At a server one packet, since a client may open
 * thousands; at a client, which opens them itself, as much as keeps a thousand as fast as one.
 */
export const MIN_CHANNEL_WINDOW = {
  server: MAX_CHANNEL_PACKET,
  client: 4 * MAX_CHANNEL_PACKET,
} as const;

/** Bytes asked of the socket at a time: measured fastest between 64 and 256 KiB. */
export const SOCKET_READ_BYTES = 256 * 1024;

/** Writers wait while this much is sealed and not yet taken by the socket. */
export const OUTBOX_HIGH_WATER = 512 * 1024;

/** Writers to a WebSocket wait while it has more than this left to send. */
export const WEB_SOCKET_BUFFER = 1024 * 1024;

/** Largest single write to the socket; half the high water, so that sealing and writing overlap. */
export const SOCKET_WRITE_BYTES = 256 * 1024;

/**
 * What a peer may make us queue without reading its socket: replies, window adjusts, pongs. Beyond
 * it the peer is not reading and the connection ends.
 */
export const OUTBOX_LIMIT = 8 * 1024 * 1024;

/** The same of a peer that is not logged in, or before we are: enough for any banner. */
export const OUTBOX_LIMIT_BEFORE_LOGIN = 256 * 1024;

/** Rekey after this many bytes in one direction: RFC 4253 §9 recommends 1 GiB. */
export const REKEY_BYTES = 1024 ** 3;

/** Rekey after this many packets: half of the sequence space (RFC 4344 §3.1). */
export const REKEY_PACKETS = 2 ** 31;

/** Rekey after this many milliseconds: RFC 4253 §9 recommends an hour. */
export const REKEY_MS = 60 * 60 * 1000;

/**
 * Milliseconds that a server leaves a client to send its KEXINIT first: more than a round trip of a
 * local network, and little beside those of others.
 */
export const KEXINIT_PATIENCE_MS = 5;

/** A key exchange that takes longer than this many milliseconds ends the connection. */
export const KEX_TIMEOUT_MS = 30_000;

/**
 * Messages of channels accepted between a peer's KEXINIT and its NEWKEYS in a rekey: more than what it may
 * have had in hand, which is at most its windows.
 */
export const MAX_STRAGGLERS = 4_096;

/** Smallest group accepted in group exchange, in bits: RFC 8270 §3. */
export const DH_GEX_MIN_BITS = 2048;

/** The group that we ask for, in bits: as strong as a 128-bit cipher; OpenSSH asks for as much. */
export const DH_GEX_PREFERRED_BITS = 3072;

/** Smallest group that our server grants, in bits: 2048 are worth a cipher of 112 only. */
export const DH_GEX_GRANTED_BITS = 3072;

/** Largest group that our server grants unless group 18 is on its list: 8192 bits are eight times the work. */
export const DH_GEX_LARGEST_GRANTED_BITS = 4096;

/**
 * How much of the server's time key agreements over finite fields and signatures of long RSA keys may take,
 * all clients together that are not logged in. They cost the client nothing: it need not compute its value.
 */
export const STRANGERS_WORK_SHARE = 0.5;

/** Longest signature that is verified at once, in bytes: that of an RSA key of 4096 bits, with its label. */
export const QUICK_SIGNATURE_BYTES = 536;

/**
 * Longest RSA key, in bits, whose signature is verified for anybody, some 14 ms of the thread. 16384 bits take
 * 56 ms, so a server verifies for a longer key only if its policy accepts the key, and reads no
 * certificate of a longer authority.
 */
export const STRANGERS_RSA_BITS = 8192;

/** Longest certificate that is read at once, in bytes: the authority's key and signature are in it. */
export const QUICK_CERTIFICATE_BYTES = 2048;

/** Largest group accepted, in bits: as OpenSSH has it. Work grows with the cube of it. */
export const DH_GEX_MAX_BITS = 8192;

/** `connect` gives up after this many milliseconds: TCP, identification, kex and auth together. */
export const CONNECT_TIMEOUT_MS = 60_000;

/** The server drops who is not logged in after this many milliseconds (sshd's LoginGraceTime). */
export const LOGIN_GRACE_MS = 120_000;

/** Failed authentication attempts before the server hangs up (sshd's MaxAuthTries). */
export const MAX_AUTH_TRIES = 6;

/** Successful steps of multi-factor authentication that one login may take. */
export const MAX_AUTH_STEPS = 8;

/** Authentication attempts that a client makes before it gives up: a hostile server asks for ever. */
export const MAX_CLIENT_AUTH_ATTEMPTS = 64;

/** Prompts accepted in one keyboard-interactive request; OpenSSH draws the same kind of line. */
export const MAX_PROMPTS = 64;

/**
 * Characters of a login's banners that are shown; more is dropped. Ten times the longest banner of
 * OpenSSH's own tests, which is whole, and few enough that a server cannot flood a terminal for long.
 */
export const MAX_BANNER = 1024 * 1024;

/** Memory that a private key file may have Argon2 take, in KiB: PuTTY writes 8 MiB unless told. */
export const ARGON2_MAX_KIB = 1024 * 1024;

/** Memory times passes that it may cost, in KiB: about half a minute of one core. */
export const ARGON2_MAX_WORK_KIB = 16 * 1024 * 1024;

/** Sessions that one connection may have open (sshd's MaxSessions). */
export const MAX_SESSIONS = 10;

/** How long a session waits for another to end, if the caller sets no limit, in milliseconds. */
export const SESSION_QUEUE_MS = 60_000;

/** Channels of any type that one peer may have open on a connection. */
export const MAX_CHANNELS = 4096;

/** Channel opens that wait for the program's accept or reject. */
export const MAX_PENDING_OPENS = 256;

/** Requests of one channel, or of the connection, that wait for our answer before the peer has to wait. */
export const MAX_PENDING_REQUESTS = 256;

/** sshd's MaxStartups 10:30:100: unauthenticated connections, start : rate % : full. */
export const MAX_STARTUPS: { begin: number; rate: number; full: number } = {
  begin: 10,
  rate: 30,
  full: 100,
};

/** Sources of connections that a server keeps penalties of: sshd's own limit, 65,536. */
export const MAX_PENALIZED_SOURCES = 65_536;

/** How long a control master may take to greet, in milliseconds: one that works is on this machine. */
export const CONTROL_HELLO_MS = 3_000;

/** The longest message of a control socket; the texts in them are short. */
export const MAX_CONTROL_MESSAGE = 64 * 1024;

/** How long `close` waits for the peer to take what is still queued, in milliseconds. */
export const CLOSE_LINGER_MS = 1_000;

/** What has to notice a dead connection asks for a sign of life after this many milliseconds, as many VPNs do. */
export const RESILIENT_KEEPALIVE_MS = 15_000;

/** Tries in a row to connect again: in about two minutes, in which most machines start. */
export const RECONNECT_ATTEMPTS = 10;

/** The first is made after this many milliseconds, since most losses are short; */
export const RECONNECT_MS = 200;

/** and the others after twice as many each time, up to this: soon enough after a computer has slept. */
export const RECONNECT_MAX_MS = 30_000;

/** A connection that lasted for this many milliseconds is no try any more. */
export const RECONNECT_SETTLED_MS = 5_000;

/** Tunnels whose gateway was lost try again after this many milliseconds: it may be starting. */
export const TUNNELS_RETRY_MS = 1_000;

/** Losses in a row without an answer, after which an SFTP request is given up: it may be what ends connections. */
export const SFTP_REPEATS = 16;

/** Hosts of a fleet that are worked on at once: what pssh does, and few enough for a laptop's descriptors. */
export const FLEET_CONCURRENCY = 32;

/** Tries of a host after the first one: enough for a reboot that is ending, or a full listen queue. */
export const FLEET_RETRIES = 2;

/** A host of a fleet is tried again after this many milliseconds, */
export const FLEET_RETRY_MS = 1_000;

/** and after twice as many each time, up to this. */
export const FLEET_RETRY_MAX_MS = 30_000;

/** Bytes of each stream of a host that a fleet collects: more than anybody reads of many hosts. */
export const FLEET_MAX_OUTPUT = 1024 * 1024;

/** Characters of a line of a host that is told in one piece. */
export const FLEET_MAX_LINE = 64 * 1024;

/** Bytes in flight of a transfer with one of many hosts at least: 100 Mbit/s at 20 ms. */
export const FLEET_LEAST_IN_FLIGHT = 256 * 1024;

/** A server asks silent clients for a sign of life after this many milliseconds. */
export const SERVER_KEEPALIVE_MS = 60_000;

/** Missed keepalive answers before the peer counts as dead (ServerAliveCountMax). */
export const KEEPALIVE_COUNT = 3;

/** Smallest RSA modulus accepted, in bits (OpenSSH's RequiredRSASize is 1024; 2048 is today's floor). */
export const MIN_RSA_BITS = 2048;

/** How long a command whose server answers no TERM or KILL may take to end, in milliseconds. */
export const KILL_GRACE_MS = 5_000;

/**
 * Milliseconds between two looks at a command whose standard error is not read: after two that find it stalled it
 * is ended, so that a program which reads standard output alone is told within twice as long.
 */
export const STALL_MS = 5_000;

/** How long `expect()` waits for a pattern unless told, in milliseconds, as the tool of that name in Python. */
export const EXPECT_TIMEOUT_MS = 30_000;

/** Characters that `expect()` looks at again when more come: longer than a prompt, short enough to be quick. */
export const EXPECT_WINDOW = 8 * 1024;

/** Bytes that `expect()` keeps of what came before a match. */
export const EXPECT_BUFFER_BYTES = 1024 * 1024;

/** Milliseconds that sudo may take to ask for a password or to judge one: PAM may ask a directory. */
export const SUDO_TIMEOUT_MS = 30_000;

/** Output that `output()` and `run()` collect at most, in bytes, unless told otherwise. */
export const MAX_OUTPUT = 256 * 1024 * 1024;

/** SFTP: the largest message accepted, as OpenSSH's. */
export const SFTP_MAX_MESSAGE = 256 * 1024;

/** SFTP: bytes of one read or write when the server does not tell its limits. */
export const SFTP_CHUNK = 32 * 1024;

/** SFTP: the largest read or write asked for, even if the server allows more (OpenSSH's limit). */
export const SFTP_MAX_CHUNK = 255 * 1024;

/** SFTP: bytes of reads or writes under way at once in one transfer: 1 Gbit/s at 250 ms. */
export const SFTP_IN_FLIGHT = 32 * 1024 * 1024;

/** SFTP: the same if a transfer may be resumed, which then sends so much again. */
export const SFTP_RESUME_WINDOW = 4 * 1024 * 1024;

/** SFTP: the same over several channels: 300 MB/s at 50 ms. */
export const SFTP_STRIPED_RESUME_WINDOW = 16 * 1024 * 1024;

/**
 * SFTP: channels that one transfer is spread over at most: the sessions of sshd's MaxSessions. Ten of its windows,
 * 2 MiB each, carry 100 MB/s at 200 ms.
 */
export const SFTP_CHANNELS = 10;

/** SFTP: files under way at once in a transfer: round trips together, descriptors to spare. */
export const SFTP_FILES_AT_ONCE = 256;

/** SFTP: files under way at once if the server does not say how many may be open. */
export const SFTP_UNKNOWN_HANDLES = 32;

/** SFTP: folders that are listed at once in a transfer. */
export const SFTP_FOLDERS_AT_ONCE = 32;

/** SFTP: open handles that one session at our server may have. */
export const SFTP_MAX_HANDLES = 256;

/** SFTP: open handles that all sessions of one connection may have: each takes up to two descriptors. */
export const SFTP_CONNECTION_HANDLES = 512;

/** SFTP: bytes of a path that our server takes: what Linux does (PATH_MAX). */
export const SFTP_MAX_PATH = 4096;

/** SFTP: a request that is not answered within this many milliseconds fails. */
export const SFTP_TIMEOUT_MS = 120_000;

/** SFTP: folders in folders; a tree that is deeper has no end. */
export const SFTP_MAX_DEPTH = 256;

/** SFTP: bytes that a server copies by itself before it answers: seconds on the slowest disk. */
export const COPY_DATA_BYTES = 64 * 1024 * 1024;

/** The release whose ssh_config(5) this module reads, which `Match version` is about. */
export const OPENSSH_VERSION = "OpenSSH_10.5p1";

/** How deep configuration files may include each other: ssh's own limit, which loops end at. */
export const MAX_CONFIG_DEPTH = 16;

/** Configuration files that one may include in all: wide trees of the depth above never end. */
export const MAX_CONFIG_FILES = 1024;

/** The largest configuration file in characters: a hundred times what people write by hand. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/** Jump hosts that lead to jump hosts: configurations that go round in circles end here. */
export const MAX_JUMPS = 16;

/** Identity files, and certificates, that a configuration may name (ssh's own limit). */
export const MAX_IDENTITY_FILES = 100;
