import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import {
  type BrowserMarks,
  readBrowserMarks,
  WEBAUTHN_ECDSA,
  writeBrowserMarks,
} from "./webauthn.ts";

/** A signature in wire format: the name of its algorithm and the bytes (RFC 4253 §6.6). */
export interface Signature {
  readonly algorithm: string;
  readonly bytes: Uint8Array;
  /** The security token's additions; null for other keys. */
  readonly token: TokenMarks | null;
}

/** A security token's statement about a signature (OpenSSH PROTOCOL.u2f). */
export interface TokenMarks {
  readonly flags: number;
  readonly counter: number;
  /** A browser's additions, if one requested the signature. */
  readonly browser?: BrowserMarks;
}

/** A signature as one blob. */
export function encodeSignature(
  { algorithm, bytes, token }: Omit<Signature, "token"> & Partial<Signature>,
): Uint8Array {
  const writer = new Writer().text(algorithm).string(bytes);
  if (token) writer.u8(token.flags).u32(token.counter);
  if (token?.browser) writeBrowserMarks(writer, token.browser);
  return writer.take();
}

/**
 * The parts of a signature blob; `bytes` is a view of it.
 *
 * @throws {ProtocolError} If the blob is too short or too long
 */
export function decodeSignature(blob: Uint8Array): Signature {
  const reader = new Reader(blob);
  const algorithm = reader.text();
  const bytes = reader.string();
  const token = readToken(algorithm, reader);
  reader.end();
  return { algorithm, bytes, token };
}

function readToken(algorithm: string, reader: Reader): TokenMarks | null {
  const isWeb = algorithm === WEBAUTHN_ECDSA;
  if (!isWeb && !algorithm.startsWith("sk-")) return null;
  const marks = { flags: reader.u8(), counter: reader.u32() };
  return isWeb ? { ...marks, browser: readBrowserMarks(reader) } : marks;
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
