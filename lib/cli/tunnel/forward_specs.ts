import { UsageError } from "../shared/flags.ts";
import type { BindAddress } from "../../forward/address.ts";

/** A tunnel of `-L`, `-R` or `-D`. */
export type ForwardSpec =
  | { readonly kind: "local" | "remote"; readonly from: BindAddress; readonly to: string }
  | {
    readonly kind: "socks";
    readonly from: { readonly port: number; readonly hostname?: string };
  };

/** The listening address for `*` or an empty one. */
const ANY = { local: "0.0.0.0", remote: "", socks: "0.0.0.0" } as const;

/**
 * Parses `[bind:]port:host:hostport` and its forms with Unix sockets, as in -L and -R of ssh(1).
 *
 * @throws {UsageError} If it is malformed
 */
export function tunnelSpec(kind: "local" | "remote", text: string): ForwardSpec {
  const words = split(text);
  const path = words.at(-1)?.startsWith("/");
  const target = words.splice(path ? -1 : -2);
  const to = target.map((word) => word.includes(":") ? `[${word}]` : word).join(":");
  if (target.length < (path ? 1 : 2) || (!path && !isPort(target[1]!, 1))) {
    throw bad(kind, text);
  }
  if (words.length === 1 && words[0]!.startsWith("/")) {
    return { kind, from: { path: words[0]! }, to };
  }
  return { kind, from: bindOf(kind, words, text), to };
}

/**
 * Parses `[bind:]port` of -D.
 *
 * @throws {UsageError} If it is malformed
 */
export function socksSpec(text: string): ForwardSpec {
  return { kind: "socks", from: bindOf("socks", split(text), text) };
}

function bindOf(
  kind: ForwardSpec["kind"],
  words: readonly string[],
  text: string,
): { port: number; hostname?: string } {
  const port = words.at(-1);
  if (port === undefined || words.length > 2 || !isPort(port, 0)) throw bad(kind, text);
  const [hostname] = words.length === 2 ? words : [];
  if (hostname === undefined) return { port: Number(port) };
  return {
    port: Number(port),
    hostname: hostname === "" || hostname === "*" ? ANY[kind] : hostname,
  };
}

/** The words between the colons; an IPv6 address is in brackets. */
function split(text: string): string[] {
  return text.split(/:(?![^[]*\])/).map((word) => word.replace(/^\[(.*)\]$/, "$1"));
}

function isPort(word: string, lowest: number): boolean {
  return /^\d{1,5}$/.test(word) && Number(word) >= lowest && Number(word) <= 65535;
}

function bad(kind: ForwardSpec["kind"], text: string): UsageError {
  return new UsageError(`bad ${kind} forwarding specification "${text}"`);
}
