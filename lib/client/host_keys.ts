import { HostKeyError } from "../errors.ts";
import { KnownHosts } from "../keys/known_hosts.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";

/**
 * The host that is being connected to, as the caller named it.
 *
 * @example
 * ```ts
 * import type { HostAddress } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ connect: { hostname: "db1", port: 2222 } });
 * const host: HostAddress = pair.host.info.host;
 * assertEquals(host, { hostname: "db1", port: 2222 });
 * ```
 */
export interface HostAddress {
  /** The name or address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/**
 * Decides whether a server's host key is the right one.
 *
 * @example
 * ```ts
 * import type { HostKeyPolicy } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const seen: string[] = [];
 * const policy: HostKeyPolicy = {
 *   verify: ({ hostname }, key) => {
 *     seen.push(`${hostname} ${key.type}`);
 *     return true; // a real one compares
 *   },
 * };
 * await using _pair = await connectedPair({ connect: { hostKeys: policy } });
 * assertEquals(seen, ["localhost ssh-ed25519"]);
 * ```
 */
export interface HostKeyPolicy {
  /**
   * Only `true` accepts; anything else, an exception included, refuses.
   *
   * @throws {HostKeyError} To say why
   */
  verify(host: HostAddress, key: PublicKey): boolean | Promise<boolean>;
  /** The key types known for a host, so that they are asked for first. */
  knownTypes?(host: HostAddress): readonly string[] | Promise<readonly string[]>;
}

/**
 * What `hostKeys` may be: a policy such as {@linkcode knownHosts} gives, a function, or the key itself
 * (one line of OpenSSH's format or its `SHA256:` fingerprint), or several of them.
 *
 * @example
 * ```ts
 * import { type HostKeys, knownHosts } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey();
 * const ways: HostKeys[] = [
 *   knownHosts("./known_hosts"),
 *   key.publicKey,
 *   [key.publicKey.fingerprint(), key.publicKey.toString()], // either will do
 *   ({ hostname }, shown) => hostname === "localhost" && shown.equals(key.publicKey),
 * ];
 * assertEquals(ways.length, 4);
 * ```
 */
export type HostKeys =
  | HostKeyPolicy
  | HostKeyPolicy["verify"]
  | PublicKey
  | string
  | readonly (PublicKey | string)[];

/**
 * How {@linkcode knownHosts} treats a host that the files do not know.
 *
 * @example
 * ```ts
 * import { knownHosts, type KnownHostsOptions } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const file = await Deno.makeTempFile();
 * const options: KnownHostsOptions = { unknown: "add", hash: true };
 * await using _pair = await connectedPair({ connect: { hostKeys: knownHosts(file, options) } });
 * assertEquals((await Deno.readTextFile(file)).startsWith("|1|"), true);
 * await Deno.remove(file);
 * ```
 */
export interface KnownHostsOptions {
  /**
   * `"refuse"` (the default) ends the connection, `"add"` writes the key to the first file and goes
   * on; a function is asked, and the key is added if it returns true.
   */
  readonly unknown?:
    | "refuse"
    | "add"
    | ((host: HostAddress, key: PublicKey) => boolean | Promise<boolean>);
  /** Whether an added line hides the host's name, as OpenSSH's HashKnownHosts. */
  readonly hash?: boolean;
}

/**
 * Trusts the host keys of one or more `known_hosts` files (sshd(8)). A key that differs from the known
 * one is always refused. A file that does not exist is an empty one.
 *
 * @param paths The files; a new key goes to the first. Reading needs `--allow-read`, adding
 *   `--allow-write`
 *
 * @example
 * ```ts
 * import { knownHosts } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = knownHosts("/nonexistent/known_hosts", { unknown: "refuse" });
 * assertEquals(await policy.knownTypes!({ hostname: "example.com", port: 22 }), []);
 * ```
 */
export function knownHosts(
  paths: string | URL | readonly (string | URL)[],
  options: KnownHostsOptions = {},
): HostKeyPolicy {
  const files = (Array.isArray(paths) ? paths : [paths]) as (string | URL)[];
  const { unknown = "refuse", hash = false } = options;
  return {
    async verify(host, key) {
      const verdicts = [];
      for (const file of files) {
        const verdict = (await load(file)).check(host.hostname, host.port, key);
        verdicts.push({ file, ...verdict });
      }
      // The worst verdict of any file counts first: a revoked key is revoked wherever it says so.
      const revoked = verdicts.find(({ verdict }) => verdict === "revoked");
      if (revoked) {
        throw refused("revoked", host, key, `it is marked @revoked in ${place(revoked)}`);
      }
      if (verdicts.some(({ verdict }) => verdict === "trusted")) return true;
      const changed = verdicts.find(({ verdict }) => verdict === "changed");
      if (changed) {
        throw refused(
          "changed",
          host,
          key,
          `it differs from the one in ${place(changed)}. Somebody may be intercepting the ` +
            "connection, or the host was set up anew",
        );
      }
      const add = typeof unknown === "function" ? await unknown(host, key) : unknown === "add";
      if (add !== true) throw refused("unknown", host, key, "it is not in known_hosts");
      await append(files[0]!, KnownHosts.line(host.hostname, host.port, key, { hash }));
      return true;
    },
    async knownTypes(host) {
      const types: string[] = [];
      for (const file of files) {
        types.push(...(await load(file)).keyTypes(host.hostname, host.port));
      }
      return [...new Set(types)];
    },
  };
}

/**
 * Accepts any host key: for tests on loopback, and nothing else.
 *
 * @example
 * ```ts
 * import { acceptAnyHostKey } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 *
 * await using _pair = await connectedPair({ connect: { hostKeys: acceptAnyHostKey() } });
 * ```
 */
export function acceptAnyHostKey(): HostKeyPolicy {
  return { verify: () => true };
}

/** A policy from whatever a caller gave. */
export function hostKeyPolicy(given: HostKeys): HostKeyPolicy {
  if (typeof given === "function") return { verify: given };
  if (isPolicy(given)) return given;
  const wanted = (Array.isArray(given) ? given : [given]) as (PublicKey | string)[];
  const fingerprints = new Set(
    wanted.map((key) =>
      typeof key === "string"
        ? key.startsWith("SHA256:") ? key.replace(/=+$/, "") : importPublicKey(key).fingerprint()
        : key.fingerprint()
    ),
  );
  const types = wanted.flatMap((key) =>
    typeof key === "string"
      ? key.startsWith("SHA256:") ? [] : [importPublicKey(key).type]
      : [key.type]
  );
  return {
    verify(host, key) {
      if (fingerprints.has(key.fingerprint())) return true;
      throw refused("changed", host, key, "it is not the one that was given");
    },
    knownTypes: () => [...new Set(types)],
  };
}

/** Runs a policy; everything but `true` is a refusal. */
export async function verifyHostKey(
  policy: HostKeyPolicy,
  host: HostAddress,
  key: PublicKey,
): Promise<void> {
  let accepted: boolean;
  try {
    accepted = await policy.verify(host, key);
  } catch (cause) {
    if (cause instanceof HostKeyError) throw cause;
    throw refused("refused", host, key, "the check of it failed", { cause });
  }
  if (accepted !== true) throw refused("refused", host, key, "it was not accepted");
}

/** A host as known_hosts and messages name it. */
export function hostName(host: HostAddress): string {
  return host.port === 22 ? host.hostname : `[${host.hostname}]:${host.port}`;
}

function refused(
  reason: "unknown" | "changed" | "revoked" | "refused",
  host: HostAddress,
  key: PublicKey,
  why: string,
  options?: ErrorOptions,
): HostKeyError {
  const name = hostName(host);
  const fingerprint = key.fingerprint();
  return new HostKeyError(
    reason,
    name,
    fingerprint,
    `Host key of ${name} refused (${key.type} ${fingerprint}): ${why}`,
    options,
  );
}

function isPolicy(given: HostKeys): given is HostKeyPolicy {
  return typeof given === "object" && "verify" in given && !("blob" in given);
}

function place(found: { file: string | URL; lines: readonly number[] }): string {
  return `${found.file} line ${found.lines.join(", ")}`;
}

async function load(file: string | URL): Promise<KnownHosts> {
  try {
    return KnownHosts.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return KnownHosts.parse("");
    throw error;
  }
}

async function append(file: string | URL, line: string): Promise<void> {
  const existing = await Deno.readTextFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  const gap = existing === "" || existing.endsWith("\n") ? "" : "\n";
  await Deno.writeTextFile(file, `${gap}${line}\n`, { append: true, create: true, mode: 0o600 });
}
