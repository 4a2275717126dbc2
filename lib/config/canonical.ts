import { ConfigError, printable } from "../errors.ts";
import type { RawSettings } from "./directives.ts";
import type { LocalSide } from "./local_side.ts";
import { matchesHostList } from "../patterns.ts";
import type { HostSettings } from "./settings.ts";

/**
 * An address in its canonical form, such as `::1` for `0:0::1`; null if it is not an address.
 *
 * @param family The only accepted family of addresses
 */
export function canonicalAddress(
  text: string,
  family: HostSettings["AddressFamily"] = "any",
): string | null {
  if (/^(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}$/i.test(text)) {
    return family === "inet6" ? null : hostOf(text);
  }
  if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(":")) return null;
  const v6 = hostOf(`[${text}]`)?.slice(1, -1) ?? null;
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(v6 ?? "");
  if (!mapped) return family === "inet" ? null : v6;
  const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
  const v4 = `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  return family === "inet" ? v4 : `::ffff:${v4}`;
}

/**
 * Completes the name of a host with the canonical domains if CanonicalizeHostname asks for it; otherwise
 * returns it unchanged.
 *
 * @throws {ConfigError} If the name must be in one of the domains and is not
 */
export async function canonicalHost(
  host: string,
  settings: RawSettings,
  local: LocalSide,
): Promise<string> {
  // Addresses are not completed, even of the wrong family.
  if (/^[\d.]*$|[:%]/.test(host)) return host;
  const { CanonicalizeHostname: wanted = "no", CanonicalizePermittedCNAMEs: rules } = settings;
  const direct = !settings.ProxyCommand && !settings.ProxyJump?.hosts.length;
  if (!direct && wanted !== "always") return host;
  if (wanted !== "no") {
    const found = await complete(host, settings, local, direct || wanted === "always");
    if (found !== null) return found;
  }
  if (rules === undefined || rules[0] === "none") return host;
  const name = await local.resolve(host);
  if (name !== null) return follow(host, name, settings);
  // CanonicalizePermittedCNAMEs needs the DNS, so a name that is missing there is an error.
  if (direct) throw new ConfigError([`Could not resolve hostname ${printable(host)}`]);
  return host;
}

async function complete(
  host: string,
  settings: RawSettings,
  local: LocalSide,
  followNames: boolean,
): Promise<string | null> {
  const { CanonicalizeMaxDots: dots = 1, CanonicalDomains = [] } = settings;
  const isComplete = host.endsWith(".");
  if (!isComplete && host.split(".").length - 1 > dots) return null;
  const candidates = isComplete ? [host] : CanonicalDomains
    .filter((domain) => domain !== "none")
    .map((domain) => `${host}.${domain}.`);
  for (const candidate of candidates) {
    const name = await local.resolve(candidate);
    if (name === null) continue;
    const full = candidate.slice(0, -1);
    return followNames ? follow(full, name, settings) : full;
  }
  if (settings.CanonicalizeFallbackLocal === false) {
    throw new ConfigError([`Could not resolve host "${printable(host)}"`]);
  }
  return null;
}

/** The target of an alias in the DNS, if the rules allow it. */
function follow(host: string, name: string, settings: RawSettings): string {
  const target = name.toLowerCase().replace(/\.$/, "");
  const permitted = settings.CanonicalizePermittedCNAMEs?.some((rule) => {
    const [from, to] = rule.split(":");
    return to !== undefined && matchesHostList(from!, host) && matchesHostList(to, target);
  });
  return permitted && target !== "" ? target : host;
}

function hostOf(text: string): string | null {
  const url = URL.parse(`http://${text}/`);
  return url === null ? null : url.hostname;
}
