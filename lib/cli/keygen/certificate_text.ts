import { encodeHex } from "../../encoding.ts";
import { printable } from "../../errors.ts";
import { Writer } from "../../wire/writer.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import type { Certificate, PublicKey } from "../../keys/public_key.ts";
import { localTime } from "./times.ts";

const VALUES = ["force-command", "source-address"];
const FLAGS = [
  "permit-X11-forwarding",
  "permit-agent-forwarding",
  "permit-port-forwarding",
  "permit-pty",
  "permit-user-rc",
  "no-touch-required",
  "verify-required",
];

const FOR_EVER = 2n ** 64n - 1n;

/** Prints the fields of a certificate in the form of `ssh-keygen -L`. */
export function printCertificate(key: PublicKey, certificate: Certificate): void {
  const { authority, signatureAlgorithm, principals } = certificate;
  const field = (line: string) => console.log(`        ${line}`);
  const item = (line: string) => console.log(`                ${line}`);
  field(`Type: ${key.type} ${certificate.kind} certificate`);
  field(`Public key: ${keyTypeLabel(key)} ${key.fingerprint()}`);
  const by = `${keyTypeLabel(authority)} ${authority.fingerprint()}`;
  field(`Signing CA: ${by} (using ${signatureAlgorithm})`);
  field(`Key ID: "${printable(certificate.keyId)}"`);
  field(`Serial: ${certificate.serial}`);
  field(`Valid: ${validity(certificate)}`);
  field(`Principals: ${principals.length === 0 ? "(none)" : ""}`);
  for (const principal of principals) item(printable(principal));
  const groups = [
    ["Critical Options", certificate.criticalOptions],
    ["Extensions", certificate.extensions],
  ] as const;
  for (const [title, options] of groups) {
    field(`${title}: ${options.size === 0 ? "(none)" : ""}`);
    for (const [name, value] of options) item(option(name, value));
  }
}

/** The interval of validity, or `forever`. */
export function validity({ validAfter, validBefore }: Certificate): string {
  if (validAfter === 0n && validBefore === FOR_EVER) return "forever";
  if (validAfter === 0n) return `before ${localTime(validBefore)}`;
  if (validBefore === FOR_EVER) return `after ${localTime(validAfter)}`;
  return `from ${localTime(validAfter)} to ${localTime(validBefore)}`;
}

function option(name: string, value: string): string {
  const shown = printable(name);
  if (VALUES.includes(name)) return `${shown} ${printable(value)}`;
  if (FLAGS.includes(name)) return shown;
  if (value === "") return `${shown} UNKNOWN FLAG OPTION`;
  const data = new Writer().text(value).take();
  return `${shown} UNKNOWN OPTION: ${encodeHex(data)} (len ${data.length})`;
}
