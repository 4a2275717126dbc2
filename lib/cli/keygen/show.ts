import { runtime } from "../../runtime/runtime.ts";
import { bubbleBabble } from "./bubble_babble.ts";
import { expandHome } from "../../runtime/local_path.ts";
import { KeyFormatError } from "../../errors.ts";
import { fingerprintBytes } from "../../keys/fingerprint.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import { exportPublicKey, importPublicKey, type PublicKey } from "../../keys/public_key.ts";
import { randomart } from "../../keys/randomart.ts";
import {
  FAILURE,
  isPrivate,
  type KeygenJob,
  openPrivateKey,
  print,
  readInput,
  readPublicKey,
} from "./job.ts";
import { printCertificate } from "./certificate_text.ts";

/** `-y`: prints the public half of a private key. */
export async function showPublic(job: KeygenJob): Promise<number> {
  const file = await job.file("file in which the key is");
  using key = await openPrivateKey(file, job.last("P"));
  console.log(`${key.publicKey}`);
  return 0;
}

/** `-l`: prints fingerprints, and pictures with -v. */
export async function listKeys(job: KeygenJob): Promise<number> {
  const hash = job.fingerprintHash();
  return await listFingerprints(job, (key) => key.fingerprint(hash), (key) => {
    if (job.has("v")) console.log(randomart(key, hash));
  });
}

/** `-B`: prints fingerprints as words. */
export async function listWords(job: KeygenJob): Promise<number> {
  return await listFingerprints(job, (key) => bubbleBabble(fingerprintBytes(key, "SHA1")));
}

/** Prints a line for each key of a file: its size, its fingerprint, its comment and its type. */
async function listFingerprints(
  job: KeygenJob,
  fingerprint: (key: PublicKey) => string,
  after: (key: PublicKey) => void = () => {},
): Promise<number> {
  const file = expandHome(job.last("f") ?? "~/.ssh/id_ed25519");
  const keys = await publicKeys(file);
  if (keys.length === 0) {
    job.log.error(`${file} is not a public key file.`);
    return FAILURE;
  }
  for (const key of keys) {
    const comment = key.comment || "no comment";
    console.log(`${key.bits} ${fingerprint(key)} ${comment} (${keyTypeLabel(key)})`);
    after(key);
  }
  return 0;
}

/** `-L`: prints the fields of certificates. */
export async function listCertificates(job: KeygenJob): Promise<number> {
  const file = await job.file("file in which the key is");
  const text = await readInput(file);
  const lines = text.split("\n");
  const name = file === "-" ? "(stdin)" : file;
  let shown = 0;
  let others = 0;
  for (const [index, line] of lines.entries()) {
    const key = keyOfLine(line);
    if (key === null) continue;
    if (key.certificate === null) {
      job.log.error(`${name}:${index + 1} is not a certificate`);
      others++;
      continue;
    }
    shown++;
    console.log(`${index === 0 && file !== "-" ? file : `${name}:${index + 1}`}:`);
    printCertificate(key, key.certificate);
  }
  if (shown + others === 0) throw new KeyFormatError(`${name} is not a public key file.`);
  return shown > 0 ? 0 : 1;
}

/** `-e`: prints a public key in another format. */
export async function exportFormat(job: KeygenJob): Promise<number> {
  const file = await job.file("file in which the key is");
  const name = job.last("m")?.toUpperCase() ?? "RFC4716";
  const formats = { RFC4716: "rfc4716", PKCS8: "pkcs8", PEM: "pem" } as const;
  if (!Object.hasOwn(formats, name)) {
    throw new Error(`Unsupported conversion format "${job.last("m")}"`);
  }
  const shown = await readPublicKey(file, job.last("P"));
  // PEM cannot hold a certificate.
  const key = name === "RFC4716" ? shown : shown.certificate?.publicKey ?? shown;
  const who = `${runtime.env.get("USER") ?? "root"}@${runtime.process.hostname()}`;
  const comment = `${key.bits}-bit ${keyTypeLabel(key)}, converted by ${who} from OpenSSH`;
  const format = formats[name as keyof typeof formats];
  print(exportPublicKey(key, { format, comment }));
  return 0;
}

/** `-i`: prints a public key of another format in OpenSSH's format. */
export async function importFormat(job: KeygenJob): Promise<number> {
  const file = await job.file("file in which the key is");
  const text = await runtime.files.readTextFile(file);
  const key = isPrivate(text) ? null : importPublicKey(text);
  if (key !== null) {
    print(exportPublicKey(key, { comment: "" }));
    return 0;
  }
  using read = await openPrivateKey(file, job.last("P"));
  print(read.export());
  return 0;
}

/** The keys of a public key file, an authorized_keys or known_hosts file, or a private key. */
async function publicKeys(file: string): Promise<PublicKey[]> {
  const text = await readInput(file);
  if (isPrivate(text)) return [await readPublicKey(file, null)];
  return text.split("\n").map(keyOfLine).filter((key) => key !== null);
}

/** The key may be anywhere in the line, after options or host names. */
function keyOfLine(line: string): PublicKey | null {
  // Lines of authorities and revoked keys are skipped, as in ssh-keygen.
  if (/^\s*[#@]/.test(line)) return null;
  const match = /(?:^|\s)((?:ssh|ecdsa|sk)-\S+\s+AAAA\S+.*)$/.exec(line);
  try {
    return match && importPublicKey(match[1]!);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}
