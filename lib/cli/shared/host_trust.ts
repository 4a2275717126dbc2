import { verifyHostKey } from "../../login/host_keys.ts";
import { knownHostsFiles, withRules } from "../../login/host_trust.ts";
import { knownHostsCommand } from "../../login/known_hosts_command.ts";
import { HostKeyError } from "../../errors.ts";
import type { PublicKey } from "../../keys/public_key.ts";
import { knownHosts, type KnownHostsOptions } from "../../known_hosts/known_hosts_policy.ts";
import {
  type HostAddress,
  type HostKeyPolicy,
  hostLabel,
} from "../../known_hosts/host_key_policy.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";

/** Asks the user; null if there is nobody to ask. */
export type Asker = (prompt: string, options: { readonly echo: boolean }) => Promise<string | null>;

/** Whom `ssh` trusts, and what that means for the credentials. */
export interface HostTrust {
  /** Decides about host keys. */
  readonly policy: HostKeyPolicy;
  /**
   * Whether the connection goes on although the key is not the known one: no password may be typed
   * into it then.
   */
  readonly compromised: boolean;
}

/** StrictHostKeyChecking and its relatives, as ssh_config(5) describes them. */
export function hostTrust(options: SshOptions, ask: Asker, log: Log): HostTrust {
  const files = knownHostsFiles(options);
  const { StrictHostKeyChecking: strict = "ask", KnownHostsCommand: command } = options;
  const known = withRules(
    knownHosts([...files.user, ...files.global], {
      update: updates(options, ask, log),
      ...command && { source: knownHostsCommand(command, (problem) => log.error(problem)) },
    }),
    options,
  );
  let compromised = false;

  async function verify(host: HostAddress, key: PublicKey): Promise<boolean> {
    try {
      await verifyHostKey(known, host, key);
      return true;
    } catch (error) {
      if (!(error instanceof HostKeyError)) throw error;
      if (error.reason === "changed" && strict === "no") {
        log.info(`Warning: ${error.message}; passwords are disabled`);
        return compromised = true;
      }
      if (error.reason !== "unknown" || strict === "yes") throw error;
      if (strict === "ask" && !await confirm(host, key, ask, log)) throw error;
      await remember(host, key);
      return true;
    }
  }

  async function remember(host: HostAddress, key: PublicKey): Promise<void> {
    const [file] = files.user;
    if (file === undefined) return;
    const add = knownHosts(file, { unknown: "add", hash: options.HashKnownHosts ?? false });
    const name = `${hostLabel(host)} (${keyTypeLabel(key)})`;
    try {
      const { dirname } = await import("node:path"); // rarely wanted, and slow to load
      await Deno.mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await add.verify(host, key);
      log.info(`Warning: Permanently added ${name} to the list of known hosts.`);
    } catch (error) {
      log.info(`Warning: Cannot add ${name} to "${file}": ${(error as Error).message}`);
    }
  }

  return {
    policy: {
      verify,
      knownTypes: (host) => known.knownTypes!(host),
      ...known.update && { update: known.update },
    },
    get compromised() {
      return compromised;
    },
  };
}

/** UpdateHostKeys: by default for who has the usual files, and does not ask the DNS. */
function updates(
  options: SshOptions,
  ask: Asker,
  log: Log,
): NonNullable<KnownHostsOptions["update"]> {
  const { VerifyHostKeyDNS = "no", UserKnownHostsFile } = options;
  const usual = UserKnownHostsFile === undefined && VerifyHostKeyDNS === "no";
  // It is the user's first file that follows; whose keys go nowhere has none to follow.
  const [file = "/dev/null"] = knownHostsFiles(options).user;
  if (file === "/dev/null") return false;
  const wanted = options.UpdateHostKeys ?? (usual ? "yes" : "no");
  if (wanted !== "ask") return wanted === "yes";
  return async (host) => {
    log.info(`The server at ${hostLabel(host)} has other host keys than the known ones.`);
    const answer = await ask("Accept updated hostkeys? (yes/no): ", { echo: true });
    return /^yes$/i.test(answer?.trim() ?? "");
  };
}

async function confirm(
  host: HostAddress,
  key: PublicKey,
  ask: Asker,
  log: Log,
): Promise<boolean> {
  const fingerprint = key.fingerprint();
  let prompt = `The authenticity of host ${hostLabel(host)} can't be established.\n` +
    `${keyTypeLabel(key)} key fingerprint is ${fingerprint}.\n` +
    "Are you sure you want to continue connecting (yes/no/[fingerprint])? ";
  for (;;) {
    const answer = (await ask(prompt, { echo: true }))?.trim();
    if (answer === undefined) {
      log.verbose("There is nobody to ask about the host key");
      return false;
    }
    if (/^yes$/i.test(answer) || answer === fingerprint) return true;
    if (/^no$/i.test(answer)) return false;
    prompt = "Please type 'yes', 'no' or the fingerprint: ";
  }
}

/** The host as known_hosts has it: under its alias, if it has one. */
export function knownAs(host: HostAddress, { HostKeyAlias }: SshOptions): HostAddress {
  return HostKeyAlias === undefined ? host : { hostname: HostKeyAlias, port: 22 };
}
