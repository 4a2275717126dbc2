import { printable } from "../errors.ts";
import { matchesPatternList, matchesWildcards } from "../patterns.ts";
import {
  type Algorithm,
  CERTIFIED,
  CIPHERS,
  COMPRESSIONS,
  KEX,
  MACS,
  type Preset,
  SIGNATURES,
  USER_KEYS,
} from "./algorithms.ts";

/**
 * The algorithms to offer, best first. Each is a list of names or an expression as in OpenSSH: `"a,b"`
 * replaces the default list, `"+a"` appends, `"-a"` removes and `"^a"` prepends. `*` and `?` are wildcards,
 * and `!` excludes names from removal.
 */
export interface AlgorithmOptions {
  /**
   * `"strict"` removes from the default lists algorithms that only old peers need: MACs over plaintext,
   * NIST curves, 2048-bit groups, ECDSA host keys.
   */
  preset?: "strict" | "default";
  /** Key exchange methods. */
  kex?: string | readonly string[];
  /** Host key signature algorithms. */
  hostKey?: string | readonly string[];
  /** Signature algorithms of user keys; `"+ssh-rsa"` allows SHA-1 for old peers. */
  userKey?: string | readonly string[];
  /** Ciphers, in both directions. */
  cipher?: string | readonly string[];
  /** Message authentication codes for the ciphers that need one, in both directions. */
  mac?: string | readonly string[];
  /**
   * Compression, in both directions: `"zlib@openssh.com,none"` enables it after the login. Off by default,
   * because compressed lengths reveal contents.
   */
  compression?: string | readonly string[];
}

/** The resolved lists that one end offers. */
export interface Suite {
  readonly kex: readonly string[];
  readonly hostKey: readonly string[];
  readonly userKey: readonly string[];
  readonly cipher: readonly string[];
  readonly mac: readonly string[];
  readonly compression: readonly string[];
}

/**
 * Resolves the lists to offer.
 *
 * @throws {TypeError} If a name is not known or a list is empty
 */
export function resolveSuite(options: AlgorithmOptions | "strict" = {}): Suite {
  const { preset = "default", ...wishes } = algorithmOptions(options);
  if (preset !== "default" && preset !== "strict") {
    throw new TypeError(`Unknown preset "${printable(String(preset), 64)}": use "strict"`);
  }
  const list = (kind: string, wish: keyof typeof wishes, table: readonly Algorithm[]) =>
    resolveList(kind, wishes[wish], table, preset);
  return {
    kex: list("key exchange", "kex", KEX),
    hostKey: list("host key", "hostKey", [...CERTIFIED, ...SIGNATURES]),
    userKey: list("user key", "userKey", USER_KEYS),
    cipher: list("cipher", "cipher", CIPHERS),
    mac: list("MAC", "mac", MACS),
    compression: list("compression", "compression", COMPRESSIONS),
  };
}

/** Options in their long form. */
export function algorithmOptions(options: AlgorithmOptions | "strict" = {}): AlgorithmOptions {
  return typeof options === "string" ? { preset: options } : options;
}

/** The names that a preset offers, best first. */
export function presetNames(table: readonly Algorithm[], preset: Preset = "default"): string[] {
  return table.filter((row) => row.preset === "strict" || row.preset === preset)
    .map((row) => row.name);
}

/** The row of a negotiated name, which always exists. */
export function row<A extends Algorithm>(table: readonly A[], name: string): A {
  const found = table.find((candidate) => candidate.name === name);
  if (found === undefined) throw new TypeError(`Unknown algorithm "${printable(name, 64)}"`);
  return found;
}

/**
 * The names that an option selects from the rows of a table.
 *
 * @throws {TypeError} If a name is unknown or the list is empty
 */
export function resolveList(
  kind: string,
  wish: string | readonly string[] | undefined,
  table: readonly Algorithm[],
  preset: Preset = "default",
): string[] {
  const defaults = presetNames(table, preset);
  if (wish === undefined) return defaults;
  const expression = typeof wish === "string" ? wish : wish.join(",");
  const known = table.map((row) => row.name);
  const names = resolveExpression(expression, defaults, known, (name) => {
    throw new TypeError(
      `Unknown ${kind} algorithm "${printable(name, 64)}": known are ${known.join(", ")}`,
    );
  });
  if (names.length === 0) throw new TypeError(`The list of ${kind} algorithms is empty`);
  return names;
}

/**
 * The names that an expression of OpenSSH's selects: a list or, after `+`, `-` or `^`, a change of the
 * default list. Names may be patterns.
 *
 * @param known The names that patterns match
 * @param onUnknown Called with each name that matches none of them, which is skipped
 */
export function resolveExpression(
  expression: string,
  defaults: readonly string[],
  known: readonly string[],
  onUnknown: (name: string) => void = () => {},
): string[] {
  const [, operator, list] = /^([-+^]?)(.*)$/s.exec(expression)!;
  const patterns = list!.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (operator === "-") {
    return defaults.filter((name) => !matchesPatternList(patterns.join(","), name));
  }
  const named = patterns.flatMap((pattern) => {
    const found = known.filter((name) => matchesWildcards(pattern, name));
    if (found.length === 0) onUnknown(pattern);
    return found;
  });
  const both = { "+": [...defaults, ...named], "^": [...named, ...defaults], "": named };
  return [...new Set(both[operator as keyof typeof both])];
}
