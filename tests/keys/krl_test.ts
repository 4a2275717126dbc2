import { assert, assertEquals, assertThrows } from "@std/assert";
import { CertificateError, KeyFormatError } from "../../lib/errors.ts";
import {
  checkCertificate,
  generateKey,
  issueCertificate,
  type PublicKey,
  RevocationList,
} from "../../lib/keys/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";

const authority = await generateKey("ed25519");
const other = await generateKey("ecdsa-p256");
const key = await generateKey("ed25519", { comment: "me" });
const rsa = await generateKey("rsa", { bits: 2048 });

async function certificate(serial: bigint, keyId = "ann", by = authority): Promise<PublicKey> {
  const options = { kind: "user", keyId, principals: ["ann"], serial } as const;
  return await issueCertificate(by, key.publicKey, options);
}

Deno.test("RevocationList.of refuses what is no fingerprint and no number", () => {
  for (const fingerprint of ["", "SHA256:", "MD5:aa:bb", "SHA256:AAAA", "SHA1:!"]) {
    assertThrows(() => RevocationList.of({ fingerprints: [fingerprint] }), TypeError);
  }
  const ranges = [[5n, 4n], [1n, 2n ** 64n], [0n, 5n]] as const;
  for (const serial of [-1n, 0n, 2n ** 64n, ...ranges]) {
    const certificates = [{ authority: null, serials: [serial] }];
    assertThrows(() => RevocationList.of({ certificates }), RangeError);
  }
  assertThrows(() => RevocationList.of({ version: -1n }), RangeError);
});

Deno.test("a text with keys is a revocation list too", async () => {
  const bytes = new TextEncoder().encode(`# gone\n\n${rsa.publicKey}\n${authority.publicKey}\n`);
  const list = RevocationList.parse(bytes);
  assertEquals([list.version, list.comment], [0n, ""]);
  assert(list.isRevoked(rsa.publicKey));
  assert(!list.isRevoked(key.publicKey));
  assert(list.isRevoked(await certificate(1n)));
  assert(!list.isRevoked(await certificate(1n, "ann", other)));
  const broken = new TextEncoder().encode(`${rsa.publicKey}\nhello\n`);
  assertThrows(() => RevocationList.parse(broken), KeyFormatError);
});

Deno.test("checkCertificate refuses what a list has revoked", async () => {
  const list = RevocationList.parse(new TextEncoder().encode(`${key.publicKey}\n`));
  const { certificate: says } = await certificate(1n);
  const check = () =>
    checkCertificate(says!, {
      ...{ kind: "user", principal: "ann", authorities: [authority.publicKey] },
      revoked: (certificate) => list.isRevoked(certificate),
    });
  assertEquals(assertThrows(check, CertificateError).reason, "revoked");
});

function krl(...sections: [type: number, section: Uint8Array][]): Uint8Array {
  const writer = new Writer().bytes(new TextEncoder().encode("SSHKRL\n\0")).u32(1).u64(3n).u64(0n)
    .u64(0n).text("").text("our \x1b[2Jlist");
  for (const [type, section] of sections) writer.u8(type).string(section);
  return writer.take();
}
const bytes = (...values: number[]) => new Uint8Array(values);
const certificates = (type: number, part: Uint8Array) =>
  new Writer().text("").text("").u8(type).string(part).take();
const extension = (critical: boolean) =>
  new Writer().text("x@example.com").bool(critical).text("").take();

const LAST = 2n ** 64n - 1n;
const numbers = (...values: bigint[]) =>
  values.reduce((writer, value) => writer.u64(value), new Writer()).take();
const bitmap = (first: bigint, ...bits: number[]) =>
  new Writer().u64(first).mpint(bytes(...bits)).take();

Deno.test("numbers, ranges and bitmaps revoke what they hold and no other number", async () => {
  const parts: [what: string, type: number, part: Uint8Array, revoked: bigint[]][] = [
    ["numbers", 0x20, numbers(7n, 9n, LAST), [7n, 9n, LAST]],
    ["a range of one", 0x21, numbers(8n, 8n), [8n]],
    ["a range", 0x21, numbers(8n, 10n), [8n, 9n, 10n]],
    ["the last range", 0x21, numbers(LAST, LAST), [LAST]],
    ["an empty bitmap", 0x22, bitmap(8n), []],
    ["a bitmap", 0x22, bitmap(7n, 5), [7n, 9n]],
    ["a bitmap from 0", 0x22, bitmap(0n, 1, 0x80), [7n, 8n]],
    ["a bitmap of two bytes", 0x22, bitmap(2n, 1, 0x21), [2n, 7n, 10n]],
    ["the last bitmap", 0x22, bitmap(LAST - 1n, 3), [LAST - 1n, LAST]],
  ];
  const all = [0n, 1n, 2n, 7n, 8n, 9n, 10n, 11n, LAST - 2n, LAST - 1n, LAST];
  const issued = await Promise.all(all.map((serial) => certificate(serial)));
  for (const [what, type, part, revoked] of parts) {
    const list = RevocationList.parse(krl([1, certificates(type, part)]));
    // What is written again says the same.
    for (const each of [list, RevocationList.parse(list.encode())]) {
      assertEquals(all.filter((_, at) => each.isRevoked(issued[at]!)), revoked, what);
    }
  }
});

Deno.test("what a revocation list says cannot write to the terminal", () => {
  const list = RevocationList.parse(krl());
  assertEquals([list.comment, list.version], ["our [2Jlist", 3n]);
});

Deno.test("a part of a revocation list that is not understood is refused, unless it need not be", () => {
  RevocationList.parse(krl([255, extension(false)]));
  RevocationList.parse(krl([1, certificates(0x39, extension(false))]));
  const refused: [string, Uint8Array, string][] = [
    ["a signature", krl([4, bytes()]), "is signed"],
    ["an unknown section", krl([6, bytes()]), "unknown type 6"],
    ["an unknown kind of certificates", krl([1, certificates(0x24, bytes())]), "unknown kind 36"],
    ["a critical extension", krl([255, extension(true)]), '"x@example.com"'],
    ["one for certificates", krl([1, certificates(0x39, extension(true))]), '"x@example.com"'],
    ["a hash of another length", krl([3, new Writer().string(bytes(1, 2)).take()]), "wrong length"],
    ["half a number", krl([1, certificates(0x20, bytes(1, 2, 3))]), "ends too early"],
    ["a range and more", krl([1, certificates(0x21, new Uint8Array(17).fill(1))]), "too many"],
    ["the number 0", krl([1, certificates(0x20, numbers(5n, 0n))]), "number 0"],
    ["a range from 0", krl([1, certificates(0x21, numbers(0n, 5n))]), "number 0"],
    ["a reversed range", krl([1, certificates(0x21, numbers(6n, 5n))]), "backwards: 6 to 5"],
    [
      "the number 0 in a bitmap",
      krl([1, certificates(0x22, bitmap(0n, 5))]),
      "that no certificate",
    ],
    [
      "numbers after the last",
      krl([1, certificates(0x22, bitmap(LAST, 2))]),
      "that no certificate",
    ],
    ["another format", krl().with(11, 2), "format 2"],
    ["bytes that are no text", bytes(0xff, 0xfe), "neither"],
  ];
  for (const [what, list, words] of refused) {
    assertThrows(() => RevocationList.parse(list), KeyFormatError, words, what);
  }
});

Deno.test("a revocation list that is cut at any byte but between its sections is refused", () => {
  const section = new Writer().string(key.publicKey.blob).take();
  const whole = krl([2, section]);
  const header = krl().length;
  for (let end = 0; end < whole.length; end++) {
    if (end === header || end === 0) continue;
    assertThrows(() => RevocationList.parse(whole.subarray(0, end)), KeyFormatError, "", `${end}`);
  }
});
