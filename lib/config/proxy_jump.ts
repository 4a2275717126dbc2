import { printable } from "../errors.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";
import { decodeUser } from "./ssh_uri.ts";
import { portNumber } from "./values.ts";

/** A host of ProxyJump. */
export interface JumpHost {
  /** The name or address; it may be an alias of the configuration. */
  readonly hostname: string;
  /** The user to log in as, if given. */
  readonly user: string | null;
  /** The port, if given. */
  readonly port: number | null;
}

/** The value of ProxyJump: the hosts in order, and the text of all but the last, for `-G`. */
export interface JumpValue {
  readonly hosts: readonly JumpHost[];
  readonly before: string;
}

/** Reads `host,host,…` of ProxyJump; no hosts are `none`. */
export function proxyJump(args: Arguments): JumpValue {
  const given = args.raw();
  if (given.toLowerCase() === "none") return { hosts: [], before: "" };
  const text = given.split("#", 1)[0]!.trimEnd();
  const hosts = text.split(",").map(jumpHost);
  const invalid = hosts.some((host) => host === null);
  if (invalid) throw new ArgumentError(`Invalid ProxyJump "${printable(given)}"`);
  const comma = text.lastIndexOf(",");
  return { hosts: hosts as JumpHost[], before: comma < 0 ? "" : text.slice(0, comma) };
}

/** The hosts in the notation of `ssh -G`. */
export function showJump({ hosts, before }: JumpValue): string {
  const { hostname, user, port } = hosts.at(-1)!;
  const numeric = /^[\d.]*$/.test(hostname) || hostname.includes(":");
  const host = numeric ? `[${hostname}]` : hostname;
  const last = `${user === null ? "" : `${user}@`}${host}${port === null ? "" : `:${port}`}`;
  return before === "" ? last : `${before},${last}`;
}

/** One host: `[user@]host[:port]`, with an IPv6 address in brackets, or `ssh://…`. */
function jumpHost(text: string): JumpHost | null {
  const uri = /^ssh:\/\//i.test(text);
  const target = uri ? text.slice(6) : text;
  if (uri && /\/./s.test(target)) return null;
  const parts = /^(?:(.*)@)?(\[([^\]]*)\]|[^:/[][^:/]*|)(?::(.*))?$/s.exec(
    target.replace(/\/$/, ""),
  );
  if (!parts) return null;
  const [, user, host, bracketed, portText] = parts;
  const hostname = bracketed ?? host!;
  // As in ssh, a colon without a port is ignored.
  const port = portText ? portNumber(portText) : null;
  if (hostname === "" || user === "" || (portText && !port)) return null;
  if (user === undefined || !uri) return { hostname, user: user ?? null, port };
  const decoded = decodeUser(user);
  return decoded === null ? null : { hostname, user: decoded, port };
}
