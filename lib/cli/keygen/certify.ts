import { connectAgent } from "../../agent/client.ts";
import { type CertificateOptions, issueCertificate } from "../../keys/certificate.ts";
import { importPublicKey } from "../../keys/public_key.ts";
import { runtime } from "../../runtime/runtime.ts";
import { validity } from "./certificate_text.ts";
import {
  FAILURE,
  type KeygenJob,
  openPrivateKey,
  orMissing,
  readPublicKey,
  writeFile,
} from "./job.ts";
import { agentSigner, type OpenSigner, signerOf } from "./signers.ts";
import { parseValidity } from "./times.ts";

// Permissions of user certificates unless a `no-` option is given (ssh-keygen(1), -O).
const PERMITS: Readonly<Record<string, string>> = {
  "x11-forwarding": "permit-X11-forwarding",
  "agent-forwarding": "permit-agent-forwarding",
  "port-forwarding": "permit-port-forwarding",
  "pty": "permit-pty",
  "user-rc": "permit-user-rc",
};
const RSA_ALGORITHMS = ["rsa-sha2-256", "rsa-sha2-512"];

/** `-s`: certifies public keys. */
export async function certify(job: KeygenJob): Promise<number> {
  const keyId = job.last("I");
  if (keyId === null) throw new Error("Must specify key id (-I) when certifying");
  const options = optionsOf(job, keyId);
  let serial = serialOf(job.last("z") ?? "0");
  const counts = job.last("z")?.startsWith("+") ?? false;
  await using authority = await openAuthority(job, job.last("s")!);
  for (const file of job.rest) {
    const key = await orMissing(readPublicKey(file, job.last("P")), `load pubkey "${file}"`);
    if (key.certificate) {
      job.log.error(`do_ca_sign: key "${file}" type ${key.type} cannot be certified`);
      return FAILURE;
    }
    const certificate = await issueCertificate(authority.signer, key, { ...options, serial });
    const out = `${file.replace(/\.pub$/, "")}-cert.pub`;
    await writeFile(out, `${certificate}\n`, 0o644);
    const { kind, principals } = options;
    const names = principals.length > 0 ? ` for ${principals.join(",")}` : "";
    job.note(
      `Signed ${kind} key ${out}: id "${keyId}" serial ${serial}${names} ` +
        `valid ${validity(certificate.certificate!)}`,
    );
    if (counts) serial++;
  }
  return 0;
}

function optionsOf(job: KeygenJob, keyId: string): CertificateOptions {
  const kind = job.has("h") ? "host" : "user";
  const names = job.last("n");
  const algorithm = job.last("t");
  if (algorithm !== null && !RSA_ALGORITHMS.includes(algorithm)) {
    throw new Error(`CA key type is not "${algorithm}"`);
  }
  return {
    kind,
    keyId,
    principals: names === null || names === "" ? [] : names.split(","),
    ...parseValidity(job.last("V") ?? "always:forever", new Date()),
    ...restrictions(job.all("O"), kind),
    ...(algorithm !== null && { algorithm }),
  };
}

function restrictions(
  options: readonly string[],
  kind: "user" | "host",
): Pick<CertificateOptions, "criticalOptions" | "extensions"> {
  const critical: Record<string, string> = {};
  const custom: Record<string, string> = {};
  const permits = new Set(kind === "user" ? Object.keys(PERMITS) : []);
  for (const option of options) {
    const [name, value] = split(option, "=");
    const [group, rest] = split(option, ":");
    const [, verb, permit] = /^(permit|no)-(.*)$/i.exec(option) ?? [];
    if (option === "clear") permits.clear();
    else if (permit !== undefined && Object.hasOwn(PERMITS, permit.toLowerCase())) {
      if (verb === "no") permits.delete(permit.toLowerCase());
      else permits.add(permit.toLowerCase());
    } else if (name === "no-touch-required" && value === null) custom[name] = "";
    else if (name === "verify-required" && value === null) critical[name] = "";
    else if (name === "force-command" && value) critical[name] = value;
    else if (name === "source-address" && value) critical[name] = value;
    else if (group === "critical" && rest) {
      critical[split(rest, "=")[0]] = split(rest, "=")[1] ?? "";
    } else if (group === "extension" && rest) {
      custom[split(rest, "=")[0]] = split(rest, "=")[1] ?? "";
    } else throw new Error(`Unsupported certificate option "${option}"`);
  }
  const permitted = [...permits].map((permit) => [PERMITS[permit]!, ""]);
  return { criticalOptions: critical, extensions: { ...custom, ...Object.fromEntries(permitted) } };
}

function split(text: string, at: string): [string, string | null] {
  const place = text.indexOf(at);
  return place < 0 ? [text, null] : [text.slice(0, place), text.slice(place + 1)];
}

function serialOf(text: string): bigint {
  const digits = text.replace(/^\+/, "");
  const serial = /^\d{1,20}$/.test(digits) ? BigInt(digits) : 2n ** 64n;
  if (serial >= 2n ** 64n) throw new Error(`Invalid serial number "${text}"`);
  return serial;
}

/** The signer for -s: a private key file or, with -U, the key of the agent for a public key file. */
async function openAuthority(job: KeygenJob, file: string): Promise<OpenSigner> {
  if (!job.has("U")) {
    return signerOf(await orMissing(openPrivateKey(file, job.last("P")), `Load key "${file}"`));
  }
  const wanted = importPublicKey(await runtime.files.readTextFile(file));
  const signer = await agentSigner(await connectAgent(), wanted);
  if (signer === null) throw new Error(`CA key ${file} not found in agent`);
  return signer;
}
