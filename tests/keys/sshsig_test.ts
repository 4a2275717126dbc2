import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { digest } from "../../lib/crypto/digest.ts";
import { KeyFormatError, SignatureError } from "../../lib/errors.ts";
import { addArmor, removeArmor } from "../../lib/keys/armor.ts";
import {
  type GeneratedKeyType,
  importPrivateKey,
  readSignature,
  signMessage,
  verifyMessage,
} from "../../lib/keys/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testKey } from "../support/keys.ts";

const message = new TextEncoder().encode("I owe you\n");
const namespace = "file";
const TYPES: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];
const keys = await Promise.all(
  TYPES.map((type) => testKey(type, type)),
);
const key = keys[0]!;

for (const signer of keys) {
  Deno.test(`verifyMessage accepts what signMessage writes with ${signer.comment}`, async () => {
    for (const hash of ["sha256", "sha512"] as const) {
      for (const algorithm of signer.publicKey.algorithms) {
        const signature = await signMessage(signer, message, { namespace, hash, algorithm });
        const read = verifyMessage(signature, message, { namespace });
        assertEquals([read.hash, read.algorithm, read.namespace], [hash, algorithm, namespace]);
        assert(read.publicKey.equals(signer.publicKey));
      }
    }
  });
}

Deno.test("verifyMessage refuses another message, another namespace, another key", async () => {
  const signature = await signMessage(key, message, { namespace });
  const wrong = assertThrows(
    () => verifyMessage(signature, message.subarray(1), { namespace }),
    SignatureError,
  );
  assertEquals(wrong.reason, "message");
  const elsewhere = assertThrows(
    () => verifyMessage(signature, message, { namespace: "git" }),
    SignatureError,
    'is for "file", not for "git"',
  );
  assertEquals(elsewhere.reason, "namespace");
});

Deno.test("a signature covers every byte of its fields", async () => {
  const signature = await signMessage(key, message, { namespace });
  const { bytes } = removeArmor(signature);
  const armored = (bytes: Uint8Array) => addArmor("SSH SIGNATURE", bytes);
  assertEquals(armored(bytes), signature);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    for (const text of [armored(changed), armored(bytes.subarray(0, at))]) {
      try {
        verifyMessage(text, message, { namespace });
      } catch (error) {
        if (error instanceof KeyFormatError || error instanceof SignatureError) continue;
        throw error;
      }
      throw new Error(`Byte ${at} does not matter`);
    }
  }
});

/** A signature by the key, with the given parts. */
function forged(parts: { version?: number; namespace?: string; hash?: string; blob?: Uint8Array }) {
  const { version = 1, namespace = "file", hash = "sha512", blob } = parts;
  const signed = new Writer().bytes(new TextEncoder().encode("SSHSIG")).text(namespace).text("")
    .text(hash).string(digest("SHA-512", message)).take();
  const bytes = new Writer().bytes(new TextEncoder().encode("SSHSIG")).u32(version)
    .string(key.publicKey.blob).text(namespace).text("").text(hash)
    .string(blob ?? key.sign("ssh-ed25519", signed)).take();
  return addArmor("SSH SIGNATURE", bytes);
}

Deno.test("readSignature refuses unknown versions and algorithms", async () => {
  assert(verifyMessage(forged({}), message, { namespace }));
  const signature = await signMessage(key, message, { namespace });
  const sha1 = new Writer().text("ssh-rsa").string(new Uint8Array(256)).take();
  const refused: [string, string, string][] = [
    ["no text", "", "Signature has no BEGIN line"],
    ["another label", signature.replaceAll("SSH SIGNATURE", "PGP SIGNATURE"), "wrong BEGIN line"],
    ["a private key", key.export(), "wrong BEGIN line"],
    ["half a text", signature.slice(0, 100), "Signature has no END line"],
    ["another version", forged({ version: 2 }), "version 2"],
    ["an empty namespace", forged({ namespace: "" }), "no namespace"],
    ["another hash", forged({ hash: "sha384" }), '"sha384"'],
    ["a hash that is none", forged({ hash: "__proto__" }), '"__proto__"'],
    ["SHA-1", forged({ blob: sha1 }), '"ssh-rsa"'],
  ];
  for (const [what, text, words] of refused) {
    assertThrows(() => readSignature(text), KeyFormatError, words, what);
  }
});

Deno.test("signMessage refuses invalid arguments", async () => {
  const refused: [Parameters<typeof signMessage>[1], object][] = [
    [message, { namespace: "" }],
    [message, { namespace, hash: "md5" }],
    [message, { namespace, algorithm: "rsa-sha2-256" }],
    [{ digest: new Uint8Array(32) }, { namespace }],
    [{ digest: new Uint8Array(64) }, { namespace, hash: "sha256" }],
  ];
  for (const [message, options] of refused) {
    await assertRejects(
      () => signMessage(key, message, options as { namespace: string }),
      TypeError,
    );
  }
});

Deno.test("a signature is not read as a private key", async () => {
  const signature = await signMessage(key, message, { namespace });
  assertThrows(() => importPrivateKey(signature), KeyFormatError, '"SSH SIGNATURE"');
});
