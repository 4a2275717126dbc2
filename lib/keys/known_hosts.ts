import { equals } from "@std/bytes";
import { randomBytes } from "../crypto/random.ts";
import { ProtocolError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { hashHostName, type HostMatcher, hostMatcher, hostName } from "./host_pattern.ts";
import type { PublicKey } from "./public_key.ts";

/** Bytes of salt in a hashed host name: what OpenSSH uses, the length of a SHA-1. */
const SALT_BYTES = 20;

/** What known_hosts says about a host's key. */
export interface HostVerdict {
  /**
   * `"trusted"`: the key is the host's. `"unknown"`: nothing is known of the host. `"changed"`: only
   * other keys of the host are known. `"revoked"`: the key must never be accepted.
   */
  readonly verdict: "trusted" | "unknown" | "changed" | "revoked";
  /** The numbers of the lines that say so, from 1; for `"changed"` those of the other keys. */
  readonly lines: number[];
}

/** How to write a line of known_hosts. */
export interface HostLineOptions {
  /** Hides the host's name behind a hash. */
  hash?: boolean;
}

interface Entry {
  readonly line: number;
  readonly marker: "" | "@cert-authority" | "@revoked";
  readonly matches: HostMatcher;
  readonly type: string;
  readonly blob: Uint8Array;
}

/**
 * The host keys that a user trusts, in the format of OpenSSH's `known_hosts`.
 *
 * @example
 * ```ts
 * import { generateKey, KnownHosts } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * const known = KnownHosts.parse(KnownHosts.line("db1", 2222, key.publicKey, { hash: true }));
 * assertEquals(known.check("db1", 2222, key.publicKey).verdict, "trusted");
 * assertEquals(known.check("db1", 22, key.publicKey).verdict, "unknown");
 * ```
 */
export class KnownHosts {
  readonly #entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /**
   * Reads the text of a file; comments, and lines that make no sense, are skipped.
   *
   * @param text The text, perhaps of several files one after the other
   * @returns The known hosts
   *
   * @example
   * ```ts
   * import { KnownHosts } from "@denossh/ssh/keys";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(KnownHosts.parse("# nobody yet\n").keyTypes("db1", 22), []);
   * ```
   */
  static parse(text: string): KnownHosts {
    const entries = text.split("\n").map((line, index) => parseLine(line.trim(), index + 1));
    return new KnownHosts(entries.filter((entry) => entry !== null));
  }

  /**
   * Looks a host's key up.
   *
   * @param host The name or address that was asked for
   * @param port The port
   * @param key The key that the host showed
   * @returns The verdict and the lines that it rests on
   *
   * @example
   * ```ts
   * import { generateKey, KnownHosts } from "@denossh/ssh/keys";
   * import { assertEquals } from "@std/assert";
   *
   * using old = await generateKey("ed25519");
   * using key = await generateKey("ed25519");
   * const known = KnownHosts.parse(`*.example.com ${old.publicKey}`);
   * assertEquals(known.check("a.example.com", 22, key.publicKey), {
   *   verdict: "changed",
   *   lines: [1],
   * });
   * ```
   */
  check(host: string, port: number, key: PublicKey): HostVerdict {
    const name = hostName(host, port);
    const bare = hostName(host, 22);
    const same = (entry: Entry) => equals(entry.blob, key.blob);
    // A key that leaked is not to be trusted on whichever port the line happens to name.
    const revoked = this.#entries.filter((entry) =>
      entry.marker === "@revoked" && same(entry) && (entry.matches(name) || entry.matches(bare))
    );
    if (revoked.length > 0) return { verdict: "revoked", lines: numbers(revoked) };

    const known = this.#plain(name);
    const matching = known.filter(same);
    if (matching.length > 0) return { verdict: "trusted", lines: numbers(matching) };
    // A key of another type counts as changed too: else an attacker need only show one of a type
    // that the host never had.
    return { verdict: known.length > 0 ? "changed" : "unknown", lines: numbers(known) };
  }

  /**
   * The types of the keys that are known for a host, so that those are asked for first.
   *
   * @param host The name or address
   * @param port The port
   * @returns The names of the types, such as `"ssh-ed25519"`, in the file's order
   *
   * @example
   * ```ts
   * import { generateKey, KnownHosts } from "@denossh/ssh/keys";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * const known = KnownHosts.parse(`db1 ${key.publicKey}`);
   * assertEquals(known.keyTypes("db1", 22), ["ssh-ed25519"]);
   * ```
   */
  keyTypes(host: string, port: number): string[] {
    return [...new Set(this.#plain(hostName(host, port)).map((entry) => entry.type))];
  }

  /**
   * Writes the line that makes a host known.
   *
   * @param host The name or address
   * @param port The port
   * @param key The host's key
   * @param options Whether to hash the name
   * @returns The line, without its end
   * @throws {TypeError} If the host's name would not be one plain field of the line
   *
   * @example
   * ```ts
   * import { generateKey, KnownHosts } from "@denossh/ssh/keys";
   * import { assert } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * assert(KnownHosts.line("db1", 2222, key.publicKey).startsWith("[db1]:2222 ssh-ed25519 AAAA"));
   * ```
   */
  static line(host: string, port: number, key: PublicKey, options: HostLineOptions = {}): string {
    // Any of these would make the line mean another host, or many of them.
    if (!/^[^\s,*?!|#@\p{Cc}]+$/u.test(host)) {
      throw new TypeError("Host name has characters that known_hosts cannot hold");
    }
    const name = hostName(host, port);
    const field = options.hash ? hashHostName(name, randomBytes(SALT_BYTES)) : name;
    return `${field} ${key.type} ${encodeBase64(key.blob)}`;
  }

  #plain(name: string): Entry[] {
    return this.#entries.filter((entry) => entry.marker === "" && entry.matches(name));
  }
}

// sshd(8): an optional marker, the hosts, the key's type, the key in base64, perhaps a comment.
function parseLine(line: string, number: number): Entry | null {
  if (line === "" || line.startsWith("#")) return null;
  const fields = line.split(/[ \t]+/);
  const marker = line.startsWith("@") ? fields.shift() : "";
  if (marker !== "" && marker !== "@cert-authority" && marker !== "@revoked") return null;
  const [hosts, type, base64] = fields;
  if (hosts === undefined || type === undefined || base64 === undefined) return null;
  const matches = hostMatcher(hosts);
  const blob = decodeBase64(base64);
  // The key itself is not parsed: a key of a type that we do not know still makes the host known.
  if (matches === null || blob === null || typeOf(blob) !== type) return null;
  return { line: number, marker, matches, type, blob };
}

function typeOf(blob: Uint8Array): string | null {
  try {
    return new Reader(blob).text();
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

function numbers(entries: readonly Entry[]): number[] {
  return entries.map((entry) => entry.line);
}
