import { expandHome } from "../../runtime/local_path.ts";
import { randomBytes } from "../../crypto/random.ts";
import { decodeBase64 } from "../../encoding.ts";
import { KeyFormatError } from "../../errors.ts";
import { hashHostName, type HostMatcher, hostMatcher } from "../../known_hosts/host_pattern.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import { parsePublicKey, type PublicKey } from "../../keys/public_key.ts";
import { randomart } from "../../keys/randomart.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type KeygenJob, orMissing, writeFile } from "./job.ts";

const NOT_FOUND = 1;
const INVALID_FILE = 1;

/** Bytes of salt in a hashed host name, as in OpenSSH. */
const SALT_BYTES = 20;

/** What `-F` prints for lines with a marker. */
const MARKERS = { "": "", "@cert-authority": "CA", "@revoked": "REVOKED" } as const;

/** A line about hosts; its key is not parsed, and may be broken or of an unknown type. */
interface HostsLine {
  readonly marker: keyof typeof MARKERS;
  readonly hosts: string;
  readonly matches: HostMatcher;
  /** The key's type, the key and a comment, as written. */
  readonly key: string;
}

/** `-F`: prints the lines about a host. */
export async function findHost(job: KeygenJob): Promise<number> {
  const name = job.last("F")!.toLowerCase();
  const file = hostsFile(job);
  const hash = job.fingerprintHash();
  let code = NOT_FOUND;
  for (const [index, text] of (await readLines(file)).entries()) {
    const line = parseLine(text);
    if (typeof line === "string" || !line.matches(name)) continue;
    const key = job.has("l") && !job.has("H") ? keyOf(line) : null;
    if (key === null && job.has("l") && !job.has("H")) continue;
    code = 0;
    job.say(`# Host ${job.last("F")} found: line ${index + 1} ${MARKERS[line.marker]}`);
    if (key === null) {
      for (const shown of job.has("H") ? hashed(line, text) : [text]) console.log(shown);
      continue;
    }
    const words = [job.last("F"), keyTypeLabel(key), key.fingerprint(hash), key.comment];
    console.log(words.join(" ").trimEnd());
    if (job.has("v")) console.log(randomart(key, hash));
  }
  return code;
}

/** `-R`: removes the lines of a host, except those of authorities and revoked keys. */
export async function removeHost(job: KeygenJob): Promise<number> {
  const name = job.last("R")!;
  const file = hostsFile(job);
  const updated = (await readLines(file)).map((text, index) => {
    const line = parseLine(text);
    if (line === "broken") return null;
    if (line === "empty" || line.marker !== "" || !line.matches(name.toLowerCase())) return [text];
    job.say(`# Host ${name} found: line ${index + 1}`);
    return [];
  });
  return await replace(job, file, updated, () => {
    job.log.info(`Host ${name} not found in ${file}`);
    return false;
  });
}

/** `-H`: replaces host names by hashes, with one line for each name. */
export async function hashHosts(job: KeygenJob): Promise<number> {
  const file = hostsFile(job);
  let unhashed = false;
  const updated = (await readLines(file)).map((text, index) => {
    const line = parseLine(text);
    if (line === "broken") return null;
    if (line === "empty") return [text];
    if (hasWildcard(line)) {
      job.log.info(`${file}:${index + 1}: ignoring host name with wildcard: ${line.hosts}`);
    }
    const lines = hashed(line, text);
    unhashed ||= lines[0] !== text;
    return lines;
  });
  const code = await replace(job, file, updated, () => true);
  if (code === 0 && unhashed) {
    job.log.info(`WARNING: ${file}.old contains unhashed entries`);
    job.log.info("Delete this file to ensure privacy of hostnames");
  }
  return code;
}

/**
 * Replaces a file, unless it has broken lines, as ssh-keygen does.
 *
 * @param lines The new lines for each old one; null for a broken line
 * @param unchanged Called if nothing has changed; returns whether to replace the file nevertheless
 */
async function replace(
  job: KeygenJob,
  file: string,
  lines: readonly (readonly string[] | null)[],
  unchanged: () => boolean,
): Promise<number> {
  const broken = lines.flatMap((line, index) => line === null ? [index + 1] : []);
  if (broken.length > 0) {
    for (const line of broken) job.log.info(`${file}:${line}: invalid line`);
    job.log.error(`${file} is not a valid known_hosts file.`);
    job.log.error("Not replacing existing known_hosts file because of errors");
    return INVALID_FILE;
  }
  const old = await runtime.files.readTextFile(file);
  const updated = lines.flatMap((line) => line ?? []).join("\n");
  if (updated === old && !unchanged()) return 0;
  const { mode } = await runtime.files.stat(file);
  await writeFile(`${file}.old`, old, (mode ?? 0o600) & 0o777);
  await writeFile(file, updated, (mode ?? 0o600) & 0o644);
  console.log(`${file} updated.\nOriginal contents retained as ${file}.old`);
  return 0;
}

/** One hashed line for each host; the line itself if its names cannot be hashed. */
function hashed(line: HostsLine, text: string): readonly string[] {
  const { marker, hosts, key } = line;
  if (marker !== "" || hosts.startsWith("|") || hasWildcard(line)) return [text];
  return hosts.split(",").filter((host) => host !== "")
    .map((host) => `${hashHostName(host.toLowerCase(), randomBytes(SALT_BYTES))} ${key}`);
}

function hasWildcard({ hosts }: HostsLine): boolean {
  return /[*?!]/.test(hosts);
}

/** Splits a line into a marker, the hosts, and a key that is not parsed. */
function parseLine(text: string): HostsLine | "empty" | "broken" {
  const line = text.trim();
  if (line === "" || line.startsWith("#")) return "empty";
  const [, marker = "", hosts = "", key = ""] =
    /^(?:(@\S+)\s+)?([^@\s]\S*)\s+(\S+\s+[^\s#].*)$/.exec(line) ?? [];
  const matches = hosts === "" ? null : hostMatcher(hosts);
  if (matches === null || !Object.hasOwn(MARKERS, marker)) return "broken";
  return { marker: marker as HostsLine["marker"], hosts, matches, key };
}

/** The key of a line; null if its type is not supported. */
function keyOf({ key }: HostsLine): PublicKey | null {
  const [, blob = "", comment = ""] = /^\S+\s+(\S+)\s*(.*)$/.exec(key) ?? [];
  const bytes = decodeBase64(blob);
  if (bytes === null) return null;
  try {
    return parsePublicKey(bytes, comment);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}

async function readLines(file: string): Promise<string[]> {
  return (await orMissing(runtime.files.readTextFile(file), `Cannot stat ${file}`)).split("\n");
}

function hostsFile(job: KeygenJob): string {
  return expandHome(job.last("f") ?? "~/.ssh/known_hosts");
}
