import { HostKeyError } from "../errors.ts";
import { keyTypeLabel } from "../keys/key_labels.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { type HostAddress, type HostKeyPolicy, hostLabel } from "../known_hosts/host_key_policy.ts";
import {
  knownHosts,
  type KnownHostsOptions,
  trustFiles,
  waysOn,
} from "../known_hosts/known_hosts_policy.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import type { CallOptions } from "../waiting.ts";
import { expandHome } from "../runtime/local_path.ts";
import { askAboutHostKey } from "./host_key_question.ts";
import { withRules } from "./host_key_rules.ts";
import { verifyHostKey } from "./host_keys.ts";
import { knownHostsCommand } from "./known_hosts_command.ts";
import type { LoginDialog } from "./prompts.ts";
import type { LoginSettings } from "./settings.ts";
import { plainMessage } from "../error_messages.ts";

/** Decides which host keys are trusted, and whether passwords may be sent. */
export interface HostTrust {
  /** Decides about host keys. */
  readonly policy: HostKeyPolicy;
  /**
   * Whether the connection was continued with a changed key, so that no password may be sent.
   */
  readonly compromised: boolean;
}

/**
 * StrictHostKeyChecking and related settings (ssh_config(5)). Without a report, cases in which `ssh`
 * only warns are refused: a changed key with any settings, and a new key that cannot be added to the file.
 */
export function hostTrust(settings: LoginSettings, dialog: LoginDialog): HostTrust {
  const { report } = dialog;
  const files = knownHostsFiles(settings);
  const { StrictHostKeyChecking: strict = "ask", KnownHostsCommand: command } = settings;
  const known = withRules(
    trustFiles([...files.user, ...files.global], {
      hash: settings.HashKnownHosts ?? false,
      update: updates(settings, files.user, dialog),
      ...command &&
        { source: knownHostsCommand(command, report && ((problem) => report.error(problem))) },
    }, report === null ? waysOn : () => ""),
    settings,
  );
  // As in ssh, known keys order the algorithms only if the user gives no list.
  const { HostKeyAlgorithms: listed } = settings;
  const hasOrder = listed !== undefined && !/^[-+]/.test(listed);
  let compromised = false;

  async function verify(
    host: HostAddress,
    key: PublicKey,
    options?: CallOptions,
  ): Promise<boolean> {
    try {
      await verifyHostKey(known, host, key, options);
      return true;
    } catch (error) {
      if (!(error instanceof HostKeyError)) throw error;
      if (error.reason === "changed" && strict === "no" && report !== null) {
        report.info(`Warning: ${plainMessage(error)}; passwords are disabled`);
        return compromised = true;
      }
      if (error.reason !== "unknown" || strict === "yes") throw error;
      if (strict === "ask" && !await confirm(host, key)) throw error;
      // Without a file to add to, only the user may accept a new key.
      if (files.user.length === 0 && report === null) throw error;
      await remember(host, key);
      return true;
    }
  }

  async function confirm(host: HostAddress, key: PublicKey): Promise<boolean> {
    const answer = dialog.ask && await askAboutHostKey(host, key, dialog.ask);
    if (answer === null) report?.verbose("No question about the host key can be asked");
    return answer === true;
  }

  async function remember(host: HostAddress, key: PublicKey): Promise<void> {
    const [file] = files.user;
    if (file === undefined) return;
    const add = knownHosts(file, { unknown: "add", hash: settings.HashKnownHosts ?? false });
    const name = `${hostLabel(host)} (${keyTypeLabel(key)})`;
    try {
      await Promise.resolve(add.verify(host, key)).catch(async (error) => {
        if (!isError(error, "NotFound")) throw error;
        await runtime.files.mkdir(runtime.paths.dirname(file), { recursive: true, mode: 0o700 });
        await add.verify(host, key);
      });
      report?.info(`Warning: Permanently added ${name} to the list of known hosts.`);
    } catch (error) {
      if (report === null || !(error instanceof Error)) throw error;
      report.info(`Warning: Cannot add ${name} to "${file}": ${plainMessage(error)}`);
    }
  }

  return {
    policy: {
      verify,
      knownTypes: (host, options) => hasOrder ? [] : known.knownTypes!(host, options),
      ...known.update && { update: known.update },
    },
    get compromised() {
      return compromised;
    },
  };
}

/**
 * UpdateHostKeys. By default it is on for the default files without DNS, and off without a report, so
 * that no file is changed that the user did not name.
 */
function updates(
  { VerifyHostKeyDNS = "no", UserKnownHostsFile, UpdateHostKeys }: LoginSettings,
  [file = "/dev/null"]: readonly string[],
  { ask, report }: LoginDialog,
): NonNullable<KnownHostsOptions["update"]> {
  const usual = UserKnownHostsFile === undefined && VerifyHostKeyDNS === "no";
  // The user's first file is updated, unless it keeps nothing.
  if (file === "/dev/null") return false;
  const wanted = UpdateHostKeys ?? (usual && report !== null ? "yes" : "no");
  if (wanted !== "ask") return wanted === "yes";
  return async (host) => {
    report?.info(`The server at ${hostLabel(host)} has other host keys than the known ones.`);
    const answer = await ask?.("Accept updated hostkeys? (yes/no): ", { echo: true });
    return /^yes$/i.test(answer?.trim() ?? "");
  };
}

/** The files of known host keys: the user's, the first of which gets new keys, and the system's. */
export function knownHostsFiles(
  settings: Pick<LoginSettings, "UserKnownHostsFile" | "GlobalKnownHostsFile">,
): { user: string[]; global: string[] } {
  const some = (files: readonly string[]) => files.filter((file) => !/^none$/i.test(file));
  const user = settings.UserKnownHostsFile ??
    usual("~/.ssh/known_hosts", "~/.ssh/known_hosts2").map(expandHome);
  const global = settings.GlobalKnownHostsFile ??
    usual("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2");
  return { user: some(user), global: some(global) };
}

/** A default file, and its old name if it may be read without a prompt. */
function usual(file: string, old: string): string[] {
  const granted = runtime.isGranted({ name: "read", path: expandHome(old) });
  return granted ? [file, old] : [file];
}
