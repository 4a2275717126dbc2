import { assert } from "@std/assert";
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
import { decodeEcdsa, decodeSignature } from "../../lib/keys/signature.ts";

/** Mutations for each seed input; `FUZZ_ROUNDS=100000` for a longer run. */
const ROUNDS = Number(Deno.env.get("FUZZ_ROUNDS") ?? 200);

/** Numbers that are the same in every run: Marsaglia's xorshift32. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const random = seeded(0x5eed);
const EDGES = [0, 1, 0x7f, 0x80, 0xff];

/** The input with a few bytes changed, cut, doubled, or lengths blown up. */
function mutate(bytes: Uint8Array): Uint8Array {
  let result = bytes.slice();
  for (let change = 0; change <= random(3); change++) {
    const at = random(result.length + 1);
    const before = result.subarray(0, at);
    const after = result.subarray(at);
    switch (random(6)) {
      case 0:
        result = new Uint8Array([...before, random(256), ...after.subarray(1)]);
        break;
      case 1:
        result = new Uint8Array([...before, EDGES[random(EDGES.length)]!, ...after.subarray(1)]);
        break;
      case 2:
        result = before.slice();
        break;
      case 3:
        result = new Uint8Array([...before, ...after.subarray(random(9))]);
        break;
      case 4:
        result = new Uint8Array([...before, ...after.subarray(0, random(40)), ...after]);
        break;
      default:
        result = new Uint8Array([...before, 255, 255, 255, 255, ...after.subarray(4)]);
    }
  }
  return result;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Only the errors that are documented may escape. */
function survives(inputs: Uint8Array[], parse: (input: Uint8Array) => unknown): void {
  for (const input of inputs) {
    for (let round = 0; round < ROUNDS; round++) {
      const mutated = mutate(input);
      try {
        parse(mutated);
      } catch (error) {
        const documented = error instanceof KeyFormatError || error instanceof PassphraseError;
        assert(documented, `${Deno.inspect(error)}\n${mutated.toHex()}`);
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

Deno.test("parsePublicKey survives mutated blobs", () => {
  survives(all.map(({ publicKey }) => publicKey.blob), (blob) => parsePublicKey(blob));
});

Deno.test("importPublicKey survives mutated lines", () => {
  survives(lines, (line) => importPublicKey(decoder.decode(line)));
});

Deno.test("verify survives mutated keys and signatures, and believes none of them", () => {
  const data = encoder.encode("what is signed");
  for (
    const { publicKey, sign } of all.map((key) => ({
      publicKey: key.publicKey,
      sign: (algorithm: string) => key.sign(algorithm, data),
    }))
  ) {
    const [algorithm] = publicKey.algorithms;
    const signature = sign(algorithm!);
    survives([signature], (mutated) => {
      if (mutated.toHex() === signature.toHex()) return;
      assert(!publicKey.verify(algorithm!, data, mutated));
    });
    survives([publicKey.blob], (mutated) => {
      if (mutated.toHex() === publicKey.blob.toHex()) return;
      assert(!parsePublicKey(mutated).verify(algorithm!, data, signature));
    });
  }
});

Deno.test("importPrivateKey survives mutated files of openssh-key-v1", () => {
  const plain = all.map((key) => removeArmor(key.export()).bytes);
  // The numbers of an RSA key are proved by signing, which takes a while.
  const inputs = plain.slice(0, 3);
  survives(inputs, (bytes) => importPrivateKey(addArmor("OPENSSH PRIVATE KEY", bytes)));
  const sealed = removeArmor(all[0]!.export({ passphrase: "x", rounds: 1 })).bytes;
  const options = { passphrase: "x" };
  const cheap = sealed.subarray(0, 15 + 4 + 10 + 4 + 6 + 4 + 4 + 16);
  survives([cheap], (bytes) => importPrivateKey(addArmor("OPENSSH PRIVATE KEY", bytes), options));
});

Deno.test("importPrivateKey survives mutated armour", () => {
  survives(
    all.slice(0, 3).map((key) => encoder.encode(key.export())),
    (bytes) => importPrivateKey(decoder.decode(bytes)),
  );
});

Deno.test("importPrivateKey survives mutated DER", async () => {
  for (
    const algorithm of [{ name: "Ed25519" }, { name: "ECDSA", namedCurve: "P-256" }]
  ) {
    const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const pkcs8 = await crypto.subtle.exportKey("pkcs8", (pair as CryptoKeyPair).privateKey);
    for (const label of ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]) {
      survives(
        [new Uint8Array(pkcs8)],
        (bytes) => importPrivateKey(addArmor(label, bytes)),
      );
    }
  }
});

Deno.test("importPrivateKey survives mutated files of PuTTY's and encrypted PEM", () => {
  const passphrase = "x";
  const texts = [
    all[0]!.export({ format: "ppk" }),
    all[1]!.export({ format: "ppk", ppkVersion: 2, passphrase }),
    all[1]!.export({ format: "pem", passphrase, cipher: "3des-cbc" }),
    all[0]!.export({ format: "pkcs8", passphrase, rounds: 1 }),
  ];
  const cheap = (text: string) => text.replace(/^(Argon2-\w+): .*$/gm, "$1: 8"); // what is greedy is refused elsewhere
  survives(
    texts.map((text) => encoder.encode(text)),
    (text) => importPrivateKey(cheap(decoder.decode(text)), { passphrase }),
  );
  const sealed = removeArmor(texts[3]!).bytes;
  survives([sealed], (bytes) => {
    // A few iterations more are no matter; a million are.
    if (bytes.length !== sealed.length) return;
    importPrivateKey(addArmor("ENCRYPTED PRIVATE KEY", bytes), { passphrase });
  });
});

Deno.test("importPublicKey survives mutated RFC 4716 and PEM", () => {
  for (const format of ["rfc4716", "pkcs8", "pem"] as const) {
    const texts = all.map(({ publicKey }) => exportPublicKey(publicKey, { format }));
    survives(
      texts.map((text) => encoder.encode(text)),
      (text) => importPublicKey(decoder.decode(text)),
    );
    if (format === "rfc4716") continue;
    const label = format === "pem" ? "RSA PUBLIC KEY" : "PUBLIC KEY";
    survives(
      texts.map((text) => removeArmor(text).bytes),
      (bytes) => importPublicKey(addArmor(label, bytes)),
    );
  }
});

Deno.test("parsePublicKey survives mutated certificates, and believes none of them", async () => {
  const options = { kind: "user", keyId: "x", principals: ["ann"] } as const;
  const certificate = await issueCertificate(all[0]!, all[1]!.publicKey, {
    ...options,
    criticalOptions: { "force-command": "ls" },
  });
  survives([certificate.blob], (blob) => {
    if (blob.toHex() === certificate.blob.toHex()) return;
    parsePublicKey(blob);
    throw new Error("It was accepted");
  });
});

Deno.test("readSignature and AllowedSigners survive anything", async () => {
  const text = await signMessage(all[0]!, encoder.encode("x"), { namespace: "file" });
  survives([removeArmor(text).bytes], (bytes) => {
    readSignature(addArmor("SSH SIGNATURE", bytes)).verify(encoder.encode("x"));
  });
  survives([encoder.encode(text)], (bytes) => readSignature(decoder.decode(bytes)));
  const lines = `a,*@b,!c namespaces="f*",valid-after="20200101" ${all[0]!.publicKey}\n` +
    `x cert-authority ${all[1]!.publicKey}\n`;
  survives([encoder.encode(lines)], (bytes) => {
    const allowed = AllowedSigners.parse(decoder.decode(bytes));
    allowed.findPrincipals(all[0]!);
    allowed.matchPrincipals("a@b");
  });
});

Deno.test("RevocationList survives mutated lists", async () => {
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
  survives([list], (bytes) => RevocationList.parse(bytes).isRevoked(certificate));
});

Deno.test("importPrivateKey survives a mutated RSA key", () => {
  const bytes = removeArmor(all.at(-1)!.export()).bytes;
  for (let round = 0; round < 30; round++) {
    try {
      importPrivateKey(addArmor("OPENSSH PRIVATE KEY", mutate(bytes)));
    } catch (error) {
      assert(error instanceof KeyFormatError || error instanceof PassphraseError, `${error}`);
    }
  }
});

Deno.test("known_hosts and authorized_keys survive anything, without an error", () => {
  const host = KnownHosts.line("db1", 22, all[0]!.publicKey, { hash: true });
  const text = `# hosts\n*.a,!b.a ${all[1]!.publicKey}\n@revoked * ${all[2]!.publicKey}\n${host}\n`;
  const options = `command="a \\"b\\"",no-pty,permitopen="h:1" ${all[0]!.publicKey}\n`;
  for (let round = 0; round < ROUNDS * 5; round++) {
    const known = KnownHosts.parse(decoder.decode(mutate(encoder.encode(text))));
    known.check("db1", 22, all[0]!.publicKey);
    known.keyTypes("x.a", 2222);
    parseAuthorizedKeys(decoder.decode(mutate(encoder.encode(options))));
  }
});

Deno.test("signature blobs of random bytes are a ProtocolError or nothing", () => {
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
