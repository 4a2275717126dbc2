import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError } from "../../lib/errors.ts";
import { DerReader } from "../../lib/keys/der.ts";
import { importPrivateKey, parsePublicKey, type PublicKey } from "../../lib/keys/mod.ts";
import { decodeSignature, encodeEcdsa, encodeSignature } from "../../lib/keys/signature.ts";
import { Writer } from "../../lib/wire/writer.ts";

const folder = new URL("../../../shared/vectors/", import.meta.url);

interface Case {
  tcId: number;
  comment: string;
  msg: string;
  sig: string;
  result: "valid" | "acceptable" | "invalid";
  flags: string[];
}

interface Group {
  publicKey: { pk: string; uncompressed: string; modulus: string; publicExponent: string };
  privateKey: { publicExponent: string };
  privateKeyPem: string;
  privateKeyPkcs8: string;
  sha: string;
  tests: Case[];
}

/** A test over one file of Wycheproof's; counted as ignored where the file is not. */
function vectors(name: string, file: string, run: (groups: Group[]) => void): void {
  const url = new URL(file, folder);
  Deno.test({
    name: `${name} agrees with Wycheproof's ${file}`,
    ignore: !exists(url),
    fn: async () => run(JSON.parse(await Deno.readTextFile(url)).testGroups),
  });
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const hex = (text: string) => Uint8Array.fromHex(text);

function check(
  groups: Group[],
  algorithm: string,
  keyOf: (group: Group) => PublicKey,
  signatureOf: (sig: Uint8Array) => Uint8Array | null,
): void {
  let valid = 0;
  for (const group of groups) {
    const key = keyOf(group);
    for (const { tcId, comment, msg, sig, result, flags } of group.tests) {
      const bytes = signatureOf(hex(sig));
      if (bytes === null) {
        assert(result !== "valid", `${tcId} ${comment}`);
        continue;
      }
      const verified = key.verify(algorithm, hex(msg), encodeSignature({ algorithm, bytes }));
      // An "acceptable" signature is legacy that may be taken or left.
      if (result !== "acceptable") {
        assertEquals(verified, result === "valid", `${tcId} ${comment} ${flags}`);
      }
      if (verified) valid++;
    }
  }
  assert(valid > 0);
}

vectors("Ed25519", "ed25519_test.json", (groups) =>
  check(
    groups,
    "ssh-ed25519",
    ({ publicKey }) =>
      parsePublicKey(new Writer().text("ssh-ed25519").string(hex(publicKey.pk)).take()),
    (sig) => sig,
  ));

for (
  const [file, curve, length] of [
    ["ecdsa_secp256r1_sha256_test.json", "nistp256", 32],
    ["ecdsa_secp384r1_sha384_test.json", "nistp384", 48],
    ["ecdsa_secp521r1_sha512_test.json", "nistp521", 66],
  ] as const
) {
  vectors("ECDSA", file, (groups) =>
    check(
      groups,
      `ecdsa-sha2-${curve}`,
      ({ publicKey }) => {
        const blob = new Writer().text(`ecdsa-sha2-${curve}`).text(curve)
          .string(hex(publicKey.uncompressed)).take();
        return parsePublicKey(blob);
      },
      (sig) => sshNumbers(sig, length),
    ));
}

/** The numbers of a DER signature as SSH has them; null where DER itself is wrong. */
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
  const [file, algorithm] of [
    ["rsa_signature_2048_sha256_test.json", "rsa-sha2-256"],
    ["rsa_signature_2048_sha512_test.json", "rsa-sha2-512"],
    ["rsa_signature_4096_sha512_test.json", "rsa-sha2-512"],
  ] as const
) {
  vectors("RSA", file, (groups) =>
    check(
      groups,
      algorithm,
      ({ publicKey }) => {
        const blob = new Writer().text("ssh-rsa").mpint(hex(publicKey.publicExponent))
          .mpint(hex(publicKey.modulus)).take();
        return parsePublicKey(blob);
      },
      (sig) => sig,
    ));
}

vectors("RSA signing", "rsa_pkcs1_2048_sig_gen_test.json", (groups) => {
  const algorithms = new Map([["SHA-256", "rsa-sha2-256"], ["SHA-512", "rsa-sha2-512"]]);
  let signed = 0;
  for (const { sha, privateKey, privateKeyPem, privateKeyPkcs8, tests } of groups) {
    const algorithm = algorithms.get(sha);
    if (algorithm === undefined) continue;
    if (privateKey.publicExponent !== "010001") {
      assertThrows(() => importPrivateKey(privateKeyPem), KeyFormatError, "65537 or more");
      continue;
    }
    const base64 = hex(privateKeyPkcs8).toBase64();
    const armored = `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`;
    for (const text of [privateKeyPem, armored]) {
      using key = importPrivateKey(text);
      for (const { msg, sig } of tests) {
        assertEquals(decodeSignature(key.sign(algorithm, hex(msg))).bytes, hex(sig));
        signed++;
      }
    }
  }
  assert(signed > 0);
});
