/**
 * ring's AEADs over packets and the core's Poly1305 in a separate WebAssembly module, with which tests and
 * benchmarks compare the packet core.
 *
 * @module
 */

import { base64 } from "./artifact.ts";

interface Exports {
  memory: WebAssembly.Memory;
  room(length: number): number;
  set_key(): void;
  seal(sequence: number): void;
  open(sequence: number): number;
  poly1305(): void;
}

const module = new WebAssembly.Module(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));

/** ring with one key, and room for one packet at a time. */
export class RingCipher {
  #ring: Exports = instantiate();
  #at = 0;
  #length = 0;

  /** @param key 16 or 32 bytes for AES-GCM, 64 for chacha20-poly1305@openssh.com */
  constructor(key: Uint8Array) {
    put(this.#ring, key);
    this.#ring.set_key();
  }

  /** The packet: packet_length, the rest, and a tag of 16 bytes. A view, until the next call of `load`. */
  get packet(): Uint8Array<ArrayBuffer> {
    return view(this.#ring, this.#at, this.#length);
  }

  /** Takes a copy of a packet. */
  load(packet: Uint8Array): void {
    this.#at = put(this.#ring, packet);
    this.#length = packet.length;
  }

  /** Encrypts the packet in place and fills in its tag. */
  seal(sequence: number): void {
    this.#ring.seal(sequence);
  }

  /** Decrypts the packet in place; false if its tag is wrong. */
  open(sequence: number): boolean {
    return this.#ring.open(sequence) !== 0;
  }
}

const poly = instantiate();

/** The core's Poly1305 over a key of 32 bytes and a message of any length. */
export function poly1305(key: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(key.length + message.length);
  both.set(key);
  both.set(message, key.length);
  const at = put(poly, both);
  poly.poly1305();
  return view(poly, at, 16).slice();
}

function instantiate(): Exports {
  return new WebAssembly.Instance(module).exports as unknown as Exports;
}

function put(ring: Exports, bytes: Uint8Array): number {
  const at = ring.room(bytes.length) >>> 0;
  view(ring, at, bytes.length).set(bytes);
  return at;
}

function view({ memory }: Exports, at: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(memory.buffer as ArrayBuffer, at, length);
}
