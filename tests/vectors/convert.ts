/**
 * Makes the files of vectors in this folder from Wycheproof's JSON:
 * `deno run --allow-read --allow-write tests/vectors/convert.ts FOLDER`, with the folder `testvectors_v1`.
 */
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from "../../lib/encoding.ts";
import { COLUMNS, type VectorSet } from "./columns.ts";

/** Fields as the JSON has them. */
// deno-lint-ignore no-explicit-any
type Json = Record<string, any>;

/** The hexadecimal digits of a case's columns; null for a case that no test here can use. */
type Pick = (test: Json, group: Json) => (string | Promise<string>)[] | null;

const ecdh: Pick = (test) => [test.public, test.private, test.shared];
const ecdsa: Pick = (test, group) => [group.publicKey.uncompressed, test.msg, test.sig];
const hmac: Pick = (test) => [test.key, test.msg, test.tag];
const rsa: Pick = (
  test,
  { publicKey },
) => [publicKey.modulus, publicKey.publicExponent, test.msg, test.sig];
const rsaSigning = (hash: string): Pick => (test, { sha, privateKey, ...group }) =>
  sha !== hash ? null : [
    encodeHex(decodeBase64(group.privateKeyPem.replaceAll(/-----.*-----|\s/g, ""))!),
    group.privateKeyPkcs8,
    privateKey.publicExponent,
    test.msg,
    test.sig,
  ];

const SOURCES: Record<VectorSet, [file: string, pick: Pick]> = {
  aes_cbc_pkcs5: ["aes_cbc_pkcs5_test", (test) => [test.key, test.iv, test.msg, test.ct]],
  // SSH's GCM has 96 bits of nonce and keys of 128 or 256; the additional data goes with packets only.
  aes_gcm: [
    "aes_gcm_test",
    (test, { ivSize, keySize }) =>
      test.aad !== "" || ivSize !== 96 || keySize === 192
        ? null
        : [test.key, test.iv, test.msg, test.ct + test.tag],
  ],
  ecdh_secp256r1: ["ecdh_secp256r1_ecpoint_test", ecdh],
  ecdh_secp384r1: ["ecdh_secp384r1_ecpoint_test", ecdh],
  ecdh_secp521r1: ["ecdh_secp521r1_ecpoint_test", ecdh],
  ecdsa_secp256r1_sha256: ["ecdsa_secp256r1_sha256_test", ecdsa],
  ecdsa_secp384r1_sha384: ["ecdsa_secp384r1_sha384_test", ecdsa],
  ecdsa_secp521r1_sha512: ["ecdsa_secp521r1_sha512_test", ecdsa],
  ed25519: ["ed25519_test", (test, { publicKey }) => [publicKey.pk, test.msg, test.sig]],
  hmac_sha1: ["hmac_sha1_test", hmac],
  hmac_sha256: ["hmac_sha256_test", hmac],
  hmac_sha512: ["hmac_sha512_test", hmac],
  // Long outputs are stored as hashes; a case without a public key has none.
  mlkem_768: [
    "mlkem_768_test",
    (test) => [test.seed, test.ek === undefined ? "" : sha256(test.ek), test.c, test.K],
  ],
  mlkem_768_encaps: [
    "mlkem_768_encaps_test",
    (test) => [test.m, test.ek, test.result === "valid" ? sha256(test.c + test.K) : ""],
  ],
  rsa_2048_sha256: ["rsa_signature_2048_sha256_test", rsa],
  rsa_2048_sha512: ["rsa_signature_2048_sha512_test", rsa],
  rsa_4096_sha512: ["rsa_signature_4096_sha512_test", rsa],
  rsa_signing_2048_sha256: ["rsa_pkcs1_2048_sig_gen_test", rsaSigning("SHA-256")],
  rsa_signing_2048_sha512: ["rsa_pkcs1_2048_sig_gen_test", rsaSigning("SHA-512")],
  x25519: ["x25519_test", ecdh],
};

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) throw new TypeError("Name the folder of Wycheproof's JSON files");
  for (const set of Object.keys(COLUMNS) as VectorSet[]) {
    const lines = await convert(folder, set);
    Deno.writeTextFileSync(new URL(`${set}.txt`, import.meta.url), lines.join("\n") + "\n");
    console.log(`${set}: ${lines.length - 1} cases`);
  }
}

async function convert(folder: string, set: VectorSet): Promise<string[]> {
  const [file, pick] = SOURCES[set];
  const { testGroups } = JSON.parse(Deno.readTextFileSync(`${folder}/${file}.json`));
  const lines = [["id", "result", ...COLUMNS[set]].join(" ")];
  let above: string[] = [];
  for (const group of testGroups) {
    for (const test of group.tests) {
      const columns = pick(test, group);
      if (columns === null) continue;
      const fields = [`${test.tcId}`, test.result, ...(await Promise.all(columns)).map(encode)];
      lines.push(
        fields.map((field, at) => at > 1 && field.length > 1 && field === above[at] ? '"' : field)
          .join(" "),
      );
      above = fields;
    }
  }
  return lines;
}

function encode(digits: string): string {
  return digits === "" ? "-" : encodeBase64(decodeHex(digits)).replace(/=+$/, "");
}

async function sha256(digits: string): Promise<string> {
  return encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", decodeHex(digits))));
}
