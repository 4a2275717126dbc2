import { equals } from "@std/bytes";
import { randomBytes } from "../crypto/random.ts";
import { type CertificateError, printable } from "../errors.ts";
import { encodeBase64 } from "../encoding.ts";
import { certificateProblem } from "../keys/certificate.ts";
import { hashHostName, knownHostsName, withoutHost } from "./host_pattern.ts";
import { type HostEntry, type KnownHost, MAX_COMMENT, parseHostLine } from "./known_host_line.ts";
import type { Certificate, PublicKey } from "../keys/public_key.ts";

/** Bytes of salt in a hashed host name: what OpenSSH uses, the length of a SHA-1. */
const SALT_BYTES = 20;

/** The verdict of known_hosts about a host's key. */
export interface HostVerdict {
  /**
   * `"trusted"`: the key is known for the host. `"unknown"`: no key is known for the host.
   * `"changed"`: only
   * other keys of the host are known. `"revoked"`: the key must never be accepted.
   */
  readonly verdict: "trusted" | "unknown" | "changed" | "revoked";
  /** The numbers of the lines that decided, from 1; for `"changed"` those of the other keys. */
  readonly lines: number[];
  /** Why a certificate of a known authority was ignored; the key was then looked up without it. */
  readonly problem?: CertificateError;
}

/** How to write a line of known_hosts. */
export interface HostLineOptions {
  /** Hashes the host's name. */
  hash?: boolean;
  /** The comment; empty by default. */
  comment?: string;
}

/**
 * The host keys that a user trusts, in the format of OpenSSH's `known_hosts`. It is immutable: changes
 * return a new value, and keep comments and broken lines.
 *
 * @example
 * ```ts
 * import { generateKey } from "@denossh/ssh/keys";
 * import { KnownHosts } from "@denossh/ssh/known-hosts";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * const known = KnownHosts.parse("# mine\n").with(
 *   "db1",
 *   2222,
 *   key.publicKey,
 *   { hash: true },
 * );
 * assertEquals(known.check("db1", 2222, key.publicKey).verdict, "trusted");
 * assertEquals(known.check("db1", 22, key.publicKey).verdict, "unknown");
 * assertEquals(known.without("db1", 2222).toString(), "# mine\n");
 * ```
 */
export class KnownHosts {
  readonly #lines: readonly string[];
  readonly #entries: readonly HostEntry[];

  /** @ignore */
  private constructor(lines: readonly string[]) {
    this.#lines = lines;
    this.#entries = lines.map((line, at) => parseHostLine(line.trim(), at + 1))
      .filter((entry) => entry !== null);
  }

  /**
   * Parses the text of a file; comments and invalid lines are skipped.
   *
   * @param text The text, perhaps of several files one after the other
   * @returns The known hosts
   *
   * @example
   * ```ts
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(KnownHosts.parse("# no hosts yet\n").keyTypes("db1", 22), []);
   * ```
   */
  static parse(text: string): KnownHosts {
    return new KnownHosts(text.split("\n"));
  }

  /**
   * Looks up a host's key. A certificate is accepted if an authority for the host has signed it and it
   * is valid now; otherwise its plain key is looked up, as OpenSSH does.
   *
   * @param host The requested name or address
   * @param port The port
   * @param key The key that the host presented
   * @returns The verdict, and the lines that it is based on
   *
   * @example
   * ```ts
   * import { generateKey } from "@denossh/ssh/keys";
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
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
    const name = knownHostsName(host, port);
    const { certificate } = key;
    const plain = certificate?.publicKey ?? key;
    // A leaked key is refused on every port, not only on the one in the line.
    const bare = knownHostsName(host, 22);
    const bad = certificate ? [plain, certificate.authority] : [plain];
    const revoked = this.#entries.filter((entry) =>
      entry.marker === "@revoked" && (entry.matches(name) || entry.matches(bare)) &&
      bad.some((key) => equals(entry.blob, key.blob))
    );
    if (revoked.length > 0) return { verdict: "revoked", lines: numbers(revoked) };

    const certified = certificate && this.#checkCertificate(host, name, certificate);
    if (certified?.verdict === "trusted") return certified;
    const known = this.#marked("", name);
    const matching = known.filter((entry) => equals(entry.blob, plain.blob));
    if (matching.length > 0) return { verdict: "trusted", lines: numbers(matching) };
    // A key of another type counts as changed, too: otherwise an attacker could present a type that
    // the host never had.
    const verdict = known.length > 0 ? "changed" : "unknown";
    const problem = certified?.problem;
    return { verdict, lines: numbers(known), ...(problem && { problem }) };
  }

  /**
   * The types of the known keys of a host, so that they can be preferred.
   *
   * @param host The name or address
   * @param port The port
   * @returns The names of the types, such as `"ssh-ed25519"`, in the file's order
   *
   * @example
   * ```ts
   * import { generateKey } from "@denossh/ssh/keys";
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * const known = KnownHosts.parse(`db1 ${key.publicKey}`);
   * assertEquals(known.keyTypes("db1", 22), ["ssh-ed25519"]);
   * ```
   */
  keyTypes(host: string, port: number): string[] {
    return [...new Set(this.#marked("", knownHostsName(host, port)).map((entry) => entry.type))];
  }

  /**
   * The lines that match a host, as `ssh-keygen -F` finds them.
   *
   * @param host The name or address
   * @param port The port
   * @returns The lines, in the file's order
   *
   * @example
   * ```ts
   * import { generateKey } from "@denossh/ssh/keys";
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * const known = KnownHosts.parse(
   *   `@cert-authority *.example.com ${key.publicKey} ours`,
   * );
   * const [line] = known.find("a.example.com", 22);
   * assertEquals([line?.marker, line?.comment], ["@cert-authority", "ours"]);
   * ```
   */
  find(host: string, port: number): KnownHost[] {
    const name = knownHostsName(host, port);
    return this.#entries.filter((entry) => entry.matches(name))
      .map(({ matches: _, ...known }) => known);
  }

  /**
   * Adds a host's key, unless it is known already.
   *
   * @param host The name or address
   * @param port The port
   * @param key The host's key
   * @param options Whether to hash the name
   * @returns The new value
   * @throws {TypeError} If the host's name is not a single plain field
   *
   * @example
   * ```ts
   * import { generateKey } from "@denossh/ssh/keys";
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * const known = KnownHosts.parse("").with("db1", 22, key.publicKey);
   * assertEquals(
   *   known.with("db1", 22, key.publicKey).toString(),
   *   known.toString(),
   * );
   * ```
   */
  with(host: string, port: number, key: PublicKey, options: HostLineOptions = {}): KnownHosts {
    const line = KnownHosts.line(host, port, key, options);
    if (this.#marked("", knownHostsName(host, port)).some(({ blob }) => equals(blob, key.blob))) {
      return this;
    }
    // After the last line feed comes the empty string, or a line without a line feed.
    const lines = this.#lines.at(-1) === "" ? this.#lines.slice(0, -1) : this.#lines;
    return new KnownHosts([...lines, line, ""]);
  }

  /**
   * Removes a host's keys. Lines of authorities and revoked keys are kept, and so are the other hosts
   * of a line.
   *
   * @param host The name or address
   * @param port The port
   * @param key The key to remove; by default all
   * @returns The new value
   *
   * @example
   * ```ts
   * import { generateKey } from "@denossh/ssh/keys";
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * const known = KnownHosts.parse(`db1,db2 ${key.publicKey}\n`);
   * assertEquals(known.without("db1", 22).toString(), `db2 ${key.publicKey}\n`);
   * ```
   */
  without(host: string, port: number, key?: Pick<PublicKey, "blob">): KnownHosts {
    const name = knownHostsName(host, port);
    const gone = this.#marked("", name).filter(({ blob }) => !key || equals(blob, key.blob));
    const lines = this.#lines.flatMap((line, at) => {
      const entry = gone.find((entry) => entry.line === at + 1);
      if (entry === undefined) return [line];
      const hosts = withoutHost(entry.hosts, name);
      return hosts === null ? [] : [line.replace(entry.hosts, () => hosts)];
    });
    return new KnownHosts(lines);
  }

  /**
   * Formats the line for a host's key.
   *
   * @param host The name or address
   * @param port The port
   * @param key The host's key
   * @param options Whether to hash the name
   * @returns The line, without its end
   * @throws {TypeError} If the host's name is not a single plain field
   *
   * @example
   * ```ts
   * import { generateKey } from "@denossh/ssh/keys";
   * import { KnownHosts } from "@denossh/ssh/known-hosts";
   * import { assert } from "@std/assert";
   *
   * using key = await generateKey("ed25519");
   * assert(
   *   KnownHosts.line("db1", 2222, key.publicKey).startsWith(
   *     "[db1]:2222 ssh-ed25519 AAAA",
   *   ),
   * );
   * ```
   */
  static line(host: string, port: number, key: PublicKey, options: HostLineOptions = {}): string {
    // Any of these characters would make the line match other hosts.
    if (!/^[^\s,*?!|#@\p{Cc}]+$/u.test(host)) {
      throw new TypeError("Host name has characters that known_hosts cannot hold");
    }
    const { hash = false, comment = "" } = options;
    const name = knownHostsName(host, port);
    const field = hash ? hashHostName(name, randomBytes(SALT_BYTES)) : name;
    const line = `${field} ${key.type} ${encodeBase64(key.blob)}`;
    return comment === "" ? line : `${line} ${printable(comment, MAX_COMMENT)}`;
  }

  /** The text of the file. */
  toString(): string {
    return this.#lines.join("\n");
  }

  #marked(marker: KnownHost["marker"], name: string): HostEntry[] {
    return this.#entries.filter((entry) => entry.marker === marker && entry.matches(name));
  }

  #checkCertificate(host: string, name: string, certificate: Certificate): HostVerdict | null {
    const { authority } = certificate;
    const lines = this.#marked("@cert-authority", name)
      .filter(({ blob }) => equals(blob, authority.blob));
    if (lines.length === 0) return null;
    const principal = host.toLowerCase();
    const problem = certificateProblem(certificate, {
      kind: "host",
      principal,
      authorities: [authority],
    });
    return problem === null
      ? { verdict: "trusted", lines: numbers(lines) }
      : { verdict: "unknown", lines: numbers(lines), problem };
  }
}

function numbers(entries: readonly HostEntry[]): number[] {
  return entries.map((entry) => entry.line);
}
