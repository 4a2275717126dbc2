import { concat } from "@std/bytes";
import { assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError } from "../../lib/errors.ts";
import { addArmor, removeArmor } from "../../lib/keys/armor.ts";
import { DerReader, TAG } from "../../lib/keys/der.ts";
import { element, integer, octetString, oid, sequence } from "../../lib/keys/der_writer.ts";
import {
  exportPublicKey,
  generateKey,
  importPrivateKey,
  importPublicKey,
} from "../../lib/keys/mod.ts";

/** Keys by `openssl ecparam -param_enc explicit -genkey`, with the fingerprints of `ssh-keygen -l`. */
const EXPLICIT: readonly [curve: string, fingerprint: string, pem: string][] = [
  [
    "nistp256",
    "SHA256:Si8nlgK1iRQpitn3e3+w6yO5GJzfidSpsxp+mRaaV2I",
    `-----BEGIN EC PRIVATE KEY-----
MIIBaAIBAQQgmlSUxFrAtUKIFmMjYCEtbwf8fZXqh/tluVpm1tzZoLOggfowgfcC
AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////
MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr
vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE
axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W
K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8
YyVRAgEBoUQDQgAEtvtBA/bRF9rYFWKc67pwfMEqcuJfZnfgQXoRV0bnIm7Zxjax
++k/9QmnBynwWPbCvQQCRq3maZwh9H3Wwjmeew==
-----END EC PRIVATE KEY-----`,
  ],
  [
    "nistp384",
    "SHA256:cCYCsVOVWrLI9G816/73Gf0XdiavQkpNVaNVjV8F/sY",
    `-----BEGIN EC PRIVATE KEY-----
MIIB+gIBAQQwfrIfAGKqQZsAnTzKBru1RZ42wM7Y4Y0MZW/vcqWS9Qf//8E2qwKV
8uI3cZ6/beWgoIIBWzCCAVcCAQEwPAYHKoZIzj0BAQIxAP//////////////////
///////////////////////+/////wAAAAAAAAAA/////zB7BDD/////////////
/////////////////////////////v////8AAAAAAAAAAP////wEMLMxL6fiPufk
mI4Fa+P4LRkYHZxu/oFBEgMUCI9QE4daxlY5jYou0Z0qhcjt0+wq7wMVAKM1kmqj
GaJ6HQCJamdzpIJ6zaxzBGEEqofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJU
KjhVAvJdv1UpbDpUXjhydgq3NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR86doxE7Xw
uMAKYLHOHX6BnXpDHXyQ6g5fAjEA////////////////////////////////x2NN
gfQ3Ld9YGg2ySLCneuzsGWrMxSlzAgEBoWQDYgAEzodxNNIkpGnyd1wzX8rAw/4M
W57Hhf3JnbOnOUmzH6eSHLLo8N5S9cuOO2liW4a53NN5y8lUNJ+v619lma9yRpPH
WJjDK+FAIGKTwIUxNkhJrrYpWXUNFQ31tGqo3/zC
-----END EC PRIVATE KEY-----`,
  ],
  [
    "nistp521",
    "SHA256:lRv6+HIj/Bm4M+0Z14gZ8ngpW7/Z6Bd+HbwPajpAG6Q",
    `-----BEGIN EC PRIVATE KEY-----
MIICngIBAQRCAFLw2VN6PajSwdjmrR6RiaQYAejCJUwLFPHENaoPkbJ16E1dLFma
4OAcCq6C7kxiEKzUH4DQ4aqrkOFa4l5dJnb7oIIBxzCCAcMCAQEwTQYHKoZIzj0B
AQJCAf//////////////////////////////////////////////////////////
////////////////////////////MIGfBEIB////////////////////////////
//////////////////////////////////////////////////////////wEQgBR
lT65YY4cmh+SmiGgtoVA7qLacluZsxXzuLSJkY7xCeFWGTlR7H6TexZSwL07sb8H
NXPfiD0sNPHvRR/Ua1A/AAMVANCeiAApHLhTlsxnFzkyhKqg2mS6BIGFBADGhY4G
twQE6c2ePstmI5W0QpxkgTkFP7Uh+CivYGtNPbqhS1537+dZKP4dwSei/6jeM0iz
wYVqQpv5fn4xwuW9ZgEYOSlqeJo7wARcil+0LH0b2Zj1RElXm0RoF6+9Fyc+ZiyX
7nKZXvQmQMVQuQE/rQdhNTxwhqJywkCIvpR2n9FmUAJCAf//////////////////
////////////////////////+lGGh4O/L5Zrf8wBSPcJpdA7tcm4iZxHrrtvtx6R
OGQJAgEBoYGJA4GGAAQBZ+p6wLQqWWnP456wne3AiqwblcqBq06H13di7heVg+dr
/DEx2QD4aE+dSnSv37UyqbPSlCLUpYo2MNNzSxARk7kAHyrYRykuUEXJjObaPjBI
KJlexa8tDW+j8rCki1oXO4a7avu0gwZgoLQmvGCBmiyMh75KuYUxWgH0mkPgqoMY
Zog=
-----END EC PRIVATE KEY-----`,
  ],
];

for (const [curve, fingerprint, pem] of EXPLICIT) {
  Deno.test(`a key on ${curve} may have explicit curve parameters instead of a name`, () => {
    using key = importPrivateKey(pem);
    assertEquals(key.publicKey.type, `ecdsa-sha2-${curve}`);
    assertEquals(key.publicKey.fingerprint(), fingerprint);
  });

  Deno.test(`parameters that differ from those of ${curve} are refused`, () => {
    const figures = figuresOf(pem);
    importPrivateKey(pemWith(figures))[Symbol.dispose](); // valid without a change
    for (const [name, value] of Object.entries(figures)) {
      const changed = value.slice();
      changed[changed.length - 1]! ^= 2;
      const text = pemWith({ ...figures, [name]: changed });
      assertThrows(() => importPrivateKey(text), KeyFormatError, "unsupported curve", name);
    }
  });
}

/** The parameters of a curve (RFC 3279 §2.3.5). */
interface Figures {
  readonly prime: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly base: Uint8Array;
  readonly order: Uint8Array;
}

function figuresOf(pem: string): Figures {
  const key = new DerReader(removeArmor(pem).bytes).sequence();
  key.small();
  key.octets();
  const parameters = new DerReader(key.element(TAG.CONTEXT_0)).sequence();
  parameters.small();
  const field = parameters.sequence();
  field.oid();
  const coefficients = parameters.sequence();
  return {
    prime: field.number(),
    a: coefficients.octets(),
    b: coefficients.octets(),
    base: parameters.octets(),
    order: parameters.number(),
  };
}

function pemWith({ prime, a, b, base, order }: Figures): string {
  const parameters = sequence(
    integer(1),
    sequence(oid("2a8648ce3d0101"), integer(prime)),
    sequence(octetString(a), octetString(b)),
    octetString(base),
    integer(order),
    integer(1),
  );
  const secret = octetString(new Uint8Array(32).fill(7));
  const key = sequence(integer(1), secret, element(TAG.CONTEXT_0, parameters));
  return addArmor("EC PRIVATE KEY", concat(key));
}

Deno.test("a key is found after EC parameters, bag attributes and a certificate", async () => {
  using key = await generateKey("ecdsa-p256");
  const pem = key.export({ format: "pem" });
  const certificate = addArmor("CERTIFICATE", new Uint8Array(300));
  const parameters = addArmor("EC PARAMETERS", new Uint8Array([6, 1, 1]));
  const bag = "Bag Attributes\n    localKeyID: 1A 2B: 3C\nKey Attributes: <No Attributes>\n";
  for (const before of [parameters, bag, certificate, bag + certificate + bag + parameters]) {
    using same = importPrivateKey(before + pem);
    assertEquals(same.publicKey.equals(key.publicKey), true);
    assertEquals(importPrivateKey(pem + certificate).publicKey.equals(key.publicKey), true);
  }
});

Deno.test("a public key is found after a certificate", async () => {
  const { publicKey } = await generateKey("ed25519");
  const pem = addArmor("CERTIFICATE", new Uint8Array(300)) +
    exportPublicKey(publicKey, { format: "pkcs8" });
  assertEquals(importPublicKey(pem).equals(publicKey), true);
});

Deno.test("the error for a text without a key names what it contains", async () => {
  using key = await generateKey();
  const pem = key.export();
  for (
    const [text, message] of [
      [pem.replaceAll("\n", "\\n"), 'the two characters "\\n"'],
      [pem.replaceAll("\n", "\\r\\n"), 'the two characters "\\n"'],
      [pem.replaceAll("\n", " "), "spaces where its lines must end"],
      [addArmor("CERTIFICATE", new Uint8Array(9)), '"CERTIFICATE"'],
      ["", "no BEGIN line"],
    ] as const
  ) {
    assertThrows(() => importPrivateKey(text), KeyFormatError, message);
  }
});
