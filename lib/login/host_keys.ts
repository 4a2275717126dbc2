import { HostKeyError } from "../errors.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";
import type { CallOptions } from "../waiting.ts";
import type { LoginSettings } from "./settings.ts";
import { type HostAddress, type HostKeyPolicy, refused } from "../known_hosts/host_key_policy.ts";

/**
 * A value of `hostKeys`: a policy such as from {@linkcode knownHosts}, a function, or the key itself
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
 *   ({ hostname }, shown) =>
 *     hostname === "localhost" && shown.equals(key.publicKey),
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
 * Accepts any host key: only for tests on loopback.
 *
 * @example
 * ```ts
 * import { acceptAnyHostKey } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 *
 * await using _pair = await connectedPair({
 *   connect: { hostKeys: acceptAnyHostKey() },
 * });
 * ```
 */
export function acceptAnyHostKey(): HostKeyPolicy {
  return { verify: () => true };
}

/** Accepts only the key of an earlier connection. */
export function onlyKey(first: PublicKey): HostKeyPolicy {
  return {
    verify(host, key) {
      if (key.equals(first)) return true;
      const why = "it is not the key of the first connection";
      throw refused("changed", host, key, why);
    },
  };
}

/** The policy for the option `hostKeys`. */
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
      throw refused(
        "changed",
        host,
        key,
        "it differs from the given one: if the host was reinstalled, give its new key or fingerprint",
      );
    },
    knownTypes: () => [...new Set(types)],
  };
}

/** Calls a policy; any result except `true` refuses. */
export async function verifyHostKey(
  policy: HostKeyPolicy,
  host: HostAddress,
  key: PublicKey,
  options: CallOptions = {},
): Promise<void> {
  let accepted: boolean;
  try {
    accepted = await policy.verify(host, key, options);
  } catch (cause) {
    if (cause instanceof HostKeyError) throw cause;
    throw refused("refused", host, key, "the check of it failed", { cause });
  }
  if (accepted !== true) {
    throw refused("refused", host, key, "it was not accepted by what hostKeys has");
  }
}

function isPolicy(given: HostKeys): given is HostKeyPolicy {
  return typeof given === "object" && "verify" in given && !("blob" in given);
}

/** The host in the notation of known_hosts, under its alias if it has one. */
export function knownAs(
  host: HostAddress,
  { HostKeyAlias }: Pick<LoginSettings, "HostKeyAlias">,
): HostAddress {
  return HostKeyAlias === undefined ? host : { hostname: HostKeyAlias, port: 22 };
}
