import { type PublicKey, tryPublicKey } from "./public_key.ts";
import { splitOptions } from "./line_options.ts";
import { parseTimestamp } from "./timestamp.ts";

/** One line of `authorized_keys`. */
export interface AuthorizedKey {
  /** The key that may log in. */
  readonly key: PublicKey;
  /**
   * Its restrictions, by lower-case name, such as `"from"` or `"restrict"`. The value of a flag is `""`;
   * several values of one name are separated by line feeds. They are in the order of the line: of
   * contradictory flags, the last counts.
   */
  readonly options: ReadonlyMap<string, string>;
}

// sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
const FLAGS = [
  "agent-forwarding",
  "cert-authority",
  "no-agent-forwarding",
  "no-port-forwarding",
  "no-pty",
  "no-touch-required",
  "no-user-rc",
  "no-verify-required",
  "no-x11-forwarding",
  "port-forwarding",
  "pty",
  "restrict",
  "touch-required",
  "user-rc",
  "verify-required",
  "x11-forwarding",
];
const SINGLE_VALUES = ["command", "from", "principals"];
const REPEATED_VALUES: Readonly<Record<string, (value: string) => boolean>> = {
  "environment": (value) => /^\w+=/.test(value),
  "expiry-time": (value) => parseTimestamp(value) !== null,
  "permitlisten": (value) => isPermit(value.includes(":") ? value : `*:${value}`),
  "permitopen": isPermit,
  "tunnel": (value) => /^(any|\d{1,9})$/i.test(value),
};

/**
 * Reads the text of an `authorized_keys` file. Like sshd it skips malformed lines, including those with an
 * unknown option or a malformed value, so that no restriction gets lost. Lines of certificate authorities
 * do not authorize plain keys and are skipped.
 *
 * @param text The text of the file
 * @returns The keys in the order of the file; the caller must enforce their options
 *
 * @example
 * ```ts
 * import { generateKey, parseAuthorizedKeys } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * const [entry] = parseAuthorizedKeys(
 *   `no-pty,command="uptime" ${key.publicKey}\n`,
 * );
 * assertEquals(entry?.options.get("command"), "uptime");
 * ```
 */
export function parseAuthorizedKeys(text: string): AuthorizedKey[] {
  return parseLines(text).filter(({ options }) => !options.has("cert-authority"));
}

/**
 * Reads the certificate authorities of an `authorized_keys` file. A user with a certificate of one of them
 * may log in if the options of its line, such as `principals`, allow it.
 *
 * @param text The text of the file
 * @returns The keys of the authorities in the order of the file
 *
 * @example
 * ```ts
 * import { generateKey, parseAuthorities } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using authority = await generateKey("ed25519");
 * const line = `cert-authority,principals="ann,bob" ${authority.publicKey}\n`;
 * const [entry] = parseAuthorities(line);
 * assertEquals(entry?.options.get("principals"), "ann,bob");
 * ```
 */
export function parseAuthorities(text: string): AuthorizedKey[] {
  return parseLines(text).filter(({ options }) => options.has("cert-authority"));
}

function parseLines(text: string): AuthorizedKey[] {
  return text.split("\n").map((line) => parseLine(line.trim())).filter((entry) => entry !== null);
}

function parseLine(line: string): AuthorizedKey | null {
  const plain = tryPublicKey(line);
  if (plain !== null) return { key: plain, options: new Map() };
  const split = splitOptions(line);
  const options = split && optionsOf(split.options);
  const key = options && tryPublicKey(split!.rest);
  return key && { key, options: options! };
}

function optionsOf(given: readonly [name: string, value: string | null][]) {
  const options = new Map<string, string>();
  for (const [name, value] of given) {
    const before = options.get(name);
    if (value === null) {
      if (!FLAGS.includes(name)) return null;
      options.delete(name); // reinserted, because the order counts: the last one wins
      options.set(name, "");
    } else if (Object.hasOwn(REPEATED_VALUES, name)) {
      if (!REPEATED_VALUES[name]!(value)) return null;
      options.set(name, before === undefined ? value : `${before}\n${value}`);
    } else {
      if (before !== undefined || !SINGLE_VALUES.includes(name)) return null;
      options.set(name, value);
    }
  }
  return options;
}

/** Whether a value is `host:port`; the host may be in brackets, and the port may be `*`. */
function isPermit(value: string): boolean {
  const port = /^(?:\[[^\]]*\]|(?!\[)[^:/]*):(\*|\d{1,5})$/.exec(value)?.[1];
  return port === "*" || (port !== undefined && Number(port) > 0 && Number(port) < 65536);
}
