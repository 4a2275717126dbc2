import { Opener, Sealer } from "../crypto/packet_cipher.ts";
import type { Suite } from "../crypto/suite.ts";
import {
  CLOSE_LINGER_MS,
  KEX_TIMEOUT_MS,
  MAX_PACKET_LENGTH,
  MAX_STRAGGLERS,
  OUTBOX_LIMIT,
  OUTBOX_LIMIT_BEFORE_LOGIN,
} from "../defaults.ts";
import {
  ConnectError,
  DisconnectError,
  HostKeyError,
  KeyFormatError,
  NegotiationError,
  printable,
  ProtocolError,
  SshError,
} from "../errors.ts";
import { plainAlgorithm } from "../keys/certificate_names.ts";
import type { HostProof } from "../keys/key.ts";
import type { Signer } from "../keys/private_key.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { onTimeout } from "../waiting.ts";
import { Disconnect, Ignore, Ping, Pong, Unimplemented } from "../wire/messages.ts";
import { AGENT_FORWARDING, DISCONNECT, HOST_BOUND, MSG } from "../wire/numbers.ts";
import { Reader } from "../wire/reader.ts";
import { decodeExtInfo } from "./ext_info.ts";
import { Gathering } from "./gathering.ts";
import { IDENTIFICATION, identificationBytes, readIdentification } from "./identification.ts";
import { exchangeKeys, type SessionIdentity } from "./key_exchange.ts";
import { KeyUse, type RekeyLimits } from "./key_use.ts";
import { Conversation, type Link, messageName } from "./link.ts";
import type { MessageTransport } from "./message_transport.ts";
import type { Agreed, Role } from "./negotiation.ts";
import { type ReadPace, readPackets } from "./packet_source.ts";
import { PacketSink } from "./packet_sink.ts";
import type { Socket } from "./socket.ts";
import { Trace, type TraceEvent } from "./trace.ts";
import { plainMessage } from "../error_messages.ts";

/** The layer above the transport, after authentication; declared here so that the transport can call it. */
export interface UpperLayer {
  /**
   * Handles a message 80 and above, borrowed until this returns; returns a promise if the next one must
   * wait.
   */
  handle(payload: Uint8Array): void | Promise<void>;
  /** Called once, when the connection has ended, with its error. */
  closed(cause: unknown): void;
  /** Channels open or being opened. */
  readonly channelCount?: number;
  /** Whether an operation is pending, so that closing must wait for the peer. */
  readonly busy?: boolean;
  /** The shortest round trip in milliseconds; null if not known. */
  readonly roundTrip?: number | null;
  /** Called for a message that is not for this layer. */
  heard?(): void;
}

export interface TransportOptions {
  readonly role: Role;
  readonly suite: Suite;
  readonly hostKeys?: readonly Signer[];
  readonly verifyHostKey?: (key: PublicKey) => void | Promise<void>;
  readonly rekey?: RekeyLimits;
  readonly trace?: (event: TraceEvent) => void;
  /** Schedules reads, if connections share the event loop. */
  readonly pace?: ReadPace;
  /** Our identification, {@linkcode IDENTIFICATION} by default. */
  readonly identification?: string;
}

type Phase = "identification" | "first-kex" | "auth" | "open" | "closed";

/**
 * The packets of one SSH connection (RFC 4253), in either role: identification, key exchange,
 * rekeying, disconnection, and the legal messages of each phase.
 */
export class Transport implements MessageTransport {
  readonly role: Role;
  readonly shared = false;
  readonly socket: Socket;
  readonly sink: PacketSink;
  /** Resolves, never rejects, with the error that ended the connection. */
  readonly closed: Promise<unknown>;
  /** Resolves when the socket is closed too. */
  readonly finished: Promise<void>;

  readonly #options: TransportOptions;
  readonly #keyUse: KeyUse;
  /** Expires when the current keys are old. */
  #aging: Disposable | null = null;
  readonly #opener = new Opener({ maxPacket: MAX_PACKET_LENGTH });
  readonly #gathering: Gathering;
  readonly #auth = new Conversation();
  readonly #over = Promise.withResolvers<unknown>();
  readonly #done = Promise.withResolvers<void>();
  #extensions: ReadonlyMap<string, Uint8Array> = new Map();
  #identification = { client: IDENTIFICATION, server: IDENTIFICATION };
  #phase: Phase = "identification";
  /** The text that the peer sent before its identification. */
  #heard = "";
  #kex: Conversation | null = null;
  /** The end of the key exchange under way. */
  #exchanging: Promise<void> | null = null;
  #peerInKex = false;
  /** Messages of the connection since the peer's KEXINIT. */
  #stragglers = 0;
  #strictFirst = false;
  #session: SessionIdentity | null = null;
  #agreed: Agreed | null = null;
  #upperLayer: UpperLayer | null = null;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #waitsForEnd = true;

  constructor(socket: Socket, options: TransportOptions) {
    this.role = options.role;
    this.socket = socket;
    this.#options = options;
    const { identification: mine = IDENTIFICATION } = options;
    this.#identification = { ...this.#identification, [options.role]: mine };
    this.#keyUse = new KeyUse(options.rekey);
    this.sink = new PacketSink(socket, (error) => this.fail(error), new Sealer());
    this.#gathering = new Gathering(this);
    this.sink.limit = OUTBOX_LIMIT_BEFORE_LOGIN;
    this.sink.onSuccess = () => this.#authenticated();
    if (options.trace) this.sink.trace = new Trace(options.trace);
    this.closed = this.#over.promise;
    this.finished = this.#done.promise;
  }

  /** The algorithms that we offer and accept. */
  get suite(): Suite {
    return this.#options.suite;
  }

  /** The algorithms in force, or null before the first key exchange. */
  get agreed(): Agreed | null {
    return this.#agreed;
  }

  /** The server's host key, or null before the first key exchange. */
  get hostKey(): PublicKey | null {
    return this.#session?.hostKey ?? null;
  }

  /** Channels open now or being opened. */
  get channelCount(): number {
    return this.#upperLayer?.channelCount ?? 0;
  }

  /** Bytes of payload in each direction, without key exchanges. */
  get traffic(): { readonly sent: number; readonly received: number } {
    const { bytesBeforeRekey, bytesSinceRekey } = this.sink;
    const { bytesBefore, bytesIn } = this.#keyUse;
    return { sent: bytesBeforeRekey + bytesSinceRekey, received: bytesBefore + bytesIn };
  }

  /** Messages sent that the peer may answer. */
  get asked(): number {
    return this.sink.asked;
  }

  /** The shortest round trip in milliseconds; null if not known. */
  get roundTrip(): number | null {
    return this.#upperLayer?.roundTrip ?? null;
  }

  /** Bytes that have arrived after the packet being handled. */
  get ahead(): number {
    return this.#opener.buffered;
  }

  /** The extensions that the peer announced in EXT_INFO (RFC 8308). */
  get extensions(): ReadonlyMap<string, Uint8Array> {
    return this.#extensions;
  }

  /** The identification lines of both ends. */
  get identification(): { readonly client: string; readonly server: string } {
    return this.#identification;
  }

  /** The session identifier; only after the first key exchange. */
  get sessionId(): Uint8Array {
    if (this.#session === null) throw new TypeError("No key exchange yet");
    return this.#session.id;
  }

  /** The proof of the server's identity; only after the first key exchange. */
  get host(): HostProof {
    if (this.#session === null) throw new TypeError("No key exchange yet");
    const { id, hostKey, signature } = this.#session;
    return { hostKey, sessionId: id, signature };
  }

  /**
   * Identifies both ends and exchanges the first keys; then packets are read until the end.
   *
   * @throws {SshError} If that fails
   */
  async handshake(): Promise<void> {
    try {
      const peer = this.#peer;
      // In parallel: on an unbuffered stream a write ends only when the peer reads.
      const [{ line, leftover }] = await Promise.all([
        readIdentification(this.socket, peer, (text) => void (this.#heard = text)),
        this.socket.write(identificationBytes(`${this.#identification[this.role]}\r\n`)),
      ]);
      this.#identification = { ...this.#identification, [peer]: line };
      if (this.#phase === "closed") throw await this.closed;
      this.#phase = "first-kex";
      const first = this.#exchange();
      this.#read(leftover);
      await first;
    } catch (error) {
      this.fail(error);
      throw await this.closed;
    }
  }

  /** The conversation of the authentication phase, messages 5, 6 and 50 to 79. */
  link(): Link {
    const auth = this.#auth;
    const extensions = () => this.#extensions;
    return {
      send: (payload) => this.sink.send(payload),
      receive: () => auth.receive(),
      acknowledge: () => this.acknowledge(),
      sessionId: this.sessionId,
      host: this.host,
      get extensions() {
        return extensions();
      },
    };
  }

  /** Authentication is over: from now on messages go to the upper layer. */
  open(upperLayer: UpperLayer): void {
    if (this.#phase === "closed") {
      this.closed.then((cause) => upperLayer.closed(cause));
      return;
    }
    this.#phase = "open";
    this.sink.limit = OUTBOX_LIMIT;
    this.#upperLayer = upperLayer;
    // The packet source continues, and checks the limits of the keys.
    this.#auth.end(new TypeError("Authentication is over"));
  }

  /** Answers the current message with UNIMPLEMENTED (RFC 4253 §11.4). */
  unimplemented(): void {
    this.sink.send(Unimplemented.encode({ sequence: this.#opener.sequence }));
  }

  /**
   * Sends IGNORE (RFC 4253 §11.2) when nothing else is due. A peer with Nagle's algorithm on, such as
   * OpenSSH before a session starts, delays a small packet until its last one is acknowledged; without
   * data to carry the acknowledgement, the kernel delays that by 40 ms.
   */
  acknowledge(): void {
    // A packet that crosses the server's SUCCESS would arrive uncompressed when compressed ones are
    // expected.
    const crosses = this.role === "client" && this.#phase === "auth";
    if (crosses && this.#agreed?.clientToServer.compression === "zlib@openssh.com") return;
    this.sink.send(Ignore.encode({ data: new Uint8Array(0) }));
  }

  /**
   * Starts a new key exchange, or joins the one under way; resolves when the new keys are in force in both
   * directions.
   */
  async rekey(): Promise<void> {
    if (this.#phase === "closed") throw await this.closed;
    await (this.#exchanging ?? this.#exchange());
  }

  /**
   * Ends the connection in an orderly way (RFC 4253 §11.1). A client without pending operations does
   * not wait until the server disconnects, which would take another round trip.
   */
  disconnect(
    reason: number = DISCONNECT.BY_APPLICATION,
    description = "Closed by the application",
  ): void {
    this.#waitsForEnd = this.role === "server" || this.#upperLayer?.busy !== false;
    this.fail(new DisconnectError(reason, "us", description));
  }

  /** Ends the connection with an error, once; later calls do nothing. */
  fail(error: unknown): void {
    if (this.#phase === "closed") return;
    if (this.#phase === "identification") error = this.#explained(error);
    const reason = this.#phase === "identification" ? null : disconnectReason(error);
    this.#phase = "closed";
    if (reason !== null) {
      const said = error instanceof SshError ? printable(plainMessage(error)) : "";
      this.sink.sendNow(Disconnect.encode({ reason, description: said, language: "" }));
    }
    this.#aging?.[Symbol.dispose]();
    this.sink.close();
    this.#gathering.stop();
    this.#over.resolve(error);
    this.#kex?.end(error);
    this.#auth.end(error);
    this.#upperLayer?.closed(error);
    if (reason === null) this.#shut();
    else this.#linger();
  }

  /** A peer that is not an SSH server, such as a mail server, may wait for us while we wait for it. */
  #explained(error: unknown): unknown {
    if (
      /^(SSH-|$)/.test(this.#heard) || !(error instanceof ConnectError && error.code === "timeout")
    ) {
      return error;
    }
    const said = `the ${this.#peer} said "${
      printable(this.#heard, 80)
    }" and did not identify itself`;
    return new ConnectError(`${plainMessage(error)}: ${said}`, { timeout: true, cause: error });
  }

  /** Gives the peer time to read our last messages, within a limit. */
  #linger(): void {
    this.#lingering = setTimeout(() => this.#shut(), CLOSE_LINGER_MS);
    this.sink.drained().then(() => this.#waitsForEnd ? this.socket.closeWrite() : this.#shut());
  }

  #shut(): void {
    clearTimeout(this.#lingering);
    this.#opener[Symbol.dispose]();
    this.socket.close();
    this.#done.resolve();
  }

  async #read(leftover: Uint8Array): Promise<void> {
    try {
      await readPackets(
        this.socket,
        this.#opener,
        leftover,
        (payload) => this.#handle(payload),
        (bytes) => {
          this.#rekeyIfDue();
          return this.#gathering.after(bytes);
        },
        () => this.#phase !== "closed",
        this.#options.pace,
      );
      this.fail(new ConnectError(`The ${this.#peer} closed the connection`));
    } catch (error) {
      this.fail(error);
      await this.#discard();
    }
    this.#shut();
  }

  /** After an error of the peer, continues to read until it disconnects or the linger time is over. */
  async #discard(): Promise<void> {
    const scratch = new Uint8Array(64 * 1024);
    try {
      while (await this.socket.read(scratch) !== null);
    } catch {
      // The socket was closed during the read, which is the expected end.
    }
  }

  /** Which message is legal when (RFC 4253 §7.1, RFC 4252 §6, draft strict-kex §3). */
  #handle(payload: Uint8Array): void | Promise<void> {
    const number = payload[0]!;
    this.sink.trace?.received(payload);
    if (number >= 20 && number <= 49) return this.#handleKex(number, payload);
    this.#keyUse.packetsIn++;
    this.#keyUse.bytesIn += payload.length;
    if (number >= MSG.GLOBAL_REQUEST && number <= 127 && this.#phase === "open") {
      // RFC 4253 §7.1 forbids them until NEWKEYS. asyncssh 2.10 sends pending messages, and OpenSSH
      // accepts them.
      if (this.#peerInKex && ++this.#stragglers > MAX_STRAGGLERS) throw unexpected(number);
      return this.#upperLayer!.handle(payload);
    }
    this.#upperLayer?.heard?.();
    const first = this.#phase === "first-kex";
    if (number === MSG.DISCONNECT) return this.#disconnected(payload);
    if (first && this.#strictFirst) throw unexpected(number);
    if (number === MSG.IGNORE || number === MSG.DEBUG || number === MSG.UNIMPLEMENTED) return;
    if (first) throw unexpected(number);
    if (number === MSG.EXT_INFO) {
      if (this.#extensions.size === 0) this.#extensions = decodeExtInfo(payload);
      return;
    }
    if (number === MSG.PING) {
      return this.sink.send(Pong.encode({ data: Ping.decode(payload).data }));
    }
    if (number === MSG.PONG) return;
    if (this.#peerInKex) throw unexpected(number);
    if (number === 5 || number === 6 || (number >= 50 && number <= 79)) {
      if (this.#phase !== "auth") {
        // RFC 4252 §5.1: requests after success are silently ignored.
        if (this.role === "server" && number === MSG.USERAUTH_REQUEST) return;
        // sshd answers clients that request the next service in the same way.
        if (this.role === "server" && number === MSG.SERVICE_REQUEST) return this.unimplemented();
        // A late banner does not justify ending the connection.
        if (this.role === "client" && number === MSG.USERAUTH_BANNER) return;
        throw unexpected(number);
      }
      // It copies the payload first: operations that start after success may move its memory.
      const taken = this.#auth.deliver(payload);
      if (number === MSG.USERAUTH_SUCCESS && this.role === "client") this.#authenticated();
      return taken;
    }
    // Some servers send keepalives before the login has ended.
    const early = this.role === "client" && number === MSG.GLOBAL_REQUEST;
    if (number >= 80 && number <= 127 && !early) throw unexpected(number);
    this.unimplemented();
  }

  /** From here on both directions compress, if delayed compression was negotiated. */
  #authenticated(): void {
    this.sink.sealer.authenticated();
    this.#opener.authenticated();
  }

  #handleKex(number: number, payload: Uint8Array): Promise<void> {
    if (number === MSG.KEXINIT) {
      // A key exchange costs the server more than the client: before the login only one is allowed.
      const early = this.role === "server" && this.#phase === "auth" && this.#kex === null;
      if (this.#peerInKex || early) throw unexpected(number);
      if (this.#kex === null) this.#exchange().catch(() => {});
      this.#peerInKex = true;
      this.#stragglers = 0;
    } else if (!this.#peerInKex) {
      throw unexpected(number);
    }
    return this.#kex!.deliver(payload);
  }

  #exchange(): Promise<void> {
    return this.#exchanging = this.#exchangeOnce();
  }

  /** Runs one key exchange; `fail` ends it if the connection dies. An error ends the connection. */
  async #exchangeOnce(): Promise<void> {
    const conversation = this.#kex = new Conversation();
    const first = this.#session === null;
    // The first exchange is inside the connect timeout and the login grace time.
    using _late = onTimeout(
      first ? undefined : KEX_TIMEOUT_MS,
      () => this.fail(new ConnectError("The key exchange timed out", { timeout: true })),
    );
    try {
      [this.#session, this.#agreed] = await exchangeKeys({
        role: this.role,
        suite: this.#options.suite,
        hostKeys: this.#options.hostKeys ?? [],
        verifyHostKey: this.#options.verifyHostKey ?? (() => {}),
        extensions: {
          "server-sig-algs": plainNames(this.#options.suite.userKey),
          [AGENT_FORWARDING.EXTENSION]: "0",
          "ping@openssh.com": "0",
          [HOST_BOUND.EXTENSION]: "0",
        },
        conversation,
        sink: this.sink,
        opener: this.#opener,
        identification: this.#identification,
        session: this.#session,
        onPeerKexInit: (strict) => {
          if (!first || !strict) return;
          this.#strictFirst = true;
          // Draft strict-kex §3: KEXINIT must be the very first packet.
          if (this.#opener.sequence !== 0) {
            throw new ProtocolError("KEXINIT was not the first packet");
          }
        },
      });
      this.#renewKeys();
      if (this.#phase === "first-kex") this.#phase = "auth";
      // The client's next packets may wait until its NEWKEYS is acknowledged.
      if (first && this.role === "server") this.acknowledge();
    } catch (error) {
      this.fail(error);
      throw await this.closed;
    } finally {
      this.#kex = this.#exchanging = null;
      this.#peerInKex = false;
      conversation.end(new TypeError("The key exchange is over"));
    }
  }

  /**
   * Starts a key exchange if the limits of the keys are reached. Never before the login is over: OpenSSH's
   * server ends a connection whose client does so between two attempts.
   */
  #rekeyIfDue(): void {
    if (this.#phase !== "open" || this.#kex !== null || !this.#keyUse.exceeds(this.sink)) return;
    this.#exchange().catch(() => {});
  }

  #renewKeys(): void {
    this.#keyUse.renew();
    this.#aging?.[Symbol.dispose]();
    if (this.#phase === "closed") return;
    this.#aging = onTimeout(this.#keyUse.lifetime, () => {
      this.#keyUse.expired = true;
      this.#rekeyIfDue();
    });
  }

  #disconnected(payload: Uint8Array): void {
    const reader = new Reader(payload, 1);
    const reason = reader.u32();
    // Some peers leave out the language, others the description.
    const text = reader.remaining < 4 ? "" : printable(reader.text());
    this.fail(
      new DisconnectError(
        reason,
        "peer",
        `The ${this.#peer} disconnected (reason ${reason})${text ? `: ${text}` : ""}`,
      ),
    );
  }

  get #peer(): Role {
    return this.role === "client" ? "server" : "client";
  }
}

/** RFC 8308 §3.1 lists signature algorithms: a certificate counts as its key. */
function plainNames(algorithms: readonly string[]): string {
  return [...new Set(algorithms.map(plainAlgorithm))].join(",");
}

function unexpected(number: number): ProtocolError {
  return new ProtocolError(`Unexpected ${messageName(number)}`);
}

/** The reason for DISCONNECT, or null to send none; an abort comes from the application. */
function disconnectReason(cause: unknown): number | null {
  if (cause instanceof ProtocolError) return cause.disconnectReason;
  if (cause instanceof NegotiationError || cause instanceof KeyFormatError) {
    return DISCONNECT.KEY_EXCHANGE_FAILED;
  }
  if (cause instanceof HostKeyError) return DISCONNECT.HOST_KEY_NOT_VERIFIABLE;
  if (cause instanceof DisconnectError) return cause.by === "us" ? cause.reason : null;
  if (cause instanceof ConnectError) return null;
  return DISCONNECT.BY_APPLICATION;
}
