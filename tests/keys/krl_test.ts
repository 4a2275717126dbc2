import { assert, assertEquals, assertThrows } from "@std/assert";
import { CertificateError, KeyFormatError } from "../../lib/errors.ts";
import {
  checkCertificate,
  generateKey,
  issueCertificate,
  type PublicKey,
  RevocationList,
  type Revocations,
} from "../../lib/keys/mod.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testKey } from "../support/keys.ts";

const authority = await generateKey("ed25519");
const other = await generateKey("ecdsa-p256");
const key = await generateKey("ed25519", { comment: "me" });
const rsa = await testKey("rsa");

async function certificate(serial: bigint, keyId = "ann", by = authority): Promise<PublicKey> {
  const options = { kind: "user", keyId, principals: ["ann"], serial } as const;
  return await issueCertificate(by, key.publicKey, options);
}

Deno.test("RevocationList.of refuses malformed fingerprints and numbers", () => {
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

Deno.test("a list revokes keys by blob, by digest and by authority", async () => {
  const certified = await certificate(1n);
  const shown = [
    key.publicKey,
    rsa.publicKey,
    authority.publicKey,
    certified,
    certified.certificate!,
  ];
  const revoked = (list: RevocationList) =>
    shown.map((key) => list.isRevoked(key) ? 1 : 0).join("");
  const { publicKey } = key;
  const lists: [Revocations, string][] = [
    [{}, "00000"],
    [{ keys: [publicKey] }, "10011"],
    [{ keys: [certified] }, "10011"],
    [{ keys: [rsa.publicKey] }, "01000"],
    [{ keys: [authority.publicKey] }, "00111"],
    [{ fingerprints: [publicKey.fingerprint()] }, "10011"],
    [{ fingerprints: [publicKey.fingerprint("SHA1")] }, "10011"],
    [{ fingerprints: [rsa.publicKey.fingerprint("SHA1"), publicKey.fingerprint()] }, "11011"],
    [{ fingerprints: [authority.publicKey.fingerprint()] }, "00111"],
  ];
  for (const [revocations, expected] of lists) {
    const list = RevocationList.of(revocations);
    assertEquals(revoked(list), expected);
    assertEquals(revoked(RevocationList.parse(list.encode())), expected);
  }
});

Deno.test("a list revokes certificates of one authority, or of any, by number and by name", async () => {
  const all = await Promise.all([
    certificate(0n, "none"),
    certificate(5n, "ann"),
    certificate(6n, "bob"),
    certificate(5n, "ann", other),
  ]);
  const revoked = (certificates: Revocations["certificates"]) => {
    const list = RevocationList.of({ certificates: certificates! });
    const verdict = all.map((shown) => list.isRevoked(shown) ? 1 : 0).join("");
    const read = RevocationList.parse(list.encode());
    assertEquals(all.map((shown) => read.isRevoked(shown) ? 1 : 0).join(""), verdict);
    assertEquals(list.isRevoked(key.publicKey), false);
    return verdict;
  };
  const ours = authority.publicKey;
  assertEquals(revoked([{ authority: ours, serials: [5n] }]), "0100");
  assertEquals(revoked([{ authority: null, serials: [5n] }]), "0101");
  assertEquals(revoked([{ authority: ours, serials: [[5n, 6n]] }]), "0110");
  assertEquals(revoked([{ authority: ours, serials: [[1n, 5n], 9n] }]), "0100");
  assertEquals(revoked([{ authority: ours, keyIds: ["none"] }]), "1000");
  assertEquals(revoked([{ authority: null, keyIds: ["ann"] }]), "0101");
  assertEquals(
    revoked([{ authority: ours, serials: [6n] }, { authority: other.publicKey, keyIds: ["ann"] }]),
    "0011",
  );
});

Deno.test("a list can be extended, and has a version, a comment and a time", () => {
  const before = Math.floor(Date.now() / 1000) * 1000;
  const first = RevocationList.of({ keys: [key.publicKey], version: 3n, comment: "ours" });
  const second = first.with({ keys: [rsa.publicKey] });
  const third = second.with({
    version: 4n,
    comment: "theirs",
    fingerprints: [other.publicKey.fingerprint()],
  });
  const both = third.with({ fingerprints: [authority.publicKey.fingerprint("SHA1")] });
  assertEquals([first.isRevoked(rsa.publicKey), second.isRevoked(key.publicKey)], [false, true]);
  assertEquals([second.version, second.comment], [3n, "ours"]);
  const read = RevocationList.parse(both.encode());
  for (const { publicKey } of [key, rsa, other, authority]) assert(read.isRevoked(publicKey));
  assertEquals([read.version, read.comment], [4n, "theirs"]);
  assert(read.generated.getTime() >= before && read.generated.getTime() <= Date.now());
  const dated = Object.assign(krl(), {});
  dated[27] = 5; // the last byte of the time
  assertEquals(RevocationList.parse(dated).generated, new Date(5000));
});

Deno.test("a written list is sorted, without empty sections", () => {
  const list = RevocationList.of({
    keys: [rsa.publicKey, key.publicKey],
    certificates: [
      { authority: null, serials: [9n, 7n, [1n, 2n], 8n], keyIds: ["b", "a"] },
      { authority: null },
    ],
  });
  const encoded = list.encode();
  const reader = new Reader(encoded, 8 + 4 + 8 + 8 + 8);
  assertEquals([reader.string().length, reader.string().length], [0, 0]);
  const section = (type: number) => {
    assertEquals(reader.u8(), type);
    return new Reader(reader.string());
  };
  const certificates = section(1);
  assertEquals([certificates.string().length, certificates.string().length], [0, 0]);
  const part = (type: number) => {
    assertEquals(certificates.u8(), type);
    return certificates.string();
  };
  assertEquals(part(0x20), numbers(7n, 8n, 9n));
  assertEquals(part(0x21), numbers(1n, 2n));
  assertEquals(part(0x23), new Writer().text("b").text("a").take());
  certificates.end();
  const nothing = section(1);
  assertEquals([nothing.string().length, nothing.string().length], [0, 0]);
  nothing.end();
  const keys = section(2);
  assertEquals(keys.string(), rsa.publicKey.blob); // the shorter name of the type comes first
  assertEquals(keys.string(), key.publicKey.blob);
  keys.end();
  reader.end();
});

Deno.test("toString prints the same as ssh-keygen -Q -l", () => {
  const list = RevocationList.parse(krl(
    [2, new Writer().string(key.publicKey.blob).string(bytes(1, 2)).take()],
    [3, new Writer().string(new Uint8Array(20).fill(7)).take()],
    [5, new Writer().string(new Uint8Array(32).fill(8)).take()],
    [1, certificates(0x20, numbers(4n, 2n, 3n))],
    [1, certificates(0x21, numbers(9n, 12n))],
    [1, certificates(0x21, numbers(5n, 5n))],
    [1, certificates(0x21, numbers(10n, 11n))],
    [1, certificates(0x22, bitmap(20n, 0b1011))],
    [1, certificates(0x23, new Writer().text("b\x1b").text("a").take())],
    [1, new Writer().string(authority.publicKey.blob).text("").u8(0x20).string(numbers(1n)).take()],
    [1, new Writer().string(bytes(9)).text("").take()],
  ));
  const [first, generated, ...lines] = list.toString().split("\n");
  assertEquals(first, "# KRL version 3");
  const start = new Date(0);
  const two = (number: number) => `${number}`.padStart(2, "0");
  const day = `${start.getFullYear()}${two(start.getMonth() + 1)}${two(start.getDate())}`;
  const hour = `${two(start.getHours())}${two(start.getMinutes())}${two(start.getSeconds())}`;
  assertEquals(generated, `# Generated at ${day}T${hour}`);
  assertEquals(lines, [
    "# Comment: our [2Jlist",
    "",
    `hash: ${key.publicKey.fingerprint()} # ssh-ed25519`,
    "# a key of an unknown kind",
    `hash: SHA256:${"08".repeat(32)}`,
    `# hash SHA1:${"07".repeat(20)}`,
    "",
    "# Wildcard CA",
    "serial: 2-5",
    "serial: 9-12",
    "serial: 20-21",
    "serial: 23",
    "id: a",
    "id: b",
    "",
    `# CA key ssh-ed25519 ${authority.publicKey.fingerprint()}`,
    "serial: 1",
    "",
    "# CA key of an unknown kind",
    "",
  ]);
  assert(!RevocationList.of({}).toString().includes("# Comment"));
});

Deno.test("a text file of keys is also a revocation list", async () => {
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

Deno.test("checkCertificate refuses revoked certificates", async () => {
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

Deno.test("numbers, ranges and bitmaps revoke exactly the numbers that they contain", async () => {
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
    // A list that is parsed and written again is equal.
    for (const each of [list, RevocationList.parse(list.encode())]) {
      assertEquals(all.filter((_, at) => each.isRevoked(issued[at]!)), revoked, what);
    }
  }
});

Deno.test("texts of a revocation list have no control characters", () => {
  const list = RevocationList.parse(krl());
  assertEquals([list.comment, list.version], ["our [2Jlist", 3n]);
});

Deno.test("an unknown section of a revocation list is refused, unless it is optional", () => {
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
    [
      "a range and more",
      krl([1, certificates(0x21, new Uint8Array(17).fill(1))]),
      "trailing bytes",
    ],
    ["a byte of a number", krl([1, certificates(0x20, bytes(1))]), "ends too early"],
    ["a byte of a name", krl([1, certificates(0x23, bytes(1))]), "ends too early"],
    [
      "a byte after numbers",
      krl([1, bytes(...certificates(0x20, numbers(1n)), 0x20)]),
      "ends too",
    ],
    ["a byte of a key", krl([2, bytes(0)]), "ends too early"],
    ["a trailing byte", bytes(...krl([2, bytes()]), 2), "ends too early"],
    ["the number 0", krl([1, certificates(0x20, numbers(5n, 0n))]), "number 0"],
    ["a range from 0", krl([1, certificates(0x21, numbers(0n, 5n))]), "number 0"],
    ["a reversed range", krl([1, certificates(0x21, numbers(6n, 5n))]), "before its start: 6 to 5"],
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
    ["bytes that are not text", bytes(0xff, 0xfe), "neither"],
  ];
  for (const [what, list, words] of refused) {
    assertThrows(() => RevocationList.parse(list), KeyFormatError, words, what);
  }
});

Deno.test("a revocation list that is truncated within a section is refused", () => {
  const section = new Writer().string(key.publicKey.blob).take();
  const whole = krl([2, section]);
  const header = krl().length;
  for (let end = 0; end < whole.length; end++) {
    if (end === header || end === 0) continue;
    assertThrows(() => RevocationList.parse(whole.subarray(0, end)), KeyFormatError, "", `${end}`);
  }
});
