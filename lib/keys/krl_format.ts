import { decodeHex, encodeHex } from "../encoding.ts";
import { KeyFormatError, printable } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** The first bytes of a KRL. */
export const KRL_MAGIC: Uint8Array = new TextEncoder().encode("SSHKRL\n\0");

const VERSION = 1;

// OpenSSH PROTOCOL.krl
const SECTION = { CERTIFICATES: 1, KEYS: 2, SHA1: 3, SIGNATURE: 4, SHA256: 5, EXTENSION: 255 };
const CERTIFICATES = { LIST: 0x20, RANGE: 0x21, BITMAP: 0x22, KEY_ID: 0x23, EXTENSION: 0x39 };

/** An inclusive range of serial numbers; of a bitmap only those whose bit is set. */
export interface SerialRange {
  readonly first: bigint;
  readonly last: bigint;
  /** Bits in reverse order, the last one for `first`; null for all. */
  readonly bitmap: Uint8Array | null;
}

/** The revoked certificates of an authority. */
export interface RevokedCertificates {
  /** The blob of the authority's key; empty for any. */
  readonly authority: Uint8Array;
  readonly serials: ReadonlySet<bigint>;
  readonly ranges: readonly SerialRange[];
  readonly keyIds: ReadonlySet<string>;
}

/** The contents of a key revocation list. */
export interface KrlFile {
  readonly version: bigint;
  /** Seconds since 1970. */
  readonly generated: bigint;
  readonly comment: string;
  readonly certificates: readonly RevokedCertificates[];
  /** Blobs of keys, in hex. */
  readonly keys: ReadonlySet<string>;
  /** Digests of such blobs, in hex. */
  readonly sha1: ReadonlySet<string>;
  readonly sha256: ReadonlySet<string>;
}

/**
 * Reads a key revocation list.
 *
 * @throws {KeyFormatError | ProtocolError} If it is malformed, or has an unknown critical part
 */
export function decodeKrl(bytes: Uint8Array): KrlFile {
  const reader = new Reader(bytes, KRL_MAGIC.length);
  const format = reader.u32();
  if (format !== VERSION) {
    throw new KeyFormatError(`Revocation list has the format ${format}, which is not supported`);
  }
  const version = reader.u64();
  const generated = reader.u64();
  reader.u64(); // flags, none of which is defined
  reader.string(); // reserved
  const comment = printable(reader.text());
  const certificates: RevokedCertificates[] = [];
  const [keys, sha1, sha256] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const readers: Readonly<Record<number, (section: Reader) => void>> = {
    [SECTION.CERTIFICATES]: (section) => void certificates.push(readCertificates(section)),
    [SECTION.KEYS]: (section) => readBlobs(section, keys),
    [SECTION.SHA1]: (section) => readBlobs(section, sha1, 20),
    [SECTION.SHA256]: (section) => readBlobs(section, sha256, 32),
    [SECTION.EXTENSION]: skipExtension,
  };
  while (reader.remaining > 0) {
    const type = reader.u8();
    // Signatures have another form than sections; OpenSSH has never written them.
    if (type === SECTION.SIGNATURE) {
      throw new KeyFormatError("Revocation list is signed, which is not supported");
    }
    const read = readers[type];
    if (read === undefined) {
      throw new KeyFormatError(`Revocation list has a section of an unknown type ${type}`);
    }
    read(new Reader(reader.string()));
  }
  return { version, generated, comment, certificates, keys, sha1, sha256 };
}

/** Writes a key revocation list. */
export function encodeKrl(file: KrlFile): Uint8Array {
  const writer = new Writer().bytes(KRL_MAGIC).u32(VERSION).u64(file.version).u64(file.generated)
    .u64(0n).text("").text(file.comment);
  for (const section of file.certificates) {
    writer.u8(SECTION.CERTIFICATES).string(encodeCertificates(section));
  }
  const blobs = [
    [SECTION.KEYS, file.keys],
    [SECTION.SHA1, file.sha1],
    [SECTION.SHA256, file.sha256],
  ] as const;
  for (const [type, values] of blobs) {
    if (values.size === 0) continue;
    const section = new Writer();
    // PROTOCOL.krl: hashes are sorted, so that they can be searched.
    for (const hex of [...values].sort()) section.string(decodeHex(hex));
    writer.u8(type).string(section.take());
  }
  return writer.take();
}

function encodeCertificates({ authority, serials, ranges, keyIds }: RevokedCertificates) {
  const writer = new Writer().string(authority).text("");
  if (serials.size > 0) {
    const list = new Writer();
    for (const serial of BigUint64Array.from(serials).sort()) list.u64(serial);
    writer.u8(CERTIFICATES.LIST).string(list.take());
  }
  for (const { first, last, bitmap } of ranges) {
    if (bitmap === null) {
      writer.u8(CERTIFICATES.RANGE).string(new Writer().u64(first).u64(last).take());
    } else writer.u8(CERTIFICATES.BITMAP).string(new Writer().u64(first).mpint(bitmap).take());
  }
  if (keyIds.size > 0) {
    const list = new Writer();
    for (const keyId of keyIds) list.text(keyId);
    writer.u8(CERTIFICATES.KEY_ID).string(list.take());
  }
  return writer.take();
}

function readCertificates(section: Reader): RevokedCertificates {
  const authority = section.string();
  section.string(); // reserved
  const [serials, keyIds] = [new Set<bigint>(), new Set<string>()];
  const ranges: SerialRange[] = [];
  const readers: Readonly<Record<number, (part: Reader) => void>> = {
    [CERTIFICATES.LIST](part) {
      while (part.remaining > 0) serials.add(serialOf(part));
    },
    [CERTIFICATES.RANGE]: (part) => void ranges.push(readRange(part)),
    [CERTIFICATES.BITMAP]: (part) => void ranges.push(readBitmap(part)),
    [CERTIFICATES.KEY_ID](part) {
      while (part.remaining > 0) keyIds.add(part.text());
    },
    [CERTIFICATES.EXTENSION]: skipExtension,
  };
  while (section.remaining > 0) {
    const type = section.u8();
    const read = readers[type];
    if (read === undefined) {
      throw new KeyFormatError(`Revocation list has certificates of an unknown kind ${type}`);
    }
    const part = new Reader(section.string());
    read(part);
    part.end();
  }
  return { authority, serials, ranges, keyIds };
}

/** PROTOCOL.krl: the number 0 means none and cannot be revoked. */
function serialOf(part: Reader): bigint {
  const serial = part.u64();
  if (serial === 0n) throw new KeyFormatError("Revocation list has the serial number 0");
  return serial;
}

function readRange(part: Reader): SerialRange {
  const first = serialOf(part);
  const last = part.u64();
  if (first > last) {
    throw new KeyFormatError(
      `Revocation list has a range whose end is before its start: ${first} to ${last}`,
    );
  }
  return { first, last, bitmap: null };
}

function readBitmap(part: Reader): SerialRange {
  const first = part.u64();
  const bitmap = part.mpint();
  const bits = bitmap.length === 0 ? 0 : 8 * bitmap.length + 24 - Math.clz32(bitmap[0]!);
  const last = first + BigInt(bits) - 1n;
  if (last >= 2n ** 64n || (first === 0n && (bitmap.at(-1)! & 1) === 1)) {
    throw new KeyFormatError("Revocation list has a bitmap of numbers that no certificate has");
  }
  return { first, last, bitmap };
}

function readBlobs(section: Reader, into: Set<string>, length?: number): void {
  while (section.remaining > 0) {
    const blob = section.string();
    if (length !== undefined && blob.length !== length) {
      throw new KeyFormatError("Revocation list has a hash of the wrong length");
    }
    into.add(encodeHex(blob));
  }
}

function skipExtension(section: Reader): void {
  const name = section.text();
  const critical = section.bool();
  section.string();
  section.end();
  if (critical) {
    throw new KeyFormatError(`Revocation list needs "${printable(name, 64)}", which is not known`);
  }
}
