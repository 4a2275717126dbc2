import { assert } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import { KeyFormatError, PassphraseError, ProtocolError } from "../../lib/errors.ts";
import { addArmor, removeArmor } from "../../lib/keys/armor.ts";
import {
  AllowedSigners,
  exportPublicKey,
  generateKey,
  importPrivateKey,
  importPublicKey,
  issueCertificate,
  parseAuthorizedKeys,
  parsePublicKey,
  type PrivateKey,
  readSignature,
  RevocationList,
  signMessage,
} from "../../lib/keys/mod.ts";
import { KnownHosts } from "../../lib/known_hosts/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { fuzzTest, LONG, mutate, type Random } from "../support/random.ts";
import { decodeEcdsa, decodeSignature } from "../../lib/keys/signature.ts";

/** Mutations of each input. */
const ROUNDS = 200 * LONG;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Only the errors that are documented may escape. */
function survives(
  random: Random,
  inputs: Uint8Array[],
  parse: (input: Uint8Array) => unknown,
): void {
  for (const input of inputs) {
    for (let round = 0; round < ROUNDS; round++) {
      const mutated = mutate(input, random);
      try {
        parse(mutated);
      } catch (error) {
        const documented = error instanceof KeyFormatError || error instanceof PassphraseError;
        assert(documented, `${Deno.inspect(error)}\n${encodeHex(mutated)}`);
      }
    }
  }
}

async function keys(): Promise<PrivateKey[]> {
  return [
    await generateKey("ed25519", { comment: "me" }),
    await generateKey("ecdsa-p256"),
    await generateKey("ecdsa-p384"),
    await generateKey("ecdsa-p521"),
    await generateKey("rsa", { bits: 2048 }),
  ];
}

const all = await keys();
const lines = all.map(({ publicKey }) => encoder.encode(publicKey.toString()));

fuzzTest("parsePublicKey survives mutated blobs", (random) => {
  survives(random, all.map(({ publicKey }) => publicKey.blob), (blob) => parsePublicKey(blob));
});

fuzzTest("importPublicKey survives mutated lines", (random) => {
  survives(random, lines, (line) => importPublicKey(decoder.decode(line)));
});

fuzzTest("verify survives mutated keys and signatures, and believes none of them", (random) => {
  const data = encoder.encode("what is signed");
  for (
    const { publicKey, sign } of all.map((key) => ({
      publicKey: key.publicKey,
      sign: (algorithm: string) => key.sign(algorithm, data),
    }))
  ) {
    const [algorithm] = publicKey.algorithms;
    const signature = sign(algorithm!);
    survives(random, [signature], (mutated) => {
      if (encodeHex(mutated) === encodeHex(signature)) return;
      assert(!publicKey.verify(algorithm!, data, mutated));
    });
    survives(random, [publicKey.blob], (mutated) => {
      if (encodeHex(mutated) === encodeHex(publicKey.blob)) return;
      assert(!parsePublicKey(mutated).verify(algorithm!, data, signature));
    });
  }
});

fuzzTest("importPrivateKey survives mutated files of openssh-key-v1", (random) => {
  const plain = all.map((key) => removeArmor(key.export()).bytes);
  // The numbers of an RSA key are proved by signing, which takes a while.
  const inputs = plain.slice(0, 3);
  survives(random, inputs, (bytes) => importPrivateKey(addArmor("OPENSSH PRIVATE KEY", bytes)));
  const sealed = removeArmor(all[0]!.export({ passphrase: "x", rounds: 1 })).bytes;
  const options = { passphrase: "x" };
  const cheap = sealed.subarray(0, 15 + 4 + 10 + 4 + 6 + 4 + 4 + 16);
  survives(
    random,
    [cheap],
    (bytes) => importPrivateKey(addArmor("OPENSSH PRIVATE KEY", bytes), options),
  );
});

fuzzTest("importPrivateKey survives mutated armour", (random) => {
  survives(
    random,
    all.slice(0, 3).map((key) => encoder.encode(key.export())),
    (bytes) => importPrivateKey(decoder.decode(bytes)),
  );
});

fuzzTest("importPrivateKey survives mutated DER", async (random) => {
  for (
    const algorithm of [{ name: "Ed25519" }, { name: "ECDSA", namedCurve: "P-256" }]
  ) {
    const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const pkcs8 = await crypto.subtle.exportKey("pkcs8", (pair as CryptoKeyPair).privateKey);
    for (const label of ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]) {
      survives(
        random,
        [new Uint8Array(pkcs8)],
        (bytes) => importPrivateKey(addArmor(label, bytes)),
      );
    }
  }
});

fuzzTest("importPrivateKey survives mutated files of PuTTY's and encrypted PEM", (random) => {
  const passphrase = "x";
  const texts = [
    all[0]!.export({ format: "ppk" }),
    all[1]!.export({ format: "ppk", ppkVersion: 2, passphrase }),
    all[1]!.export({ format: "pem", passphrase, cipher: "3des-cbc" }),
    all[0]!.export({ format: "pkcs8", passphrase, rounds: 1 }),
  ];
  const cheap = (text: string) => text.replace(/^(Argon2-\w+): .*$/gm, "$1: 8"); // what is greedy is refused elsewhere
  survives(
    random,
    texts.map((text) => encoder.encode(text)),
    (text) => importPrivateKey(cheap(decoder.decode(text)), { passphrase }),
  );
  const sealed = removeArmor(texts[3]!).bytes;
  survives(random, [sealed], (bytes) => {
    // A few iterations more are no matter; a million are.
    if (bytes.length !== sealed.length) return;
    importPrivateKey(addArmor("ENCRYPTED PRIVATE KEY", bytes), { passphrase });
  });
});

fuzzTest("importPublicKey survives mutated RFC 4716 and PEM", (random) => {
  for (const format of ["rfc4716", "pkcs8", "pem"] as const) {
    const texts = all.map(({ publicKey }) => exportPublicKey(publicKey, { format }));
    survives(
      random,
      texts.map((text) => encoder.encode(text)),
      (text) => importPublicKey(decoder.decode(text)),
    );
    if (format === "rfc4716") continue;
    const label = format === "pem" ? "RSA PUBLIC KEY" : "PUBLIC KEY";
    survives(
      random,
      texts.map((text) => removeArmor(text).bytes),
      (bytes) => importPublicKey(addArmor(label, bytes)),
    );
  }
});

fuzzTest(
  "parsePublicKey survives mutated certificates, and believes none of them",
  async (random) => {
    const options = { kind: "user", keyId: "x", principals: ["ann"] } as const;
    const certificate = await issueCertificate(all[0]!, all[1]!.publicKey, {
      ...options,
      criticalOptions: { "force-command": "ls" },
    });
    survives(random, [certificate.blob], (blob) => {
      if (encodeHex(blob) === encodeHex(certificate.blob)) return;
      parsePublicKey(blob);
      throw new Error("It was accepted");
    });
  },
);

fuzzTest("readSignature and AllowedSigners survive anything", async (random) => {
  const text = await signMessage(all[0]!, encoder.encode("x"), { namespace: "file" });
  survives(random, [removeArmor(text).bytes], (bytes) => {
    readSignature(addArmor("SSH SIGNATURE", bytes)).verify(encoder.encode("x"));
  });
  survives(random, [encoder.encode(text)], (bytes) => readSignature(decoder.decode(bytes)));
  const lines = `a,*@b,!c namespaces="f*",valid-after="20200101" ${all[0]!.publicKey}\n` +
    `x cert-authority ${all[1]!.publicKey}\n`;
  survives(random, [encoder.encode(lines)], (bytes) => {
    const allowed = AllowedSigners.parse(decoder.decode(bytes));
    allowed.findPrincipals(all[0]!);
    allowed.matchPrincipals("a@b");
  });
});

fuzzTest("RevocationList survives mutated lists", async (random) => {
  const options = { kind: "user", keyId: "x", principals: [], serial: 9n } as const;
  const certificate = await issueCertificate(all[0]!, all[1]!.publicKey, options);
  const part = (type: number, bytes: Uint8Array) => new Writer().u8(type).string(bytes).take();
  const certificates = new Writer().string(all[0]!.publicKey.blob).text("")
    .bytes(part(0x20, new Writer().u64(4n).u64(7n).take()))
    .bytes(part(0x21, new Writer().u64(10n).u64(20n).take()))
    .bytes(part(0x22, new Writer().u64(1n).mpint(new Uint8Array([0x80, 1, 2])).take()))
    .bytes(part(0x23, new Writer().text("ann").take())).take();
  const list = new Writer().text("SSHKRL\n\0").u32(1).u64(1n).u64(0n).u64(0n).text("").text("x")
    .bytes(part(1, certificates)).bytes(part(2, new Writer().string(certificate.blob).take()))
    .bytes(part(3, new Writer().string(new Uint8Array(20)).take())).take().subarray(4);
  RevocationList.parse(list);
  survives(random, [list], (bytes) => RevocationList.parse(bytes).isRevoked(certificate));
});

fuzzTest("importPrivateKey survives a mutated RSA key", (random) => {
  const bytes = removeArmor(all.at(-1)!.export()).bytes;
  for (let round = 0; round < 30; round++) {
    try {
      importPrivateKey(addArmor("OPENSSH PRIVATE KEY", mutate(bytes, random)));
    } catch (error) {
      assert(error instanceof KeyFormatError || error instanceof PassphraseError, `${error}`);
    }
  }
});

fuzzTest("known_hosts and authorized_keys survive anything, without an error", (random) => {
  const host = KnownHosts.line("db1", 22, all[0]!.publicKey, { hash: true });
  const text = `# hosts\n*.a,!b.a ${all[1]!.publicKey}\n@revoked * ${all[2]!.publicKey}\n${host}\n`;
  const options = `command="a \\"b\\"",no-pty,permitopen="h:1" ${all[0]!.publicKey}\n`;
  for (let round = 0; round < ROUNDS * 5; round++) {
    const known = KnownHosts.parse(decoder.decode(mutate(encoder.encode(text), random)));
    known.check("db1", 22, all[0]!.publicKey);
    known.keyTypes("x.a", 2222);
    parseAuthorizedKeys(decoder.decode(mutate(encoder.encode(options), random)));
  }
});

fuzzTest("signature blobs of random bytes are a ProtocolError or nothing", (random) => {
  for (let round = 0; round < ROUNDS * 5; round++) {
    const bytes = new Uint8Array(random(64)).map(() => random(4) ? 0 : random(256));
    for (const decode of [decodeSignature, decodeEcdsa]) {
      try {
        decode(bytes);
      } catch (error) {
        assert(error instanceof ProtocolError, `${error}`);
      }
    }
  }
});
