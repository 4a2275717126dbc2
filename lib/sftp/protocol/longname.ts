import { printable } from "../../errors.ts";
import { modeOf, type SftpFileInfo } from "./attributes.ts";
import { S_IF } from "./numbers.ts";

const TYPES: ReadonlyMap<number, string> = new Map([
  [S_IF.SOCKET, "s"],
  [S_IF.LINK, "l"],
  [S_IF.FILE, "-"],
  [S_IF.BLOCK, "b"],
  [S_IF.DIRECTORY, "d"],
  [S_IF.CHARACTER, "c"],
  [S_IF.FIFO, "p"],
]);

/** The file type at the start of a line of `ls -l`, as bits of `S_IF`; 0 if the line has another form. */
export function typeOfLongname(line: string): number {
  const letter = /^([-dlbcps])[-rwxsStTlL]{9}/.exec(line)?.[1];
  for (const [type, own] of TYPES) if (own === letter) return type;
  return 0;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

const MINUTE_MS = 60 * 1000;

/** Age in milliseconds from which `ls` shows the year instead of the time. */
const RECENT_MS = 182 * 24 * 60 * 60 * 1000;

/** The parts of a line of `ls -l` that are not in the attributes. */
export interface LongnameDetails {
  readonly owner?: string | null;
  readonly group?: string | null;
  readonly links?: number | "?" | null;
  /** How the size is written; in bytes unless given. */
  readonly size?: string;
}

/** A line in the form of `ls -l`, which clients show (filexfer-02 §7). */
export function longname(
  name: string,
  info: SftpFileInfo,
  details: LongnameDetails = {},
  now: Date = new Date(),
): string {
  return longnames(now)(name, info, details);
}

/**
 * Makes the lines of one listing. The files of a folder often have the same owner, mode and time, whose
 * text is made once.
 */
export function longnames(
  now: Date,
): (name: string, info: SftpFileInfo, details: LongnameDetails) => string {
  const start = lastOf((mode: number, links, owner: string | number, group: string | number) =>
    `${permissions(mode)}  ${`${links}`.padStart(3)} ${printable(`${owner}`).padEnd(8)} ${
      printable(`${group}`).padEnd(8)
    }`
  );
  const time = lastOf((minute: number) => timeOf(new Date(minute * MINUTE_MS), now));
  return (name, info, { links, owner, group, size = `${info.size}` }) => {
    const first = start(modeOf(info), links ?? 1, owner ?? info.uid ?? 0, group ?? info.gid ?? 0);
    const minute = Math.floor((info.mtime?.getTime() ?? 0) / MINUTE_MS);
    return `${first} ${size.padStart(8)} ${time(minute)} ${printable(name)}`;
  };
}

/** Remembers the last result. */
function lastOf<A extends (string | number)[]>(make: (...key: A) => string): (...key: A) => string {
  let last: A | null = null;
  let text = "";
  return (...key) => {
    if (last === null || key.some((part, at) => part !== last![at])) text = make(...last = key);
    return text;
  };
}

/** `drwxr-xr-x`, with `s` and `t` for the special bits. */
function permissions(mode: number): string {
  const triple = (shift: number, special: number, letter: string): string => {
    const execute = (mode >> shift & 1) !== 0;
    const last = mode & special ? (execute ? letter : letter.toUpperCase()) : (execute ? "x" : "-");
    return (mode >> shift & 4 ? "r" : "-") + (mode >> shift & 2 ? "w" : "-") + last;
  };
  return (TYPES.get(mode & S_IF.MASK) ?? "?") +
    triple(6, 0o4000, "s") + triple(3, 0o2000, "s") + triple(0, 0o1000, "t");
}

function timeOf(date: Date, now: Date): string {
  const day = `${MONTHS[date.getMonth()]} ${`${date.getDate()}`.padStart(2)}`;
  const age = now.getTime() - date.getTime();
  if (age > RECENT_MS || age < -RECENT_MS) return `${day}  ${date.getFullYear()}`;
  const two = (value: number) => `${value}`.padStart(2, "0");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
