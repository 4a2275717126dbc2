import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { SignatureError } from "../../lib/errors.ts";
import {
  type AllowedSigner,
  AllowedSigners,
  generateKey,
  issueCertificate,
  type SignedBy,
} from "../../lib/keys/mod.ts";

const plain = await generateKey("ed25519", { comment: "ann@home" });
const other = await generateKey("ed25519");
const KEY = plain.publicKey.toString();

const authority = await generateKey("ed25519");
const OTHER = other.publicKey.toString();
const options = { kind: "user", keyId: "ann", principals: ["ann", "root"] } as const;
const certified = await issueCertificate(authority, plain.publicKey, options);
const CA = authority.publicKey.toString();

/** The parts of each line beyond a principal and a key. */
function entries(text: string): Partial<AllowedSigner>[] {
  return AllowedSigners.parse(text).entries.map(({ key: _, ...entry }) =>
    Object.fromEntries(
      Object.entries(entry).filter(([, value]) => value !== null && value !== false),
    )
  );
}

Deno.test("lines have principals, optionally quoted, options if any, and a key", () => {
  const lines: [string, Partial<AllowedSigner> | null][] = [
    [`ann ${KEY}`, { principals: "ann" }],
    [`  ann\t${KEY}\r`, { principals: "ann" }],
    [`ann,*@example.com,!bob ${KEY}`, { principals: "ann,*@example.com,!bob" }],
    [`"ann b" ${KEY}`, { principals: "ann b" }],
    [`"" ${KEY}`, { principals: "" }],
    [`ann namespaces="git,file" ${KEY}`, { principals: "ann", namespaces: "git,file" }],
    [`ann CERT-Authority,NAMESPACES="a" ${KEY}`, {
      ...{ principals: "ann", certAuthority: true, namespaces: "a" },
    }],
    [`ann valid-after="20260101Z",valid-before="20270101Z" ${KEY}`, {
      principals: "ann",
      validAfter: new Date("2026-01-01T00:00:00Z"),
      validBefore: new Date("2027-01-01T00:00:00Z"),
    }],
    ["", null],
    ["# ann", null],
    [`#ann ${KEY}`, null],
    ["ann", null],
    [KEY, null],
    [`"ann ${KEY}`, null],
    [`ann bob ${KEY}`, null],
    [`ann no-such ${KEY}`, null],
    [`ann no-such="x" ${KEY}`, null],
    [`ann namespaces ${KEY}`, null],
    [`ann cert-authority="x" ${KEY}`, null],
    [`ann namespaces="a",namespaces="b" ${KEY}`, null],
    [`ann cert-authority,cert-authority ${KEY}`, null],
    [`ann namespaces="a\\" ${KEY}`, null],
    [`ann namespaces="a", ${KEY}`, null],
    [`ann valid-after="never" ${KEY}`, null],
    [`ann valid-before="2026" ${KEY}`, null],
    [`ann valid-after ${KEY}`, null],
    [`ann valid-after="20260101Z",valid-before="20260101Z" ${KEY}`, null],
    [`ann valid-after="20260102Z",valid-before="20260101Z" ${KEY}`, null],
    [`ann namespaces="a" ssh-ed25519 AAAA`, null],
  ];
  for (const [line, entry] of lines) {
    assertEquals(entries(line), entry === null ? [] : [entry], line);
    assertEquals(entries(`x ${OTHER}\n${line}\ny ${OTHER}`).length, entry === null ? 2 : 3, line);
  }
});

function may(file: string, principal = "ann", signed: Partial<SignedBy> = {}, now?: Date): boolean {
  const by = { publicKey: plain.publicKey, namespace: "file", ...signed };
  try {
    AllowedSigners.parse(file).check(by, principal, now);
    return true;
  } catch (error) {
    assertInstanceOf(error, SignatureError);
    return false;
  }
}

Deno.test("check accepts if any line allows the signature", () => {
  assert(may(`ann ${KEY}`));
  assert(may(`ann ${OTHER}\nbob ${KEY}\nann ${KEY}`));
  assert(!may(`bob ${KEY}`));
  assert(!may(`ann ${OTHER}`));
  assert(may(`*,!bob ${KEY}`));
  assert(!may(`*,!ann ${KEY}`));
  assert(may(`ann namespaces="f*" ${KEY}`));
  assert(!may(`ann namespaces="git" ${KEY}`));
  assert(!may(`ann cert-authority ${KEY}`));
});

Deno.test("check accepts certificates by an authority only for the principals that they name", async () => {
  const signed = { publicKey: certified };
  assert(may(`ann cert-authority ${CA}`, "ann", signed));
  assert(may(`* cert-authority ${CA}`, "root", signed));
  assert(!may(`* cert-authority ${CA}`, "bob", signed));
  assert(!may(`root cert-authority ${CA}`, "ann", signed));
  assert(!may(`ann ${CA}`, "ann", signed));
  assert(!may(`ann ${KEY}`, "ann", signed));
  assert(!may(`ann cert-authority ${OTHER}`, "ann", signed));
  assert(!may(`ann cert-authority ${CA}`));
  const critical = { ...options, criticalOptions: { "force-command": "ls", "x@y": "" } };
  const restricted = await issueCertificate(authority, plain.publicKey, critical);
  assert(may(`ann cert-authority ${CA}`, "ann", { publicKey: restricted }));
  const old = { ...options, validBefore: new Date(5000) };
  const expired = await issueCertificate(authority, plain.publicKey, old);
  assert(!may(`ann cert-authority ${CA}`, "ann", { publicKey: expired }));
  assert(may(`ann cert-authority ${CA}`, "ann", { publicKey: expired }, new Date(4000)));
  const host = { ...options, kind: "host" } as const;
  const hosts = await issueCertificate(authority, plain.publicKey, host);
  assert(!may(`ann cert-authority ${CA}`, "ann", { publicKey: hosts }));
});

Deno.test("a key is valid from its first to its last second, inclusive", () => {
  const line = `ann valid-after="20260101Z",valid-before="20270101Z" ${KEY}`;
  const times: [string, boolean][] = [
    ["2025-12-31T23:59:59.999Z", false],
    ["2026-01-01T00:00:00Z", true],
    ["2027-01-01T00:00:00Z", true],
    ["2027-01-01T00:00:00.001Z", false],
  ];
  for (const [time, valid] of times) {
    assertEquals(may(line, "ann", {}, new Date(time)), valid, time);
    const found = AllowedSigners.parse(line).findPrincipals(plain, new Date(time));
    assertEquals(found, valid ? ["ann"] : []);
  }
});

Deno.test("findPrincipals returns those of the first matching line, for a certificate its own", () => {
  const find = (file: string, publicKey = plain.publicKey) =>
    AllowedSigners.parse(file).findPrincipals({ publicKey });
  assertEquals(find(`bob ${OTHER}\nann,,*@x ${KEY}\neve ${KEY}`), ["ann", "*@x"]);
  assertEquals(find(`ann namespaces="git" ${KEY}`), ["ann"]);
  assertEquals(find(`"" ${KEY}\neve ${KEY}`), ["eve"]);
  assertEquals(find(`* cert-authority ${CA}`, certified), ["ann", "root"]);
  assertEquals(find(`r* cert-authority ${CA}`, certified), ["root"]);
  assertEquals(find(`bob cert-authority ${CA}`, certified), []);
  assertEquals(find(`ann ${KEY}`, certified), []);
  assertEquals(find(""), []);
});

Deno.test("matchPrincipals returns the principals of all lines that match a name", () => {
  const signers = AllowedSigners.parse(`a* ${KEY}\nbob ${KEY}\n*,!ann ${KEY}\nann ${OTHER}`);
  assertEquals(signers.matchPrincipals("ann"), ["a*", "ann"]);
  assertEquals(signers.matchPrincipals("bob"), ["bob", "*,!ann"]);
});

Deno.test("check explains a refusal", () => {
  const signed = { publicKey: plain.publicKey, namespace: "file" };
  const reasons: [string, string][] = [
    ["", '"ann" may not sign with SHA256:'],
    [`ann ${other.publicKey}`, "another key is theirs"],
    [`ann namespaces="git" ${KEY}`, 'not for the namespace "file"'],
    [`ann valid-before="20200101" ${KEY}`, "the key has expired"],
    [`ann valid-after="29990101" ${KEY}`, "the key is not yet valid"],
  ];
  for (const [file, words] of reasons) {
    const check = () => AllowedSigners.parse(file).check(signed, "ann");
    assertEquals(assertThrows(check, SignatureError, words).reason, "signer");
  }
  // Of several lines the first reason is reported, and names are stripped of control characters.
  const lines = `ann valid-before="20200101" ${KEY}\nann ${OTHER}`;
  const check = (name: string) => () => AllowedSigners.parse(lines).check(signed, name);
  assertThrows(check("ann"), SignatureError, ": the key has expired");
  const error = assertThrows(check("\x1b[2J" + "x".repeat(100)), SignatureError);
  assert(error.message.startsWith(`"[2J${"x".repeat(61)}…" may not sign with SHA256:`));
  assert(!/:.*: /.test(error.message.slice(error.message.indexOf("SHA256"))));
});

Deno.test("hostile lines of allowed signers take at most linear time", () => {
  const hostile = [
    `a ${"x,".repeat(1e5)} ${KEY}`,
    `a namespaces="${'\\"'.repeat(1e5)}`,
    `a ${" ".repeat(1e5)}`,
    `"${" ".repeat(1e5)}`,
    `"${'"'.repeat(1e5)}`,
  ];
  for (const line of hostile) assertEquals(AllowedSigners.parse(line).entries.length, 0);
});
