/**
 * The host keys that a user trusts: `known_hosts` files, read, searched and changed.
 *
 * ```ts
 * import { generateKey } from "@denossh/ssh/keys";
 * import { editKnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
 * import { assertEquals } from "@std/assert";
 * import { mkdtemp } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const path = `${await mkdtemp(`${tmpdir()}/hosts-`)}/known_hosts`;
 * using key = await generateKey();
 * await editKnownHosts(
 *   path,
 *   (known) => known.with("db1", 22, key.publicKey, { hash: true }),
 * );
 * const known = await readKnownHosts(path);
 * assertEquals(known.check("db1", 22, key.publicKey), {
 *   verdict: "trusted",
 *   lines: [1],
 * });
 * ```
 *
 * - {@linkcode knownHosts} is the policy for the option `hostKeys` of `connect()`.
 * - {@linkcode KnownHosts} is a file's content: look up, add and remove.
 * - {@linkcode readKnownHosts} and {@linkcode editKnownHosts} read and change files.
 *
 * @module
 */
export type { KnownHost } from "./known_host_line.ts";
export { type HostLineOptions, type HostVerdict, KnownHosts } from "./known_hosts.ts";
export type { PublicKey } from "../keys/public_key.ts";
export { editKnownHosts, readKnownHosts } from "./file.ts";
export { knownHosts, type KnownHostsOptions, type KnownHostsSource } from "./known_hosts_policy.ts";
export type { HostAddress, HostKeyPolicy } from "./host_key_policy.ts";
export type { HostKeyChanges } from "./update.ts";
