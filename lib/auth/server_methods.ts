import { equals } from "@std/bytes";
import { QUICK_CERTIFICATE_BYTES, QUICK_SIGNATURE_BYTES, STRANGERS_RSA_BITS } from "../defaults.ts";
import { KeyFormatError } from "../errors.ts";
import { canVerify } from "../keys/parsed_key.ts";
import { parseStrangersKey, type PublicKey } from "../keys/public_key.ts";
import type { Link } from "../transport/link.ts";
import { UserauthPasswdChangereq, UserauthPkOk } from "../wire/messages.ts";
import { HOST_BOUND, MSG } from "../wire/numbers.ts";
import {
  HostBasedAuth,
  HostBasedSigned,
  HostBoundAuth,
  HostBoundProbe,
  HostBoundSigned,
  InteractiveAuth,
  PasswordAuth,
  PasswordChange,
  PublicKeyAuth,
  PublicKeyProbe,
  PublicKeySigned,
} from "../wire/requests.ts";
import { SERVICE } from "./auth_method.ts";
import { Grant } from "./grant.ts";
import type {
  AuthClient,
  PasswordChangeDemand,
  PasswordDecision,
  ServerAuthPolicy,
} from "./policy.ts";
import { Prompter } from "./prompter.ts";

/** One attempt to log in. */
export interface Attempt {
  readonly link: Pick<Link, "send" | "receive" | "sessionId" | "host">;
  readonly policy: ServerAuthPolicy;
  /** The signature algorithms that are accepted. */
  readonly algorithms: readonly string[];
  readonly user: string;
  /** The client's origin. */
  readonly client: AuthClient;
  /** The method's name, as the client sent it. */
  readonly method: string;
  /** The method's fields of the request. */
  readonly data: Uint8Array;
  /** Does work immediately, or, if it is costly, in the next share of time for clients before login. */
  readonly work: <T>(isCostly: boolean, work: () => T) => Promise<T>;
}

/**
 * The result of an attempt. `answered`: another message than success or failure has been sent.
 * `abandoned`: no answer is due, because the client has sent another request.
 */
export type Outcome =
  | { readonly kind: "accepted"; readonly grant: Grant; readonly key?: PublicKey }
  | { readonly kind: "refused"; readonly key?: PublicKey; readonly error?: unknown }
  | { readonly kind: "answered" }
  | { readonly kind: "abandoned"; readonly by: Uint8Array };

/** The server's side of a method. */
export interface ServerMethod {
  readonly name: string;
  offered(policy: ServerAuthPolicy): boolean;
  /** @throws {ProtocolError} If the request is malformed */
  check(attempt: Attempt): Promise<Outcome>;
}

/** Every method, in the order in which they are offered. */
export const SERVER_METHODS: readonly ServerMethod[] = [
  { name: "none", offered: (policy) => policy.none !== undefined, check: checkNone },
  { name: "publickey", offered: (policy) => policy.publicKey !== undefined, check: checkKey },
  { name: "password", offered: (policy) => policy.password !== undefined, check: checkPassword },
  {
    name: "keyboard-interactive",
    offered: (policy) => policy.interactive !== undefined,
    check: checkInteractive,
  },
  { name: "hostbased", offered: (policy) => policy.hostBased !== undefined, check: checkHost },
];

// RFC 4252 §5.2
async function checkNone({ policy, user, client }: Attempt): Promise<Outcome> {
  return verdict(await consult(() => policy.none?.(user, client)));
}

// RFC 4252 §7
async function checkKey(attempt: Attempt): Promise<Outcome> {
  const { link, policy, user, client } = attempt;
  const { signature, hostKey, ...request } = readKeyRequest(attempt);
  const { algorithm, publicKey: blob } = request;
  const key = await acceptableKey(attempt, algorithm, blob);
  // A request bound to another host key is for another server.
  const isElsewhere = hostKey !== null && !equals(hostKey, link.host.hostKey.blob);
  if (key === null || isElsewhere) return { kind: "refused" };

  const answer = verdict(await consult(() => policy.publicKey?.(user, key, client)));
  if (signature === null) {
    if (answer.kind === "refused") return { ...answer, key };
    link.send(UserauthPkOk.encode({ algorithm, publicKey: blob }));
    return { kind: "answered" };
  }
  if (answer.kind === "refused" && key.bits > STRANGERS_RSA_BITS) return { ...answer, key };
  // Verified even if the policy refuses, so that the time is the same.
  const session = {
    sessionId: link.sessionId,
    number: MSG.USERAUTH_REQUEST,
    user,
    service: SERVICE,
    method: attempt.method,
  };
  const signed = hostKey === null
    ? PublicKeySigned.encode({ ...session, ...request })
    : HostBoundSigned.encode({ ...session, ...request, hostKey });
  const touch = answer.kind === "accepted" ? answer.grant : {};
  const isCostly = signature.length > QUICK_SIGNATURE_BYTES;
  const owned = await attempt.work(
    isCostly,
    () => key.verify(algorithm, signed, signature, touch),
  );
  return owned ? { ...answer, key } : { kind: "refused", key };
}

/** All four forms: query or signed, bound to a host key or not. */
function readKeyRequest({ method, data }: Attempt) {
  const signed = data[0] !== 0;
  if (method === HOST_BOUND.METHOD) {
    return signed
      ? HostBoundAuth.decode(data)
      : { ...HostBoundProbe.decode(data), signature: null };
  }
  return signed
    ? { ...PublicKeyAuth.decode(data), hostKey: null }
    : { ...PublicKeyProbe.decode(data), signature: null, hostKey: null };
}

// RFC 4252 §9: the client's host signs for its user.
async function checkHost(attempt: Attempt): Promise<Outcome> {
  const { link, policy, user, client, data } = attempt;
  const { signature, ...request } = HostBasedAuth.decode(data);
  const { algorithm, hostKey: blob, hostName, userName } = request;
  const key = await acceptableKey(attempt, algorithm, blob);
  if (key === null) return { kind: "refused" };
  const claim = { hostName: hostName.replace(/\.$/, ""), userName };
  const answer = verdict(await consult(() => policy.hostBased?.(user, key, claim, client)));
  if (answer.kind === "refused" && key.bits > STRANGERS_RSA_BITS) return { ...answer, key };
  const signed = HostBasedSigned.encode({
    sessionId: link.sessionId,
    number: MSG.USERAUTH_REQUEST,
    user,
    service: SERVICE,
    method: "hostbased",
    ...request,
  });
  const isCostly = signature.length > QUICK_SIGNATURE_BYTES;
  const owned = await attempt.work(isCostly, () => key.verify(algorithm, signed, signature));
  return owned ? { ...answer, key } : { kind: "refused", key };
}

/** The key, if its algorithm is accepted and it is well-formed; a certificate's signature is verified. */
async function acceptableKey(
  { algorithms, work }: Attempt,
  algorithm: string,
  blob: Uint8Array,
): Promise<PublicKey | null> {
  if (!algorithms.includes(algorithm)) return null;
  try {
    const key = await work(blob.length > QUICK_CERTIFICATE_BYTES, () => parseStrangersKey(blob));
    return canVerify(key, algorithm) ? key : null;
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}

// RFC 4252 §8
async function checkPassword({ link, policy, user, client, data }: Attempt): Promise<Outcome> {
  const answer = data[0] === 0 ? await tryPassword() : await tryChange();
  const demand = answer.value;
  if (isDemand(demand) && policy.passwordChange !== undefined) {
    link.send(UserauthPasswdChangereq.encode({ prompt: String(demand.change), language: "" }));
    return { kind: "answered" };
  }
  return verdict(answer);

  function tryPassword() {
    const { password } = PasswordAuth.decode(data);
    return consult(() => policy.password?.(user, password, client));
  }

  function tryChange() {
    const { password, newPassword } = PasswordChange.decode(data);
    return consult(() => policy.passwordChange?.(user, password, newPassword, client));
  }
}

// RFC 4256 §3.1; language and submethods are hints that may be ignored.
async function checkInteractive({ link, policy, user, client, data }: Attempt): Promise<Outcome> {
  InteractiveAuth.decode(data);
  const prompter = new Prompter(link);
  const answer = await consult(() => policy.interactive?.(user, prompter.ask, client));
  const { valid, abandonedBy } = await prompter.end();
  if (abandonedBy !== null) return { kind: "abandoned", by: abandonedBy };
  return valid ? verdict(answer) : { kind: "refused" };
}

interface Answer<T> {
  readonly value?: T;
  readonly error?: unknown;
}

/** Calls the policy; an exception is a refusal. */
async function consult<T>(question: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await question() };
  } catch (error) {
    return { error };
  }
}

/** Whether the policy demands another password. */
function isDemand(value: PasswordDecision | undefined): value is PasswordChangeDemand {
  return typeof value === "object" && value !== null && !(value instanceof Grant);
}

// Only `true` or a grant accepts; other truthy values do not, since a policy may be written in JavaScript.
function verdict({ value, error }: Answer<unknown>): Outcome & { kind: "accepted" | "refused" } {
  if (value === true) return { kind: "accepted", grant: new Grant() };
  if (value instanceof Grant) return { kind: "accepted", grant: value };
  return error === undefined ? { kind: "refused" } : { kind: "refused", error };
}
