import { equals } from "@std/bytes";
import { digest, equalConstantTime } from "../crypto/digest.ts";
import { randomBytes } from "../crypto/random.ts";
import { wiping } from "../crypto/wiping.ts";
import { RequestDeniedError } from "../errors.ts";
import type { Signer } from "../keys/private_key.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { shown } from "../option_checks.ts";
import { runtime } from "../runtime/runtime.ts";
import { type ByteStreams, streamSocket } from "../transport/socket.ts";
import { MAX_TIMER_MS, sleep } from "../waiting.ts";
import type { KeyConstraints } from "./added_key.ts";
import { checkDestinations, type KeyDestination } from "./destination.ts";
import { type AgentUse, maySee, maySign, OWN_USE } from "./destination_checks.ts";
import { serveAgent } from "./serve.ts";
import type { AgentConnectOptions, AgentSource } from "./source.ts";

/** Maximum keys in one keyring: the list must fit in one message. */
const MAX_KEYS = 100;

/** A wrong passphrase delays the answer by this time, and each further one by as much again. */
const UNLOCK_DELAY_MS = 100;
const MAX_UNLOCK_DELAY_MS = 10_000;

/** Options of a keyring. */
export interface KeyringOptions {
  /**
   * Decides whether a key that was added with `confirm` may sign; only `true` allows it. Without this
   * function such keys are refused.
   */
  readonly confirm?: (key: PublicKey) => boolean | Promise<boolean>;
}

/** Options for serving a client. */
export interface KeyringServeOptions {
  /** Whether the client is on another machine: it may list keys and sign, but not change anything. */
  readonly forwarded?: boolean;
}

interface Entry {
  readonly key: Signer & Partial<Disposable>;
  readonly confirm: boolean;
  /** The permitted destinations; undefined for any. */
  readonly destinations: readonly KeyDestination[] | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * An agent in this process: private keys for logins, for programs that ask over a unix socket
 * ({@linkcode listenAgent}), and for servers that it is forwarded to. Disposing of it wipes the keys.
 *
 * @example
 * ```ts
 * import { Keyring } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using keyring = new Keyring({ confirm: (key) => key.comment === "deploy" });
 * const key = await generateKey("ed25519", { comment: "deploy" });
 * keyring.add(key, { confirm: true, lifetime: 60_000 });
 * assertEquals(keyring.identities().length, 1);
 * keyring.remove(key.publicKey);
 * assertEquals(keyring.identities().length, 0);
 * ```
 */
export class Keyring implements AgentSource, Disposable {
  readonly #confirm: KeyringOptions["confirm"];
  readonly #entries: Entry[] = [];
  #lock: { readonly salt: Uint8Array; readonly hash: Uint8Array } | null = null;
  #unlocking: Promise<unknown> = Promise.resolve();
  #failures = 0;

  /** Creates a keyring without keys. */
  constructor(options: KeyringOptions = {}) {
    this.#confirm = options.confirm;
  }

  /**
   * Adds a key, or changes the constraints of an existing one.
   *
   * @param key The key; the keyring owns it, and wipes it when it is removed
   * @throws {RequestDeniedError} If the keyring is locked or full, or cannot ask for confirmation
   * @throws {RangeError | TypeError} If it is not a private key, or a constraint is invalid
   */
  add(key: Signer & Partial<Disposable>, constraints: KeyConstraints = {}): void {
    if (typeof key?.sign !== "function") {
      throw new TypeError(`add() needs a private key, not ${shown(key)}`);
    }
    const { lifetime, confirm = false, destinations } = constraints;
    if (lifetime !== undefined && !(lifetime >= 0)) {
      throw new RangeError(`Lifetime must be at least 0 ms, not ${lifetime}`);
    }
    if (destinations) checkDestinations(destinations);
    if (this.#lock) throw denied("add", "it is locked");
    if (confirm && !this.#confirm) throw denied("add", "it cannot ask for confirmation");
    const old = this.#find(key.publicKey);
    if (!old && this.#entries.length >= MAX_KEYS) throw denied("add", "it is full");
    if (old) this.#drop(old, { wipe: old.key !== key });
    const entry: Entry = { key, confirm, destinations, timer: undefined };
    this.#entries.push(entry);
    if (lifetime !== undefined) this.#forgetAfter(entry, lifetime);
  }

  /** Removes a key; false if it is not there, or the keyring is locked. */
  remove(key: Pick<PublicKey, "blob">): boolean {
    const entry = this.#lock ? undefined : this.#find(key);
    if (entry) this.#drop(entry);
    return entry !== undefined;
  }

  /**
   * Removes every key.
   *
   * @throws {RequestDeniedError} If the keyring is locked
   */
  clear(): void {
    if (this.#lock) throw denied("clear", "it is locked");
    this.#wipe();
  }

  /**
   * The keys; an empty list while the keyring is locked. Each signs as the keyring allows. One with
   * destinations
   * signs only on a connection that has proved which host the login is for: `agent(keyring)` does.
   */
  identities(): Signer[] {
    return this.#identities(OWN_USE);
  }

  /**
   * Locks the keyring: it neither lists nor uses keys until it is unlocked. False if it is locked
   * already.
   */
  lock(passphrase: string | Uint8Array): boolean {
    if (this.#lock) return false;
    const salt = randomBytes(16);
    this.#lock = { salt, hash: saltedHash(salt, passphrase) };
    this.#failures = 0;
    return true;
  }

  /** Unlocks the keyring; false, after a delay, if the passphrase is wrong. */
  unlock(passphrase: string | Uint8Array): Promise<boolean> {
    // One attempt at a time, over all clients.
    const guess = this.#unlocking.then(() => this.#unlock(passphrase));
    this.#unlocking = guess;
    return guess;
  }

  /**
   * Serves a client of the agent until it disconnects.
   *
   * @param streams Taken over
   * @throws {ProtocolError} If the client's messages are malformed
   */
  async serve(streams: ByteStreams, options: KeyringServeOptions = {}): Promise<void> {
    await serveAgent(streamSocket(streams), {
      identities: (use) => this.#identities(use),
      add: (key, constraints) => this.add(key, constraints),
      remove: (key) => this.remove(key),
      clear: () => this.clear(),
      lock: (passphrase) => this.lock(passphrase),
      unlock: (passphrase) => this.unlock(passphrase),
    }, options.forwarded ?? false);
  }

  /** Opens a connection to this agent, in memory. */
  connect(options: AgentConnectOptions = {}): Promise<ByteStreams> {
    const asked = new TransformStream<Uint8Array, Uint8Array>();
    const answered = new TransformStream<Uint8Array, Uint8Array>();
    const end = { readable: asked.readable, writable: answered.writable };
    // Errors of the client's end are reported to the client.
    this.serve(end, { forwarded: options.forwarded ?? false }).catch(() => {});
    return Promise.resolve({ readable: answered.readable, writable: asked.writable });
  }

  /** Removes and wipes every key. */
  [Symbol.dispose](): void {
    this.#wipe();
  }

  #identities(use: AgentUse): Signer[] {
    if (this.#lock) return [];
    const shown = this.#entries.filter(({ destinations }) =>
      destinations === undefined || maySee(destinations, use)
    );
    return shown.map(({ key: { publicKey } }) => ({
      publicKey,
      sign: (algorithm, data) => this.#sign(publicKey, algorithm, data, use),
    }));
  }

  async #sign(
    key: PublicKey,
    algorithm: string,
    data: Uint8Array,
    use: AgentUse,
  ): Promise<Uint8Array> {
    const entry = this.#held(key);
    if (entry.destinations && !maySign(key, entry.destinations, data, use)) {
      throw denied("sign", "the key is for other hosts or users, or for logins alone");
    }
    if (entry.confirm && await this.#confirm?.(key) !== true) {
      throw denied("sign", "it was not confirmed");
    }
    // Meanwhile the key may have expired or the keyring may have been locked.
    return await this.#held(key).key.sign(algorithm, data);
  }

  #held(key: PublicKey): Entry {
    const entry = this.#lock ? undefined : this.#find(key);
    if (!entry) throw denied("sign", `it does not hold ${key.fingerprint()}, or is locked`);
    return entry;
  }

  async #unlock(passphrase: string | Uint8Array): Promise<boolean> {
    if (!this.#lock) return false;
    const { salt, hash } = this.#lock;
    if (equalConstantTime(saltedHash(salt, passphrase), hash)) {
      this.#lock = null;
      return true;
    }
    const delay = Math.min(++this.#failures * UNLOCK_DELAY_MS, MAX_UNLOCK_DELAY_MS);
    await sleep(delay);
    return false;
  }

  #find({ blob }: Pick<PublicKey, "blob">): Entry | undefined {
    return this.#entries.find(({ key }) => equals(key.publicKey.blob, blob));
  }

  #forgetAfter(entry: Entry, milliseconds: number): void {
    const wait = Math.min(milliseconds, MAX_TIMER_MS);
    entry.timer = setTimeout(() => {
      if (milliseconds > wait) this.#forgetAfter(entry, milliseconds - wait);
      else this.#drop(entry);
    }, wait);
    runtime.unrefTimer(entry.timer);
  }

  #drop(entry: Entry, { wipe }: { wipe: boolean } = { wipe: true }): void {
    clearTimeout(entry.timer);
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    if (wipe) entry.key[Symbol.dispose]?.();
  }

  #wipe(): void {
    for (const entry of [...this.#entries]) this.#drop(entry);
  }
}

function saltedHash(salt: Uint8Array, passphrase: string | Uint8Array): Uint8Array {
  const hash = (bytes: Uint8Array) => digest("SHA-256", salt, bytes);
  return typeof passphrase === "string"
    ? wiping(new TextEncoder().encode(passphrase), hash)
    : hash(passphrase);
}

function denied(request: string, why: string): RequestDeniedError {
  return new RequestDeniedError(request, `The keyring refuses to ${request}: ${why}`);
}
