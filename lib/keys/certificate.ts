import { randomBytes } from "../crypto/random.ts";
import { CertificateError, printable } from "../errors.ts";
import {
  checkOptions,
  mustBe,
  oneOf,
  type OptionChecks,
  text,
  textRecord,
  texts,
} from "../option_checks.ts";
import { matchesWildcards } from "../patterns.ts";
import { Writer } from "../wire/writer.ts";
import { type CertificateFields, encodeCertificate } from "./certificate_format.ts";
import { plainAlgorithm } from "./certificate_names.ts";
import type { Certificate, PublicKey } from "./key.ts";
import { canUse } from "./parsed_key.ts";
import type { Signer } from "./private_key.ts";
import { parsePublicKey } from "./public_key.ts";
import { plainMessage } from "../error_messages.ts";

/** Bytes of a certificate's nonce, as `ssh-keygen` writes it. */
const NONCE_BYTES = 32;

/** The `valid before` of a certificate that does not expire. */
const FOR_EVER = 2n ** 64n - 1n;

// The extensions that ssh-keygen sets by default (ssh-keygen(1), -O).
const USER_EXTENSIONS: Readonly<Record<string, string>> = {
  "permit-X11-forwarding": "",
  "permit-agent-forwarding": "",
  "permit-port-forwarding": "",
  "permit-pty": "",
  "permit-user-rc": "",
};

/** The requirements that a certificate must meet. */
export interface CertificateRequirements {
  /** Whether a user or a host presents it. */
  readonly kind: "user" | "host";
  /**
   * The user or host that it must name; one match of several names is enough. A user certificate must name
   * it exactly; a host certificate may have the wildcards `*` and `?`, as in OpenSSH.
   */
  readonly principal: string | readonly string[];
  /** The keys that are trusted to sign certificates of this kind. */
  readonly authorities: readonly PublicKey[];
  /** The time at which it must be valid; now by default. */
  readonly now?: Date;
  /** The critical options that the caller enforces, such as `"force-command"`; none unless given. */
  readonly criticalOptions?: readonly string[];
  /** Whether a certificate without principals matches any; false unless given, as in OpenSSH 10.3. */
  readonly allowNoPrincipals?: boolean;
  /** Whether the certificate has been revoked, such as `(c) => krl.isRevoked(c)`; only `false` accepts. */
  readonly revoked?: (certificate: Certificate) => boolean;
}

/**
 * Checks a certificate as OpenSSH does (PROTOCOL.certkeys); its signature was verified when it was parsed.
 *
 * @param certificate The `certificate` of a `PublicKey`
 * @param requirements The requirements
 * @throws {CertificateError} If it does not meet them; `reason` says why
 *
 * @example
 * ```ts
 * import { CertificateError } from "@denossh/ssh";
 * import {
 *   checkCertificate,
 *   generateKey,
 *   issueCertificate,
 * } from "@denossh/ssh/keys";
 * import { assertThrows } from "@std/assert";
 *
 * using authority = await generateKey();
 * using key = await generateKey();
 * const { certificate } = await issueCertificate(authority, key.publicKey, {
 *   kind: "user",
 *   keyId: "ann",
 *   principals: ["ann"],
 * });
 * const trusted = {
 *   kind: "user",
 *   authorities: [authority.publicKey],
 * } as const;
 * checkCertificate(certificate!, { ...trusted, principal: "ann" });
 * assertThrows(
 *   () => checkCertificate(certificate!, { ...trusted, principal: "bob" }),
 *   CertificateError,
 *   '"bob"',
 * );
 * ```
 */
export function checkCertificate(
  certificate: Certificate,
  requirements: CertificateRequirements,
): void {
  const problem = certificateProblem(certificate, requirements);
  if (problem !== null) throw problem;
}

/** The first requirement that a certificate does not meet; null if it meets all. */
export function certificateProblem(
  certificate: Certificate,
  requirements: CertificateRequirements,
): CertificateError | null {
  const { kind, authorities, now = new Date(), criticalOptions = [], revoked } = requirements;
  const { authority } = certificate;
  if (!authorities.some((trusted) => trusted.equals(authority))) {
    return new CertificateError(
      "authority",
      `Certificate is signed by ${authority.fingerprint()}, which is not a trusted authority for it`,
    );
  }
  if (revoked !== undefined && revoked(certificate) !== false) {
    return new CertificateError("revoked", "Certificate is revoked");
  }
  if (certificate.kind !== kind) {
    return new CertificateError("kind", `Certificate is not for a ${kind}`);
  }
  const seconds = BigInt(Math.floor(now.getTime() / 1000));
  if (seconds < certificate.validAfter) {
    return new CertificateError("not yet valid", "Certificate is not yet valid");
  }
  if (seconds >= certificate.validBefore) {
    return new CertificateError("expired", "Certificate has expired");
  }
  const problem = principalProblem(certificate, requirements);
  if (problem !== null) return problem;
  for (const name of certificate.criticalOptions.keys()) {
    if (criticalOptions.includes(name)) continue;
    return new CertificateError(
      "critical option",
      `Certificate has the critical option "${printable(name, 64)}", which is not supported here`,
    );
  }
  return null;
}

function principalProblem(
  { principals }: Certificate,
  { kind, principal, allowNoPrincipals = false }: CertificateRequirements,
): CertificateError | null {
  if (principals.length === 0 && allowNoPrincipals) return null;
  const wanted = typeof principal === "string" ? [principal] : principal;
  const names = (listed: string, name: string) =>
    kind === "host" ? matchesWildcards(listed, name) : listed === name;
  if (wanted.some((name) => principals.some((listed) => names(listed, name)))) return null;
  const text = wanted.slice(0, 8).map((name) => `"${printable(name, 64)}"`).join(" or ");
  return new CertificateError(
    "principal",
    principals.length === 0
      ? `Certificate lists no principal, so it is valid for no ${kind}: its authority must issue it with ` +
        `the ${kind} names (ssh-keygen -n)`
      : `Certificate does not name ${text || "any principal that is accepted"}`,
  );
}

/** The contents of a new certificate. */
export interface CertificateOptions {
  /** `"user"` for a certificate of a client, `"host"` for one of a server. */
  readonly kind: "user" | "host";
  /** The holder's name in logs. */
  readonly keyId: string;
  /** The users or hosts that the certificate is for; without any, some systems accept it for every name. */
  readonly principals: readonly string[];
  /** Its number, 0 unless given. */
  readonly serial?: bigint;
  /** The start of its validity; no limit by default. */
  readonly validAfter?: Date;
  /** The end of its validity; no limit by default. */
  readonly validBefore?: Date;
  /** Restrictions (critical options) by name; a flag's value is `""`. */
  readonly criticalOptions?: Readonly<Record<string, string>>;
  /**
   * Its permissions (extensions), by name; unless given, the defaults of `ssh-keygen` for users, and none
   * for hosts.
   */
  readonly extensions?: Readonly<Record<string, string>>;
  /** The signature algorithm of the authority; its best unless given. */
  readonly algorithm?: string;
}

const isDate = mustBe("a Date", (value) => value instanceof Date);

const OPTIONS: OptionChecks<CertificateOptions> = {
  kind: oneOf("user", "host"),
  keyId: text,
  principals: texts,
  serial: mustBe("a bigint", (value) => typeof value === "bigint"),
  validAfter: isDate,
  validBefore: isDate,
  criticalOptions: textRecord,
  extensions: textRecord,
  algorithm: text,
};

/**
 * Certifies a key, as `ssh-keygen -s` does.
 *
 * @param authority The signing key: a private key, or one in an agent
 * @param publicKey The key to certify; its comment stays
 * @param options The contents of the certificate
 * @returns The certificate; `toString()` returns its line
 * @throws {TypeError | RangeError} If the key is a certificate, or the options are invalid
 *
 * @example
 * ```ts
 * import { generateKey, issueCertificate } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using authority = await generateKey();
 * using host = await generateKey();
 * const certificate = await issueCertificate(authority, host.publicKey, {
 *   kind: "host",
 *   keyId: "db1",
 *   principals: ["db1.example.com"],
 *   validBefore: new Date(Date.now() + 90 * 24 * 60 * 60 * 1000),
 * });
 * assertEquals(certificate.type, "ssh-ed25519-cert-v01@openssh.com");
 * ```
 */
export async function issueCertificate(
  authority: Signer,
  publicKey: PublicKey,
  options: CertificateOptions,
): Promise<PublicKey> {
  checkOptions("issueCertificate()", options, OPTIONS);
  for (const name of ["kind", "keyId", "principals"] as const) {
    if (options[name] === undefined) throw new TypeError(`issueCertificate() needs ${name}`);
  }
  if (publicKey.certificate || authority.publicKey.certificate) {
    throw new TypeError("A certificate can neither be certified nor certify");
  }
  const fields = fieldsOf(publicKey, options);
  const { algorithm = authority.publicKey.algorithms[0]! } = options;
  const unsigned = encodeCertificate(fields, randomBytes(NONCE_BYTES), authority.publicKey);
  const signature = await authority.sign(algorithm, unsigned);
  const blob = new Writer().bytes(unsigned).string(signature);
  try {
    return parsePublicKey(blob.take(), publicKey.comment);
  } catch (cause) {
    const why = plainMessage(cause);
    throw new TypeError(`Cannot issue the certificate: ${why}`, { cause });
  }
}

function fieldsOf(publicKey: PublicKey, options: CertificateOptions): CertificateFields {
  const { kind, keyId, principals, serial = 0n } = options;
  const { criticalOptions = {}, extensions = kind === "user" ? USER_EXTENSIONS : {} } = options;
  const validAfter = secondsOf(options.validAfter, 0n);
  const validBefore = secondsOf(options.validBefore, FOR_EVER);
  if (serial < 0n || serial > FOR_EVER) throw new RangeError(`Serial must fit 64 bits: ${serial}`);
  if (validAfter >= validBefore) {
    throw new RangeError("A certificate must end after it begins");
  }
  return {
    ...{ publicKey, serial, kind, keyId, principals, validAfter, validBefore },
    criticalOptions: new Map(Object.entries(criticalOptions)),
    extensions: new Map(Object.entries(extensions)),
  };
}

function secondsOf(date: Date | undefined, otherwise: bigint): bigint {
  if (date === undefined) return otherwise;
  const seconds = Math.floor(date.getTime() / 1000);
  if (!(seconds >= 0)) throw new RangeError("A certificate's time must be a date since 1970");
  return BigInt(seconds);
}

/**
 * A signer that presents a certificate instead of its key.
 *
 * @param key The signing key: a private key, or one in an agent
 * @param certificate A certificate of that key
 * @returns The signer; disposing of the key disables it
 * @throws {TypeError} If it is not a certificate of this key
 *
 * @example
 * ```ts
 * import {
 *   generateKey,
 *   issueCertificate,
 *   withCertificate,
 * } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * using authority = await generateKey();
 * using key = await generateKey();
 * const certificate = await issueCertificate(authority, key.publicKey, {
 *   kind: "user",
 *   keyId: "ann",
 *   principals: ["ann"],
 * });
 * const signer = withCertificate(key, certificate);
 * const data = new TextEncoder().encode("hello");
 * const [algorithm] = certificate.algorithms;
 * const signature = await signer.sign(algorithm!, data);
 * assert(certificate.verify(algorithm!, data, signature));
 * ```
 */
export function withCertificate(key: Signer, certificate: PublicKey): Signer {
  if (certificate.certificate === null) {
    throw new TypeError(`A key of type "${certificate.type}" is not a certificate`);
  }
  if (!certificate.certificate.publicKey.equals(key.publicKey)) {
    throw new TypeError("The certificate is not one of this key");
  }
  return {
    publicKey: certificate,
    sign(algorithm, data, options) {
      if (!canUse(certificate, algorithm)) {
        const name = printable(algorithm, 64);
        throw new TypeError(
          `A certificate of type "${certificate.type}" cannot sign with "${name}"`,
        );
      }
      return key.sign(plainAlgorithm(algorithm), data, options);
    },
  };
}
