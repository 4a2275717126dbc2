import { authenticateServer } from "../auth/server.ts";
import type { IncomingOpen } from "../connection/channel.ts";
import { Connection } from "../connection/connection.ts";
import type { Suite } from "../crypto/suite.ts";
import { LOGIN_GRACE_MS, MAX_AUTH_TRIES, MAX_SESSIONS } from "../defaults.ts";
import { ChannelOpenError, ConnectError, printable } from "../errors.ts";
import { tell } from "../listener.ts";
import { serveForwards } from "../forward/serve.ts";
import {
  type Login,
  Session,
  type SessionAgent,
  type SessionHandler,
  type SessionX11,
} from "../session/session.ts";
import type { Program } from "../session/command.ts";
import { startSpan } from "../spans.ts";
import { clientSendsLinkFirst } from "../sftp/protocol/server_quirks.ts";
import { serveSession, serviceOf } from "../sftp/server/server.ts";
import { ConnectionShare } from "../sftp/server/share.ts";
import { acceptService } from "../transport/service.ts";
import type { Socket } from "../transport/socket.ts";
import { Transport } from "../transport/transport.ts";
import { Turn } from "../turns.ts";
import { onTimeout } from "../waiting.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import { X11Open } from "../wire/requests.ts";
import type { SftpRequestReport } from "../sftp/server/audit.ts";
import type { Grant } from "../auth/grant.ts";
import { announceHostKeys } from "./host_key_proof.ts";
import { mayListen, mayOpen } from "./granted_forwards.ts";
import { isInternalSftp, restricted } from "./internal_sftp.ts";
import type { ServeOptions } from "./options.ts";
import { SessionSlots } from "./session_slots.ts";
import type { Offence } from "./penalties.ts";
import { limitTime } from "./time_limits.ts";

/** Starts to serve one connection; its end is reported by the transport. */
export function serveSocket(
  socket: Socket,
  suite: Suite,
  options: ServeOptions,
  handler: SessionHandler | null,
): { transport: Transport; loggedIn: Promise<Offence | null> } {
  const turn = new Turn();
  turn.heard();
  const transport = new Transport(socket, {
    role: "server",
    pace: turn,
    suite,
    hostKeys: options.hostKeys,
    ...(options.rekey && { rekey: options.rekey }),
    ...(options.trace && { trace: (event) => options.trace!(event, socket.remoteAddr) }),
  });
  transport.closed.then(() => turn.leave());
  return { transport, loggedIn: login(transport, options, handler, turn) };
}

/** Resolves when the login is decided: to null if it succeeded. */
async function login(
  transport: Transport,
  options: ServeOptions,
  handler: SessionHandler | null,
  turn: Turn,
): Promise<Offence | null> {
  const span = startSpan("ssh.login", "server");
  let offence: Offence = "noAuth";
  // One deadline from accept to success, which is never extended.
  const grace = options.loginGraceTime ?? LOGIN_GRACE_MS;
  const late = new ConnectError(`No login within ${grace} ms`, { timeout: true });
  using _late = onTimeout(grace || undefined, () => transport.fail(late));
  const { isUser } = options.auth;
  const asked = new Set<string>();
  const askForUser = (user: string) => {
    if (isUser === undefined || asked.has(user)) return;
    asked.add(user);
    // The login does not wait for the answer, because the time would reveal it to the client.
    Promise.try(isUser, user).then((known) => {
      if (known !== true) offence = "invalidUser";
    }, () => {});
  };
  const over = new AbortController();
  transport.closed.then((cause) => over.abort(cause));
  try {
    await transport.handshake();
    const link = transport.link();
    await acceptService(link, "ssh-userauth");
    const { remoteAddr } = transport.socket;
    const accepted = await authenticateServer(link, {
      policy: options.auth,
      maxTries: options.maxAuthTries ?? MAX_AUTH_TRIES,
      algorithms: transport.suite.userKey,
      remoteAddr,
      signal: over.signal,
      onAttempt(attempt) {
        // A first "none" asks for the methods; it does not count as an attempt.
        if (!attempt.accepted && attempt.method !== "none" && offence === "noAuth") {
          offence = "authFail";
        }
        askForUser(attempt.user);
        tell(options.onAttempt, attempt, remoteAddr);
      },
    });
    const login: Login = { ...accepted, remoteAddr };
    const sessions = new Sessions(
      login,
      options,
      handler,
      clientSendsLinkFirst(transport.identification.client),
      turn,
    );
    const connection: Connection = new Connection(transport, {
      opens: new Map([["session", (open) => sessions.open(open, connection)]]),
      globals: new Map([
        ["keepalive@openssh.com", () => new Uint8Array(0)],
        // OpenSSH PROTOCOL §2.2: the client will not open more sessions.
        ["no-more-sessions@openssh.com", () => sessions.close()],
      ]),
      ...(options.window !== undefined && { window: options.window }),
    });
    const { forward } = options;
    serveForwards(connection, {
      local: (to) => mayOpen(login.grant, to) && (forward?.local?.(to, login) ?? false),
      remote: (on) => mayListen(login.grant, on) && (forward?.remote?.(on, login) ?? false),
    }, transport.closed);
    transport.open(connection);
    announceHostKeys(connection, options.hostKeys, {
      sessionId: transport.sessionId,
      agreed: transport.agreed!.hostKey,
    });
    const { onConnection, onError } = options;
    Promise.try(() => onConnection?.(connection, login)).catch((error) => {
      if (!over.signal.aborted) tell(onError, error, login.remoteAddr);
    });
    limitTime(transport, connection, options);
    span.end();
    return null;
  } catch (error) {
    span.end(error);
    transport.fail(error);
    return over.signal.reason === late ? "graceExceeded" : offence;
  }
}

/** The originator of a connection to a client's display, if none is given. */
const HERE = { hostname: "127.0.0.1", port: 0 };

/** The sessions of one login. */
class Sessions {
  readonly #login: Login;
  readonly #options: ServeOptions;
  readonly #handler: SessionHandler | null;
  readonly #linkFirst: boolean;
  readonly #share: ConnectionShare;
  readonly #slots: SessionSlots = new SessionSlots();
  #closed = false;
  #hasToldFull = false;

  constructor(
    login: Login,
    options: ServeOptions,
    handler: SessionHandler | null,
    linkFirst: boolean,
    turn: Turn,
  ) {
    this.#share = new ConnectionShare(turn);
    this.#login = login;
    this.#options = options;
    this.#handler = handler;
    this.#linkFirst = linkFirst;
  }

  open(open: IncomingOpen, connection: Connection): void {
    const isFull = this.#slots.taken >= (this.#options.maxSessions ?? MAX_SESSIONS);
    if (isFull) this.#tellFull();
    if (this.#closed || isFull) {
      return open.reject(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, "No more sessions");
    }
    const channel = open.accept();
    this.#slots.hold(channel, channel.closed).catch(() => {});
    const hold = <T>(ended: Promise<T>) => this.#slots.hold(channel, ended);
    new Session(channel, this.#login, {
      start: (program) => {
        const started = this.#start(program);
        if (started === null) return null;
        const { run } = started;
        return { ...started, run: (session) => hold(Promise.try(run, session)) };
      },
      pty: () =>
        (this.#options.pty ?? true) && this.#login.grant.pty &&
        this.#handler !== null && (this.#handler.hasTerminals?.() ?? true),
      agent: (channelType) => hold(this.#agent(connection, channelType)),
      x11: () => hold(this.#x11(connection)),
      failed: (error) => this.#tell(error),
    });
  }

  #tell(error: unknown): void {
    tell(this.#options.onError, error, this.#login.remoteAddr);
  }

  /** Reports, once, that handlers which do not end cost the client its sessions. */
  #tellFull(): void {
    const { lingering } = this.#slots;
    if (lingering === 0 || this.#hasToldFull) return;
    this.#hasToldFull = true;
    const { user } = this.#login;
    this.#tell(
      new ChannelOpenError(
        OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED,
        `A session of "${
          printable(user)
        }" is refused: the handlers of ${lingering} closed sessions of this ` +
          "connection still run, and count towards maxSessions: end handlers when session.signal is aborted",
      ),
    );
  }

  close(): Uint8Array {
    this.#closed = true;
    return new Uint8Array(0);
  }

  async #agent(connection: Connection, channelType: string): Promise<SessionAgent | null> {
    if (!this.#login.grant.agentForwarding) return null;
    if (await this.#options.forward?.agent?.(this.#login) !== true) return null;
    return { connect: (options) => connection.open(channelType, undefined, options) };
  }

  async #x11(connection: Connection): Promise<SessionX11["connect"] | null> {
    if (!this.#login.grant.x11Forwarding) return null;
    if (await this.#options.forward?.x11?.(this.#login) !== true) return null;
    return (from, options = {}) => {
      const { hostname, port } = from?.transport === "tcp" ? from : HERE;
      const wish = X11Open.encode({ originatorAddress: hostname, originatorPort: port });
      return connection.open("x11", wish, options);
    };
  }

  #start(asked: Program): { run: SessionHandler; program: Program } | null {
    const program = forced(this.#login.grant) ?? asked;
    const run = this.#handlerOf(program);
    return run && { run, program };
  }

  #handlerOf(program: Program): SessionHandler | null {
    if (program.kind !== "subsystem") return this.#handler;
    const { sftp, subsystems = {} } = this.#options;
    if (Object.hasOwn(subsystems, program.name)) return subsystems[program.name]!;
    if (program.name !== "sftp" || sftp === undefined) return null;
    const served = typeof sftp === "function" ? sftp(this.#login) : sftp;
    if (served === null) return null;
    const { user, grant: { command } } = this.#login;
    const service = isInternalSftp(command)
      ? restricted(serviceOf(served), command, user)
      : serviceOf(served);
    if (service === null) return null;
    const { backend, onRequest, ...others } = service;
    const options = {
      ...others,
      ...onRequest && { onRequest: (report: SftpRequestReport) => onRequest({ ...report, user }) },
    };
    return async ({ channel }) => {
      await serveSession(
        channel,
        backend,
        { linkFirst: this.#linkFirst, ...options },
        this.#share,
      );
    };
  }
}

/** sshd(8): a forced command replaces any other; `internal-sftp` serves files. */
function forced({ command }: Grant): Program | null {
  if (command === undefined) return null;
  return isInternalSftp(command) ? { kind: "subsystem", name: "sftp" } : { kind: "exec", command };
}
