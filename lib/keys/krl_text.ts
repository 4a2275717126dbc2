import { decodeHex, encodeHex } from "../encoding.ts";
import { KeyFormatError, printable } from "../errors.ts";
import { fingerprintText } from "./fingerprint.ts";
import type { KrlFile, RevokedCertificates, SerialRange } from "./krl_format.ts";
import type { PublicKey } from "./key.ts";
import { parsePublicKey } from "./public_key.ts";

/** Prints a list as `ssh-keygen -Q -l` does, mostly in the form that `ssh-keygen -k` reads. */
export function krlText(file: KrlFile): string {
  const hashes = [
    ...sorted(file.keys).map(keyLine),
    ...sorted(file.sha256).map((hash) => `hash: SHA256:${hash}`),
    // A specification cannot express these.
    ...sorted(file.sha1).map((hash) => `# hash SHA1:${hash}`),
  ];
  const lines = [
    `# KRL version ${file.version}`,
    `# Generated at ${timeText(new Date(Number(file.generated) * 1000))}`,
    ...file.comment === "" ? [] : [`# Comment: ${printable(file.comment)}`],
    "",
    ...hashes,
    ...byAuthority(file.certificates).flatMap(sectionLines),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function sorted(values: ReadonlySet<string>): string[] {
  return [...values].sort();
}

function keyLine(hex: string): string {
  const key = readKey(decodeHex(hex));
  if (key === null) return "# a key of an unknown kind";
  return `hash: ${fingerprintText(key, "SHA256")} # ${key.type}`;
}

function readKey(blob: Uint8Array): PublicKey | null {
  try {
    return parsePublicKey(blob);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}

/** Merges the sections of each authority. */
function byAuthority(sections: readonly RevokedCertificates[]): RevokedCertificates[] {
  const merged = new Map<string, RevokedCertificates>();
  for (const section of sections) {
    const name = encodeHex(section.authority);
    const before = merged.get(name);
    merged.set(
      name,
      before === undefined ? section : {
        authority: section.authority,
        serials: before.serials.union(section.serials),
        ranges: [...before.ranges, ...section.ranges],
        keyIds: before.keyIds.union(section.keyIds),
      },
    );
  }
  return [...merged.values()];
}

function sectionLines({ authority, serials, ranges, keyIds }: RevokedCertificates): string[] {
  const key = authority.length === 0 ? null : readKey(authority);
  const who = authority.length === 0
    ? "Wildcard CA"
    : `CA key ${key === null ? "of an unknown kind" : `${key.type} ${key.fingerprint()}`}`;
  const single = [...serials].map((serial): SerialRun => [serial, serial]);
  const runs = joined([...single, ...ranges.flatMap(runsOf)]);
  return [
    "",
    `# ${who}`,
    ...runs.map(([first, last]) => `serial: ${first === last ? first : `${first}-${last}`}`),
    ...sorted(keyIds).map((id) => `id: ${printable(id)}`),
  ];
}

/** An inclusive range of serial numbers. */
type SerialRun = readonly [first: bigint, last: bigint];

function runsOf({ first, last, bitmap }: SerialRange): SerialRun[] {
  if (bitmap === null) return [[first, last]];
  const runs: SerialRun[] = [];
  for (let bit = 0; bit < bitmap.length * 8; bit++) {
    const serial = first + BigInt(bit);
    if ((bitmap.at(-1 - (bit >> 3))! >> (bit & 7) & 1) === 1) runs.push([serial, serial]);
  }
  return runs;
}

/** Sorts ranges and merges adjacent ones. */
function joined(runs: readonly SerialRun[]): SerialRun[] {
  const result: [bigint, bigint][] = [];
  for (const [first, last] of [...runs].sort(([a], [b]) => Number(a - b))) {
    const before = result.at(-1);
    if (before === undefined || before[1] + 1n < first) result.push([first, last]);
    else if (before[1] < last) before[1] = last;
  }
  return result;
}

/** Local time, as ssh-keygen writes it. */
function timeText(date: Date): string {
  const two = (number: number) => `${number}`.padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("");
  return `${day}T${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}
