import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "../../lib/encoding.ts";
import { ClosedError, KeyFormatError, PassphraseError } from "../../lib/errors.ts";
import { addArmor, removeArmor } from "../../lib/keys/armor.ts";
import { MAX_BCRYPT_ROUNDS } from "../../lib/keys/key_cipher.ts";
import {
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  type PrivateKey,
} from "../../lib/keys/mod.ts";
import { decodeEcdsa, decodeSignature } from "../../lib/keys/signature.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testKey } from "../support/keys.ts";

const LABEL = "OPENSSH PRIVATE KEY";
const MAGIC = new TextEncoder().encode("openssh-key-v1\0");
const data = new TextEncoder().encode("what is signed");

/** The parts of an unencrypted file, to reassemble it with one of them changed. */
interface Parts {
  magic: Uint8Array;
  cipher: string;
  kdf: string;
  options: Uint8Array;
  count: number;
  publicBlob: Uint8Array;
  section: Uint8Array;
}

function take(key: PrivateKey): Parts {
  const reader = new Reader(removeArmor(key.export()).bytes);
  return {
    magic: reader.bytes(MAGIC.length),
    cipher: reader.text(),
    kdf: reader.text(),
    options: reader.string(),
    count: reader.u32(),
    publicBlob: reader.string(),
    section: reader.string(),
  };
}

function put(parts: Parts): string {
  const { magic, cipher, kdf, options, count, publicBlob, section } = parts;
  const writer = new Writer().bytes(magic).text(cipher).text(kdf).string(options).u32(count);
  return addArmor(LABEL, writer.string(publicBlob).string(section).take());
}

/** A section with these fields, with valid check numbers and padding. */
function section(fields: Uint8Array, comment = ""): Uint8Array {
  const writer = new Writer().u32(7).u32(7).bytes(fields).text(comment);
  for (let byte = 1; writer.length % 8 !== 0; byte++) writer.u8(byte);
  return writer.take();
}

/** The same section with longer padding 1, 2, 3…. */
function padded(section: Uint8Array, more: number): Uint8Array {
  const last = section.at(-1)!;
  return new Uint8Array([...section, ...Array.from({ length: more }, (_, i) => last + i + 1)]);
}

const OURS: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];

for (const type of OURS) {
  Deno.test(`export and importPrivateKey are inverse for ${type}`, async () => {
    const size = type === "rsa" ? { bits: 2048 } : {};
    using key = await generateKey(type, { comment: "me@home", ...size });
    for (const options of [{}, { passphrase: "open sesame", rounds: 1 }]) {
      using same = importPrivateKey(key.export(options), options);
      assert(same.publicKey.equals(key.publicKey));
      assertEquals(same.comment, "me@home");
      const algorithm = key.publicKey.algorithms[0]!;
      assert(key.publicKey.verify(algorithm, data, same.sign(algorithm, data)));
    }
    using renamed = importPrivateKey(key.export({ comment: "new name" }));
    assertEquals(renamed.comment, "new name");
  });
}

Deno.test("generateKey makes an Ed25519 key by default, and RSA keys of 3072 bits", async () => {
  using key = await generateKey();
  assertEquals([key.publicKey.type, key.publicKey.bits, key.comment], ["ssh-ed25519", 256, ""]);
  using rsa = await generateKey("rsa");
  assertEquals(rsa.publicKey.bits, 3072);
});

Deno.test("generateKey refuses unknown kinds and sizes", async () => {
  for (const bits of [0, 1024, 2047, 2049, 4104, 65536, 2048.5, NaN]) {
    await assertRejects(() => generateKey("rsa", { bits }), RangeError);
  }
  await assertRejects(() => generateKey("ed25519", { bits: 256 }), TypeError);
  await assertRejects(() => generateKey("dsa" as GeneratedKeyType), TypeError, '"dsa"');
});

Deno.test("two exports of one key differ in all encrypted bytes", async () => {
  using key = await generateKey();
  const [one, two] = [1, 2].map(() => key.export({ passphrase: "x", rounds: 1 }));
  assert(one !== two);
});

Deno.test("export refuses an empty passphrase and absurd rounds", async () => {
  using key = await generateKey();
  assertThrows(() => key.export({ passphrase: "" }), TypeError);
  for (const rounds of [0, -1, 1.5, NaN, MAX_BCRYPT_ROUNDS + 1]) {
    assertThrows(() => key.export({ passphrase: "x", rounds }), RangeError);
  }
});

Deno.test("every method of a disposed key throws", async () => {
  const key = await generateKey();
  key[Symbol.dispose]();
  key[Symbol.dispose]();
  assertThrows(() => key.sign("ssh-ed25519", data), ClosedError);
  assertThrows(() => key.export(), ClosedError);
  assertEquals(key.publicKey.type, "ssh-ed25519");
});

Deno.test("sign refuses algorithms of other types of keys", async () => {
  using key = await generateKey();
  for (const algorithm of ["rsa-sha2-512", "ssh-rsa", ""]) {
    assertThrows(() => key.sign(algorithm, data), TypeError);
  }
});

Deno.test("inspecting a key or converting it to JSON reveals no secret", async () => {
  using key = await generateKey();
  const fields = new Reader(take(key).section, 8);
  fields.text();
  fields.string();
  const seed = fields.string().subarray(0, 32);
  const shown = Deno.inspect(key, { depth: 10, showHidden: true }) + JSON.stringify(key);
  assert(!shown.includes(encodeHex(seed)));
  assert(!shown.includes(Array.from(seed.subarray(0, 8)).join(", ")));
});

Deno.test("ECDSA nonces are never reused: 300 signatures of one text differ", async () => {
  using key = await generateKey("ecdsa-p256");
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const { bytes } = decodeSignature(key.sign("ecdsa-sha2-nistp256", data));
    seen.add(encodeHex(decodeEcdsa(bytes).r));
  }
  assertEquals(seen.size, 300);
});

Deno.test("check numbers, padding and counts of openssh-key-v1 are verified", async () => {
  using key = await generateKey("ed25519", { comment: "me" });
  const parts = take(key);
  using good = importPrivateKey(put(parts));
  assert(good.publicKey.equals(key.publicKey));

  const flipped = (index: number) => {
    const section = parts.section.slice();
    section[index < 0 ? section.length + index : index]! ^= 1;
    return { section };
  };
  const changes: [string, Partial<Parts>][] = [
    ["magic", { magic: MAGIC.map((byte) => byte ^ 1) }],
    ["unknown cipher", { cipher: "rot13", kdf: "bcrypt" }],
    ["no key", { count: 0 }],
    ["two keys", { count: 2 }],
    ["a passphrase without cipher", { kdf: "bcrypt" }],
    ["check numbers", flipped(0)],
    ["padding", flipped(-1)],
    ["seed", flipped(8 + 4 + 11 + 4 + 32 + 4)],
    ["type", flipped(8 + 4)],
    ["empty section", { section: new Uint8Array(0) }],
    ["section of half a block", { section: parts.section.subarray(0, -4) }],
    ["section too short", { section: parts.section.subarray(0, -8) }],
    ["section with a block too many", {
      section: new Uint8Array([...parts.section, 1, 2, 3, 4, 5, 6, 7, 8]),
    }],
    ["padding of two blocks", { section: padded(parts.section, 24) }],
    ["foreign public key", { publicBlob: new Uint8Array(51) }],
  ];
  for (const [what, change] of changes) {
    assertThrows(
      () => importPrivateKey(put({ ...parts, ...change })),
      KeyFormatError,
      undefined,
      what,
    );
  }
  const trailing = removeArmor(put(parts)).bytes;
  const longer = addArmor(LABEL, new Uint8Array([...trailing, 0]));
  assertThrows(() => importPrivateKey(longer), KeyFormatError);
});

Deno.test("the halves of a private key must belong together", async () => {
  for (const type of ["ed25519", "ecdsa-p256", "ecdsa-p384"] as const) {
    using one = await generateKey(type);
    using two = await generateKey(type);
    const name = one.publicKey.type;
    const fieldsOf = (key: PrivateKey) => {
      const reader = new Reader(take(key).section, 8);
      reader.text();
      return type === "ed25519"
        ? [reader.string(), reader.string()]
        : [reader.string(), reader.string(), reader.string()];
    };
    const mixed = [...fieldsOf(one).slice(0, -1), fieldsOf(two).at(-1)!];
    const fields = new Writer().text(name);
    for (const field of mixed) fields.string(field);
    const file = put({ ...take(one), section: section(fields.take()) });
    assertThrows(() => importPrivateKey(file), KeyFormatError, "do not match");
  }
});

Deno.test("an ECDSA scalar of zero, of at least the order, or longer than its curve is refused", async () => {
  using key = await generateKey("ecdsa-p256");
  const parts = take(key);
  const point = new Reader(parts.publicBlob);
  point.text();
  point.text();
  const q = point.string();
  const order = decodeHex(
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
  );
  for (const scalar of [new Uint8Array(0), order, new Uint8Array(33).fill(1)]) {
    const fields = new Writer().text(key.publicKey.type).text("nistp256").string(q).mpint(scalar);
    const file = put({ ...parts, section: section(fields.take()) });
    assertThrows(() => importPrivateKey(file), KeyFormatError, "not a number of its curve");
  }
});

Deno.test("an RSA key with one wrong number is refused", async () => {
  using key = await testKey("rsa");
  const parts = take(key);
  const reader = new Reader(parts.section, 8);
  const name = reader.text();
  const numbers = Array.from({ length: 6 }, () => reader.mpint().slice());
  const file = (numbers: Uint8Array[]) => {
    const fields = new Writer().text(name);
    for (const number of numbers) fields.mpint(number);
    return put({ ...parts, section: section(fields.take()) });
  };
  importPrivateKey(file(numbers))[Symbol.dispose]();
  for (let i = 0; i < numbers.length; i++) {
    const wrong = numbers.map((number, index) => {
      const copy = number.slice();
      if (index === i) copy[copy.length >> 1]! ^= 4;
      return copy;
    });
    assertThrows(() => importPrivateKey(file(wrong)), KeyFormatError, undefined, `number ${i}`);
    const empty = numbers.map((number, index) => index === i ? new Uint8Array(0) : number);
    assertThrows(() => importPrivateKey(file(empty)), KeyFormatError, undefined, `number ${i}`);
  }
});

Deno.test("an RSA key whose smaller prime comes first can sign", async () => {
  using key = await testKey("rsa");
  const parts = take(key);
  const reader = new Reader(parts.section, 8);
  const name = reader.text();
  const [n, e, d] = [reader.mpint(), reader.mpint(), reader.mpint()];
  reader.mpint();
  const [p, q] = [reader.mpint(), reader.mpint()];
  const iqmp = inverse(BigInt("0x" + encodeHex(p)), BigInt("0x" + encodeHex(q)));
  const hex = iqmp.toString(16);
  const fields = new Writer().text(name).mpint(n).mpint(e).mpint(d)
    .mpint(decodeHex(hex.length % 2 ? "0" + hex : hex)).mpint(q).mpint(p);
  using swapped = importPrivateKey(put({ ...parts, section: section(fields.take()) }));
  assert(key.publicKey.verify("rsa-sha2-512", data, swapped.sign("rsa-sha2-512", data)));
});

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}

Deno.test("hostile bcrypt rounds and salts are refused before any work", async () => {
  using key = await generateKey();
  const parts = take(key);
  const salt = new Uint8Array(16);
  const hostile = [
    new Writer().string(salt).u32(MAX_BCRYPT_ROUNDS + 1).take(),
    new Writer().string(salt).u32(0xffffffff).take(),
    new Writer().string(salt).u32(0).take(),
    new Writer().string(new Uint8Array(0)).u32(16).take(),
    new Writer().string(new Uint8Array(1 << 20)).u32(1).take(),
    new Writer().string(salt).take(),
    new Writer().string(salt).u32(1).u8(0).take(),
    new Uint8Array(0),
  ];
  for (const options of hostile) {
    const section = new Uint8Array(96);
    const file = put({ ...parts, cipher: "aes256-ctr", kdf: "bcrypt", options, section });
    assertThrows(() => importPrivateKey(file, { passphrase: "x" }), KeyFormatError);
  }
});

Deno.test("PassphraseError distinguishes a missing from a wrong passphrase", async () => {
  using key = await generateKey();
  const text = key.export({ passphrase: "right", rounds: 1 });
  for (const options of [{}, { passphrase: "" }]) {
    assertThrows(() => importPrivateKey(text, options), PassphraseError, "required");
  }
  const error = assertThrows(
    () => importPrivateKey(text, { passphrase: "wrong one" }),
    PassphraseError,
    "wrong passphrase",
  );
  assert(!Deno.inspect(error).includes("wrong one"));
  // A passphrase that is not needed is ignored.
  importPrivateKey(key.export(), { passphrase: "unneeded" })[Symbol.dispose]();
});

Deno.test("armour may have any line ends, surrounding text, and white space", async () => {
  using key = await generateKey();
  const text = key.export();
  const variants = [
    text.replaceAll("\n", "\r\n"),
    text.replaceAll("\n", "\r"),
    `some words\n\n${text}\nmore words`,
    text.split("\n").map((line) => `  ${line}\t`).join("\n"),
  ];
  for (const variant of variants) {
    using same = importPrivateKey(variant);
    assert(same.publicKey.equals(key.publicKey));
  }
});

Deno.test("malformed armour is refused", async () => {
  using key = await generateKey();
  const text = key.export();
  const broken = [
    "",
    "hello",
    text.replace("BEGIN", "BEGUN"),
    text.replace("END OPENSSH", "END CLOSED"),
    text.slice(0, -40),
    text.replace("\n", "\n!"),
    text.replaceAll(LABEL, "SECRET KEY"),
    text.replaceAll(LABEL, "ENCRYPTED PRIVATE KEY"),
    text.replaceAll(LABEL, "RSA PRIVATE KEY"),
    text.replaceAll(LABEL, "EC PRIVATE KEY"),
    text.replaceAll(LABEL, "PRIVATE KEY"),
    `-----BEGIN ${LABEL}-----\n-----END ${LABEL}-----\n`,
  ];
  for (const variant of broken) {
    assertThrows(() => importPrivateKey(variant), KeyFormatError, undefined, variant);
  }
});

Deno.test("importPrivateKey reads PKCS#8 of WebCrypto and Node", async () => {
  for (
    const algorithm of [
      { name: "Ed25519" },
      { name: "ECDSA", namedCurve: "P-256" },
      { name: "ECDSA", namedCurve: "P-384" },
    ]
  ) {
    const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const { privateKey } = pair as CryptoKeyPair;
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
    using key = importPrivateKey(addArmor("PRIVATE KEY", pkcs8));
    const [name] = key.publicKey.algorithms;
    assert(key.publicKey.verify(name!, data, key.sign(name!, data)));
  }
});
