import { equals } from "@std/bytes";
import type { KnownHost } from "./known_host_line.ts";
import type { KnownHosts } from "./known_hosts.ts";
import { KeyFormatError } from "../errors.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import type { HostAddress } from "./host_key_policy.ts";

/** The changes to a host's known keys. */
export interface HostKeyChanges {
  /** New keys, which the host has proved that it holds. */
  readonly added: readonly PublicKey[];
  /** Known keys that the host no longer has. */
  readonly removed: readonly PublicKey[];
}

/**
 * How the lines of a host differ from the keys that it announced; null if nothing changes, or if the
 * lines must not change: when the presented key is not among them, when an authority vouches for the
 * host, or when they match other hosts as well.
 */
export function changesOf(
  known: KnownHosts,
  { hostname, port }: HostAddress,
  shown: PublicKey,
  announced: readonly PublicKey[],
): HostKeyChanges | null {
  const lines = known.find(hostname, port);
  const own = lines.filter(({ marker }) => marker === "");
  const has = (key: PublicKey) => own.some(({ blob }) => equals(blob, key.blob));
  if (shown.certificate !== null || !has(shown)) return null;
  if (lines.some(isShared)) return null;
  const isBad = (key: PublicKey) => known.check(hostname, port, key).verdict === "revoked";
  const added = announced.filter((key) => !has(key) && !isBad(key));
  const removed = own.map(keyOf).filter((key) => key !== null)
    .filter((key) => !announced.some((other) => other.equals(key)));
  // A host that does not announce the key that it has just presented contradicts itself.
  if (removed.some((key) => key.equals(shown))) return null;
  return added.length > 0 || removed.length > 0 ? { added, removed } : null;
}

function isShared({ marker, hosts }: KnownHost): boolean {
  return marker === "@cert-authority" || (marker === "" && /[*?!,]/.test(hosts));
}

/** The key of a line; null if its type is unknown. */
function keyOf({ blob }: KnownHost): PublicKey | null {
  try {
    return parsePublicKey(blob);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}
