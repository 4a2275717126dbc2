import { wiping } from "../crypto/wiping.ts";
import { MAX_BANNER, MAX_CLIENT_AUTH_ATTEMPTS } from "../defaults.ts";
import { AuthError, printable, ProtocolError } from "../errors.ts";
import type { Link } from "../transport/link.ts";
import { abortable } from "../waiting.ts";
import {
  UserauthBanner,
  UserauthFailure,
  UserauthRequest,
  UserauthSuccess,
} from "../wire/messages.ts";
import { HOST_BOUND, MSG } from "../wire/numbers.ts";
import { type AuthDialog, type AuthMethod, SERVICE } from "./auth_method.ts";
import { none } from "./none.ts";
import { cleanText } from "./prompts.ts";
import { recording } from "./replay.ts";
import { plainMessage } from "../error_messages.ts";

const SHA1 = "ssh-rsa";

/** Options of a client's login. */
export interface ClientAuthOptions {
  /** The user to log in as. */
  user: string;
  /** The host, for errors. */
  host?: string;
  /** The credentials, tried in order; an empty list tries the method "none". */
  methods: readonly AuthMethod[];
  /** The signature algorithms that keys may use; by default all that are safe. */
  algorithms?: readonly string[];
  /**
   * Whether the server ignores a request after its success, so that "none" and the first key can share
   * a round trip.
   */
  pipelined?: boolean;
  /** Called with the server's banner, without control characters. */
  onBanner?: (text: string) => void;
  /**
   * Called after the login with methods that repeat it on another connection without questions. They
   * keep the answers, passwords included, in memory.
   */
  onRepeatable?: (methods: readonly AuthMethod[]) => void;
  /** Aborts the login. */
  signal?: AbortSignal;
}

/**
 * Logs in (RFC 4252), after the service has been accepted.
 *
 * @throws {AuthError} If the server accepts none of the credentials
 * @throws {ProtocolError} If the server breaks the protocol
 */
export function authenticateClient(link: Link, options: ClientAuthOptions): Promise<void> {
  return abortable(logIn(link, options), options.signal);
}

async function logIn(link: Link, options: ClientAuthOptions): Promise<void> {
  const methods = options.methods.length > 0 ? options.methods : [none()];
  const conversation = new ClientConversation(link, options);
  const succeeded = new Set<AuthMethod>();
  const repeatable: AuthMethod[] = [];
  const tried: AuthMethod[] = [];
  /** Those that the server has answered. */
  const answered = new Set<AuthMethod>();
  let left = [...methods];
  // The accepted methods are unknown until the server's first refusal.
  let remaining: readonly string[] | null = null;
  let unusable: AuthError | undefined;
  if (options.pipelined && mayPipeline(methods)) {
    tried.push(left.shift()!);
    conversation.sendNone();
  }

  for (;;) {
    const method = left.find(({ name }) => remaining?.includes(name) ?? true);
    if (method === undefined) break;
    left = left.filter((candidate) => candidate !== method);
    tried.push(method);
    const attempt = options.onRepeatable ? recording(method) : null;
    const answer = await (attempt ?? method).authenticate(conversation.dialog(method.name)).catch(
      (error) => {
        if (!(error instanceof AuthError)) throw error;
        unusable ??= error;
        return null;
      },
    );
    if (await conversation.isLetIn()) return options.onRepeatable?.([none()]);
    if (answer === null) continue;
    if (answer[0] === MSG.USERAUTH_SUCCESS) {
      UserauthSuccess.decode(answer);
      if (attempt) options.onRepeatable!([...repeatable, attempt.again()]);
      return;
    }
    answered.add(method);
    const failure = UserauthFailure.decode(answer);
    remaining = failure.remaining;
    if (failure.partial) {
      succeeded.add(method);
      if (attempt) repeatable.push(attempt.again());
      // An earlier refusal may only mean that the method came too early.
      left = methods.filter((candidate) => !succeeded.has(candidate));
    }
  }
  throw refused(options, tried, answered, {
    remaining: remaining ?? [],
    partial: succeeded.size > 0,
    cause: unusable,
  });
}

/** A password is not sent, or asked for, before the server has refused "none". */
function mayPipeline([first, second]: readonly AuthMethod[]): boolean {
  return first?.name === "none" && second?.name === "publickey" && second.eager === true;
}

/** The link without banners, which counts requests. */
class ClientConversation {
  readonly #link: Link;
  readonly #options: ClientAuthOptions;
  readonly #signal: AbortSignal;
  #sent = 0;
  /** Whether "none" was sent and its answer, the next one, has not arrived yet. */
  #awaitsNone = false;
  #letIn = false;
  #bannerLeft = MAX_BANNER;

  constructor(link: Link, options: ClientAuthOptions) {
    this.#link = link;
    this.#options = options;
    this.#signal = options.signal ?? new AbortController().signal;
  }

  /** Sends "none"; its answer is received with the answer to the next request. */
  sendNone(): void {
    const { user } = this.#options;
    const data = new Uint8Array(0);
    this.#link.send(UserauthRequest.encode({ user, service: SERVICE, method: "none", data }));
    this.#sent++;
    this.#awaitsNone = true;
  }

  /** Whether "none", sent before, was sufficient. */
  async isLetIn(): Promise<boolean> {
    if (this.#awaitsNone) {
      this.#awaitsNone = false;
      const answer = await this.#answer();
      this.#letIn = answer[0] === MSG.USERAUTH_SUCCESS;
      (this.#letIn ? UserauthSuccess : UserauthFailure).decode(answer);
      // The answer to the key follows it.
      if (!this.#letIn) this.#link.acknowledge();
    }
    return this.#letIn;
  }

  dialog(method: string): AuthDialog {
    const { user, algorithms } = this.#options;
    // Known from the first answer on at the latest.
    const list = this.#link.extensions.get("server-sig-algs");
    const theirs = list ? new TextDecoder().decode(list).split(",") : null;
    return {
      user,
      sessionId: this.#link.sessionId,
      host: this.#link.host,
      signal: this.#signal,
      signatureAlgorithms: usable(algorithms, theirs),
      hostBound: this.#link.extensions.has(HOST_BOUND.EXTENSION),
      request: (data, wire = method) => {
        const message = UserauthRequest.encode({ user, service: SERVICE, method: wire, data });
        return wiping(message, () => this.#exchange(message)); // a password may be in it
      },
      reply: (message) => this.#exchange(message),
    };
  }

  async #exchange(message: Uint8Array): Promise<Uint8Array> {
    // An abort while a password was being typed keeps it from being sent.
    this.#signal.throwIfAborted();
    if (++this.#sent > MAX_CLIENT_AUTH_ATTEMPTS) {
      throw new ProtocolError(
        `The server asks for more than ${MAX_CLIENT_AUTH_ATTEMPTS} authentication messages`,
      );
    }
    if (!this.#letIn) this.#link.send(message);
    if (await this.isLetIn()) throw new AuthError("The server does not require a credential");
    return await this.#answer();
  }

  async #answer(): Promise<Uint8Array> {
    for (;;) {
      const answer = await this.#link.receive();
      if (answer[0] !== MSG.USERAUTH_BANNER) return answer;
      this.#banner(UserauthBanner.decode(answer).text);
    }
  }

  // RFC 4252 §5.4: at any time before success.
  #banner(text: string): void {
    const kept = text.slice(0, this.#bannerLeft);
    this.#bannerLeft -= kept.length;
    if (kept !== "") this.#options.onBanner?.(cleanText(kept, { maxLine: MAX_BANNER }));
  }
}

function refused(
  { user, host }: ClientAuthOptions,
  methods: readonly AuthMethod[],
  answered: ReadonlySet<AuthMethod>,
  details: {
    remaining: readonly string[];
    partial: boolean;
    cause: AuthError | undefined;
  },
): AuthError {
  const { remaining, partial, cause } = details;
  const attempts = methods.map(({ name }) => name);
  const tried = methods.map(({ name, label }) => label ?? name);
  const credentials = tried.filter((_, at) =>
    attempts[at] !== "none" && answered.has(methods[at]!)
  );
  const place = host === undefined ? "" : ` on ${printable(host)}`;
  const verdict = credentials.length > 0
    ? `tried ${credentials.join(", ")}; ` +
      (partial ? "the server requires another method" : "the server rejected every one")
    : cause === undefined
    ? "there was no credential to try"
    : "no credential could be used";
  const allowed = answered.size === 0
    ? ""
    : `; it allows ${printable(remaining.join(", ")) || "no other method"}`;
  const reason = cause === undefined ? "" : `; ${plainMessage(cause)}`;
  const allowedOne = attempts.find((name, at) =>
    name !== "none" && answered.has(methods[at]!) && remaining.includes(name)
  );
  return new AuthError(
    `Cannot log in as "${printable(user)}"${place}: ${verdict}${allowed}${reason}` +
      (partial || answered.size === 0 ? "" : `; ${adviceOn(allowedOne)}`),
    { ...details, attempts, tried },
  );
}

/** Advice, by the method that failed although the server allows it. */
function adviceOn(method: string | undefined): string {
  if (method === undefined) return 'give a credential that it allows with the option "auth"';
  return method === "publickey"
    ? "check the user name, and that authorized_keys on the server has the key"
    : `check the user name and the ${method === "password" ? "password" : "answers"}`;
}

/**
 * The signature algorithms that both sides accept, or null if neither side restricts them. A server
 * that announces none is older than RFC 8332, and supports only SHA-1 for RSA keys.
 */
function usable(
  ours: readonly string[] | undefined,
  theirs: readonly string[] | null,
): readonly string[] | null {
  if (ours === undefined) return theirs?.filter((name) => name !== SHA1) ?? null;
  if (theirs !== null) return theirs.filter((name) => ours.includes(name));
  return ours.includes(SHA1) ? ours.filter((name) => !name.startsWith("rsa-sha2-")) : ours;
}
