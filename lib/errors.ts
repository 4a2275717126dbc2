/**
 * Every way an SSH operation can fail, as one family: catch {@linkcode SshError} to catch them all.
 *
 * Built-in errors stay what they are: `TypeError` and `RangeError` for bad arguments, and an aborted
 * operation rejects with its `signal.reason`.
 *
 * @module
 */

/** The stable, machine-readable names of the kinds of {@linkcode SshError}. */
export type SshErrorCode =
  | "connect"
  | "timeout"
  | "negotiation"
  | "host-key"
  | "auth"
  | "protocol"
  | "disconnect"
  | "closed"
  | "channel-open"
  | "request-denied"
  | "command"
  | "expect"
  | "sudo"
  | "sftp"
  | "key-format"
  | "passphrase"
  | "certificate"
  | "signature"
  | "config";

/**
 * The base of every error that this module throws about the world outside the program.
 *
 * @example
 * ```ts
 * import { SshError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair(); // a server that allows nothing
 * try {
 *   await pair.host.run("uptime");
 * } catch (error) {
 *   if (!(error instanceof SshError)) throw error;
 *   assertEquals(error.code, "request-denied");
 * }
 * ```
 */
export class SshError extends Error {
  /**
   * Which kind of failure this is; stable across versions, unlike the message. It ends the message in
   * brackets, and is the name of a section of `docs/troubleshooting.md`.
   */
  readonly code: SshErrorCode;

  /** Creates an error of a kind; the message gets the code at its end, in brackets. */
  constructor(code: SshErrorCode, message: string, options?: ErrorOptions) {
    super(`${message} [${code}]`, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * The server could not be reached, does not speak SSH, or the connection was lost.
 *
 * @example
 * ```ts
 * import { connect, ConnectError, none } from "@denossh/ssh";
 * import { assertRejects } from "@std/assert";
 *
 * // Nothing listens on port 1 of this machine.
 * await assertRejects(
 *   () =>
 *     connect("me@127.0.0.1:1", { auth: [none()], hostKeys: () => false }),
 *   ConnectError,
 * );
 * ```
 */
export class ConnectError extends SshError {
  /** Creates the error; `code` is `"timeout"` when the time ran out. */
  constructor(message: string, options?: ErrorOptions & { timeout?: boolean }) {
    super(options?.timeout ? "timeout" : "connect", message, options);
  }
}

/**
 * The two ends have no algorithm in common (RFC 4253 §7.1).
 *
 * @example
 * ```ts
 * import { NegotiationError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(
 *   () =>
 *     connectedPair({
 *       connect: { algorithms: { cipher: "aes256-ctr" } },
 *       serve: { algorithms: { cipher: "-aes*-ctr" } },
 *     }),
 *   NegotiationError,
 *   "No common cipher algorithm: we offer aes256-ctr, the peer offers",
 * );
 * ```
 */
export class NegotiationError extends SshError {
  /** The kind of algorithm, such as `"key exchange"` or `"host key"`. */
  readonly kind: string;
  /** The names that this end offered. */
  readonly ours: readonly string[];
  /** The names that the peer offered. */
  readonly theirs: readonly string[];

  /**
   * Creates the error; both offers are part of the message.
   *
   * @param advice Advice, printed after a semicolon
   */
  constructor(kind: string, ours: readonly string[], theirs: readonly string[], advice = "") {
    const offers = `we offer ${list(ours)}, the peer offers ${list(theirs)}`;
    super("negotiation", `No common ${kind} algorithm: ${offers}${advice && `; ${advice}`}`);
    this.kind = kind;
    this.ours = ours;
    this.theirs = theirs;
  }
}

/** Why a host key was not accepted. */
export type HostKeyProblem = "unknown" | "changed" | "revoked" | "refused" | "signature";

/**
 * The server's host key was not accepted; no credential has been sent.
 *
 * @example
 * ```ts
 * import { HostKeyError } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const another = await generateKey();
 * const error = await assertRejects(
 *   () => connectedPair({ connect: { hostKeys: another.publicKey } }),
 *   HostKeyError,
 * );
 * assertEquals(error.reason, "changed");
 * ```
 */
export class HostKeyError extends SshError {
  /** Why the key was not accepted. */
  readonly reason: HostKeyProblem;
  /** The requested host; `[name]:port` unless the port is 22. */
  readonly host: string;
  /** The SHA-256 fingerprint of the key that the server showed. */
  readonly fingerprint: string;

  /** Creates the error. */
  constructor(
    reason: HostKeyProblem,
    host: string,
    fingerprint: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super("host-key", message, options);
    this.reason = reason;
    this.host = host;
    this.fingerprint = fingerprint;
  }
}

/**
 * The server rejected all credentials (RFC 4252 §5.1).
 *
 * @example
 * ```ts
 * import { AuthError, password } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const error = await assertRejects(
 *   () =>
 *     connectedPair({
 *       serve: { auth: { password: (_user, secret) => secret === "right" } },
 *       connect: { auth: [password("wrong")] },
 *     }),
 *   AuthError,
 * );
 * assertEquals(error.attempts, ["password"]);
 * assertEquals(error.remaining, ["password"]);
 * ```
 */
export class AuthError extends SshError {
  /** The methods that the server allows next. */
  readonly remaining: readonly string[];
  /** Whether at least one method succeeded and the server required more. */
  readonly partial: boolean;
  /** The methods that were tried, in order. */
  readonly attempts: readonly string[];
  /** The tried methods in words: keys with their fingerprints and, if known, their files. */
  readonly tried: readonly string[];
  /** The keys that were found but could not be used: a sentence with the reason for each. */
  readonly skippedKeys: readonly string[];

  /** Creates the error. */
  constructor(
    message: string,
    details: {
      remaining?: readonly string[];
      partial?: boolean;
      attempts?: readonly string[];
      tried?: readonly string[];
      skippedKeys?: readonly string[];
      cause?: unknown;
    } = {},
  ) {
    super("auth", message, details.cause === undefined ? undefined : { cause: details.cause });
    this.remaining = details.remaining ?? [];
    this.partial = details.partial ?? false;
    this.attempts = details.attempts ?? [];
    this.tried = details.tried ?? this.attempts;
    this.skippedKeys = details.skippedKeys ?? [];
  }
}

/**
 * The peer broke the protocol; the connection is over.
 *
 * @example
 * ```ts
 * import { ProtocolError } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ProtocolError("Channel data beyond the window");
 * assertEquals([error.code, error.disconnectReason], ["protocol", 2]);
 * ```
 */
export class ProtocolError extends SshError {
  /** The reason code sent to the peer in DISCONNECT (RFC 4253 §11.1). */
  readonly disconnectReason: number;

  /** Creates the error; the reason defaults to SSH_DISCONNECT_PROTOCOL_ERROR (2). */
  constructor(message: string, options?: ErrorOptions & { disconnectReason?: number }) {
    super("protocol", message, options);
    this.disconnectReason = options?.disconnectReason ?? 2;
  }
}

/**
 * One end ended the connection with SSH_MSG_DISCONNECT (RFC 4253 §11.1).
 *
 * @example
 * ```ts
 * import { DisconnectError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair();
 * await pair.served.close();
 * const error = await assertRejects(() => pair.host.closed, DisconnectError);
 * assertEquals([error.by, error.reason], ["peer", 11]);
 * ```
 */
export class DisconnectError extends SshError {
  /** The reason code, such as 2 for a protocol error or 11 for an ordinary end. */
  readonly reason: number;
  /** Which end sent the message. */
  readonly by: "us" | "peer";

  /** Creates the error. */
  constructor(reason: number, by: "us" | "peer", message: string, options?: ErrorOptions) {
    super("disconnect", message, options);
    this.reason = reason;
    this.by = by;
  }
}

/**
 * A connection or channel was used after it had closed; `cause` says why it closed.
 *
 * @example
 * ```ts
 * import { ClosedError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair();
 * await pair.host.close();
 * await assertRejects(() => pair.host.run("uptime"), ClosedError);
 * ```
 */
export class ClosedError extends SshError {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("closed", message, options);
  }
}

/**
 * The peer refused to open a channel (RFC 4254 §5.1).
 *
 * @example
 * ```ts
 * import { ChannelOpenError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair();
 * const error = await assertRejects(
 *   () => pair.host.openChannel("x11"),
 *   ChannelOpenError,
 * );
 * assertEquals(error.reason, 3); // unknown type
 * ```
 */
export class ChannelOpenError extends SshError {
  /** The reason code: 1 prohibited, 2 connect failed, 3 unknown type, 4 resource shortage. */
  readonly reason: number;

  /** Creates the error. */
  constructor(reason: number, message: string, options?: ErrorOptions) {
    super("channel-open", message, options);
    this.reason = reason;
  }
}

/**
 * The peer answered a channel request or global request with a failure (RFC 4254 §4, §5.4).
 *
 * @example
 * ```ts
 * import { RequestDeniedError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair(); // a server without files
 * const error = await assertRejects(
 *   () => pair.host.sftp(),
 *   RequestDeniedError,
 * );
 * assertEquals(error.request, "subsystem");
 * ```
 */
export class RequestDeniedError extends SshError {
  /** The request's name, such as `"pty-req"`. */
  readonly request: string;

  /** Creates the error. */
  constructor(request: string, message?: string, options?: ErrorOptions) {
    super("request-denied", message ?? `The peer refused the request "${request}"`, options);
    this.request = request;
  }
}

/**
 * A remote command ended without success.
 *
 * @example
 * ```ts
 * import { CommandError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair({ handler: () => 42 });
 * const error = await assertRejects(
 *   () => pair.host.run("false"),
 *   CommandError,
 * );
 * assertEquals(error.exitCode, 42);
 * ```
 */
export class CommandError extends SshError {
  /** The exit code, or null if a signal ended the command or the server sent no status. */
  readonly exitCode: number | null;
  /** The signal's name without SIG, or null. */
  readonly signal: string | null;
  /** The collected part of its standard output. */
  readonly stdout: Uint8Array;
  /** The collected part of its standard error. */
  readonly stderr: Uint8Array;

  /** Creates the error. */
  constructor(
    message: string,
    output: {
      code: number | null;
      signal: string | null;
      stdout: Uint8Array;
      stderr: Uint8Array;
    },
  ) {
    super("command", message);
    this.exitCode = output.code;
    this.signal = output.signal;
    this.stdout = output.stdout;
    this.stderr = output.stderr;
  }
}

/**
 * A pattern did not appear in time (`code` is `"timeout"`), or before the output ended.
 *
 * @example
 * ```ts
 * import { ExpectError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.print("login: "),
 * });
 * await using process = await pair.host.shell();
 * const error = await assertRejects(
 *   () => process.expect("password: "),
 *   ExpectError,
 * );
 * assertEquals([error.code, error.received], ["expect", "login: "]);
 * ```
 */
export class ExpectError extends SshError {
  /** The end of the received text, up to 400 characters. */
  readonly received: string;

  /** Creates the error; `code` is `"timeout"` when the time ran out. */
  constructor(message: string, options: { timeout?: boolean; received: string }) {
    super(options.timeout ? "timeout" : "expect", message);
    this.received = options.received;
  }
}

/** Why sudo did not run a command. */
export type SudoProblem = "password" | "timeout" | "refused";

/**
 * sudo did not run a command. A command that it ran and that failed is a {@linkcode CommandError}.
 *
 * @example
 * ```ts
 * import { SudoError } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: async (session) => {
 *     await session.printError("sh: sudo: not found\n");
 *     return 127;
 *   },
 * });
 * const error = await assertRejects(
 *   async () => await pair.host.sudo("reboot"),
 *   SudoError,
 * );
 * assertEquals(error.reason, "refused");
 * ```
 */
export class SudoError extends SshError {
  /**
   * `"password"`: sudo did not accept it, or there was none to give. `"timeout"`: sudo neither asked nor
   * ran the command in time. `"refused"`: sudo ended without running it,
   * for example because the user is not in the sudoers file.
   */
  readonly reason: SudoProblem;

  /** Creates the error. */
  constructor(reason: SudoProblem, message: string, options?: ErrorOptions) {
    super("sudo", message, options);
    this.reason = reason;
  }
}

/**
 * A file operation failed, on the server or on this machine, or the SFTP session is over.
 *
 * @example
 * ```ts
 * import { SftpError } from "@denossh/ssh";
 * import { localFiles } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   serve: { sftp: localFiles({ root: "." }) },
 * });
 * await using sftp = await pair.host.sftp();
 * const error = await assertRejects(
 *   () => sftp.readFile("/missing"),
 *   SftpError,
 * );
 * assertEquals([error.status, error.path], [2, "/missing"]);
 * ```
 */
export class SftpError extends SshError {
  /** The SSH_FX_ status code, such as 2 for "no such file". */
  readonly status: number;
  /** The operation, such as `"open"`. */
  readonly operation: string;
  /** The remote path, if the operation has one. */
  readonly path: string | null;

  /** Creates the error. */
  constructor(
    status: number,
    operation: string,
    path: string | null,
    message: string,
    options?: ErrorOptions,
  ) {
    super("sftp", message, options);
    this.status = status;
    this.operation = operation;
    this.path = path;
  }
}

/**
 * A key, certificate or signature could not be parsed.
 *
 * @example
 * ```ts
 * import { KeyFormatError } from "@denossh/ssh";
 * import { importPrivateKey } from "@denossh/ssh/keys";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => importPrivateKey("not a key"), KeyFormatError);
 * ```
 */
export class KeyFormatError extends SshError {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("key-format", message, options);
  }
}

/**
 * A private key is encrypted and the passphrase is missing or wrong.
 *
 * @example
 * ```ts
 * import { PassphraseError } from "@denossh/ssh";
 * import { generateKey, importPrivateKey } from "@denossh/ssh/keys";
 * import { assertThrows } from "@std/assert";
 *
 * using key = await generateKey();
 * const text = key.export({ passphrase: "right" });
 * assertThrows(
 *   () => importPrivateKey(text, { passphrase: "wrong" }),
 *   PassphraseError,
 * );
 * ```
 */
export class PassphraseError extends SshError {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("passphrase", message, options);
  }
}

/** Why a certificate was not accepted. */
export type CertificateProblem =
  | "authority"
  | "critical option"
  | "expired"
  | "kind"
  | "not yet valid"
  | "principal"
  | "revoked";

/**
 * A certificate is well-formed and signed, but not valid for its use.
 *
 * @example
 * ```ts
 * import { CertificateError } from "@denossh/ssh";
 * import {
 *   checkCertificate,
 *   generateKey,
 *   issueCertificate,
 * } from "@denossh/ssh/keys";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * using authority = await generateKey();
 * using key = await generateKey();
 * const { certificate } = await issueCertificate(authority, key.publicKey, {
 *   kind: "user",
 *   keyId: "ann",
 *   principals: ["ann"],
 * });
 * const error = assertThrows(
 *   () =>
 *     checkCertificate(certificate!, {
 *       kind: "user",
 *       principal: "ann",
 *       authorities: [],
 *     }),
 *   CertificateError,
 * );
 * assertEquals(error.reason, "authority");
 * ```
 */
export class CertificateError extends SshError {
  /** Why the certificate was not accepted. */
  readonly reason: CertificateProblem;

  /** Creates the error. */
  constructor(reason: CertificateProblem, message: string, options?: ErrorOptions) {
    super("certificate", message, options);
    this.reason = reason;
  }
}

/** Why a signature over a message was not accepted. */
export type SignatureProblem = "message" | "namespace" | "signer";

/**
 * A signature over a message is well-formed, but not valid for its use.
 *
 * @example
 * ```ts
 * import { SignatureError } from "@denossh/ssh";
 * import { generateKey, signMessage, verifyMessage } from "@denossh/ssh/keys";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * using key = await generateKey();
 * const text = await signMessage(key, new Uint8Array(3), {
 *   namespace: "file",
 * });
 * const error = assertThrows(
 *   () => verifyMessage(text, new Uint8Array(4), { namespace: "file" }),
 *   SignatureError,
 * );
 * assertEquals(error.reason, "message");
 * ```
 */
export class SignatureError extends SshError {
  /** Why the signature was not accepted. */
  readonly reason: SignatureProblem;

  /** Creates the error. */
  constructor(reason: SignatureProblem, message: string, options?: ErrorOptions) {
    super("signature", message, options);
    this.reason = reason;
  }
}

/**
 * A configuration cannot be read, is malformed, or requests something unsupported.
 *
 * @example
 * ```ts
 * import { ConfigError } from "@denossh/ssh";
 * import { Config } from "@denossh/ssh/config";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const config = Config.parse("Host *\n  Prot 22\n  Port 0\n");
 * const error = await assertRejects(() => config.lookup("db1"), ConfigError);
 * assertEquals(error.problems, [
 *   "config: line 2: Bad configuration option: prot",
 *   "config line 3: Bad port '0'.",
 * ]);
 * ```
 */
export class ConfigError extends SshError {
  /** The problems, each with its file and line. */
  readonly problems: readonly string[];

  /** Creates the error. */
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super("config", problems.join("\n"), options);
    this.problems = problems;
  }
}

/**
 * Makes text that came from a peer safe to print: control characters, escape sequences among them,
 * are dropped, and the text is cut at `limit` characters, 255 by default.
 *
 * @example
 * ```ts
 * import { printable } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(printable("red: \x1b[31mred\x07"), "red: [31mred");
 * ```
 */
export function printable(text: string, limit = 255): string {
  // deno-lint-ignore no-control-regex
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, "");
  return clean.length > limit ? clean.slice(0, limit) + "…" : clean;
}

function list(names: readonly string[]): string {
  if (names.length === 0) return "nothing";
  const shown = names.slice(0, 32).map((name) => printable(name, 64)).join(", ");
  return names.length > 32 ? `${shown} and ${names.length - 32} more` : shown;
}
