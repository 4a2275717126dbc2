/** The lists that `ssh -Q` prints. */
import {
  type Algorithm,
  CIPHERS,
  COMPRESSIONS,
  KEX,
  MACS,
  SIGNATURES,
  USER_KEYS,
} from "../../crypto/algorithms.ts";
import { UsageError } from "../shared/flags.ts";

/** Signature algorithms of RSA keys, which are not types of keys. */
const RSA_SIGNATURES = /^rsa-sha2-/;

const names = (table: readonly Algorithm[]) => table.map(({ name }) => name);
const types = (table: readonly Algorithm[]) =>
  names(table).filter((name) => !RSA_SIGNATURES.test(name));
const certified = () => USER_KEYS.filter(({ name }) => name.includes("-cert-"));

/** The names that each query prints. */
const QUERIES: Readonly<Record<string, () => readonly string[]>> = {
  cipher: () => names(CIPHERS),
  "cipher-auth": () => names(CIPHERS.filter(({ aead }) => aead)),
  compression: () => names(COMPRESSIONS).filter((name) => !name.includes("@")),
  kex: () => names(KEX),
  key: () => [...types(SIGNATURES), ...types(certified())],
  "key-ca-sign": () => names(SIGNATURES),
  "key-cert": () => types(certified()),
  "key-plain": () => types(SIGNATURES),
  "key-sig": () => [...new Set([...names(SIGNATURES), ...names(certified())])],
  mac: () => names(MACS),
  "protocol-version": () => ["2"],
  sig: () => names(SIGNATURES),
};

/** Directives that can be queried for their values. */
const DIRECTIVES: Readonly<Record<string, keyof typeof QUERIES>> = {
  casignaturealgorithms: "key-ca-sign",
  ciphers: "cipher",
  hostbasedacceptedalgorithms: "key-sig",
  hostbasedkeytypes: "key-sig",
  hostkeyalgorithms: "key-sig",
  kexalgorithms: "kex",
  macs: "mac",
  pubkeyacceptedalgorithms: "key-sig",
  pubkeyacceptedkeytypes: "key-sig",
};

/**
 * The names for a query, one per line.
 *
 * @throws {UsageError} If the query is unknown
 */
export function answerQuery(query: string): string {
  const lines = linesOf(query);
  if (lines === null) throw new UsageError(`Unsupported query "${query}"`);
  return lines.map((line) => `${line}\n`).join("");
}

function linesOf(query: string): readonly string[] | null {
  if (query === "help") return Object.keys(QUERIES);
  const lower = query.toLowerCase();
  const known = Object.hasOwn(DIRECTIVES, lower) ? DIRECTIVES[lower]! : query;
  return Object.hasOwn(QUERIES, known) ? QUERIES[known]!() : null;
}
