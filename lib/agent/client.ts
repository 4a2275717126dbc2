import { wiping } from "../crypto/wiping.ts";
import {
  ClosedError,
  ConnectError,
  printable,
  ProtocolError,
  RequestDeniedError,
} from "../errors.ts";
import { plainAlgorithm } from "../keys/certificate_names.ts";
import type { PrivateKey, Signer } from "../keys/private_key.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { decodeSignature } from "../keys/signature.ts";
import type { HostProof } from "../keys/key.ts";
import type { Socket } from "../transport/socket.ts";
import { abortable, onAbort, onTimeout } from "../waiting.ts";
import { type AddKeyOptions, encodeAddedKey } from "./added_key.ts";
import { decodeExtensionAnswer, decodeExtensionNames, decodeIdentities } from "./answers.ts";
import { Frames } from "./frames.ts";
import {
  AgentFailure,
  AgentSuccess,
  Extension,
  ExtensionFailure,
  flagsOf,
  Lock,
  QUERY,
  RemoveAll,
  RemoveIdentity,
  RequestIdentities,
  SESSION_BIND,
  SessionBind,
  SignRequest,
  SignResponse,
  Unlock,
} from "./protocol.ts";
import { type AgentAddress, openAgent } from "./source.ts";

/** Options of a connection to an agent. */
export interface AgentOptions {
  /** Aborts connecting. */
  readonly signal?: AbortSignal;
  /** Time limit for each answer, in milliseconds; 60,000 by default, 0 for no limit. */
  readonly timeout?: number;
}

/** Options of one request to an agent. */
export interface AgentRequestOptions {
  /** Aborts the request, which ends the connection to the agent. */
  readonly signal?: AbortSignal;
}

/** Time limit for one answer, in milliseconds: the user may have to confirm or touch a token. */
const ANSWER_TIMEOUT_MS = 60_000;

/** The answers that mean a refusal. */
const REFUSALS = [AgentFailure, ExtensionFailure];

/**
 * Connects to an agent: a program that holds private keys and signs with them (RFC 9987). The user's is the
 * one of SSH_AUTH_SOCK, or on Windows OpenSSH's, or else Pageant, by its pipe.
 *
 * Needs `--allow-env=SSH_AUTH_SOCK` if no path is given, and `--allow-read`, `--allow-write` and
 * `--allow-net=unix:PATH` for the socket; a pipe on Windows needs `--allow-all`.
 *
 * @param address The path of its socket, or an object that connects to it; the user's by default
 * @throws {ConnectError} If no agent is configured, or it cannot be reached
 *
 * @example
 * ```ts
 * import { connectAgent, Keyring } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using keyring = new Keyring(); // your agent is at SSH_AUTH_SOCK
 * keyring.add(await generateKey("ed25519", { comment: "me@home" }));
 *
 * await using agent = await connectAgent(keyring);
 * const [key] = await agent.identities();
 * assertEquals(key!.publicKey.comment, "me@home");
 * const data = new TextEncoder().encode("hello");
 * const signature = await key!.sign("ssh-ed25519", data);
 * assert(key!.publicKey.verify("ssh-ed25519", data, signature));
 * ```
 */
export async function connectAgent(
  address?: AgentAddress,
  options: AgentOptions = {},
): Promise<AgentClient> {
  const { signal, timeout } = options;
  return new AgentClient(await openAgent(address, signal && { signal }), timeout);
}

/**
 * A connection to an agent, made by {@linkcode connectAgent}. Requests are sent one after the other.
 * The connection ends if the agent breaks the protocol or takes too long.
 *
 * @example
 * ```ts
 * import { connectAgent, Keyring, RequestDeniedError } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * using keyring = new Keyring();
 * keyring.add(await generateKey());
 * await using agent = await connectAgent(keyring);
 * await agent.lock("open sesame");
 * assertEquals(await agent.identities(), []);
 * await assertRejects(() => agent.unlock("guess"), RequestDeniedError);
 * await agent.unlock("open sesame");
 * await agent.removeAll();
 * assertEquals(await agent.identities(), []);
 * ```
 */
export class AgentClient implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #frames: Frames;
  readonly #timeout: number;
  #turn: Promise<unknown> = Promise.resolve();
  #over: { readonly error: unknown } | null = null;

  /**
   * Clients come from `connectAgent()`, not from a constructor.
   *
   * @ignore
   */
  constructor(socket: Socket, timeout: number = ANSWER_TIMEOUT_MS) {
    this.#socket = socket;
    this.#frames = new Frames(socket);
    this.#timeout = timeout;
  }

  /**
   * The keys that the agent holds; each signs through the agent. Keys of unsupported types are left out.
   *
   * @throws {RequestDeniedError} If the agent refuses
   * @throws {ProtocolError} If its answer is malformed
   */
  async identities(options: AgentRequestOptions = {}): Promise<Signer[]> {
    const request = RequestIdentities.encode({});
    const keys = await this.#exchange("list its keys", request, decodeIdentities, options);
    return keys.map((publicKey): Signer => ({
      publicKey,
      sign: (algorithm, data, options) => this.sign(publicKey, algorithm, data, options),
    }));
  }

  /**
   * Signs with a key that the agent holds.
   *
   * @returns The signature, a blob with its label
   * @throws {RequestDeniedError} If the agent does not hold the key, or the user declined
   * @throws {ProtocolError} If its answer is not a signature by the algorithm
   */
  async sign(
    key: PublicKey,
    algorithm: string,
    data: Uint8Array,
    options: AgentRequestOptions = {},
  ): Promise<Uint8Array> {
    if (!key.algorithms.includes(algorithm)) {
      const name = printable(algorithm, 64);
      throw new TypeError(`A key of type "${key.type}" cannot sign with "${name}"`);
    }
    const request = SignRequest.encode({ key: key.blob, data, flags: flagsOf(algorithm) });
    return await this.#exchange(`sign with ${key.fingerprint()}`, request, (answer) => {
      const { signature } = SignResponse.decode(answer);
      const label = decodeSignature(signature).algorithm;
      // An agent without support for flags signs with SHA-1.
      if (label === plainAlgorithm(algorithm)) return signature;
      throw new ProtocolError(`Agent signed with "${printable(label, 64)}", not "${algorithm}"`);
    }, options);
  }

  /**
   * Adds a private key to the agent; a key that it holds already gets the new constraints.
   *
   * @throws {RequestDeniedError} If it refuses the key or a constraint
   * @throws {TypeError} If the certificate is for another key, or a destination is incomplete
   */
  async add(
    key: PrivateKey,
    options: AddKeyOptions & AgentRequestOptions = {},
  ): Promise<void> {
    await this.#secretCommand("add the key", encodeAddedKey(key, options), options);
  }

  /**
   * Removes a key from the agent.
   *
   * @throws {RequestDeniedError} If it does not hold the key
   */
  async remove(key: PublicKey, options: AgentRequestOptions = {}): Promise<void> {
    await this.#command("remove the key", RemoveIdentity.encode({ key: key.blob }), options);
  }

  /**
   * Removes all keys from the agent.
   *
   * @throws {RequestDeniedError} If it refuses
   */
  async removeAll(options: AgentRequestOptions = {}): Promise<void> {
    await this.#command("remove its keys", RemoveAll.encode({}), options);
  }

  /**
   * Locks the agent: it neither lists nor uses its keys until it is unlocked.
   *
   * @throws {RequestDeniedError} If it is locked already
   */
  async lock(passphrase: string, options: AgentRequestOptions = {}): Promise<void> {
    await this.#secretCommand("lock", secretOf(Lock, passphrase), options);
  }

  /**
   * Unlocks the agent after {@linkcode AgentClient.lock}.
   *
   * @throws {RequestDeniedError} If the passphrase is wrong, or the agent is not locked
   */
  async unlock(passphrase: string, options: AgentRequestOptions = {}): Promise<void> {
    await this.#secretCommand("unlock", secretOf(Unlock, passphrase), options);
  }

  /**
   * Sends an extension request (RFC 9987 §5.8).
   *
   * @param name The extension's name, such as `"session-bind@openssh.com"`
   * @param contents The contents after the name
   * @returns The answer, often empty
   * @throws {RequestDeniedError} If the agent does not support the extension, or refuses
   */
  async extension(
    name: string,
    contents: Uint8Array = new Uint8Array(0),
    options: AgentRequestOptions = {},
  ): Promise<Uint8Array> {
    const request = Extension.encode({ name, contents });
    const decode = (answer: Uint8Array) => decodeExtensionAnswer(answer, name);
    return await this.#exchange(`do ${printable(name, 64)}`, request, decode, options);
  }

  /**
   * The names of the agent's extensions.
   *
   * @throws {RequestDeniedError} If the agent does not answer queries, such as OpenSSH's before 10.1
   */
  async extensions(options: AgentRequestOptions = {}): Promise<string[]> {
    return decodeExtensionNames(await this.extension(QUERY, undefined, options));
  }

  /**
   * Tells the agent which host this connection is used for, so that it can restrict keys to hosts
   * (OpenSSH's session-bind).
   *
   * @param host The proof of the server's identity
   * @param forwarding Whether the agent is forwarded to that host, rather than used to log in to it
   * @throws {RequestDeniedError} If the agent does not support sessions, or refuses this one
   */
  async bindSession(
    host: HostProof,
    { forwarding = false, ...options }: AgentRequestOptions & { readonly forwarding?: boolean } =
      {},
  ): Promise<void> {
    const { hostKey: { blob: hostKey }, sessionId, signature } = host;
    const contents = SessionBind.encode({ hostKey, sessionId, signature, forwarding });
    await this.extension(SESSION_BIND, contents, options);
  }

  /** Disconnects; pending requests fail. */
  close(): void {
    this.#end(new ClosedError("The connection to the agent was closed"));
  }

  /** Disconnects. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #command(what: string, request: Uint8Array, options: AgentRequestOptions): Promise<unknown> {
    return this.#exchange(what, request, (answer) => AgentSuccess.decode(answer), options);
  }

  /** The same for a request that contains a secret. */
  #secretCommand(what: string, request: Uint8Array, options: AgentRequestOptions) {
    return this.#command(what, request, options).finally(() => request.fill(0));
  }

  async #exchange<T>(
    what: string,
    request: Uint8Array,
    decode: (answer: Uint8Array) => T,
    { signal }: AgentRequestOptions,
  ): Promise<T> {
    const turn = this.#turn.then(() => this.#roundTrip(request, decode, signal));
    this.#turn = turn.catch(() => {});
    const answer = await abortable(turn, signal);
    if (answer === null) throw new RequestDeniedError(what, `The agent refused to ${what}`);
    return answer.value;
  }

  /** Sends one request and returns its answer; null is a refusal. Any error ends the connection. */
  async #roundTrip<T>(
    request: Uint8Array,
    decode: (answer: Uint8Array) => T,
    signal: AbortSignal | undefined,
  ): Promise<{ value: T } | null> {
    signal?.throwIfAborted();
    if (this.#over) {
      throw new ClosedError("The connection to the agent is closed", { cause: this.#over.error });
    }
    using _late = onTimeout(this.#timeout || undefined, () => {
      const message = `The agent has not answered within ${this.#timeout} ms`;
      this.#end(new ConnectError(message, { timeout: true }));
    });
    using _aborting = onAbort(signal, (reason) => this.#end(reason));
    try {
      await this.#frames.write(request);
      const answer = await this.#frames.read();
      if (answer === null) throw new ConnectError("The agent closed the connection");
      const refusal = REFUSALS.find(({ number }) => number === answer[0]);
      if (refusal === undefined) return { value: decode(answer) };
      refusal.decode(answer);
      return null;
    } catch (error) {
      throw this.#end(error);
    }
  }

  /** Ends the connection once; returns the cause. */
  #end(error: unknown): unknown {
    this.#over ??= { error };
    this.#socket.close();
    return this.#over.error;
  }
}

function secretOf(layout: typeof Lock, passphrase: string): Uint8Array {
  return wiping(
    new TextEncoder().encode(passphrase),
    (passphrase) => layout.encode({ passphrase }),
  );
}
