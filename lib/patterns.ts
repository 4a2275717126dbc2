/** Wildcards, lists of patterns (ssh_config(5), PATTERNS) and glob(7) patterns. */

/**
 * `*` stands for any characters, `?` for one. The time is at most proportional to the product of the
 * lengths.
 */
export function matchesWildcards(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/**
 * Whether a comma-separated list of patterns matches a text (ssh_config(5), PATTERNS): one of them
 * matches, and none that begins with `!`.
 */
export function matchesPatternList(list: string, text: string): boolean {
  let admitted = false;
  for (const pattern of list.split(",")) {
    if (pattern.startsWith("!")) {
      if (matchesWildcards(pattern.slice(1), text)) return false;
    } else if (matchesWildcards(pattern, text)) admitted = true;
  }
  return admitted;
}

/** {@linkcode matchesPatternList} for host names, without regard to case. */
export function matchesHostList(list: string, host: string): boolean {
  return matchesPatternList(list.toLowerCase(), host.toLowerCase());
}

/** One character of a glob pattern: itself, any, any run of them, or one of a class. */
type Token = string | typeof ANY | typeof RUN | ((character: string) => boolean);
const ANY = Symbol("?");
const RUN = Symbol("*");

/** Whether a glob pattern has a wildcard that is not escaped. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gs, ""));
}

/** The name that a pattern without wildcards stands for. */
export function unescapeGlob(pattern: string): string {
  return pattern.replace(/\\(.)/gs, "$1");
}

/** A pattern that matches only the given name. */
export function escapeGlob(name: string): string {
  return name.replace(/[*?[\\]/g, "\\$&");
}

/** An entry of a folder, in the shape of `Deno.DirEntry`. */
export interface GlobEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
}

/** The files that patterns are expanded in. A path has `/` between its steps; `.` is the current folder. */
export interface GlobFiles<E extends GlobEntry> {
  /**
   * The entries of a folder; empty if the folder does not exist. `depth` counts the folders under a
   * `**`.
   */
  list(folder: string, depth: number): Promise<readonly E[]>;
  /** Whether a path exists. */
  exists(path: string): Promise<boolean>;
}

/** A path that a pattern matched. */
export interface GlobMatch<E extends GlobEntry> {
  readonly path: string;
  /** Its entry in the folder; null if the last step of the pattern has no wildcard. */
  readonly entry: E | null;
}

/**
 * Expands a glob pattern: yields what it matches, sorted within each folder. Wildcards match neither `/`
 * nor a dot at the beginning of a name. With `globstar` a step `**` matches any number of folders.
 */
export async function* expandGlob<E extends GlobEntry>(
  pattern: string,
  files: GlobFiles<E>,
  { globstar = false }: { readonly globstar?: boolean } = {},
): AsyncGenerator<GlobMatch<E>, void> {
  const isDeep = (step: string | undefined): boolean => globstar && step === "**";

  /** The matches of the steps in some folders, which may not exist. */
  async function* inside(folders: readonly string[], steps: string[], depth: number): Matches<E> {
    const at = steps.findIndex(isGlob);
    const fixed = (at === -1 ? steps : steps.slice(0, at)).map(unescapeGlob);
    const paths = folders.map((folder) => fixed.reduce(joinSteps, folder));
    if (at !== -1) {
      for (const path of paths) yield* matching(path, steps.slice(at), depth);
      return;
    }
    // In parallel: each look-up may be a round trip.
    const exist = await Promise.all(paths.map((path) => files.exists(path)));
    yield* paths.filter((_, index) => exist[index]).map((path) => ({ path, entry: null }));
  }

  /** The matches of the steps in one folder; the first step has a wildcard. */
  async function* matching(folder: string, steps: string[], depth: number): Matches<E> {
    const [step = "", ...rest] = steps;
    const deep = isDeep(step);
    if (deep && rest.length > 0) yield* inside([folder], rest, depth); // `**` matches no folder, too
    const isMatch = globMatcher(deep ? "*" : step);
    const listed = await files.list(folder === "" ? "." : folder, depth);
    const found = listed.filter(({ name }) => isMatch(name))
      .sort((a, b) => a.name < b.name ? -1 : 1)
      .map((entry) => ({ path: joinSteps(folder, entry.name), entry }));
    if (!deep && rest.length > 0) {
      const folders = found.filter(({ entry }) => entry.isDirectory || entry.isSymlink);
      return yield* inside(folders.map(({ path }) => path), rest, depth);
    }
    for (const { path, entry } of found) {
      if (rest.length === 0) yield { path, entry };
      if (deep && entry.isDirectory) yield* matching(path, steps, depth + 1);
    }
  }

  if (!isGlob(pattern)) return yield* inside([unescapeGlob(pattern)], [], 0);
  const steps = pattern.split("/").filter((step, at, all) =>
    step !== "" && !(isDeep(step) && isDeep(all[at - 1]))
  );
  const seen = new Set<string>(); // two `**` match the same path in several ways
  const repeats = steps.filter(isDeep).length > 1;
  for await (const match of inside([pattern.startsWith("/") ? "/" : ""], steps, 0)) {
    if (!repeats || seen.size < seen.add(match.path).size) yield match;
  }
}

type Matches<E extends GlobEntry> = AsyncGenerator<GlobMatch<E>, void>;

function joinSteps(folder: string, name: string): string {
  return folder === "" || folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/**
 * Whether a name matches one step of a glob pattern. It takes time in proportion to both lengths, even
 * for hostile names; a regular expression would not. Wildcards match a dot at the beginning of a
 * name with `dots` only.
 */
export function globMatcher(
  pattern: string,
  { dots = false }: { readonly dots?: boolean } = {},
): (name: string) => boolean {
  const tokens = (pattern.match(/\\.|\[[!^]?\]?[^\]]*\]|./gsu) ?? []).map(tokenOf);
  return (name) => {
    if (!dots && name.startsWith(".") && !pattern.startsWith(".") && !pattern.startsWith("\\.")) {
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
      } else if (run !== -1) { // the last run matches one character more
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
