import { wiping } from "../crypto/wiping.ts";
import { equals } from "@std/bytes";
import type { Signer } from "../keys/private_key.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { Socket } from "../transport/socket.ts";
import { Writer } from "../wire/writer.ts";
import { Frames, MAX_AGENT_MESSAGE } from "./frames.ts";
import { decodeAddedKey, type KeyConstraints } from "./added_key.ts";
import {
  AGENT,
  AgentFailure,
  AgentSuccess,
  algorithmOf,
  Extension,
  ExtensionFailure,
  ExtensionResponse,
  IdentitiesAnswer,
  Lock,
  QUERY,
  RemoveAll,
  RemoveIdentity,
  RequestIdentities,
  SESSION_BIND,
  SignRequest,
  SignResponse,
  Unlock,
} from "./protocol.ts";
import type { AgentUse } from "./destination_checks.ts";
import { MAX_BINDINGS, readBinding, type SessionBinding } from "./session_bind.ts";

/** The operations of an agent. */
export interface KeyHolder {
  /** The keys that are visible for this use; each signs for that use alone. */
  identities(use: AgentUse): readonly Signer[];
  add(key: Signer & Disposable, constraints: KeyConstraints): void;
  remove(key: Pick<PublicKey, "blob">): boolean;
  clear(): void;
  lock(passphrase: Uint8Array): boolean;
  unlock(passphrase: Uint8Array): Promise<boolean>;
}

/** One client of an agent. */
interface ServedClient {
  readonly keys: KeyHolder;
  /** Whether the client is on another machine: it may only list keys and sign. */
  forwarded: boolean;
  /** The sessions that the connection is used for, which the client has proved. */
  readonly bindings: SessionBinding[];
  /**
   * Whether the client may be on the agent's machine: it is not forwarded, and has never failed to
   * prove a session.
   */
  local: boolean;
}

/**
 * Serves one client of an agent until it disconnects (RFC 9987).
 *
 * @param forwarded Whether the client is on another machine: it may only list keys and sign
 * @throws {ProtocolError} If the client breaks the framing
 */
export async function serveAgent(
  socket: Socket,
  keys: KeyHolder,
  forwarded: boolean,
): Promise<void> {
  const frames = new Frames(socket);
  const client: ServedClient = { keys, forwarded, bindings: [], local: !forwarded };
  try {
    for (let request; (request = await frames.read()) !== null;) {
      const answer = await answerTo(request, client).catch(() => null);
      request.fill(0); // a private key or a passphrase may be in it
      const fits = answer !== null && answer.length <= MAX_AGENT_MESSAGE;
      await frames.write(fits ? answer : AgentFailure.encode({}));
    }
  } finally {
    socket.close();
  }
}

/** Returns the answer; null or an error is a refusal, also for unknown requests. */
async function answerTo(request: Uint8Array, client: ServedClient): Promise<Uint8Array | null> {
  const { keys, forwarded } = client;
  switch (request[0]) {
    case AGENT.REQUEST_IDENTITIES:
      RequestIdentities.decode(request);
      return encodeIdentities(keys.identities(client));
    case AGENT.SIGN_REQUEST:
      return await sign(client, SignRequest.decode(request));
    case AGENT.EXTENSION:
      return extend(Extension.decode(request), client);
    default:
      return !forwarded && await manage(request, client) ? AgentSuccess.encode({}) : null;
  }
}

/** RFC 9987 §5.8; null for an unknown extension. */
function extend(
  { name, contents }: { name: string; contents: Uint8Array },
  client: ServedClient,
): Uint8Array | null {
  switch (name) {
    case QUERY: {
      const names = new Writer().text(SESSION_BIND);
      return ExtensionResponse.encode({ name, contents: names.take() });
    }
    case SESSION_BIND:
      return bind(contents, client) ? AgentSuccess.encode({}) : ExtensionFailure.encode({});
    default:
      return null;
  }
}

/** OpenSSH PROTOCOL.agent §1: no binding may follow one for a login. */
function bind(contents: Uint8Array, client: ServedClient): boolean {
  client.local = false; // until it is proved, it may be anywhere
  const binding = readBinding(contents);
  const { bindings } = client;
  if (binding === null) return false;
  const same = bindings.find(({ sessionId }) => equals(sessionId, binding.sessionId));
  if (same !== undefined) {
    return same.hostKey.equals(binding.hostKey) && same.forwarding === binding.forwarding;
  }
  if (bindings.length >= MAX_BINDINGS || bindings.at(-1)?.forwarding === false) return false;
  bindings.push(binding);
  if (binding.forwarding) client.forwarded = true;
  return true;
}

async function manage(request: Uint8Array, client: ServedClient): Promise<boolean> {
  const { keys } = client;
  switch (request[0]) {
    case AGENT.ADD_IDENTITY:
    case AGENT.ADD_ID_CONSTRAINED:
      add(keys, request);
      return true;
    case AGENT.REMOVE_IDENTITY:
      return remove(client, RemoveIdentity.decode(request).key);
    case AGENT.REMOVE_ALL_IDENTITIES:
      RemoveAll.decode(request);
      keys.clear();
      return true;
    case AGENT.LOCK:
      return wiping(Lock.decode(request).passphrase, (passphrase) => keys.lock(passphrase));
    case AGENT.UNLOCK:
      return await unlock(keys, Unlock.decode(request).passphrase);
    default:
      return false;
  }
}

function unlock(keys: KeyHolder, passphrase: Uint8Array): Promise<boolean> {
  return keys.unlock(passphrase).finally(() => passphrase.fill(0));
}

function add(keys: KeyHolder, request: Uint8Array): void {
  const { key, ...constraints } = decodeAddedKey(request);
  try {
    keys.add(key, constraints);
  } catch (error) {
    key[Symbol.dispose]();
    throw error;
  }
}

/** A client cannot remove what it may not see. */
function remove({ keys, ...use }: ServedClient, blob: Uint8Array): boolean {
  const seen = keys.identities(use).some(({ publicKey }) => equals(publicKey.blob, blob));
  return seen && keys.remove({ blob });
}

async function sign(
  { keys, ...use }: ServedClient,
  request: { key: Uint8Array; data: Uint8Array; flags: number },
): Promise<Uint8Array | null> {
  const signer = keys.identities(use).find(({ publicKey }) => equals(publicKey.blob, request.key));
  // Without a flag an RSA key would sign with SHA-1.
  const algorithm = signer && algorithmOf(signer.publicKey.algorithms, request.flags);
  if (!signer || !algorithm) return null;
  return SignResponse.encode({ signature: await signer.sign(algorithm, request.data) });
}

function encodeIdentities(signers: readonly Signer[]): Uint8Array {
  const keys = new Writer();
  for (const { publicKey } of signers) keys.string(publicKey.blob).text(publicKey.comment);
  return IdentitiesAnswer.encode({ count: signers.length, keys: keys.take() });
}
