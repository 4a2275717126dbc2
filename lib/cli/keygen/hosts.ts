import { expandHome } from "../../login/home.ts";
import { randomBytes } from "../../crypto/random.ts";
import { KeyFormatError } from "../../errors.ts";
import { hashHostName } from "../../known_hosts/host_pattern.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import { type HostEntry, parseHostLine } from "../../known_hosts/known_host_line.ts";
import { parsePublicKey, type PublicKey } from "../../keys/public_key.ts";
import { randomart } from "../../keys/randomart.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type KeygenJob, orMissing, writeFile } from "./job.ts";

const NOT_FOUND = 1;

/** Bytes of salt in a hashed host name, as OpenSSH has it. */
const SALT_BYTES = 20;

/** `-F`: prints the lines about a host. */
export async function findHost(job: KeygenJob): Promise<number> {
  const name = job.last("F")!;
  const lines = (await readHosts(job)).split("\n");
  const hash = job.fingerprintHash();
  let code = NOT_FOUND;
  for (const [index, line] of lines.entries()) {
    const entry = parseHostLine(line.trim(), index + 1);
    if (!entry?.matches(name.toLowerCase())) continue;
    code = 0;
    const words = { "": "", "@cert-authority": "CA", "@revoked": "REVOKED" }[entry.marker];
    job.say(`# Host ${name} found: line ${entry.line} ${words}`);
    const key = job.has("l") ? keyOf(entry) : null;
    if (key === null) {
      console.log(job.has("H") ? hashed(line, name) : line);
      continue;
    }
    console.log(`${name} ${keyTypeLabel(key)} ${key.fingerprint(hash)} ${key.comment}`.trimEnd());
    if (job.has("v")) console.log(randomart(key, hash));
  }
  return code;
}

/** `-R`: forgets a host; lines of authorities and of revoked keys stay. */
export async function removeHost(job: KeygenJob): Promise<number> {
  const name = job.last("R")!;
  const file = hostsFile(job);
  const text = await readHosts(job);
  const kept = text.split("\n").filter((line, index) => {
    const entry = parseHostLine(line.trim(), index + 1);
    if (entry?.marker !== "" || !entry.matches(name.toLowerCase())) return true;
    job.say(`# Host ${name} found: line ${index + 1}`);
    return false;
  });
  const updated = kept.join("\n");
  if (updated === text) {
    job.log.error(`Host ${name} not found in ${file}`);
    return 0;
  }
  await replace(job, file, text, updated);
  return 0;
}

/** `-H`: replaces the names of hosts by hashes, one line for each name. */
export async function hashHosts(job: KeygenJob): Promise<number> {
  const file = hostsFile(job);
  const text = await readHosts(job);
  let unhashed = false;
  const lines = text.split("\n").flatMap((line, index) => {
    const entry = parseHostLine(line.trim(), index + 1);
    if (entry?.marker !== "" || entry.hosts.startsWith("|")) return [line];
    if (/[*?!]/.test(entry.hosts)) {
      job.note(`${file}:${index + 1}: ignoring host name with wildcard: ${entry.hosts}`);
      return [line];
    }
    unhashed = true;
    return entry.hosts.split(",").map((host) => hashed(line, host));
  });
  if (!unhashed) return 0;
  await replace(job, file, text, lines.join("\n"));
  job.note(`WARNING: ${file}.old contains unhashed entries`);
  job.note("Delete this file to ensure privacy of hostnames");
  return 0;
}

async function replace(job: KeygenJob, file: string, old: string, updated: string): Promise<void> {
  const { mode } = await runtime.files.stat(file);
  const bits = (mode ?? 0o600) & 0o777;
  await writeFile(`${file}.old`, old, bits);
  await writeFile(file, updated, bits);
  job.say(`${file} updated.\nOriginal contents retained as ${file}.old`);
}

/** The line with the hash of one host instead of its names. */
function hashed(line: string, host: string): string {
  const field = hashHostName(host.toLowerCase(), randomBytes(SALT_BYTES));
  return line.trim().replace(/^(@\S+\s+)?\S+/, (_, marker = "") => marker + field);
}

/** The key of a line, or null if it is of no supported type. */
function keyOf({ blob, comment }: HostEntry): PublicKey | null {
  try {
    return parsePublicKey(blob, comment);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}

async function readHosts(job: KeygenJob): Promise<string> {
  const file = hostsFile(job);
  return await orMissing(runtime.files.readTextFile(file), `Cannot stat ${file}`);
}

function hostsFile(job: KeygenJob): string {
  return expandHome(job.last("f") ?? "~/.ssh/known_hosts");
}
