import { resolveList } from "../config/algorithm_lists.ts";
import type { HostSettings } from "../config/settings.ts";
import { KeyFormatError } from "../errors.ts";
import { RevocationList } from "../keys/krl.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";
import { knownHosts } from "../known_hosts/known_hosts_policy.ts";
import { type HostKeyPolicy, refused } from "../known_hosts/host_key_policy.ts";
import { expandHome } from "./key_files.ts";
import { knownHostsCommand } from "./known_hosts_command.ts";

/**
 * The trust in host keys that settings ask for; undefined if they say nothing about it. Nobody is there
 * to be asked, so `ask` refuses, and a changed key is never accepted, whatever they say.
 */
export function configuredHostKeys(settings: HostSettings): HostKeyPolicy | undefined {
  const { UserKnownHostsFile, GlobalKnownHostsFile, StrictHostKeyChecking: strict } = settings;
  const { KnownHostsCommand: command } = settings;
  const says = [
    UserKnownHostsFile,
    GlobalKnownHostsFile,
    strict,
    settings.HashKnownHosts,
    settings.RevokedHostKeys,
    settings.KnownHostsCommand,
    settings.RequiredRSASize,
    settings.NoHostAuthenticationForLocalhost,
    settings.UpdateHostKeys,
    settings.CASignatureAlgorithms,
  ];
  if (says.every((value) => value === undefined)) return undefined;
  const { user, global } = knownHostsFiles(settings);
  const adds = user.length > 0 && (strict === "no" || strict === "accept-new");
  const policy = knownHosts([...user, ...global], {
    unknown: adds ? "add" : "refuse",
    hash: settings.HashKnownHosts ?? false,
    update: user.length > 0 && settings.UpdateHostKeys === "yes",
    ...command && { source: knownHostsCommand(command) },
  });
  return withRules(policy, settings);
}

/** The files of known host keys: the user's, of which keys are added to the first, and everybody's. */
export function knownHostsFiles(
  settings: Pick<HostSettings, "UserKnownHostsFile" | "GlobalKnownHostsFile">,
): { user: string[]; global: string[] } {
  const some = (files: readonly string[]) => files.filter((file) => !/^none$/i.test(file));
  const user = settings.UserKnownHostsFile ??
    ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"].map(expandHome);
  const global = settings.GlobalKnownHostsFile ??
    ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
  return { user: some(user), global: some(global) };
}

/**
 * A policy that also minds RevokedHostKeys, RequiredRSASize, CASignatureAlgorithms and
 * NoHostAuthenticationForLocalhost.
 */
export function withRules(
  policy: HostKeyPolicy,
  settings: Pick<
    HostSettings,
    | "RevokedHostKeys"
    | "RequiredRSASize"
    | "NoHostAuthenticationForLocalhost"
    | "CASignatureAlgorithms"
  >,
): HostKeyPolicy {
  const { RevokedHostKeys, RequiredRSASize = 0, NoHostAuthenticationForLocalhost } = settings;
  const authorities = resolveList("ca", settings.CASignatureAlgorithms);
  return {
    async verify(host, key) {
      if (RevokedHostKeys) {
        const revoked = await isRevoked(RevokedHostKeys, key).catch((cause) => {
          // ssh_config(5): without the list, no host is to be trusted.
          const why = cause instanceof KeyFormatError ? cause.message : "it cannot be read";
          const what = `RevokedHostKeys "${RevokedHostKeys}": ${why}`;
          throw refused("refused", host, key, what, { cause });
        });
        if (revoked) throw refused("revoked", host, key, `it is in ${RevokedHostKeys}`);
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
      return await policy.verify(host, key);
    },
    knownTypes: (host) => policy.knownTypes?.(host) ?? [],
    ...policy.update && { update: policy.update.bind(policy) },
  };
}

/**
 * Whether a file revokes a key: it is a list of `ssh-keygen -k`, or has a key in each line.
 *
 * @throws {KeyFormatError} If it is neither
 */
async function isRevoked(path: string, key: PublicKey): Promise<boolean> {
  const bytes = await Deno.readFile(path);
  const text = new TextDecoder().decode(bytes);
  if (text.startsWith("SSHKRL\n")) return RevocationList.parse(bytes).isRevoked(key);
  const lines = text.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const shown = [key, ...key.certificate ? [key.certificate.publicKey] : []];
  return lines.map((line) => importPublicKey(line))
    .some((revoked) => shown.some((each) => each.equals(revoked)));
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(\.\d+){3}$/.test(hostname);
}
