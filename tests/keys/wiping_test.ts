/** Secrets of a key are wiped from memory after it was generated, written or read. */
import { assertEquals, assertThrows } from "@std/assert";
import { digest, pbkdf2 } from "../../lib/crypto/digest.ts";
import { decodeHex } from "../../lib/encoding.ts";
import { KeyFormatError, PassphraseError } from "../../lib/errors.ts";
import { removeArmor } from "../../lib/keys/armor.ts";
import { toBigInt } from "../../lib/keys/curve_points.ts";
import {
  type ExportOptions,
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  type PrivateKey,
} from "../../lib/keys/mod.ts";
import { sectionFromPem } from "../../lib/keys/pem_keys.ts";
import { privateNumbers } from "../../lib/keys/private_numbers.ts";
import { publicHalf } from "../../lib/keys/public_half.ts";
import { MemoryWatch } from "../support/memory_watch.ts";
import { OLD_KEYS, OLD_PASSPHRASE, OLD_PUBLIC } from "./old_keys.ts";

const PASSPHRASE = "correct horse battery staple";
const PASSPHRASES = [PASSPHRASE, [...PASSPHRASE].join("\0")].map((text) =>
  new TextEncoder().encode(text)
);

/** The secret numbers of a key, as searched for in memory. */
function secretsOf(key: PrivateKey): Uint8Array[] {
  const numbers = privateNumbers(
    sectionFromPem(removeArmor(key.export({ format: "pkcs8" })), undefined),
  );
  switch (numbers.kind) {
    case "ed25519":
      return [numbers.seed];
    case "ecdsa":
      return [numbers.scalar];
    case "rsa": {
      const { d, p, q } = numbers;
      const reduced = (p: Uint8Array) => (toBigInt(d) % (toBigInt(p) - 1n)).toString(16);
      const dp = [p, q].map(reduced).map((hex) => decodeHex(hex.padStart(2 * p.length, "0")));
      return [d, p, q, ...dp];
    }
  }
}

const TYPES: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];
const keys = new Map(
  await Promise.all(
    TYPES.map(async (type) =>
      [type, await generateKey(type, type === "rsa" ? { bits: 2048 } : {})] as const
    ),
  ),
);

const FORMATS: ExportOptions[] = [
  { format: "openssh" },
  { format: "pkcs8" },
  { format: "pem" },
  { format: "ppk" },
  { format: "ppk", ppkVersion: 2 },
  { format: "openssh", passphrase: PASSPHRASE, rounds: 1 },
  { format: "openssh", passphrase: PASSPHRASE, rounds: 1, cipher: "aes256-gcm@openssh.com" },
  { format: "pkcs8", passphrase: PASSPHRASE, rounds: 2 },
  { format: "pem", passphrase: PASSPHRASE, cipher: "aes256-cbc" },
  { format: "ppk", passphrase: PASSPHRASE, rounds: 1 },
  { format: "ppk", passphrase: PASSPHRASE, ppkVersion: 2 },
];

/** The key derived from a file's passphrase, where that is quick to compute. */
function derivedKeys(text: string, { format, ppkVersion }: ExportOptions): Uint8Array[] {
  const secret = new TextEncoder().encode(PASSPHRASE);
  if (format === "ppk" && ppkVersion === 2) {
    const counted = (n: number) => digest("SHA-1", new Uint8Array([0, 0, 0, n]), secret);
    return [counted(0), counted(1).subarray(0, 12)];
  }
  if (format === "pem") {
    const salt = decodeHex(/DEK-Info: [^,]+,([0-9A-F]{16})/.exec(text)![1]!);
    const first = digest("MD5", secret, salt);
    return [first, digest("MD5", first, secret, salt)];
  }
  if (format === "pkcs8") {
    const { bytes } = removeArmor(text, "", /PRIVATE KEY$/);
    // The salt is the first octet string of 16 bytes.
    const at = bytes.findIndex((byte, index) => byte === 4 && bytes[index + 1] === 16);
    return [pbkdf2("SHA-256", secret, bytes.slice(at + 2, at + 18), 2, 32)];
  }
  return [];
}

for (const [type, key] of keys) {
  const secrets = secretsOf(key);
  for (const options of FORMATS) {
    if (type === "ed25519" && options.format === "pem") continue;
    const name = Object.entries(options).map((pair) => pair.join(" ")).join(", ");
    Deno.test(`Writing and reading ${type} leaves no secret in memory: ${name}`, () => {
      const leftBy = (use: () => void, more: Uint8Array[] = []) => {
        using watch = new MemoryWatch();
        use();
        return [...secrets, ...PASSPHRASES, ...more].map((secret) => watch.count(secret))
          .reduce((sum, count) => sum + count);
      };
      let text = "";
      assertEquals(leftBy(() => text = key.export(options)), 0);
      const derived = options.passphrase === undefined ? [] : derivedKeys(text, options);
      assertEquals(leftBy(() => importPrivateKey(text, options)[Symbol.dispose](), derived), 0);
      // The key itself holds its numbers once, until it is disposed.
      let held = 0;
      using watch = new MemoryWatch();
      {
        using read = importPrivateKey(text, options);
        read.sign(read.publicKey.algorithms[0]!, new Uint8Array(3));
        held = watch.count(secrets[0]!);
      }
      assertEquals([held, watch.count(secrets[0]!)], [1, 0]);
      if (options.passphrase === undefined) return;
      const wrong = () =>
        void assertThrows(
          () => importPrivateKey(text, { passphrase: "not the passphrase" }),
          PassphraseError,
        );
      assertEquals(leftBy(wrong), 0);
    });
  }

  Deno.test(`Generating ${type} leaves no copy of its secret, nor does signing`, async () => {
    using watch = new MemoryWatch();
    const made = await generateKey(type, type === "rsa" ? { bits: 2048 } : {});
    watch[Symbol.dispose]();
    const secrets = secretsOf(made);
    assertEquals(
      secrets.slice(0, 3).map((secret) => watch.count(secret)),
      secrets.slice(0, 3).map(() => 1),
    );
    using signing = new MemoryWatch();
    made.sign(made.publicKey.algorithms[0]!, new Uint8Array(3));
    assertEquals(secrets.map((secret) => signing.count(secret)), secrets.map(() => 0));
    made[Symbol.dispose]();
    assertEquals(secrets.map((secret) => watch.count(secret)), secrets.map(() => 0));
  });
}

Deno.test("A private key with the wrong public key is wiped", () => {
  const key = keys.get("ed25519")!;
  const [secret] = secretsOf(key);
  const bytes = removeArmor(key.export()).bytes;
  const at = bytes.indexOf(51); // the length of the public key, before the private section
  assertEquals(bytes[at + 1], 0);
  const foreign = bytes.with(at + 51, bytes[at + 51]! ^ 1);
  const text = `-----BEGIN OPENSSH PRIVATE KEY-----\n${btoa(String.fromCharCode(...foreign))}\n` +
    "-----END OPENSSH PRIVATE KEY-----\n";
  const ppk = key.export({ format: "ppk" }).replace(/^Private-MAC: ./m, "Private-MAC: x");
  for (const broken of [text, ppk, key.export().replace("OPENSSH PRIVATE", "RSA PRIVATE")]) {
    using watch = new MemoryWatch();
    assertThrows(() => importPrivateKey(broken), KeyFormatError);
    assertEquals(watch.count(secret!), 0, broken);
  }
});

Deno.test("Reading the public half of a private key leaves no secret in memory", () => {
  for (const key of keys.values()) {
    const secrets = secretsOf(key);
    for (const format of ["openssh", "ppk", "pkcs8"] as const) {
      const text = key.export({ format });
      for (const broken of [text, text.slice(0, -20), `${text}more`]) {
        using watch = new MemoryWatch();
        const found = publicHalf(broken);
        assertEquals(found?.toString() ?? "", found ? key.publicKey.toString() : "");
        assertEquals(secrets.map((secret) => watch.count(secret)), secrets.map(() => 0));
      }
    }
  }
});

for (const [name, text, derived] of OLD_KEYS) {
  Deno.test(`A key in an old encryption is read, and leaves no secret in memory: ${name}`, () => {
    const wide = [...OLD_PASSPHRASE].map((character) => `\0${character}`).join("");
    const secrets = [
      ...[OLD_PASSPHRASE, wide].map((text) => new TextEncoder().encode(text)),
      ...derived.map(decodeHex),
    ];
    const left = (use: () => void) => {
      using watch = new MemoryWatch();
      use();
      return secrets.filter((secret) => watch.count(secret) > 0).length;
    };
    const read = () => {
      using key = importPrivateKey(text, { passphrase: OLD_PASSPHRASE });
      assertEquals(key.publicKey.toString(), OLD_PUBLIC);
    };
    assertEquals(left(read), 0);
    const wrong = () => void importPrivateKey(text, { passphrase: "open sesam" });
    assertEquals(left(() => void assertThrows(wrong, PassphraseError)), 0);
  });
}
