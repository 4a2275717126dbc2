import {
  type AuthorizedKey,
  parseAuthorities,
  parseAuthorizedKeys,
} from "../keys/authorized_keys.ts";
import { certificateProblem } from "../keys/certificate.ts";
import type { Certificate, PublicKey } from "../keys/public_key.ts";
import { parseTimestamp } from "../keys/timestamp.ts";
import { listsAddress, listsNetwork } from "./address_list.ts";
import { Grant } from "./grant.ts";

/** A login attempt with a key. */
export interface KeyAttempt {
  readonly user: string;
  readonly key: PublicKey;
  /** The client's IP address; null if the connection has none, in which case no `from=` matches. */
  readonly address: string | null;
  readonly now?: Date;
  /** The variables that `environment=` may set; none by default. */
  readonly maySet?: (name: string) => boolean;
}

/** The authorities whose certificates may log in without a line of `authorized_keys`, and for which users. */
export interface TrustedAuthorities {
  readonly keys: readonly PublicKey[];
  /** The principals that may log in as the user. */
  readonly principals: readonly string[];
}

/** The critical options of user certificates that are enforced here (OpenSSH PROTOCOL.certkeys). */
const CRITICAL = ["force-command", "source-address", "verify-required"];

/**
 * The grant of `authorized_keys` for a key or certificate (sshd(8)); null for none. The first matching line
 * counts.
 */
export function authorize(text: string, attempt: KeyAttempt): Grant | null {
  const { key: { certificate }, key, user } = attempt;
  if (certificate === null) {
    for (const entry of parseAuthorizedKeys(text)) {
      if (!entry.key.equals(key)) continue;
      const grant = grantOf(entry, attempt);
      if (grant !== null) return grant;
    }
    return null;
  }
  for (const entry of parseAuthorities(text)) {
    if (!entry.key.equals(certificate.authority)) continue;
    const names = entry.options.get("principals")?.split(",") ?? [user];
    const line = grantOf(entry, attempt);
    const own = line &&
      certifiedGrant(certificate, { keys: [entry.key], principals: names }, attempt);
    const both = own && line.and(own);
    if (both) return both;
  }
  return null;
}

/**
 * The grant of a certificate without a line, for a user in its principals; null if it is not valid now,
 * from this address, or for the user.
 */
export function certifiedGrant(
  certificate: Certificate,
  { keys, principals }: TrustedAuthorities,
  { address, now = new Date() }: Pick<KeyAttempt, "address" | "now">,
): Grant | null {
  const { criticalOptions, extensions } = certificate;
  const problem = certificateProblem(certificate, {
    kind: "user",
    principal: principals,
    authorities: keys,
    now,
    criticalOptions: CRITICAL,
  });
  if (problem !== null) return null;
  const from = criticalOptions.get("source-address");
  if (from !== undefined && !(address !== null && listsNetwork(from, address))) return null;
  return new Grant({
    command: criticalOptions.get("force-command"),
    pty: extensions.has("permit-pty"),
    agentForwarding: extensions.has("permit-agent-forwarding"),
    x11Forwarding: extensions.has("permit-X11-forwarding"),
    portForwarding: extensions.has("permit-port-forwarding"),
    noTouchRequired: extensions.has("no-touch-required"),
    verifyRequired: criticalOptions.has("verify-required"),
  });
}

/** The grant by the options of a line; null if they exclude the client's address or have expired. */
function grantOf(
  { options }: AuthorizedKey,
  { address, now = new Date(), maySet = () => false }: KeyAttempt,
): Grant | null {
  const from = options.get("from");
  if (from !== undefined && !(address !== null && listsAddress(from, address))) return null;
  const ends = options.get("expiry-time")?.split("\n") ?? [];
  if (ends.some((end) => now > parseTimestamp(end)!)) return null;
  // As in sshd, the last of contradicting options counts: `restrict,pty` allows what `pty,restrict`
  // does not.
  const words = [...options.keys()];
  const last = (...names: string[]) => words.findLast((word) => names.includes(word));
  const allows = (name: string) => [name, undefined].includes(last(name, `no-${name}`, "restrict"));
  return new Grant({
    command: options.get("command"),
    environment: environmentOf(options.get("environment"), maySet),
    pty: allows("pty"),
    agentForwarding: allows("agent-forwarding"),
    x11Forwarding: allows("x11-forwarding"),
    portForwarding: allows("port-forwarding"),
    permitOpen: options.get("permitopen")?.split("\n"),
    permitListen: options.get("permitlisten")?.split("\n"),
    noTouchRequired: last("no-touch-required", "touch-required") === "no-touch-required",
    verifyRequired: last("verify-required", "no-verify-required") === "verify-required",
  });
}

/** The permitted variables; as in sshd, the first of a name counts. */
function environmentOf(
  lines: string | undefined,
  maySet: (name: string) => boolean,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const line of lines?.split("\n") ?? []) {
    const [name, ...value] = line.split("=");
    if (!Object.hasOwn(environment, name!) && maySet(name!)) environment[name!] = value.join("=");
  }
  return environment;
}
