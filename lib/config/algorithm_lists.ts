/** The lists of algorithms in configuration files: the known names, and the resulting algorithms. */
import { CERTIFIED, CIPHERS, KEX, MACS, SIGNATURES, USER_KEYS } from "../crypto/algorithms.ts";
import { presetNames, resolveExpression } from "../crypto/suite.ts";
import { printable } from "../errors.ts";
import { matchesWildcards } from "../patterns.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";

/** The kinds of list. */
export type ListKind = "kex" | "cipher" | "mac" | "signature" | "user" | "ca";

/**
 * The algorithms of OpenSSH 9.2 to 10.5. Configuration files may name algorithms that are not supported
 * here; they are valid, but not offered.
 */
const OPENSSH: Readonly<Record<Exclude<ListKind, "user" | "ca">, string>> = {
  kex: "diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256," +
    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512," +
    "diffie-hellman-group-exchange-sha1,diffie-hellman-group-exchange-sha256," +
    "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,curve25519-sha256," +
    "curve25519-sha256@libssh.org,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com," +
    "mlkem768x25519-sha256,mlkem768nistp256-sha256",
  cipher: "3des-cbc,aes128-cbc,aes192-cbc,aes256-cbc,aes128-ctr,aes192-ctr,aes256-ctr," +
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com",
  mac: "hmac-sha1,hmac-sha1-96,hmac-sha2-256,hmac-sha2-512,hmac-md5,hmac-md5-96," +
    "umac-64@openssh.com,umac-128@openssh.com,hmac-sha1-etm@openssh.com," +
    "hmac-sha1-96-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com," +
    "hmac-md5-etm@openssh.com,hmac-md5-96-etm@openssh.com,umac-64-etm@openssh.com," +
    "umac-128-etm@openssh.com",
  signature: "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com," +
    "sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256," +
    "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384," +
    "ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521," +
    "ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com," +
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com," +
    "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,ssh-mldsa44-ed25519@openssh.com," +
    "ssh-mldsa44-ed25519-cert-v01@openssh.com," +
    "ssh-dss,ssh-dss-cert-v01@openssh.com,ssh-rsa,ssh-rsa-cert-v01@openssh.com,rsa-sha2-256," +
    "rsa-sha2-256-cert-v01@openssh.com,rsa-sha2-512,rsa-sha2-512-cert-v01@openssh.com",
};

const OURS = {
  kex: KEX,
  cipher: CIPHERS,
  mac: MACS,
  signature: [...CERTIFIED, ...SIGNATURES],
  user: USER_KEYS,
};

const KEY_TYPES = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

/** The accepted signature algorithms of user keys and authorities, with OpenSSH's defaults. */
const ACCEPTED: Readonly<Record<"user" | "ca", readonly string[]>> = {
  user: [
    ...KEY_TYPES.map((name) => `${name.replace("@openssh.com", "")}-cert-v01@openssh.com`),
    ...KEY_TYPES,
  ],
  ca: KEY_TYPES,
};

const COMPLAINTS: Readonly<Record<ListKind, string>> = {
  kex: "Bad SSH2 KexAlgorithms",
  cipher: "Bad SSH2 cipher spec",
  mac: "Bad SSH2 MAC spec",
  signature: "Bad key types",
  user: "Bad key types",
  ca: "Bad key types",
};

/**
 * Reads a list, or an expression that begins with `+`, `-` or `^`; only signature algorithms and names
 * to remove may be patterns.
 */
export function algorithms(kind: ListKind): (args: Arguments) => string {
  return (args) => {
    const text = args.next();
    if (text.startsWith("-")) return text;
    const names = split(text.replace(/^[+^]/, ""));
    const known = allNames(kind);
    const isPattern = kind === "signature" || kind === "user" || kind === "ca";
    const fits = (name: string) =>
      known.some((each) => isPattern ? matchesWildcards(name, each) : name === each);
    if (text.replace(/^[+^]/, "") === "" || !names.every(fits)) {
      throw new ArgumentError(`${COMPLAINTS[kind]} '${printable(text)}'.`);
    }
    return text;
  };
}

/** The names that result from an expression, supported or not; undefined gives the default. */
export function algorithmNames(kind: ListKind, expression: string | undefined): string[] {
  const defaults = defaultsOf(kind);
  if (expression === undefined) return [...defaults];
  return resolveExpression(expression, defaults, allNames(kind));
}

/**
 * The supported names that result from an expression, or all names if none is supported, so that the
 * caller can report them.
 */
export function ourList(kind: keyof typeof OURS, expression: string): string[] {
  const all = algorithmNames(kind, expression);
  const ours = all.filter((name) => OURS[kind].some((row) => row.name === name));
  return ours.length > 0 ? ours : all;
}

function defaultsOf(kind: ListKind): readonly string[] {
  if (kind === "user" || kind === "ca") return ACCEPTED[kind];
  return presetNames(OURS[kind]);
}

function allNames(kind: ListKind): string[] {
  if (kind === "user") return allNames("signature");
  // A certificate is signed by a key, not by another certificate.
  if (kind === "ca") return allNames("signature").filter((name) => !name.includes("-cert-"));
  return [...new Set([...split(OPENSSH[kind]), ...OURS[kind].map((row) => row.name)])];
}

function split(text: string): string[] {
  return text.split(",").filter((name) => name !== "");
}
