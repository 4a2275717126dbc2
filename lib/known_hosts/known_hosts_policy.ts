import { CERTIFICATE_ALGORITHMS } from "../keys/certificate_names.ts";
import { callback, checkOptions, either, flag, object, oneOf } from "../option_checks.ts";
import type { HostVerdict, KnownHosts } from "./known_hosts.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { editKnownHosts, readKnownHosts } from "./file.ts";
import type { CallOptions } from "../waiting.ts";
import { type HostAddress, type HostKeyPolicy, refused } from "./host_key_policy.ts";
import { changesOf, type HostKeyChanges } from "./update.ts";
import { plainMessage } from "../error_messages.ts";

/**
 * Options of {@linkcode knownHosts}: how to treat unknown hosts, and new keys of known ones.
 */
export interface KnownHostsOptions {
  /**
   * `"refuse"` (the default) ends the connection, `"add"` writes the key to the first file and accepts
   * it; a function decides, and the key is added if it returns true.
   */
  readonly unknown?:
    | "refuse"
    | "add"
    | ((host: HostAddress, key: PublicKey) => boolean | Promise<boolean>);
  /** Whether to hash the host's name in added lines, as with OpenSSH's HashKnownHosts. */
  readonly hash?: boolean;
  /**
   * Whether to update the first file with the keys that a known host proves to have, as with OpenSSH's
   * UpdateHostKeys: new keys are added and old ones removed. A function decides in each case.
   */
  readonly update?:
    | boolean
    | ((host: HostAddress, changes: HostKeyChanges) => boolean | Promise<boolean>);
  /** Another source of known hosts, used like the files. */
  readonly source?: KnownHostsSource;
}

/**
 * Known hosts from another source than files, such as a directory service or OpenSSH's KnownHostsCommand.
 *
 * @example
 * ```ts
 * import {
 *   KnownHosts,
 *   knownHosts,
 *   type KnownHostsSource,
 * } from "@denossh/ssh/known-hosts";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey();
 * const inventory: KnownHostsSource = {
 *   name: "the inventory",
 *   find: ({ hostname }) => KnownHosts.parse(`${hostname} ${key.publicKey}`),
 * };
 * const policy = knownHosts([], { source: inventory });
 * assertEquals(
 *   await policy.verify({ hostname: "db1", port: 22 }, key.publicKey),
 *   true,
 * );
 * ```
 */
export interface KnownHostsSource {
  /** The name in messages. */
  readonly name: string;
  /**
   * Looks up a host; an error ends the connection.
   *
   * @param key The key that the host presented; null while algorithms are chosen
   * @param options A signal that is aborted when the answer no longer counts
   */
  find(
    host: HostAddress,
    key: PublicKey | null,
    options?: CallOptions,
  ): KnownHosts | Promise<KnownHosts>;
}

/** The verdict of one file, or of the other source. */
interface PlaceVerdict extends HostVerdict {
  readonly place: string | URL;
}

/**
 * Trusts the host keys of one or more `known_hosts` files (sshd(8)), and host certificates of the
 * authorities in them. A key that differs from the known one is always refused. A missing file counts
 * as empty. As with `ssh`, a key that is known for the host without a port is accepted on every port
 * without keys of its own.
 *
 * @param paths The files; a new key goes to the first. Reading needs `--allow-read`, adding
 *   `--allow-write`
 *
 * @example
 * ```ts
 * import { knownHosts } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = knownHosts("/nonexistent/known_hosts", {
 *   unknown: "refuse",
 * });
 * assertEquals(
 *   await policy.knownTypes!({ hostname: "example.com", port: 22 }),
 *   [],
 * );
 * ```
 */
export function knownHosts(
  paths: string | URL | readonly (string | URL)[],
  options: KnownHostsOptions = {},
): HostKeyPolicy {
  checkOptions("knownHosts()", options, {
    unknown: either(callback, oneOf("refuse", "add")),
    hash: flag,
    update: either(callback, flag),
    source: object,
  });
  return trustFiles(Array.isArray(paths) ? paths : [paths], options, waysOn);
}

/** The advice about unknown keys for programs. */
export function waysOn(file: string | URL | undefined, key: PublicKey): string {
  const files = file === undefined
    ? ""
    : `knownHosts("${file}", { unknown: "add" }) to add it, or `;
  return `; if the fingerprint is right, give hostKeys: "${key.fingerprint()}", or ` +
    `${files}a function as "unknown" to be asked`;
}

/**
 * Trusts the host keys of files.
 *
 * @param advice Returns the end of errors about an unknown key, given the first file
 */
export function trustFiles(
  files: readonly (string | URL)[],
  options: KnownHostsOptions,
  advice: (file: string | URL | undefined, key: PublicKey) => string,
): HostKeyPolicy {
  const { unknown = "refuse", hash = false, update = false, source } = options;

  async function add(host: HostAddress, key: PublicKey): Promise<void> {
    const { hostname, port } = host;
    const plain = key.certificate?.publicKey ?? key;
    await editKnownHosts(files[0]!, (known) => known.with(hostname, port, plain, { hash }));
  }

  const policy: HostKeyPolicy = {
    async verify(host, key, options) {
      const { verdict, because, problem } = await judge(files, source, host, key, options);
      if (verdict === "trusted") return true;
      const also = problem === undefined ? "" : `. ${plainMessage(problem)}`;
      const causes = problem && { cause: problem };
      if (verdict !== "unknown") throw refused(verdict, host, key, because + also, causes);
      const wanted = typeof unknown === "function" ? await unknown(host, key) : unknown === "add";
      if (wanted !== true) {
        throw refused("unknown", host, key, because + advice(files[0], key) + also, causes);
      }
      await add(host, key);
      return true;
    },
    async knownTypes(host, options) {
      const known = await Promise.all(files.map(readKnownHosts));
      const more = source ? [await source.find(host, null, options)] : [];
      const named = typesOf([...known, ...more], host.hostname, host.port);
      return named.length > 0 ? named : typesOf(known, host.hostname, 22);
    },
  };
  if (update === false) return policy;
  return {
    ...policy,
    async update(host, shown, announced, prove) {
      const { hostname, port } = host;
      const [file] = files;
      const changes = changesOf(await readKnownHosts(file!), host, shown, announced);
      if (changes === null) return;
      if (changes.added.length > 0) await prove(changes.added);
      if (update !== true && await update(host, changes) !== true) return;
      await editKnownHosts(file!, (before) => {
        let known = before;
        const hashed = hash || before.find(hostname, port).some(({ hosts }) => hosts[0] === "|");
        for (const key of changes.removed) known = known.without(hostname, port, key);
        for (const key of changes.added) known = known.with(hostname, port, key, { hash: hashed });
        return known;
      });
    },
  };
}

interface Judgement extends Pick<HostVerdict, "verdict" | "problem"> {
  /** The reason for the verdict, in words. */
  readonly because: string;
}

async function judge(
  files: readonly (string | URL)[],
  source: KnownHostsSource | undefined,
  host: HostAddress,
  key: PublicKey,
  options?: CallOptions,
): Promise<Judgement> {
  const { hostname, port } = host;
  const known = await Promise.all(files.map(readKnownHosts));
  const ask = (port: number) =>
    known.map((known, at): PlaceVerdict => ({
      place: files[at]!,
      ...known.check(hostname, port, key),
    }));
  const found = source && {
    place: source.name,
    ...(await source.find(host, key, options)).check(hostname, port, key),
  };
  const judged = combine([...ask(port), ...found ? [found] : []]);
  if (judged.verdict !== "unknown") return judged;
  const bare = combine(ask(22));
  return bare.verdict === "trusted" ? bare : judged;
}

/** The worst verdict of all files counts: a key revoked in one file is revoked. */
function combine(verdicts: readonly PlaceVerdict[]): Judgement {
  const problem = verdicts.find(({ problem }) => problem)?.problem;
  const first = (wanted: HostVerdict["verdict"]) =>
    verdicts.find(({ verdict }) => verdict === wanted);
  const revoked = first("revoked");
  if (revoked) {
    return { verdict: "revoked", because: `it is marked @revoked in ${lineOf(revoked)}` };
  }
  const trusted = first("trusted");
  if (trusted) return { verdict: "trusted", because: lineOf(trusted) };
  const changed = first("changed");
  if (changed) {
    const because = `it differs from the one in ${lineOf(changed)}. Somebody may be intercepting ` +
      "the connection; if the host was reinstalled, remove that line";
    return { verdict: "changed", because, ...(problem && { problem }) };
  }
  const places = new Set(verdicts.map(({ place }) => `${place}`));
  const because = places.size === 0
    ? "there are no known hosts"
    : `it is not in ${[...places].join(", ")}`;
  return { verdict: "unknown", because, ...(problem && { problem }) };
}

function lineOf({ place, lines }: PlaceVerdict): string {
  return `${place} line ${lines.join(", ")}`;
}

function typesOf(known: readonly KnownHosts[], hostname: string, port: number): string[] {
  const certified = known.some((known) =>
    known.find(hostname, port).some(({ marker }) => marker === "@cert-authority")
  );
  const types = known.flatMap((known) => known.keyTypes(hostname, port));
  return [...new Set([...(certified ? CERTIFICATE_ALGORITHMS : []), ...types])];
}
