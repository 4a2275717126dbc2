/** SSHFP records: fingerprints of host keys for the DNS (RFC 4255). */
import { decodeBase64, encodeHex } from "../../encoding.ts";
import { expandHome } from "../../runtime/local_path.ts";
import { digest, type HashName } from "../../crypto/digest.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { FAILURE, type KeygenJob, readPublicKey } from "./job.ts";

/** The type of the records in the generic notation of RFC 3597. */
const SSHFP_TYPE = 44;

const HASHES: readonly [name: string, number: number, hash: HashName][] = [
  ["sha1", 1, "SHA-1"],
  ["sha256", 2, "SHA-256"],
];

/** The keys of this machine's sshd, in the order of ssh-keygen. */
const HOST_KEYS = ["rsa", "ecdsa", "ed25519"]
  .map((type) => `/etc/ssh/ssh_host_${type}_key.pub`);

/** A host key, even one too weak to be used here, because others may know it. */
interface HostKey {
  readonly type: string;
  readonly blob: Uint8Array;
}

/** `-r`: prints the SSHFP records of a host, for the key in the file of -f or for this machine's host keys. */
export async function printDnsRecords(job: KeygenJob): Promise<number> {
  const host = job.last("r")!;
  const hashes = hashesOf(job);
  const given = job.last("f");
  const files = given === null ? HOST_KEYS : [expandHome(given)];
  let code = FAILURE;
  for (const file of files) {
    try {
      print(job, host, await readKey(file, job.last("P")), hashes);
      code = 0;
    } catch (error) {
      if (given !== null || !isError(error, "NotFound")) throw error;
    }
  }
  if (code !== 0) throw new Error("no keys found.");
  return code;
}

async function readKey(file: string, passphrase: string | null): Promise<HostKey> {
  const text = await runtime.files.readTextFile(file);
  const [, type, base64 = ""] = /^(\S+)[ \t]+(AAAA\S+)/.exec(text) ?? [];
  const blob = decodeBase64(base64);
  if (type !== undefined && blob !== null) return { type, blob };
  return await readPublicKey(file, passphrase);
}

/** The hashes of `-O hashalg`; all unless given. */
function hashesOf(job: KeygenJob): typeof HASHES {
  const names: string[] = [];
  for (const option of job.all("O")) {
    const [, name] = /^hashalg=(.*)$/s.exec(option) ?? [];
    if (name === undefined) throw new Error(`Invalid option "${option}"`);
    if (!HASHES.some(([known]) => known === name)) throw new Error("Unsupported hash algorithm");
    names.push(name);
  }
  return HASHES.filter(([name]) => names.length === 0 || names.at(-1) === name);
}

function print(job: KeygenJob, host: string, { type, blob }: HostKey, hashes: typeof HASHES) {
  const algorithm = algorithmNumber(type);
  if (algorithm === null) {
    return job.log.error("export_dns_rr: unsupported algorithm and/or digest_type");
  }
  const two = (number: number) => number.toString(16).padStart(2, "0");
  for (const [, number, hash] of hashes) {
    const bytes = digest(hash, blob);
    const head = job.has("g")
      ? `IN TYPE${SSHFP_TYPE} \\# ${2 + bytes.length} ${two(algorithm)} ${two(number)}`
      : `IN SSHFP ${algorithm} ${number}`;
    console.log(`${host} ${head} ${encodeHex(bytes)}`);
  }
}

/** The number of a key's algorithm (RFC 4255, 6594, 7479). */
function algorithmNumber(type: string): number | null {
  if (type === "ssh-rsa") return 1;
  if (/^ecdsa-sha2-nistp\d+$/.test(type)) return 3; // not a certificate
  return type === "ssh-ed25519" ? 4 : null;
}
