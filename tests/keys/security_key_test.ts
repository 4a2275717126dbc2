import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError } from "../../lib/errors.ts";
import {
  generateKey,
  importPrivateKey,
  issueCertificate,
  parsePublicKey,
  withCertificate,
} from "../../lib/keys/mod.ts";
import { decodeSignature, encodeSignature } from "../../lib/keys/signature.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { addArmor } from "../../lib/keys/armor.ts";
import { connectedPair } from "../../lib/testing/mod.ts";
import { PRESENT, tokenKey, VERIFIED } from "./security_token.ts";

const data = new TextEncoder().encode("what is signed");
const KINDS = ["ed25519", "ecdsa"] as const;

for (const kind of KINDS) {
  const key = tokenKey(kind);
  const { publicKey } = key;
  const [algorithm] = publicKey.algorithms as [string];

  Deno.test(`verify of ${publicKey.type} requires a touch of the token by default`, async () => {
    for (
      const [flags, options, expected] of [
        [PRESENT, {}, true],
        [PRESENT | VERIFIED, {}, true],
        [0, {}, false],
        [VERIFIED, {}, false],
        [0, { noTouchRequired: true }, true],
        [PRESENT, { verifyRequired: true }, false],
        [PRESENT | VERIFIED, { verifyRequired: true }, true],
        [VERIFIED, { verifyRequired: true }, false],
        [VERIFIED, { verifyRequired: true, noTouchRequired: true }, true],
      ] as const
    ) {
      key.flags = flags;
      const signature = await key.sign(algorithm, data);
      assertEquals(publicKey.verify(algorithm, data, signature, options), expected, `${flags}`);
    }
    key.flags = PRESENT;
  });

  Deno.test(`verify of ${publicKey.type} notices any change`, async () => {
    const signature = await key.sign(algorithm, data);
    assert(!publicKey.verify(algorithm, data.subarray(1), signature));
    assert(!tokenKey(kind).publicKey.verify(algorithm, data, signature));
    for (let at = 0; at < signature.length; at++) {
      const changed = signature.slice();
      changed[at]! ^= 1;
      assert(!publicKey.verify(algorithm, data, changed, { noTouchRequired: true }), `byte ${at}`);
      assert(!publicKey.verify(algorithm, data, signature.subarray(0, at)), `length ${at}`);
    }
    assert(!publicKey.verify(algorithm, data, new Uint8Array([...signature, 0])));
    const { bytes, token } = decodeSignature(signature);
    const flagged = { flags: token!.flags | VERIFIED, counter: token!.counter };
    const raised = encodeSignature({ algorithm, bytes, token: flagged });
    assert(!publicKey.verify(algorithm, data, raised));
  });

  Deno.test(`${publicKey.type} is valid only for its application`, async () => {
    const at = publicKey.blob.length - 1;
    const other = publicKey.blob.slice();
    other[at]! ^= 1;
    const signature = await key.sign(algorithm, data);
    assert(publicKey.verify(algorithm, data, signature));
    assert(!parsePublicKey(other).verify(algorithm, data, signature));
    const long = new Writer().bytes(publicKey.blob.subarray(0, -8)).text("x".repeat(1025)).take();
    assertThrows(() => parsePublicKey(long), KeyFormatError, "application");
  });

  Deno.test(`a key ${publicKey.type} can be certified, and certify`, async () => {
    using authority = await generateKey();
    const options = { kind: "user", keyId: "ann", principals: ["ann"] } as const;
    const certificate = await issueCertificate(authority, publicKey, options);
    assertEquals(certificate.type, `${algorithm.split("@")[0]}-cert-v01@openssh.com`);
    const signature = await withCertificate(key, certificate).sign(certificate.type, data);
    assert(certificate.verify(certificate.type, data, signature));
    assert(!certificate.verify(certificate.type, data, signature, { verifyRequired: true }));
    const byToken = await issueCertificate(key, authority.publicKey, options);
    assert(byToken.certificate?.authority.equals(publicKey));
  });
}

Deno.test("the private file of a key on a token is refused with the reason", () => {
  const { publicKey } = tokenKey("ed25519");
  const section = new Writer().u32(7).u32(7).bytes(publicKey.blob).u8(1).string(new Uint8Array(64))
    .string(new Uint8Array(0)).text("");
  for (let byte = 1; section.length % 8 !== 0; byte++) section.u8(byte);
  const file = new Writer().bytes(new TextEncoder().encode("openssh-key-v1\0"))
    .text("none").text("none").text("").u32(1).string(publicKey.blob).string(section.take()).take();
  const text = addArmor("OPENSSH PRIVATE KEY", file);
  assertThrows(() => importPrivateKey(text), KeyFormatError, "is on a security token");
});

for (const kind of ["ed25519", "ecdsa"] as const) {
  Deno.test(`a host key of ${kind} on a token needs no touch`, async () => {
    const hostKey = tokenKey(kind);
    hostKey.flags = 0;
    await using pair = await connectedPair({
      serve: { hostKeys: [hostKey], algorithms: { hostKey: hostKey.publicKey.type } },
      connect: {
        hostKeys: hostKey.publicKey,
        algorithms: { hostKey: hostKey.publicKey.type },
      },
    });
    assertEquals(pair.host.info.hostKey.equals(hostKey.publicKey), true);
  });
}
