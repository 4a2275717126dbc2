import { abortable } from "../auth/abort.ts";
import {
  ClosedError,
  ConnectError,
  KeyFormatError,
  printable,
  ProtocolError,
  RequestDeniedError,
} from "../errors.ts";
import type { Signer } from "../keys/private_key.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { decodeSignature } from "../keys/signature.ts";
import type { Socket } from "../transport/socket.ts";
import { Reader } from "../wire/reader.ts";
import { Frames } from "./frames.ts";
import {
  AGENT,
  AgentFailure,
  AgentSuccess,
  flagsOf,
  IdentitiesAnswer,
  Lock,
  RemoveAll,
  RemoveIdentity,
  RequestIdentities,
  SignRequest,
  SignResponse,
  Unlock,
} from "./protocol.ts";
import { type AgentAddress, openAgent } from "./source.ts";

/** How long one answer may take, in milliseconds: somebody may have to confirm or touch something. */
const ANSWER_TIMEOUT_MS = 60_000;

/** The most keys that an agent may list: OpenSSH's own limit. */
const MAX_IDENTITIES = 2048;

/** How to talk to an agent. */
export interface AgentOptions {
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** Milliseconds that each answer may take, 60,000 unless given; 0 is no limit. */
  readonly timeout?: number;
}

/** Options of one request to an agent. */
export interface AgentRequestOptions {
  /** Gives up waiting for the answer, which ends the connection to the agent. */
  readonly signal?: AbortSignal;
}

/**
 * Connects to an agent: a program that holds private keys and signs with them (RFC 9987).
 *
 * Needs `--allow-env=SSH_AUTH_SOCK` if no path is given, and `--allow-read`, `--allow-write` and
 * `--allow-net=unix:PATH` for the socket.
 *
 * @param address The path of its socket, or what connects to it; SSH_AUTH_SOCK has it unless given
 * @throws {ConnectError} If there is no agent, or it cannot be reached
 *
 * @example
 * ```ts
 * import { connectAgent, Keyring } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using keyring = new Keyring(); // an agent of our own; yours is at SSH_AUTH_SOCK
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
 * A connection to an agent; it comes from {@linkcode connectAgent}. Requests are answered one after the
 * other. An agent that breaks the protocol or takes too long is disconnected from.
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

  /** Clients come from `connectAgent()`, not from a constructor. */
  constructor(socket: Socket, timeout: number = ANSWER_TIMEOUT_MS) {
    this.#socket = socket;
    this.#frames = new Frames(socket);
    this.#timeout = timeout;
  }

  /**
   * The keys that the agent holds and that can be used here; each signs through the agent. Those of
   * kinds that are not supported are left out.
   *
   * @throws {RequestDeniedError} If the agent refuses
   * @throws {ProtocolError} If its answer makes no sense
   */
  async identities(options: AgentRequestOptions = {}): Promise<Signer[]> {
    const request = RequestIdentities.encode({});
    const keys = await this.#exchange("list its keys", request, decodeIdentities, options);
    return keys.map((publicKey): Signer => ({
      publicKey,
      sign: (algorithm, data) => this.sign(publicKey, algorithm, data),
    }));
  }

  /**
   * Signs with a key that the agent holds.
   *
   * @returns The signature, a blob with its label
   * @throws {RequestDeniedError} If the agent does not hold the key, or somebody said no
   * @throws {ProtocolError} If its answer is no signature by the algorithm
   */
  async sign(
    key: PublicKey,
    algorithm: string,
    data: Uint8Array,
    options: AgentRequestOptions = {},
  ): Promise<Uint8Array> {
    if (!key.algorithms.includes(algorithm)) {
      const name = printable(algorithm, 64);
      throw new TypeError(`A key of type "${key.type}" cannot sign by "${name}"`);
    }
    const request = SignRequest.encode({ key: key.blob, data, flags: flagsOf(algorithm) });
    return await this.#exchange(`sign with ${key.fingerprint()}`, request, (answer) => {
      const { signature } = SignResponse.decode(answer);
      const label = decodeSignature(signature).algorithm;
      // An agent that knows no flags signs by SHA-1.
      if (label === algorithm) return signature;
      throw new ProtocolError(`Agent signed by "${printable(label, 64)}", not "${algorithm}"`);
    }, options);
  }

  /**
   * Has the agent forget a key.
   *
   * @throws {RequestDeniedError} If it does not hold the key
   */
  async remove(key: PublicKey, options: AgentRequestOptions = {}): Promise<void> {
    await this.#command("remove the key", RemoveIdentity.encode({ key: key.blob }), options);
  }

  /**
   * Has the agent forget every key.
   *
   * @throws {RequestDeniedError} If it refuses
   */
  async removeAll(options: AgentRequestOptions = {}): Promise<void> {
    await this.#command("remove its keys", RemoveAll.encode({}), options);
  }

  /**
   * Has the agent neither list nor use its keys until it is unlocked.
   *
   * @throws {RequestDeniedError} If it is locked already
   */
  async lock(passphrase: string, options: AgentRequestOptions = {}): Promise<void> {
    const request = Lock.encode({ passphrase: new TextEncoder().encode(passphrase) });
    await this.#command("lock", request, options);
  }

  /**
   * Ends what {@linkcode AgentClient.lock} began.
   *
   * @throws {RequestDeniedError} If the passphrase is wrong, or it is not locked
   */
  async unlock(passphrase: string, options: AgentRequestOptions = {}): Promise<void> {
    const request = Unlock.encode({ passphrase: new TextEncoder().encode(passphrase) });
    await this.#command("unlock", request, options);
  }

  /** Disconnects; requests under way fail. */
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

  /** One question and its answer; null is a refusal. Any error ends the connection. */
  async #roundTrip<T>(
    request: Uint8Array,
    decode: (answer: Uint8Array) => T,
    signal: AbortSignal | undefined,
  ): Promise<{ value: T } | null> {
    signal?.throwIfAborted();
    if (this.#over) {
      throw new ClosedError("The connection to the agent is closed", { cause: this.#over.error });
    }
    const late = () => {
      const message = `The agent has not answered within ${this.#timeout} ms`;
      this.#end(new ConnectError(message, { timeout: true }));
    };
    const timer = this.#timeout > 0 ? setTimeout(late, this.#timeout) : undefined;
    const abort = () => this.#end(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await this.#frames.write(request);
      const answer = await this.#frames.read();
      if (answer === null) throw new ConnectError("The agent closed the connection");
      if (answer[0] !== AGENT.FAILURE) return { value: decode(answer) };
      AgentFailure.decode(answer);
      return null;
    } catch (error) {
      throw this.#end(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends the connection, once; returns what ended it. */
  #end(error: unknown): unknown {
    this.#over ??= { error };
    this.#socket.close();
    return this.#over.error;
  }
}

function decodeIdentities(answer: Uint8Array): PublicKey[] {
  const { count, keys } = IdentitiesAnswer.decode(answer);
  if (count > MAX_IDENTITIES) throw new ProtocolError(`Agent lists ${count} keys`);
  const reader = new Reader(keys);
  const found: PublicKey[] = [];
  for (let left = count; left > 0; left--) {
    const blob = reader.string();
    const comment = reader.text();
    try {
      found.push(parsePublicKey(blob, comment));
    } catch (error) {
      if (!(error instanceof KeyFormatError)) throw error;
    }
  }
  reader.end();
  return found;
}
