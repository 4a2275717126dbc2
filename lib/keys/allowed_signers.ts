import { printable, SignatureError } from "../errors.ts";
import { certificateProblem } from "./certificate.ts";
import type { PublicKey } from "./key.ts";
import { matchesPatternList } from "../patterns.ts";
import { tryPublicKey } from "./public_key.ts";
import { splitOptions } from "./line_options.ts";
import type { MessageSignature } from "./sshsig.ts";
import { parseTimestamp } from "./timestamp.ts";
import { plainMessage } from "../error_messages.ts";

/** One line of an `allowed_signers` file. */
export interface AllowedSigner {
  /** Patterns of the principals that may sign with the key, separated by commas. */
  readonly principals: string;
  /** The key, or the key of a certificate authority. */
  readonly key: PublicKey;
  /** Whether the key is a certificate authority that certifies the signers' keys. */
  readonly certAuthority: boolean;
  /** Patterns of the namespaces that the key may sign for; null for all. */
  readonly namespaces: string | null;
  /** The start of the key's validity; null if there is no limit. */
  readonly validAfter: Date | null;
  /** The end of the key's validity; null if there is no limit. */
  readonly validBefore: Date | null;
}

/** The part of a signature that `AllowedSigners` checks. */
export type SignedBy = Pick<MessageSignature, "publicKey" | "namespace">;

/**
 * The principals that may sign, and their keys (ssh-keygen(1), ALLOWED SIGNERS).
 *
 * @example
 * ```ts
 * import {
 *   AllowedSigners,
 *   generateKey,
 *   signMessage,
 *   verifyMessage,
 * } from "@denossh/ssh/keys";
 *
 * using key = await generateKey();
 * const message = new TextEncoder().encode("I owe you");
 * const text = await signMessage(key, message, { namespace: "file" });
 * const allowed = AllowedSigners.parse(
 *   `*@example.com namespaces="file" ${key.publicKey}`,
 * );
 * const signature = verifyMessage(text, message, { namespace: "file" });
 * allowed.check(signature, "ann@example.com"); // throws unless Ann may
 * ```
 */
export class AllowedSigners {
  /** The valid lines, in order. */
  readonly entries: readonly AllowedSigner[];

  /** @ignore */
  private constructor(entries: readonly AllowedSigner[]) {
    this.entries = entries;
  }

  /**
   * Reads the text of a file; like `ssh-keygen` it skips malformed lines and those with unknown options.
   *
   * @param text The text
   * @returns The signers
   *
   * @example
   * ```ts
   * import { AllowedSigners } from "@denossh/ssh/keys";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(AllowedSigners.parse("# no hosts yet\n").entries, []);
   * ```
   */
  static parse(text: string): AllowedSigners {
    return new AllowedSigners(
      text.split("\n").map((line) => parseLine(line.trim())).filter((entry) => entry !== null),
    );
  }

  /**
   * Checks that the principal may make a signature.
   *
   * @param signed The signature, which `verifyMessage` has verified
   * @param principal The claimed signer
   * @param now The time of the check; now by default
   * @throws {SignatureError} If the principal may not sign with that key
   *
   * @example
   * ```ts
   * import { SignatureError } from "@denossh/ssh";
   * import { AllowedSigners, generateKey } from "@denossh/ssh/keys";
   * import { assertThrows } from "@std/assert";
   *
   * using key = await generateKey();
   * const allowed = AllowedSigners.parse(`ann ${key.publicKey}`);
   * const signed = { publicKey: key.publicKey, namespace: "file" };
   * allowed.check(signed, "ann");
   * assertThrows(() => allowed.check(signed, "bob"), SignatureError, '"bob"');
   * ```
   */
  check(signed: SignedBy, principal: string, now: Date = new Date()): void {
    let why = "";
    for (const entry of this.entries) {
      if (!matchesPatternList(entry.principals, principal)) continue;
      const problem = problemOf(entry, signed, principal, now);
      if (problem === null) return;
      why ||= problem;
    }
    throw new SignatureError(
      "signer",
      `"${printable(principal, 64)}" may not sign with ${signed.publicKey.fingerprint()}` +
        (why && `: ${why}`),
    );
  }

  /**
   * Finds the principals that may have made a signature, as `ssh-keygen -Y find-principals` does.
   *
   * @param signed The signature; its namespace is not compared
   * @param now The time of the check; now by default
   * @returns The principals of the first matching line, as written; for a certificate those in it
   *
   * @example
   * ```ts
   * import { AllowedSigners, generateKey } from "@denossh/ssh/keys";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey();
   * const allowed = AllowedSigners.parse(`ann,*@example.com ${key.publicKey}`);
   * assertEquals(allowed.findPrincipals(key), ["ann", "*@example.com"]);
   * ```
   */
  findPrincipals(signed: Pick<SignedBy, "publicKey">, now: Date = new Date()): string[] {
    for (const entry of this.entries) {
      if (problemOf(entry, { ...signed, namespace: null }, null, now) !== null) continue;
      const certified = signed.publicKey.certificate?.principals;
      const principals = entry.certAuthority
        ? certified!.filter((name) => matchesPatternList(entry.principals, name))
        : entry.principals.split(",").filter((name) => name !== "");
      if (principals.length > 0) return principals;
    }
    return [];
  }

  /**
   * The principals fields that match a name, as `ssh-keygen -Y match-principals` lists them.
   *
   * @param principal The name
   * @returns The principals fields that match
   *
   * @example
   * ```ts
   * import { AllowedSigners, generateKey } from "@denossh/ssh/keys";
   * import { assertEquals } from "@std/assert";
   *
   * using key = await generateKey();
   * const allowed = AllowedSigners.parse(
   *   `*@example.com ${key.publicKey}\nbob ${key.publicKey}`,
   * );
   * assertEquals(allowed.matchPrincipals("ann@example.com"), ["*@example.com"]);
   * ```
   */
  matchPrincipals(principal: string): string[] {
    return this.entries.map(({ principals }) => principals)
      .filter((patterns) => matchesPatternList(patterns, principal));
  }
}

/** The reason why a line does not allow a signature; null if it does. */
function problemOf(
  entry: AllowedSigner,
  { publicKey, namespace }: { publicKey: PublicKey; namespace: string | null },
  principal: string | null,
  now: Date,
): string | null {
  const { key, certAuthority, namespaces, validAfter, validBefore } = entry;
  const { certificate } = publicKey;
  if (!certAuthority) {
    if (!publicKey.equals(key)) return "another key is theirs";
  } else {
    if (certificate === null || !certificate.authority.equals(key)) return "another key is theirs";
    const problem = certificateProblem(certificate, {
      ...{ kind: "user", authorities: [key], now },
      principal: principal ?? certificate.principals,
      // Not checked, as in OpenSSH: they restrict logins.
      criticalOptions: [...certificate.criticalOptions.keys()],
    });
    if (problem !== null) return plainMessage(problem);
  }
  if (namespace !== null && namespaces !== null && !matchesPatternList(namespaces, namespace)) {
    return `the key is not for the namespace "${printable(namespace, 64)}"`;
  }
  if (validAfter !== null && now < validAfter) return "the key is not yet valid";
  if (validBefore !== null && now > validBefore) return "the key has expired";
  return null;
}

// principals [options] type base64 [comment]
function parseLine(line: string): AllowedSigner | null {
  if (line === "" || line.startsWith("#")) return null;
  const match = /^(?:"([^"]*)"|([^\s"]\S*))\s+(.*)$/.exec(line);
  if (match === null) return null;
  const principals = match[1] ?? match[2]!;
  const rest = match[3]!;
  const plain = tryPublicKey(rest);
  if (plain !== null) return entryOf(principals, plain, []);
  const split = splitOptions(rest);
  const key = split && tryPublicKey(split.rest);
  return split && key && entryOf(principals, key, split.options);
}

function entryOf(
  principals: string,
  key: PublicKey,
  given: readonly [name: string, value: string | null][],
): AllowedSigner | null {
  const options = new Map(given);
  const after = timeOf(options.get("valid-after"));
  const before = timeOf(options.get("valid-before"));
  const known = ["cert-authority", "namespaces", "valid-after", "valid-before"];
  const isWrong = [...options].some(([name, value]) =>
    !known.includes(name) || (value === null) !== (name === "cert-authority")
  );
  if (isWrong || options.size < given.length || after === undefined || before === undefined) {
    return null;
  }
  if (after && before && after >= before) return null;
  return {
    principals,
    key,
    certAuthority: options.has("cert-authority"),
    namespaces: options.get("namespaces") ?? null,
    validAfter: after,
    validBefore: before,
  };
}

/** Null if missing, undefined if invalid. */
function timeOf(text: string | null | undefined): Date | null | undefined {
  if (text === undefined || text === null) return null;
  return parseTimestamp(text) ?? undefined;
}
