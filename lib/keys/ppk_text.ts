import { KeyFormatError, printable } from "../errors.ts";
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from "../encoding.ts";

/** The start of a PuTTY private key file. */
export const PPK_MARK = "PuTTY-User-Key-File-";

/** Characters per line of base64. */
const LINE_LENGTH = 64;

/** Maximum lines of base64: RSA keys of 16384 bits have about a hundred. */
const MAX_LINES = 1024;

/** The passphrase hashing of version 3. */
export interface PpkKdf {
  readonly variant: "argon2d" | "argon2i" | "argon2id";
  /** In KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Uint8Array;
}

/** The fields of a PuTTY private key file (its manual, appendix C). */
export interface PpkFile {
  readonly version: 2 | 3;
  readonly type: string;
  readonly encryption: string;
  readonly comment: string;
  readonly publicBlob: Uint8Array;
  /** Null if nothing is encrypted, and in version 2. */
  readonly kdf: PpkKdf | null;
  readonly privateBlob: Uint8Array;
  readonly mac: Uint8Array;
}

const VARIANTS = { Argon2d: "argon2d", Argon2i: "argon2i", Argon2id: "argon2id" } as const;

/**
 * Parses the file.
 *
 * @throws {KeyFormatError} If it is not a key of version 2 or 3
 */
export function readPpk(text: string): PpkFile {
  const lines = new Lines(text.split(/\r\n|\r|\n/));
  const [mark, type] = lines.first();
  const version = mark === `${PPK_MARK}2` ? 2 : mark === `${PPK_MARK}3` ? 3 : null;
  if (version === null) {
    throw new KeyFormatError(`Private key format "${printable(mark, 64)}" is not supported`);
  }
  const encryption = lines.field("Encryption");
  const comment = lines.field("Comment");
  const publicBlob = lines.base64("Public-Lines");
  const kdf = version === 3 && encryption !== "none" ? readKdf(lines) : null;
  const privateBlob = lines.base64("Private-Lines");
  try {
    const mac = lines.hex("Private-MAC");
    lines.end();
    return { version, type, encryption, comment, publicBlob, kdf, privateBlob, mac };
  } catch (error) {
    privateBlob.fill(0);
    throw error;
  }
}

/** Writes the file. */
export function writePpk(file: PpkFile): string {
  const { version, type, encryption, comment, publicBlob, kdf, privateBlob, mac } = file;
  const lines = [
    `${PPK_MARK}${version}: ${type}`,
    `Encryption: ${encryption}`,
    `Comment: ${comment}`,
    ...base64Lines("Public", publicBlob),
  ];
  if (kdf !== null) {
    const title = Object.entries(VARIANTS).find(([, variant]) => variant === kdf.variant)![0];
    lines.push(
      `Key-Derivation: ${title}`,
      `Argon2-Memory: ${kdf.memory}`,
      `Argon2-Passes: ${kdf.passes}`,
      `Argon2-Parallelism: ${kdf.parallelism}`,
      `Argon2-Salt: ${encodeHex(kdf.salt)}`,
    );
  }
  lines.push(...base64Lines("Private", privateBlob), `Private-MAC: ${encodeHex(mac)}`, "");
  return lines.join("\n");
}

function base64Lines(name: string, bytes: Uint8Array): string[] {
  const lines = encodeBase64(bytes).match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return [`${name}-Lines: ${lines.length}`, ...lines];
}

function readKdf(lines: Lines): PpkKdf {
  const title = lines.field("Key-Derivation");
  if (!Object.hasOwn(VARIANTS, title)) {
    throw new KeyFormatError(
      `Private key's passphrase is hashed by "${printable(title, 64)}", which is not supported`,
    );
  }
  return {
    variant: VARIANTS[title as keyof typeof VARIANTS],
    memory: lines.number("Argon2-Memory"),
    passes: lines.number("Argon2-Passes"),
    parallelism: lines.number("Argon2-Parallelism"),
    salt: lines.hex("Argon2-Salt"),
  };
}

/** A cursor over lines of `Name: value`. */
class Lines {
  readonly #lines: readonly string[];
  #at = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  first(): [name: string, value: string] {
    const line = this.#next();
    const colon = line.indexOf(": ");
    if (colon < 0) throw new KeyFormatError("Private key lacks its type");
    return [line.slice(0, colon), line.slice(colon + 2)];
  }

  field(name: string): string {
    const line = this.#next();
    if (!line.startsWith(`${name}: `)) {
      throw new KeyFormatError(`Private key lacks "${name}"`);
    }
    return line.slice(name.length + 2);
  }

  number(name: string): number {
    const value = this.field(name);
    if (!/^\d{1,9}$/.test(value)) {
      throw new KeyFormatError(`Private key has an invalid number "${name}"`);
    }
    return Number(value);
  }

  hex(name: string): Uint8Array {
    const value = this.field(name);
    if (!/^(?:[0-9a-f]{2}){1,1024}$/i.test(value)) {
      throw new KeyFormatError(`Private key has invalid hex digits in "${name}"`);
    }
    return decodeHex(value);
  }

  base64(name: string): Uint8Array {
    const count = this.number(name);
    if (count > MAX_LINES) {
      throw new KeyFormatError(`Private key has ${count} lines: at most ${MAX_LINES} are accepted`);
    }
    const lines = Array.from({ length: count }, () => this.#next());
    const bytes = decodeBase64(lines.join(""));
    if (bytes === null) throw new KeyFormatError(`Private key is not base64 in "${name}"`);
    return bytes;
  }

  end(): void {
    if (this.#lines.slice(this.#at).some((line) => line.trim() !== "")) {
      throw new KeyFormatError("Private key has lines after its end");
    }
  }

  #next(): string {
    const line = this.#lines[this.#at++];
    if (line === undefined) throw new KeyFormatError("Private key ends too early");
    return line;
  }
}
