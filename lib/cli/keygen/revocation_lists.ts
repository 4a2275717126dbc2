import { RevocationList, type Revocations } from "../../keys/krl.ts";
import { importPublicKey, type PublicKey } from "../../keys/public_key.ts";
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import { type KeygenJob, orMissing, print, readInput, readPublicKey, writeFile } from "./job.ts";

/** The exit code of `-Q` if a key is revoked. */
const SOME_REVOKED = 1;

/** The revocations in the lines of files (ssh-keygen(1), KEY REVOCATION LISTS). */
interface Collected {
  readonly keys: PublicKey[];
  readonly fingerprints: string[];
  readonly serials: (bigint | [bigint, bigint])[];
  readonly keyIds: string[];
  readonly certificates: NonNullable<Revocations["certificates"]>[number][];
}

/** `-k`: writes a revocation list; with -u, adds to one. */
export async function writeRevoked(job: KeygenJob): Promise<number> {
  const file = job.last("f");
  if (file === null) throw new UsageError("KRL generation requires an output file");
  const version = job.last("z");
  if (version !== null && !/^\d{1,20}$/.test(version)) {
    throw new Error(`Invalid serial number "${version}"`);
  }
  const before = job.has("u") ? RevocationList.parse(await runtime.files.readFile(file)) : null;
  const authority = await authorityOf(job.last("s"));
  const collected: Collected = {
    ...{ keys: [], fingerprints: [], serials: [], keyIds: [], certificates: [] },
  };
  for (const path of job.rest) {
    job.say(`Revoking from ${path}`);
    const text = await readInput(path);
    for (const [index, line] of text.split("\n").entries()) {
      collect(collected, line.trim(), authority, `${path}:${index + 1}`);
    }
  }
  const { keys, fingerprints, serials, keyIds } = collected;
  const certificates = serials.length + keyIds.length === 0
    ? collected.certificates
    : [...collected.certificates, { authority: authority ?? null, serials, keyIds }];
  const revocations: Revocations = {
    ...{ keys, fingerprints, certificates },
    ...(version !== null && { version: BigInt(version) }),
  };
  const list = before?.with(revocations) ?? RevocationList.of(revocations);
  await writeFile(file, list.encode(), 0o644);
  return 0;
}

/** `-Q`: prints whether keys are revoked; with -l, first the whole list. */
export async function queryRevoked(job: KeygenJob): Promise<number> {
  const file = job.last("f");
  if (file === null) throw new UsageError("KRL checking requires an input file");
  const bytes = await orMissing(runtime.files.readFile(file), `Unable to load KRL ${file}`);
  const list = RevocationList.parse(bytes);
  if (job.has("l")) print(`${list}`);
  let code = 0;
  for (const path of job.rest) {
    const key = await orMissing(readPublicKey(path, null), `Cannot load public key ${path}`);
    const revoked = list.isRevoked(key);
    const comment = key.comment === "" ? "" : ` (${key.comment})`;
    console.log(`${path}${comment}: ${revoked ? "REVOKED" : "ok"}`);
    if (revoked) code = SOME_REVOKED;
  }
  return code;
}

/** The key of -s; null for "none" (any authority), undefined without -s. */
async function authorityOf(file: string | null): Promise<PublicKey | null | undefined> {
  if (file === null) return undefined;
  return file.toLowerCase() === "none" ? null : await readPublicKey(file, null);
}

function collect(
  into: Collected,
  line: string,
  authority: PublicKey | null | undefined,
  place: string,
): void {
  if (line === "" || line.startsWith("#")) return;
  const [, word, value = ""] = /^(serial|id|key|sha1|sha256|hash):\s*(.*)$/i.exec(line) ?? [];
  const kind = word?.toLowerCase();
  if ((kind === "serial" || kind === "id") && authority === undefined) {
    throw new Error(
      `${place}: revoking certificates by ${kind} requires specification of a CA key`,
    );
  }
  switch (kind) {
    case "serial":
      into.serials.push(serialsOf(value, place));
      break;
    case "id":
      into.keyIds.push(value);
      break;
    case "key":
      into.keys.push(importPublicKey(value));
      break;
    case "sha1":
      into.fingerprints.push(importPublicKey(value).fingerprint("SHA1"));
      break;
    case "sha256":
      into.fingerprints.push(importPublicKey(value).fingerprint());
      break;
    case "hash":
      into.fingerprints.push(value);
      break;
    default:
      revokeKey(into, importPublicKey(line));
  }
}

/** Revokes a certificate by its serial number, or its key id without one, and a key by its fingerprint. */
function revokeKey(into: Collected, key: PublicKey): void {
  const { certificate } = key;
  if (certificate === null) into.fingerprints.push(key.fingerprint());
  else if (certificate.serial !== 0n) {
    into.certificates.push({ authority: certificate.authority, serials: [certificate.serial] });
  } else into.certificates.push({ authority: certificate.authority, keyIds: [certificate.keyId] });
}

function serialsOf(text: string, place: string): bigint | [bigint, bigint] {
  const match = /^(\d{1,20})(?:\s*-\s*(\d{1,20}))?$/.exec(text);
  if (match === null) throw new Error(`${place}: invalid serial "${text}"`);
  const first = BigInt(match[1]!);
  return match[2] === undefined ? first : [first, BigInt(match[2])];
}
