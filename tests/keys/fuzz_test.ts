import { assert } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import { KeyFormatError } from "../../lib/errors.ts";
import { addArmor, removeArmor } from "../../lib/keys/armor.ts";
import {
  exportPublicKey,
  generateKey,
  issueCertificate,
  parsePublicKey,
  type PrivateKey,
  RevocationList,
  signMessage,
} from "../../lib/keys/mod.ts";
import { KnownHosts } from "../../lib/known_hosts/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { mustSurvive } from "../corpus/corpus.ts";
import { KEY, type ParserName } from "../corpus/parsers.ts";
import { fuzzTest, LONG, mutate, type Random } from "../support/random.ts";
import { testKey } from "../support/keys.ts";

/** Mutations of each input. */
const ROUNDS = 200 * LONG;

const encoder = new TextEncoder();

/** Mutates each input, and reads it with the corpus's parser. */
async function survives(
  random: Random,
  parser: ParserName,
  inputs: (string | Uint8Array)[],
  form: (bytes: Uint8Array<ArrayBuffer>) => string | Uint8Array<ArrayBuffer> = (bytes) => bytes,
): Promise<void> {
  for (const input of inputs) {
    const bytes = typeof input === "string" ? encoder.encode(input) : input;
    for (let round = 0; round < ROUNDS; round++) {
      await mustSurvive(parser, form(mutate(bytes, random)));
    }
  }
}

/** Mutates an input and tries it if it changed; only documented errors may be thrown. */
function believesNone(
  random: Random,
  input: Uint8Array,
  believes: (mutated: Uint8Array) => boolean,
): void {
  for (let round = 0; round < ROUNDS; round++) {
    const mutated = mutate(input, random);
    if (encodeHex(mutated) === encodeHex(input)) continue;
    try {
      assert(!believes(mutated), encodeHex(mutated));
    } catch (error) {
      assert(error instanceof KeyFormatError, `${Deno.inspect(error)}\n${encodeHex(mutated)}`);
    }
  }
}

async function keys(): Promise<PrivateKey[]> {
  return [
    await generateKey("ed25519", { comment: "me" }),
    await generateKey("ecdsa-p256"),
    await generateKey("ecdsa-p384"),
    await generateKey("ecdsa-p521"),
    await testKey("rsa"),
  ];
}

const all = await keys();

fuzzTest("parsePublicKey survives mutated blobs", async (random) => {
  await survives(random, "public_blobs", all.map(({ publicKey }) => publicKey.blob));
});

fuzzTest("importPublicKey survives mutated lines", async (random) => {
  await survives(random, "public_keys", all.map(({ publicKey }) => `${publicKey}`));
});

fuzzTest("verify survives mutated keys and signatures, and accepts none of them", (random) => {
  const data = encoder.encode("what is signed");
  for (const key of all) {
    const { publicKey } = key;
    const [algorithm] = publicKey.algorithms;
    const signature = key.sign(algorithm!, data);
    believesNone(random, signature, (mutated) => publicKey.verify(algorithm!, data, mutated));
    believesNone(
      random,
      publicKey.blob,
      (mutated) => parsePublicKey(mutated).verify(algorithm!, data, signature),
    );
  }
});

fuzzTest("importPrivateKey survives mutated files of openssh-key-v1", async (random) => {
  // The numbers of an RSA key are checked by signing, which is slow.
  const plain = all.slice(0, 3).map((key) => removeArmor(key.export()).bytes);
  const form = (bytes: Uint8Array) => addArmor("OPENSSH PRIVATE KEY", bytes);
  await survives(random, "private_keys", plain, form);
  const sealed = removeArmor(all[0]!.export({ passphrase: "x", rounds: 1 })).bytes;
  const cheap = sealed.subarray(0, 15 + 4 + 10 + 4 + 6 + 4 + 4 + 16);
  await survives(random, "private_keys", [cheap], form);
});

fuzzTest("importPrivateKey survives mutated armour", async (random) => {
  await survives(random, "private_keys", all.slice(0, 3).map((key) => key.export()));
});

fuzzTest("importPrivateKey survives mutated DER", async (random) => {
  for (const key of all.slice(0, 2)) {
    const pkcs8 = removeArmor(key.export({ format: "pkcs8" })).bytes;
    for (const label of ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]) {
      await survives(random, "private_keys", [pkcs8], (bytes) => addArmor(label, bytes));
    }
  }
});

fuzzTest("importPrivateKey survives mutated files of PuTTY's and encrypted PEM", async (random) => {
  const passphrase = "x";
  const texts = [
    all[0]!.export({ format: "ppk" }),
    all[1]!.export({ format: "ppk", ppkVersion: 2, passphrase }),
    all[1]!.export({ format: "pem", passphrase, cipher: "3des-cbc" }),
    all[0]!.export({ format: "pkcs8", passphrase, rounds: 1 }),
  ];
  // A few more iterations do not matter; a million would, and another test covers their refusal.
  const cheap = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).replace(/^(Argon2-\w+): .*$/gm, "$1: 8");
  await survives(random, "private_keys", texts, cheap);
  const sealed = removeArmor(texts[3]!).bytes;
  await survives(
    random,
    "private_keys",
    [sealed],
    (bytes) => addArmor("ENCRYPTED PRIVATE KEY", bytes.length === sealed.length ? bytes : sealed),
  );
});

fuzzTest("importPublicKey survives mutated RFC 4716 and PEM", async (random) => {
  for (const format of ["rfc4716", "pkcs8", "pem"] as const) {
    const texts = all.map(({ publicKey }) => exportPublicKey(publicKey, { format }));
    await survives(random, "public_keys", texts);
    if (format === "rfc4716") continue;
    const label = format === "pem" ? "RSA PUBLIC KEY" : "PUBLIC KEY";
    const blobs = texts.map((text) => removeArmor(text).bytes);
    await survives(random, "public_keys", blobs, (bytes) => addArmor(label, bytes));
  }
});

fuzzTest(
  "parsePublicKey survives mutated certificates, and accepts none of them",
  async (random) => {
    const certificate = await issueCertificate(all[0]!, all[1]!.publicKey, {
      kind: "user",
      keyId: "x",
      principals: ["ann"],
      criticalOptions: { "force-command": "ls" },
    });
    believesNone(random, certificate.blob, (blob) => parsePublicKey(blob) !== null);
  },
);

fuzzTest("readSignature and AllowedSigners survive any text", async (random) => {
  const text = await signMessage(all[0]!, encoder.encode("x"), { namespace: "file" });
  const armor = (bytes: Uint8Array) => addArmor("SSH SIGNATURE", bytes);
  await survives(random, "signature_files", [removeArmor(text).bytes], armor);
  await survives(random, "signature_files", [text]);
  const lines = `a,*@b,!c namespaces="f*",valid-after="20200101" ${all[0]!.publicKey}\n` +
    `x cert-authority ${all[1]!.publicKey}\n`;
  await survives(random, "allowed_signers", [lines]);
});

fuzzTest("RevocationList survives mutated lists", async (random) => {
  const part = (type: number, bytes: Uint8Array) => new Writer().u8(type).string(bytes).take();
  const certificates = new Writer().string(all[0]!.publicKey.blob).text("")
    .bytes(part(0x20, new Writer().u64(4n).u64(7n).take()))
    .bytes(part(0x21, new Writer().u64(10n).u64(20n).take()))
    .bytes(part(0x22, new Writer().u64(1n).mpint(new Uint8Array([0x80, 1, 2])).take()))
    .bytes(part(0x23, new Writer().text("ann").take())).take();
  const list = new Writer().text("SSHKRL\n\0").u32(1).u64(1n).u64(0n).u64(0n).text("").text("x")
    .bytes(part(1, certificates)).bytes(part(2, new Writer().string(KEY.blob).take()))
    .bytes(part(3, new Writer().string(new Uint8Array(20)).take())).take().subarray(4);
  RevocationList.parse(list);
  await survives(random, "revocation_lists", [list]);
});

fuzzTest("importPrivateKey survives a mutated RSA key", async (random) => {
  const bytes = removeArmor(all.at(-1)!.export()).bytes;
  for (let round = 0; round < 30; round++) {
    await mustSurvive("private_keys", addArmor("OPENSSH PRIVATE KEY", mutate(bytes, random)));
  }
});

fuzzTest("known_hosts and authorized_keys survive any text without an error", async (random) => {
  const host = KnownHosts.line("db1", 22, all[0]!.publicKey, { hash: true });
  const text = `# hosts\n*.a,!b.a ${all[1]!.publicKey}\n@revoked * ${all[2]!.publicKey}\n${host}\n`;
  const options = `command="a \\"b\\"",no-pty,permitopen="h:1" ${all[0]!.publicKey}\n`;
  for (let times = 0; times < 5; times++) {
    await survives(random, "known_hosts", [text]);
    await survives(random, "authorized_keys", [options]);
  }
});

fuzzTest("signature blobs of random bytes are a ProtocolError or do not verify", async (random) => {
  for (let round = 0; round < ROUNDS * 5; round++) {
    const bytes = new Uint8Array(random(64)).map(() => random(4) ? 0 : random(256));
    await mustSurvive("signatures", bytes);
  }
});
