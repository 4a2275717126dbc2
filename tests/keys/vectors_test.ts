/** Wycheproof's signatures, verified and made through key objects, and thereby by the core. */
import { assertEquals } from "@std/assert";
import { encodeBase64 } from "../../lib/encoding.ts";
import { KeyFormatError } from "../../lib/errors.ts";
import { DerReader } from "../../lib/keys/der.ts";
import { importPrivateKey, parsePublicKey } from "../../lib/keys/mod.ts";
import { decodeSignature, encodeEcdsa, encodeSignature } from "../../lib/keys/signature.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testVectors, type Vector } from "../vectors/read.ts";

/** Verifies a signature with the key of this blob; an "acceptable" one may pass or fail. */
function check(
  algorithm: string,
  blob: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array | null,
  result: Vector<"ed25519">["result"],
): void {
  const verified = signature !== null &&
    parsePublicKey(blob)
      .verify(algorithm, message, encodeSignature({ algorithm, bytes: signature }));
  if (result !== "acceptable") assertEquals(verified, result === "valid");
}

testVectors("ed25519", ({ publicKey, message, signature, result }) => {
  const blob = new Writer().text("ssh-ed25519").string(publicKey).take();
  check("ssh-ed25519", blob, message, signature, result);
});

for (
  const [set, curve, length] of [
    ["ecdsa_secp256r1_sha256", "nistp256", 32],
    ["ecdsa_secp384r1_sha384", "nistp384", 48],
    ["ecdsa_secp521r1_sha512", "nistp521", 66],
  ] as const
) {
  testVectors(set, ({ publicKey, message, signature, result }) => {
    const algorithm = `ecdsa-sha2-${curve}`;
    const blob = new Writer().text(algorithm).text(curve).string(publicKey).take();
    check(algorithm, blob, message, sshNumbers(signature, length), result);
  });
}

/** Converts a DER signature to the form of SSH; null if the DER is malformed. */
function sshNumbers(der: Uint8Array, length: number): Uint8Array | null {
  try {
    const outer = new DerReader(der);
    const numbers = outer.sequence();
    outer.end();
    const [r, s] = [numbers.number(), numbers.number()];
    numbers.end();
    const short = [r, s].every((number) => number.length <= length + 1);
    return short ? encodeEcdsa({ r, s }) : null;
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}

for (
  const [set, algorithm] of [
    ["rsa_2048_sha256", "rsa-sha2-256"],
    ["rsa_2048_sha512", "rsa-sha2-512"],
    ["rsa_4096_sha512", "rsa-sha2-512"],
  ] as const
) {
  testVectors(set, ({ modulus, exponent, message, signature, result }) => {
    const blob = new Writer().text("ssh-rsa").mpint(exponent).mpint(modulus).take();
    check(algorithm, blob, message, signature, result);
  });
}

for (
  const [set, algorithm] of [
    ["rsa_signing_2048_sha256", "rsa-sha2-256"],
    ["rsa_signing_2048_sha512", "rsa-sha2-512"],
  ] as const
) {
  testVectors(set, ({ pkcs1, pkcs8, message, signature }) => {
    for (const text of [armored("RSA PRIVATE KEY", pkcs1), armored("PRIVATE KEY", pkcs8)]) {
      using key = importPrivateKey(text);
      assertEquals(decodeSignature(key.sign(algorithm, message)).bytes, signature);
    }
  });
}

function armored(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${encodeBase64(der)}\n-----END ${label}-----\n`;
}
