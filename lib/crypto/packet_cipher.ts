/**
 * The two directions of a packet stream. Keys, sequence numbers, padding, MAC and cipher are in
 * WebAssembly; this file passes payloads and wire bytes.
 *
 * @module
 */

import { MAX_PACKET_LENGTH } from "../defaults.ts";
import { ClosedError, ProtocolError } from "../errors.ts";
import type { ShaName } from "./digest.ts";
import {
  core,
  heap,
  heapWords,
  type Opener as CoreOpener,
  type Sealer as CoreSealer,
} from "./wasm.ts";

/** The inputs for new keys of one direction; the keys are derived in WebAssembly. */
export interface DirectionKeys {
  /** The SSH name, such as `"chacha20-poly1305@openssh.com"`, or `"none"`. */
  cipher: string;
  /** The SSH name, such as `"hmac-sha2-256-etm@openssh.com"`; ignored for AEAD ciphers. */
  mac: string;
  /** The SSH name, such as `"zlib@openssh.com"`, or `"none"`. */
  compression: string;
  /** The hash of the key exchange method. */
  hash: ShaName;
  /** K as hashed: an mpint or a string, with the length prefix. */
  secret: Uint8Array;
  /** H of this key exchange. */
  exchangeHash: Uint8Array;
  /** H of the first key exchange. */
  sessionId: Uint8Array;
  /** Chooses the letters A, C, E or B, D, F of RFC 4253 §7.2. */
  direction: "client-to-server" | "server-to-client";
  /** Whether the next packet has number 0 again, as in strict key exchange. */
  resetSequence: boolean;
}

/** Keys given directly, for tests and published vectors. */
export interface RawKeys {
  /** The SSH name of the cipher. */
  cipher: string;
  /** The SSH name of the MAC; ignored for AEAD ciphers. */
  mac: string;
  /** The cipher's key. */
  key: Uint8Array;
  /** The initial vector; empty for ChaCha20. */
  iv: Uint8Array;
  /** The MAC's key; empty for AEAD ciphers. */
  macKey: Uint8Array;
  /** The number of the next packet; as many packets count as sent with these keys. */
  sequence: number;
}

/** SSH_DISCONNECT_MAC_ERROR (RFC 4253 §11.1). */
const MAC_ERROR = 5;
/** SSH_DISCONNECT_COMPRESSION_ERROR. */
const COMPRESSION_ERROR = 6;
/** Words per row of the opener's table: address, length, sequence number. */
const ROW = 3;

/** Seals payloads into packets in place, and keeps the packets until they are taken. */
export class Sealer implements Disposable {
  #core: CoreSealer | null = new (core().Sealer)();

  /** The number of the next packet. */
  get sequence(): number {
    return this.#live().sequence();
  }

  /** Sealed bytes that have not been taken. */
  get pending(): number {
    return this.#live().pending();
  }

  /** A borrowed view to write `length` bytes of payload to; valid until the next call. */
  room(length: number): Uint8Array {
    const address = this.#live().room(length) >>> 0;
    return heap().subarray(address, address + length);
  }

  /**
   * Frames, pads and encrypts the `length` bytes that were written to {@linkcode room}.
   *
   * @throws {ProtocolError} If 2^32 packets have been sealed under these keys
   */
  seal(length: number): void {
    if (!this.#live().seal(length)) throw exhausted();
  }

  /** Copies a payload in and seals it. */
  sealPayload(payload: Uint8Array): void {
    const address = this.#live().room(payload.length) >>> 0;
    heap().set(payload, address);
    this.seal(payload.length);
  }

  /** Moves sealed bytes out, as many as fit; returns how many. */
  take(into: Uint8Array): number {
    const live = this.#live();
    const length = Math.min(live.pending(), into.length);
    const address = live.sealed() >>> 0;
    into.set(heap().subarray(address, address + length));
    live.taken(length);
    return length;
  }

  /** Switches to the keys of a key exchange, after NEWKEYS. */
  rekey(keys: DirectionKeys): void {
    rekey(this.#live(), keys);
  }

  /** Starts `zlib@openssh.com`, after authentication, with the next packet to be sealed. */
  authenticated(): void {
    this.#live().authenticated();
  }

  /** Switches to given keys. */
  setKeys(keys: RawKeys): void {
    setKeys(this.#live(), keys);
  }

  /** Wipes the keys; may be called twice. */
  [Symbol.dispose](): void {
    this.#core?.free();
    this.#core = null;
  }

  #live(): CoreSealer {
    return this.#core ?? closed("Sealer");
  }
}

/** Takes bytes from the wire and opens all complete packets in them at a time. */
export class Opener implements Disposable {
  #core: CoreOpener | null;
  /** Rows of the table in WebAssembly memory, and how many of them have been returned. */
  #rows = 0;
  #handed = 0;
  #sequence = 0;

  /** Accepts packets up to `maxPacket` bytes of `packet_length`. */
  constructor(options: { maxPacket?: number } = {}) {
    this.#core = new (core().Opener)(options.maxPacket ?? MAX_PACKET_LENGTH);
  }

  /** The number of the packet that {@linkcode next} returned last. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Bytes that were pushed and that {@linkcode next} has not processed. */
  get buffered(): number {
    return this.#live().buffered(this.#handed);
  }

  /** Copies bytes from the wire in. */
  push(bytes: Uint8Array): void {
    const live = this.#live();
    const address = live.room(bytes.length, this.#handed) >>> 0;
    heap().set(bytes, address);
    live.filled(bytes.length);
    this.#rows -= this.#handed;
    this.#handed = 0;
  }

  /**
   * The next payload, borrowed until the next call of any method; null if more bytes are needed.
   *
   * @throws {ProtocolError} If the next packet is not authentic or not well formed
   */
  next(): Uint8Array | null {
    const live = this.#live();
    if (this.#handed === this.#rows) {
      this.#handed = 0;
      this.#rows = live.open();
      if (this.#rows === 0) return failure(live.status());
    }
    const row = (live.table() >>> 2) + this.#handed++ * ROW;
    const words = heapWords();
    const address = words[row]!;
    this.#sequence = words[row + 2]!;
    return heap().subarray(address, address + words[row + 1]!);
  }

  /** Switches to the keys of a key exchange, after NEWKEYS. Unread ciphertext stays. */
  rekey(keys: DirectionKeys): void {
    rekey(this.#live(), keys);
  }

  /**
   * Starts `zlib@openssh.com`, after authentication, with the packet after the one that {@linkcode next}
   * returned.
   */
  authenticated(): void {
    this.#live().authenticated();
  }

  /** Switches to given keys. Unread ciphertext stays. */
  setKeys(keys: RawKeys): void {
    setKeys(this.#live(), keys);
  }

  /** Wipes the keys; may be called twice. */
  [Symbol.dispose](): void {
    this.#core?.free();
    this.#core = null;
  }

  #live(): CoreOpener {
    return this.#core ?? closed("Opener");
  }
}

/** A packet that is long enough for the bulk loop of every kernel. */
const WARM_UP_BYTES = 32 * 1024;

/**
 * Makes the engine compile the code of a cipher, so that the first packets do not wait for it. It takes a
 * few milliseconds, while the peer computes its part of the key exchange.
 */
export function warmUp(cipher: string, mac: string): void {
  using sealer = new Sealer();
  using opener = new Opener();
  const none = new Uint8Array(32);
  const keys: DirectionKeys = {
    cipher,
    mac,
    compression: "none",
    hash: "SHA-256",
    secret: none,
    exchangeHash: none,
    sessionId: none,
    direction: "client-to-server",
    resetSequence: true,
  };
  sealer.rekey(keys);
  opener.rekey(keys);
  for (const length of [16, WARM_UP_BYTES, WARM_UP_BYTES]) {
    sealer.sealPayload(new Uint8Array(length));
    const packet = new Uint8Array(sealer.pending);
    sealer.take(packet);
    opener.push(packet);
    opener.next();
  }
}

function rekey(direction: CoreSealer | CoreOpener, keys: DirectionKeys): void {
  const { cipher, mac, compression, hash, secret, exchangeHash, sessionId } = keys;
  const toServer = keys.direction === "client-to-server";
  if (
    !direction.rekey(
      cipher,
      mac,
      compression,
      hash,
      secret,
      exchangeHash,
      sessionId,
      toServer,
      keys.resetSequence,
    )
  ) throw unknown(cipher, mac, compression);
}

function setKeys(direction: CoreSealer | CoreOpener, keys: RawKeys): void {
  const { cipher, mac, key, iv, macKey, sequence } = keys;
  if (!direction.set_keys(cipher, mac, key, iv, macKey, sequence)) throw unknown(cipher, mac);
}

function unknown(cipher: string, mac: string, compression = "none"): TypeError {
  return new TypeError(
    `Cannot use cipher "${cipher}" with MAC "${mac}" and compression "${compression}": ` +
      "unknown, or wrong key size",
  );
}

/** Throws the error of a status; null if the stream only needs more bytes. */
function failure(status: number): null {
  switch (status) {
    case 0:
      return null;
    case 2:
      throw new ProtocolError("Bad packet: packet_length is out of range");
    case 3:
      throw exhausted();
    case 4:
      throw new ProtocolError("Bad packet: its compression is malformed, or its payload too long", {
        disconnectReason: COMPRESSION_ERROR,
      });
    default:
      // One message for MAC, padding and encrypted lengths, because it must not tell a forger what was
      // wrong.
      throw new ProtocolError("Bad packet: not authentic (message authentication code incorrect)", {
        disconnectReason: MAC_ERROR,
      });
  }
}

function exhausted(): ProtocolError {
  return new ProtocolError("Sequence numbers under these keys are used up");
}

function closed(what: string): never {
  throw new ClosedError(`${what} is disposed`);
}
