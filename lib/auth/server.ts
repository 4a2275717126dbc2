import { wiping } from "../crypto/wiping.ts";
import { MAX_AUTH_STEPS, MAX_AUTH_TRIES } from "../defaults.ts";
import { printable, ProtocolError } from "../errors.ts";
import { CERTIFICATE_ALGORITHMS } from "../keys/certificate_names.ts";
import { SIGNATURE_ALGORITHMS } from "../keys/key_types.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { Link } from "../transport/link.ts";
import { strangersWork } from "../transport/work_share.ts";
import {
  UserauthBanner,
  UserauthFailure,
  UserauthRequest,
  UserauthSuccess,
} from "../wire/messages.ts";
import { abortable } from "../waiting.ts";
import { DISCONNECT, HOST_BOUND } from "../wire/numbers.ts";
import { SERVICE } from "./auth_method.ts";
import { failureDelay } from "./failure_delay.ts";
import type { ServerAuthPolicy } from "./policy.ts";
import { type AcceptedLogin, LoginProgress, requiredLists } from "./progress.ts";
import { type Attempt, type Outcome, SERVER_METHODS } from "./server_methods.ts";

const ALGORITHMS = [...SIGNATURE_ALGORITHMS, ...CERTIFICATE_ALGORITHMS];

/**
 * Maximum requests of one login. Queries whether a key is acceptable are not failures, so this bounds
 * them; no real client has this many keys.
 */
const MAX_REQUESTS = 64;

/** A decided login attempt, for logs. */
export interface AuthAttempt {
  /** The user name, as the client sent it: untrusted. */
  readonly user: string;
  /** The method, as the client sent it: untrusted. */
  readonly method: string;
  /** Whether it succeeded; more may still be required. */
  readonly accepted: boolean;
  /** The key that was tried, if it could be read. */
  readonly key?: PublicKey;
  /** The error that the policy threw. */
  readonly error?: unknown;
}

/** Options of a server's logins. */
export interface ServerAuthOptions {
  /** The policy for logins. */
  policy: ServerAuthPolicy;
  /** Failed attempts before the server disconnects, 6 by default. */
  maxTries?: number;
  /** The accepted signature algorithms of keys and certificates; by default all that are safe. */
  algorithms?: readonly string[];
  /** The client's address, for the policy. */
  remoteAddr?: Deno.Addr | null;
  /** Called with every attempt. */
  onAttempt?: (attempt: AuthAttempt) => void;
  /** Aborts the login. */
  signal?: AbortSignal;
}

/**
 * Authenticates a user (RFC 4252), after the service has been accepted; sending SUCCESS is its last step.
 *
 * @throws {ProtocolError} If the client breaks the protocol or fails too often
 * @throws {TypeError} If the policy can accept no user
 */
export function authenticateServer(link: Link, options: ServerAuthOptions): Promise<AcceptedLogin> {
  return abortable(letIn(link, options), options.signal);
}

/**
 * Checks that a policy can accept users, and requires only methods that it offers.
 *
 * @throws {TypeError} If it cannot
 */
export function checkPolicy(policy: ServerAuthPolicy): void {
  requiredLists(policy);
}

async function letIn(link: Link, options: ServerAuthOptions): Promise<AcceptedLogin> {
  const { policy, signal, maxTries = MAX_AUTH_TRIES, algorithms = ALGORITHMS } = options;
  const client = { remoteAddr: options.remoteAddr ?? null };
  const lists = requiredLists(policy);
  let start = 0;
  const guarded = guard(link, signal, () => start = performance.now());
  const work = workUntil(signal);
  let progress = new LoginProgress("", lists);
  let next: Uint8Array | null = null;
  let failures = 0;
  let steps = 0;

  for (let requests = 0; requests < MAX_REQUESTS; requests++) {
    const payload: Uint8Array = next ?? await guarded.receive();
    const { user, method: named, data } = wiping(payload, readRequest);
    const method = named === HOST_BOUND.METHOD ? "publickey" : named;
    next = null;
    if (requests === 0) sendBanner(guarded, policy, user);
    // RFC 4252 §5: successes of one user do not count for another.
    if (progress.user !== user) progress = new LoginProgress(user, lists);

    const row = SERVER_METHODS.find(({ name }) => name === method && progress.next.includes(name));
    const attempt = { link: guarded, policy, algorithms, user, client, method: named, data, work };
    const outcome = await (row?.check(attempt) ?? Promise.resolve<Outcome>({ kind: "refused" }))
      .finally(() => data.fill(0)); // a password may be in it
    if (outcome.kind === "answered") continue;
    if (outcome.kind === "abandoned") {
      next = outcome.by;
      continue;
    }
    const accepted = outcome.kind === "accepted" &&
      progress.succeed(method, outcome.grant, outcome.key);
    const { key } = outcome;
    const error = outcome.kind === "refused" ? outcome.error : undefined;
    options.onAttempt?.({
      ...{ user, method, accepted },
      ...(key !== undefined && { key }),
      ...(error !== undefined && { error }),
    });
    if (accepted) {
      if (progress.done) {
        guarded.send(UserauthSuccess.encode({}));
        return progress.login;
      }
      if (++steps >= MAX_AUTH_STEPS) break;
    } else {
      // RFC 4252 §5.2: "none" asks for the offered methods. It reveals nothing, and does not count as
      // a failure at first.
      const tellsNothing = method === "none" && row === undefined;
      if (!tellsNothing) await failureDelay(user, performance.now() - start, signal);
      const free = method === "none" && requests === 0;
      if (!free && ++failures >= maxTries) break;
    }
    const remaining = progress.next.filter((name) => name !== "none");
    guarded.send(UserauthFailure.encode({ remaining, partial: accepted }));
  }
  throw new ProtocolError("Too many authentication attempts", {
    disconnectReason: DISCONNECT.NO_MORE_AUTH_METHODS_AVAILABLE,
  });
}

/**
 * The link for the methods; after the end, a policy's late answer has no effect.
 *
 * @param onReceived Called with each message. A refusal takes its time from the client's last one on: what
 *   the client waits before it answers a question would choose the delay otherwise, and none after 5 s.
 */
function guard(
  link: Link,
  signal: AbortSignal | undefined,
  onReceived: () => void,
): Attempt["link"] {
  return {
    sessionId: link.sessionId,
    host: link.host,
    async receive() {
      const payload = await link.receive();
      onReceived();
      return payload;
    },
    send(payload) {
      signal?.throwIfAborted();
      link.send(payload);
    },
  };
}

/** Schedules work for a client until the end of the login; see {@linkcode Attempt.work}. */
function workUntil(signal: AbortSignal | undefined): Attempt["work"] {
  return async (isCostly, work) => {
    if (!isCostly) return work();
    return await strangersWork.run(() => {
      signal?.throwIfAborted();
      return work();
    });
  };
}

function readRequest(payload: Uint8Array): { user: string; method: string; data: Uint8Array } {
  const { service, ...request } = UserauthRequest.decode(payload);
  if (service === SERVICE) return request;
  throw new ProtocolError(`Authentication is for the unknown service "${printable(service, 64)}"`, {
    disconnectReason: DISCONNECT.SERVICE_NOT_AVAILABLE,
  });
}

// RFC 4252 §5.4
function sendBanner(link: Attempt["link"], policy: ServerAuthPolicy, user: string): void {
  const text = typeof policy.banner === "function" ? policy.banner(user) : policy.banner;
  if (text) link.send(UserauthBanner.encode({ text, language: "" }));
}
