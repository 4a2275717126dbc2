import { algorithmNames } from "../config/algorithm_lists.ts";
import { KeyFormatError } from "../errors.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { type HostKeyPolicy, refused } from "../known_hosts/host_key_policy.ts";
import { runtime } from "../runtime/runtime.ts";
import type { LoginSettings } from "./settings.ts";
import { plainMessage } from "../error_messages.ts";

/**
 * Adds the rules of RevokedHostKeys, RequiredRSASize, CASignatureAlgorithms and
 * NoHostAuthenticationForLocalhost to a policy.
 */
export function withRules(
  policy: HostKeyPolicy,
  settings: Pick<
    LoginSettings,
    | "RevokedHostKeys"
    | "RequiredRSASize"
    | "NoHostAuthenticationForLocalhost"
    | "CASignatureAlgorithms"
  >,
): HostKeyPolicy {
  const { RevokedHostKeys = [], RequiredRSASize = 0, NoHostAuthenticationForLocalhost } = settings;
  const authorities = algorithmNames("ca", settings.CASignatureAlgorithms);
  return {
    async verify(host, key, options) {
      for (const file of RevokedHostKeys) {
        const revoked = await isRevoked(file, key).catch((cause) => {
          // ssh_config(5): without the list, all hosts are refused.
          const why = cause instanceof KeyFormatError ? plainMessage(cause) : "it cannot be read";
          const what = `RevokedHostKeys "${file}": ${why}`;
          throw refused("refused", host, key, what, { cause });
        });
        if (revoked) throw refused("revoked", host, key, `it is in ${file}`);
      }
      if (key.type === "ssh-rsa" && key.bits < RequiredRSASize) {
        throw refused("refused", host, key, `it has less than ${RequiredRSASize} bits`);
      }
      const signed = key.certificate?.signatureAlgorithm;
      if (signed !== undefined && !authorities.includes(signed)) {
        throw refused(
          "refused",
          host,
          key,
          `its authority signed by ${signed}, which is not allowed`,
        );
      }
      if (NoHostAuthenticationForLocalhost && isLoopback(host.hostname)) return true;
      return await policy.verify(host, key, options);
    },
    knownTypes: (host, options) => policy.knownTypes?.(host, options) ?? [],
    ...policy.update && { update: policy.update.bind(policy) },
  };
}

/**
 * Whether a file revokes a key or its authority: a list of `ssh-keygen -k`, or keys one a line.
 *
 * @throws {KeyFormatError} If it is neither of these
 */
async function isRevoked(path: string, key: PublicKey): Promise<boolean> {
  const { RevocationList } = await import("../keys/krl.ts");
  return RevocationList.parse(await runtime.files.readFile(path)).isRevoked(key);
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(\.\d+){3}$/.test(hostname);
}
