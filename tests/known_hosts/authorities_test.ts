/** Host certificates, and their authorities in known_hosts. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CertificateError, HostKeyError } from "@denossh/ssh";
import {
  CERTIFICATE_ALGORITHMS,
  type CertificateOptions,
  generateKey,
  issueCertificate,
  type PublicKey,
} from "@denossh/ssh/keys";
import { KnownHosts, knownHosts } from "@denossh/ssh/known-hosts";
import { tempFolder } from "../support/temp.ts";

const [authority, otherAuthority, hostPair, elsePair] = await Promise.all(
  Array.from({ length: 4 }, () => generateKey("ed25519")),
);
const [ca, otherCa, key, other] = [authority!, otherAuthority!, hostPair!, elsePair!]
  .map(({ publicKey }) => publicKey) as [PublicKey, PublicKey, PublicKey, PublicKey];

async function issued(options: Partial<CertificateOptions> = {}): Promise<PublicKey> {
  const usual = { kind: "host", keyId: "db1", principals: ["db1"] } as const;
  return await issueCertificate(authority!, key, { ...usual, ...options });
}
const certificate = await issued();
const trusting = `# ours\n@cert-authority db* ${ca}\n`;

function verdict(text: string, shown: PublicKey, host = "db1", port = 22): [string, number[]] {
  const { verdict, lines, problem } = KnownHosts.parse(text).check(host, port, shown);
  assertEquals(problem, undefined);
  return [verdict, lines];
}

Deno.test("A certificate is accepted only by its authority's line for the host", () => {
  assertEquals(verdict(trusting, certificate), ["trusted", [2]]);
  assertEquals(verdict(trusting, certificate, "DB1"), ["trusted", [2]]);
  assertEquals(verdict(`@cert-authority * ${otherCa}\n`, certificate), ["unknown", []]);
  assertEquals(verdict(`@cert-authority web* ${ca}\n`, certificate), ["unknown", []]);
  assertEquals(verdict(`db1 ${ca}\n`, certificate), ["changed", [1]]);
  assertEquals(verdict(`@cert-authority db1 ${otherCa}\n${trusting}`, certificate), [
    "trusted",
    [3],
  ]);
});

Deno.test("A certificate names the host without the port, a line with it", () => {
  assertEquals(verdict(`@cert-authority [db1]:2222 ${ca}\n`, certificate, "db1", 2222), [
    "trusted",
    [1],
  ]);
  assertEquals(verdict(`@cert-authority db1 ${ca}\n`, certificate, "db1", 2222), ["unknown", []]);
});

Deno.test("A certificate without a known authority is treated like its key", () => {
  assertEquals(verdict(`db1 ${key}\n`, certificate), ["trusted", [1]]);
  assertEquals(verdict(`db1 ${other}\n`, certificate), ["changed", [1]]);
});

Deno.test("A valid certificate is accepted even if another key is known, as in OpenSSH", () => {
  assertEquals(verdict(`${trusting}db1 ${other}\n`, certificate), ["trusted", [2]]);
});

const bad: [string, Partial<CertificateOptions>, string][] = [
  ["that has expired", { validBefore: new Date(1000) }, "expired"],
  ["of a user", { kind: "user" }, "kind"],
  ["of another host", { principals: ["db2"] }, "principal"],
  ["with a critical option", { criticalOptions: { "x@example.com": "" } }, "critical option"],
];
for (const [name, options, reason] of bad) {
  Deno.test(`A certificate ${name} is ignored, and its key is looked up`, async () => {
    const shown = await issued(options);
    const check = (text: string) => KnownHosts.parse(text).check("db1", 22, shown);
    const unknown = check(trusting);
    assertEquals([unknown.verdict, unknown.lines, unknown.problem?.reason], [
      "unknown",
      [],
      reason,
    ]);
    assertEquals(check(`${trusting}db1 ${key}\n`).verdict, "trusted");
    const changed = check(`${trusting}db1 ${other}\n`);
    assertEquals([changed.verdict, changed.lines, changed.problem?.reason], [
      "changed",
      [3],
      reason,
    ]);
  });
}

Deno.test("Revoking a key or an authority revokes its certificates", () => {
  for (const gone of [key, ca]) {
    assertEquals(verdict(`${trusting}@revoked * ${gone}\n`, certificate), ["revoked", [3]]);
  }
  assertEquals(verdict(`${trusting}@revoked * ${other}\n`, certificate)[0], "trusted");
  assertEquals(verdict(`@revoked * ${ca}\n`, key)[0], "unknown");
});

Deno.test("The error about a host says why its certificate was ignored", async () => {
  await using folder = await tempFolder();
  const host = { hostname: "db1", port: 22 };
  const expired = await issued({ validBefore: new Date(1000) });
  for (const [more, reason] of [["", "unknown"], [`db1 ${other}\n`, "changed"]] as const) {
    const path = await folder.write("hosts", trusting + more);
    const error = await assertRejects(
      async () => await knownHosts(path).verify(host, expired),
      HostKeyError,
    );
    assertEquals(error.reason, reason);
    assertStringIncludes(error.message, "Certificate has expired");
    assert(error.cause instanceof CertificateError);
  }
  const path = await folder.write("hosts", `db1 ${other}\n`);
  for (const hostname of ["db1", "db2"]) {
    const plain = await assertRejects(
      async () => await knownHosts(path).verify({ hostname, port: 22 }, key),
      HostKeyError,
    );
    assert(!("cause" in plain) && !plain.message.includes("Certificate"), plain.message);
  }
});

Deno.test("For a certificate its key is written, not the certificate", async () => {
  await using folder = await tempFolder();
  const path = folder.join("hosts");
  const host = { hostname: "db1", port: 22 };
  const asked: string[] = [];
  const ways = [
    "add",
    (_host: unknown, shown: PublicKey) => asked.push(shown.type) > 0,
  ] as const;
  for (const unknown of ways) {
    assertEquals(await knownHosts(path, { unknown }).verify(host, certificate), true);
    assertEquals(await Deno.readTextFile(path), `${KnownHosts.line("db1", 22, key)}\n`);
    await Deno.remove(path);
  }
  assertEquals(asked, [certificate.type]);
});

Deno.test("Certificates are preferred if an authority is known", async () => {
  await using folder = await tempFolder();
  const types = async (text: string, port = 22) => {
    const path = await folder.write("hosts", text);
    return await knownHosts(path).knownTypes!({ hostname: "db1", port });
  };
  assertEquals(await types(`${trusting}db1 ${key}\n`), [...CERTIFICATE_ALGORITHMS, "ssh-ed25519"]);
  assertEquals(await types(`@cert-authority web ${ca}\ndb1 ${key}\n`), ["ssh-ed25519"]);
  assertEquals(await types(`@revoked db1 ${ca}\ndb1 ${key}\n`), ["ssh-ed25519"]);
  assertEquals(await types(trusting, 2222), [...CERTIFICATE_ALGORITHMS]);
});
