import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeBase64, encodeBase64 } from "../../lib/encoding.ts";
import { generateKey, type PublicKey } from "../../lib/keys/mod.ts";
import { hostMatcher } from "../../lib/known_hosts/host_pattern.ts";
import { KnownHosts } from "../../lib/known_hosts/mod.ts";
import { matchesWildcards } from "../../lib/patterns.ts";
import { Writer } from "../../lib/wire/writer.ts";

using key = await generateKey("ed25519");
using otherKey = await generateKey("ed25519");
using ecdsaKey = await generateKey("ecdsa-p256");
const [mine, other, ecdsa] = [key.publicKey, otherKey.publicKey, ecdsaKey.publicKey];

function verdict(text: string, host: string, port = 22, key: PublicKey = mine): string {
  return KnownHosts.parse(text).check(host, port, key).verdict;
}

Deno.test("KnownHosts.check returns trusted, unknown or changed, with the lines", () => {
  const known = KnownHosts.parse(`# hosts\n\ndb1 ${other}\ndb1 ${ecdsa}\r\nweb,db2 ${mine}\n`);
  assertEquals(known.check("db2", 22, mine), { verdict: "trusted", lines: [5] });
  assertEquals(known.check("web", 22, mine), { verdict: "trusted", lines: [5] });
  assertEquals(known.check("db1", 22, ecdsa), { verdict: "trusted", lines: [4] });
  assertEquals(known.check("db1", 22, mine), { verdict: "changed", lines: [3, 4] });
  assertEquals(known.check("db3", 22, mine), { verdict: "unknown", lines: [] });
});

Deno.test("a key of a new type is changed, not unknown", () => {
  assertEquals(verdict(`db1 ${ecdsa}`, "db1"), "changed");
});

Deno.test("host names are compared without case", () => {
  assertEquals(verdict(`DB1.Example.COM ${mine}`, "db1.example.com"), "trusted");
  assertEquals(verdict(`db1.example.com ${mine}`, "DB1.EXAMPLE.com"), "trusted");
  const hashed = KnownHosts.line("DB1", 22, mine, { hash: true });
  assertEquals(verdict(hashed, "db1"), "trusted");
});

Deno.test("a port other than 22 is part of the name", () => {
  const text = `[db1]:2222 ${mine}\n`;
  assertEquals(verdict(text, "db1", 2222), "trusted");
  assertEquals(verdict(text, "db1", 22), "unknown");
  assertEquals(verdict(text, "db1", 2223), "unknown");
  assertEquals(verdict(`db1 ${mine}`, "db1", 2222), "unknown");
  assertEquals(verdict(`[::1]:2222 ${mine}`, "::1", 2222), "trusted");
  assertEquals(verdict(`[*.example.com]:* ${mine}`, "a.example.com", 99), "trusted");
});

Deno.test("wildcards stand for any characters or one, and negation wins", () => {
  const text = `*.example.com,!bad.example.com,10.0.0.? ${mine}\n`;
  assertEquals(verdict(text, "a.example.com"), "trusted");
  assertEquals(verdict(text, "a.b.example.com"), "trusted");
  assertEquals(verdict(text, "example.com"), "unknown");
  assertEquals(verdict(text, "bad.example.com"), "unknown");
  assertEquals(verdict(text, "10.0.0.7"), "trusted");
  assertEquals(verdict(text, "10.0.0.77"), "unknown");
  assertEquals(verdict(`!db1,* ${mine}`, "db1"), "unknown");
  assertEquals(verdict(`!db1 ${mine}`, "db2"), "unknown");
  assertEquals(verdict(`a.c ${mine}`, "abc"), "unknown");
});

Deno.test("a revoked key wins over every other line, on any port of the host", () => {
  const text = `db1 ${mine}\n@revoked * ${mine}\n`;
  assertEquals(KnownHosts.parse(text).check("db1", 22, mine), { verdict: "revoked", lines: [2] });
  assertEquals(verdict(`@revoked db1 ${mine}\n[db1]:2222 ${mine}`, "db1", 2222), "revoked");
  assertEquals(verdict(`@revoked db1 ${mine}`, "db2"), "unknown");
  assertEquals(verdict(`@revoked db1 ${other}\ndb1 ${mine}`, "db1"), "trusted");
  assertEquals(verdict(`@revoked db1 ${other}`, "db1"), "unknown");
});

Deno.test("a certificate authority's line does not match a plain key", () => {
  assertEquals(verdict(`@cert-authority *.example.com ${mine}`, "a.example.com"), "unknown");
  assertEquals(verdict(`@cert-authority * ${other}\ndb1 ${mine}`, "db1"), "trusted");
});

Deno.test("malformed lines are skipped, and the others are used", () => {
  const [type, base64] = mine.toString().split(" ");
  const broken = [
    "db1",
    `db1 ${type}`,
    `db1 ${type} !!!!`,
    `db1 ssh-rsa ${base64}`,
    `db1 ${type} AAAA`,
    `@unknown db1 ${mine}`,
    `@revoked`,
    `#db1 ${mine}`,
    `|1|AAAA db1 ${mine}`,
    `|1|AAAA|AAAA ${mine}`,
    `|1|!|! ${mine}`,
    `|2|AAAA|AAAAAAAAAAAAAAAAAAAAAAAAAAA= ${mine}`,
    `1024 35 1234567890`,
    "\0\0\0",
  ];
  for (const line of broken) assertEquals(verdict(line, "db1"), "unknown", line);
  assertEquals(verdict([...broken, `db1 ${mine}`].join("\n"), "db1"), "trusted");
  assertEquals(verdict(`db1\t${mine}\tcomment`, "db1"), "trusted");
});

Deno.test("a hash with an extra part, or of another length, matches no host", () => {
  const [hosts] = KnownHosts.line("db1", 22, mine, { hash: true }).split(" ");
  assertEquals(verdict(`${hosts} ${mine}`, "db1"), "trusted");
  const [, , salt, hash] = hosts!.split("|");
  for (
    const hosts of [
      `|1|${salt}|${hash}|`,
      `|1|${salt}|${hash}|${hash}`,
      `|1||${hash}`,
      `|1|${salt}|`,
    ]
  ) {
    assertEquals(KnownHosts.parse(`${hosts} ${mine}`).find("db1", 22), [], hosts);
  }
  assertEquals(decodeBase64(salt!)!.length, 20); // OpenSSH reads no other
  const short = encodeBase64(decodeBase64(hash!)!.subarray(1));
  // A line with it is malformed for ssh-keygen, too.
  assertEquals([hash, short].map((hash) => hostMatcher(`|1|${salt}|${hash}`) === null), [
    false,
    true,
  ]);
});

Deno.test("find returns the lines of a host unchanged, without comments", () => {
  const text =
    `#db1 ${mine}\n@other db1 ${mine}\n@revoked * ${other} gone  for good\nDB1,x ${ecdsa}\n`;
  const known = KnownHosts.parse(text);
  assertEquals(known.find("db1", 22), [
    {
      ...{ line: 3, marker: "@revoked", hosts: "*", type: "ssh-ed25519", blob: other.blob },
      comment: "gone for good",
    },
    {
      ...{ line: 4, marker: "", hosts: "DB1,x", type: "ecdsa-sha2-nistp256", blob: ecdsa.blob },
      comment: "",
    },
  ]);
  assertEquals(known.find("#db1", 22).map(({ line }) => line), [3]);
});

Deno.test("comments are cut to 1024 characters, and stripped of control characters", () => {
  const [entry] = KnownHosts.parse(`db1 ${mine} \x1b[2J${"x".repeat(2000)}`).find("db1", 22);
  assertEquals(entry!.comment, `[2J${"x".repeat(1021)}…`);
  const line = KnownHosts.line("db1", 22, mine, { comment: "x".repeat(2000) });
  assertEquals(line, `${KnownHosts.line("db1", 22, mine)} ${"x".repeat(1024)}…`);
});

Deno.test("keyTypes returns a host's types in the order of the file, without repeats", () => {
  const blob = new Writer().text("sk-ssh-ed25519@openssh.com").string(new Uint8Array(32)).take();
  const unknown = `sk-ssh-ed25519@openssh.com ${encodeBase64(blob)}`;
  const known = KnownHosts.parse(
    `db1 ${ecdsa}\n* ${mine}\ndb1 ${other}\n@cert-authority db1 ${mine}\ndb9 ${unknown}\n`,
  );
  assertEquals(known.keyTypes("db1", 22), ["ecdsa-sha2-nistp256", "ssh-ed25519"]);
  assertEquals(known.keyTypes("db2", 22), ["ssh-ed25519"]);
  // A key of an unknown type still makes the host known, so another key is not a first connection.
  assertEquals(known.keyTypes("db9", 22), ["ssh-ed25519", "sk-ssh-ed25519@openssh.com"]);
  assertEquals(verdict(`db9 ${unknown}`, "db9"), "changed");
});

Deno.test("KnownHosts.check finds the lines that KnownHosts.line writes", () => {
  for (const [host, port] of [["db1", 22], ["db1", 2222], ["::1", 22], ["fe80::1", 99]] as const) {
    for (const hash of [false, true]) {
      const line = KnownHosts.line(host, port, mine, { hash });
      assertEquals(verdict(line, host, port), "trusted");
      assertEquals(verdict(line, host, port + 1), "unknown");
      assertEquals(line.includes(host), !hash);
    }
  }
  const hashes = [1, 2].map(() => KnownHosts.line("db1", 22, mine, { hash: true }));
  assert(hashes[0] !== hashes[1]);
});

Deno.test("KnownHosts.line refuses names with a special meaning", () => {
  const names = [
    "",
    "*",
    "db?",
    "!db1",
    "a,b",
    "a b",
    "a\tb",
    "a\nb",
    "|1|x",
    "#a",
    "@revoked",
    "\0",
  ];
  for (const name of names) {
    assertThrows(() => KnownHosts.line(name, 22, mine), TypeError, undefined, name);
    assertThrows(() => KnownHosts.line(name, 2222, mine, { hash: true }), TypeError);
  }
});

Deno.test("matchesWildcards agrees with a plain recursive definition", () => {
  const define = (p: string, t: string): boolean =>
    p === ""
      ? t === ""
      : p[0] === "*"
      ? define(p.slice(1), t) || (t !== "" && define(p, t.slice(1)))
      : t !== "" && (p[0] === "?" || p[0] === t[0]) && define(p.slice(1), t.slice(1));
  const words = (alphabet: string[], length: number): string[] =>
    length === 0 ? [""] : words(alphabet, length - 1).flatMap((w) => alphabet.map((a) => a + w));
  const patterns = [0, 1, 2, 3, 4].flatMap((n) => words(["a", "b", "*", "?"], n));
  const texts = [0, 1, 2, 3, 4].flatMap((n) => words(["a", "b"], n));
  for (const pattern of patterns) {
    for (const text of texts) {
      assertEquals(matchesWildcards(pattern, text), define(pattern, text), `${pattern} ${text}`);
    }
  }
});

Deno.test("hostile wildcards do not take exponential time", () => {
  // Exponential time would never end.
  assertEquals(verdict(`${"*a".repeat(50)}b ${mine}`, "a".repeat(255)), "unknown");
});
