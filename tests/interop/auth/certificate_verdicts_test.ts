/** Compares the verdicts of `sshd`, `ssh` and our checkCertificate on certificates that we issue. */
import { assertEquals } from "@std/assert";
import { CertificateError } from "../../../lib/errors.ts";
import {
  type CertificateOptions,
  type CertificateRequirements,
  checkCertificate,
  generateKey,
  importPrivateKey,
  issueCertificate,
  type PublicKey,
} from "../../../lib/keys/mod.ts";
import { keyFile } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const HOUR = 3_600_000;
const soon = (ms: number) => new Date(Date.now() + ms);

const authority = await generateKey("ed25519");
const others = {
  unknown: await generateKey("ed25519"),
  ecdsa: await generateKey("ecdsa-p521"),
  rsa: await generateKey("rsa", { bits: 2048 }),
};

interface Case extends Partial<CertificateOptions> {
  /** The signer, if not the trusted authority. */
  by?: keyof typeof others;
}

/** Cases for both users and hosts; NAME stands for the user or host. */
const CASES: readonly [name: string, Case][] = [
  ["one that fits", {}],
  ["one that has a time", { validAfter: soon(-HOUR), validBefore: soon(HOUR) }],
  ["one that has expired", { validBefore: soon(-HOUR) }],
  ["one that is not yet valid", { validAfter: soon(HOUR) }],
  ["one of several names", { principals: ["other", "NAME"] }],
  ["another's", { principals: ["other"] }],
  ["a pattern for a name", { principals: ["*"] }],
  ["one without a name", { principals: [] }],
  ["one of an unknown authority", { by: "unknown" }],
  ["one of an ECDSA authority", { by: "ecdsa" }],
  ["one of an RSA authority", { by: "rsa" }],
  ["one with an unknown critical option", { criticalOptions: { "x@example.com": "" } }],
  ["one with an unknown extension", { extensions: { "x@example.com": "y" } }],
];

const USER_CASES: typeof CASES = [
  ...CASES,
  ["a host's", { kind: "host" }],
  ["one with a forced command", { criticalOptions: { "force-command": "true" } }],
  ["one with an address", { criticalOptions: { "source-address": "127.0.0.0/8,::1" } }],
];
/**
 * Verdicts about hosts that OpenSSH 10.3 changed: ours are the new ones, and the installed `ssh` may
 * be older.
 */
const CHANGED = ["a pattern for a name", "one without a name"];

const HOST_CASES: typeof CASES = [
  ...CASES.filter(([name]) => !CHANGED.includes(name)),
  ["a user's", { kind: "user" }],
  ["one with a forced command", { criticalOptions: { "force-command": "true" } }],
];

function certify(
  key: PublicKey,
  kind: "user" | "host",
  name: string,
  { by, ...options }: Case,
): Promise<PublicKey> {
  const principals = (options.principals ?? ["NAME"]).map((p) => p === "NAME" ? name : p);
  const signer = by === undefined ? authority : others[by];
  return issueCertificate(signer, key, { kind, keyId: "x", ...options, principals });
}

function accepted({ certificate }: PublicKey, requirements: CertificateRequirements): boolean {
  try {
    checkCertificate(certificate!, requirements);
    return true;
  } catch (error) {
    if (error instanceof CertificateError) return false;
    throw error;
  }
}

const authorities = [authority, others.ecdsa, others.rsa].map(({ publicKey }) => publicKey);

await peerTest(["sshd", "ssh"], "checkCertificate and sshd agree about users", async () => {
  await using folder = await tempFolder();
  const trusted = await folder.write("cas", authorities.map((key) => `${key}\n`).join(""), 0o644);
  await using sshd = await startSshd({
    hostKeys: ["ed25519"],
    config: { TrustedUserCAKeys: trusted },
  });
  const file = await keyFile("ed25519", "certified"); // the key without certificate is refused
  using key = importPrivateKey(await Deno.readTextFile(file.path));
  const differences: string[] = [];
  for (const [name, options] of USER_CASES) {
    const certificate = await certify(key.publicKey, "user", sshd.user, options);
    const shown = await folder.write("cert.pub", `${certificate}\n`);
    const identity = { IdentityFile: file.path, CertificateFile: shown };
    const { code } = await runClient("ssh", sshd, ["true"], { config: identity });
    const ours = accepted(certificate, {
      ...{ kind: "user", principal: sshd.user, authorities },
      criticalOptions: ["force-command", "source-address"],
    });
    if (ours !== (code === 0)) differences.push(`${name}: ${ours}, sshd ends with ${code}`);
  }
  assertEquals(differences, []);
});

await peerTest(["sshd", "ssh"], "checkCertificate and ssh agree about hosts", async () => {
  await using folder = await tempFolder();
  const file = await keyFile("ed25519", "host");
  using key = importPrivateKey(await Deno.readTextFile(file.path));
  const host = "db1.example.com";
  const known = authorities.map((key) => `@cert-authority * ${key}\n`).join("");
  const knownHosts = await folder.write("known_hosts", known);
  const differences: string[] = [];
  for (const [name, options] of HOST_CASES) {
    const certificate = await certify(key.publicKey, "host", host, options);
    const shown = await folder.write("host-cert.pub", `${certificate}\n`, 0o644);
    await using sshd = await startSshd({
      hostKeys: ["ed25519"],
      config: { HostCertificate: shown },
    });
    const config = { HostKeyAlias: host, UserKnownHostsFile: knownHosts };
    const { code } = await runClient("ssh", sshd, ["true"], { config });
    const ours = accepted(certificate, { kind: "host", principal: host, authorities });
    if (ours !== (code === 0)) differences.push(`${name}: ${ours}, ssh ends with ${code}`);
  }
  assertEquals(differences, []);
});
