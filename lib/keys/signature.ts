import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** A signature as it travels: the name of its algorithm and the bytes (RFC 4253 §6.6). */
export interface Signature {
  readonly algorithm: string;
  readonly bytes: Uint8Array;
}

/** A signature as one blob. */
export function encodeSignature({ algorithm, bytes }: Signature): Uint8Array {
  return new Writer().text(algorithm).string(bytes).take();
}

/**
 * The parts of a signature blob; `bytes` is a view on it.
 *
 * @throws {ProtocolError} If the blob is too short or too long
 */
export function decodeSignature(blob: Uint8Array): Signature {
  const reader = new Reader(blob);
  const signature = { algorithm: reader.text(), bytes: reader.string() };
  reader.end();
  return signature;
}

/** The two numbers of an ECDSA signature as its bytes (RFC 5656 §3.1.2). */
export function encodeEcdsa({ r, s }: { r: Uint8Array; s: Uint8Array }): Uint8Array {
  return new Writer().mpint(r).mpint(s).take();
}

/**
 * The two numbers of an ECDSA signature, without leading zeros.
 *
 * @throws {ProtocolError} If the bytes are not two non-negative mpints
 */
export function decodeEcdsa(bytes: Uint8Array): { r: Uint8Array; s: Uint8Array } {
  const reader = new Reader(bytes);
  const numbers = { r: reader.mpint(), s: reader.mpint() };
  reader.end();
  return numbers;
}
