import { dirEntry, type SftpWalkEntry } from "./entries.ts";
import { baseName } from "./paths.ts";
import { MAX_LISTED, type RemoteEntry } from "./remote.ts";
import type { Side } from "./side.ts";
import { sftpError, SftpStatus } from "./status.ts";
import { checkDepth } from "./tree.ts";

/** What patterns are looked up in. */
type Lister = Pick<Side, "stat" | "lstat" | "list" | "join">;

/** One character of a pattern: itself, any, any run of them, or one of a class. */
type Token = string | typeof ANY | typeof RUN | ((character: string) => boolean);
const ANY = Symbol("?");
const RUN = Symbol("*");

/**
 * What a pattern stands for, sorted within each folder. `*` and `?` match no slash and no dot in
 * front, `[a-z]` and `[!a-z]` one character, a step `**` any number of folders; `\` protects.
 */
export async function* glob(
  files: Lister,
  pattern: string,
): AsyncGenerator<SftpWalkEntry, void> {
  const root = /^\/*/.exec(pattern)![0] === "" ? "" : "/";
  const steps = pattern.split("/").filter((step, at, all) =>
    step !== "" && !(step === "**" && all[at - 1] === "**")
  );
  const seen = new Set<string>(); // two `**` find the same path in several ways
  const twice = steps.filter((step) => step === "**").length > 1;
  for await (const entry of expand(files, root, steps, 0)) {
    if (twice && seen.size === seen.add(entry.path).size) continue;
    yield entry;
  }
}

async function* expand(
  files: Lister,
  folder: string,
  steps: readonly string[],
  depth: number,
): AsyncGenerator<SftpWalkEntry, void> {
  const plain = steps.findIndex(isGlob);
  if (plain !== 0) {
    const literal = steps.slice(0, plain === -1 ? steps.length : plain).map(unescapeGlob);
    const path = literal.reduce((path, step) => files.join(path, step), folder);
    if (plain !== -1) return yield* expand(files, path, steps.slice(plain), depth);
    const info = path === "" ? null : await files.lstat(path);
    if (info !== null) yield { path, ...dirEntry(baseName(path), info) };
    return;
  }
  checkDepth(folder, depth);
  const [step = "", ...rest] = steps;
  const deep = step === "**";
  // `**` stands for no folder too, and at the end for everything.
  if (deep && rest.length > 0) yield* expand(files, folder, rest, depth);
  const matches = globMatcher(deep ? "*" : step);
  for (const { name, info } of await listed(files, folder)) {
    if (!matches(name)) continue;
    const path = files.join(folder, name);
    if (rest.length === 0) yield { path, ...dirEntry(name, info) };
    if (deep && info.isDirectory) yield* expand(files, path, steps, depth + 1);
    if (!deep && rest.length > 0 && await leadsOn(files, path, info)) {
      yield* expand(files, path, rest, depth);
    }
  }
}

/** A folder's entries in order; none if it is gone or no folder. */
async function listed(files: Lister, folder: string): Promise<RemoteEntry[]> {
  const path = folder === "" ? "." : folder;
  if (!(await files.stat(path))?.isDirectory) return [];
  const entries: RemoteEntry[] = [];
  for await (const entry of files.list(path)) {
    if (entries.push(entry) <= MAX_LISTED) continue;
    const call = { operation: "readDir", path };
    throw sftpError(SftpStatus.FAILURE, call, "a folder without an end");
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

async function leadsOn(
  files: Lister,
  path: string,
  info: { isDirectory: boolean; isSymlink: boolean },
): Promise<boolean> {
  if (!info.isSymlink) return info.isDirectory;
  return (await files.stat(path))?.isDirectory ?? false;
}

/** Whether a pattern has a wildcard that is not protected. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gs, ""));
}

/** A pattern without wildcards as the name that it is. */
export function unescapeGlob(pattern: string): string {
  return pattern.replace(/\\(.)/gs, "$1");
}

/**
 * Whether a name matches one step of a pattern. It takes time in proportion to both lengths, whatever
 * name a server comes up with; a regular expression would not.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  const tokens = (pattern.match(/\\.|\[[!^]?\]?[^\]]*\]|./gsu) ?? []).map(tokenOf);
  return (name) => {
    if (name.startsWith(".") && !pattern.startsWith(".") && !pattern.startsWith("\\.")) {
      return false;
    }
    const characters = [...name];
    let [at, token, run, resume] = [0, 0, -1, 0];
    while (at < characters.length) {
      if (tokens[token] === RUN) {
        run = token++;
        resume = at;
      } else if (token < tokens.length && fits(tokens[token]!, characters[at]!)) {
        at++;
        token++;
      } else if (run !== -1) { // the last run takes one character more
        token = run + 1;
        at = ++resume;
      } else return false;
    }
    while (tokens[token] === RUN) token++;
    return token === tokens.length;
  };
}

function tokenOf(part: string): Token {
  if (part === "*") return RUN;
  if (part === "?") return ANY;
  if (part.length > 1 && part.startsWith("[")) return classOf([...part.slice(1, -1)]);
  return part.startsWith("\\") && part.length > 1 ? part.slice(1) : part;
}

function classOf(characters: string[]): (character: string) => boolean {
  const negated = characters[0] === "!" || characters[0] === "^";
  if (negated) characters = characters.slice(1);
  const ranges: [string, string][] = [];
  for (let at = 0; at < characters.length; at++) {
    const from = characters[at]!;
    const range = characters[at + 1] === "-" && at + 2 < characters.length;
    ranges.push([from, range ? characters[at += 2]! : from]);
  }
  return (character) =>
    ranges.some(([from, to]) => from <= character && character <= to) !== negated;
}

function fits(token: Token, character: string): boolean {
  if (typeof token === "function") return token(character);
  return token === ANY || token === character;
}
