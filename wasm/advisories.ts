/**
 * Compares the crates of Cargo.lock with RustSec's advisories, offline: `advisories.json` contains the
 * advisories on these crates, and the names of all checked crates.
 *
 *     deno run --allow-read wasm/advisories.ts             fails if one applies to a locked version
 *     deno run -A wasm/advisories.ts --update FOLDER       reads them from a git clone of rustsec/advisory-db
 *
 * @module
 */

/** One advisory on a crate. */
export interface Advisory {
  readonly id: string;
  readonly crate: string;
  readonly title: string;
  /** `unmaintained`, `unsound` or `notice`; missing for a vulnerability. */
  readonly informational?: string;
  /** Ranges of unaffected versions. */
  readonly patched: readonly string[];
  readonly unaffected: readonly string[];
}

/** The committed copy of the database. */
interface Copy {
  /** The commit of the database and its date. */
  readonly database: string;
  /** The checked crates. */
  readonly crates: readonly string[];
  readonly advisories: readonly Advisory[];
}

/** A crate of a lock file. */
export interface LockedCrate {
  readonly name: string;
  readonly version: string;
}

const folder = new URL("./", import.meta.url);
const file = new URL("advisories.json", folder);

if (import.meta.main) {
  const locked = lockedCrates(await Deno.readTextFile(new URL("Cargo.lock", folder)));
  if (Deno.args[0] === "--update") await update(Deno.args[1] ?? "", locked);
  const copy: Copy = JSON.parse(await Deno.readTextFile(file));
  const found = problems(locked, copy);
  for (const problem of found) console.error(problem);
  if (found.length > 0) Deno.exit(1);
  console.log(
    `${locked.length} crates, no advisory about them in ${copy.database} (${copy.advisories.length} looked at)`,
  );
}

/** The problems of the locked crates. */
export function problems(
  locked: readonly LockedCrate[],
  { crates, advisories }: Omit<Copy, "database">,
): string[] {
  const known = new Set(crates);
  const unknown = locked.filter(({ name }) => !known.has(name))
    .map(({ name }) =>
      `${name}: not looked up yet; run "wasm/advisories.ts --update" with a newer database`
    );
  const affected = locked.flatMap(({ name, version }) =>
    advisories.filter((it) => it.crate === name)
      .filter((it) => ![...it.patched, ...it.unaffected].some((range) => isIn(version, range)))
      .map(({ id, title }) => `${name} ${version}: ${id}, ${title}`)
  );
  return [...unknown, ...affected];
}

/** The crates of a Cargo.lock that come from a registry. */
export function lockedCrates(text: string): LockedCrate[] {
  return text.split("[[package]]").slice(1)
    .filter((entry) => /^source = "registry/m.test(entry))
    .map((entry) => ({ name: field(entry, "name"), version: field(entry, "version") }));
}

/** Whether a version is in a Cargo range, such as `>= 0.5.2, < 0.6.0` or `^0.9.3`. */
export function isIn(version: string, range: string): boolean {
  return range.split(",").every((part) => {
    const [, operator, bound] = part.trim().match(/^(>=|<=|>|<|=|\^|~)?\s*(\d\S*)$/) ?? [];
    if (bound === undefined) throw new Error(`Unknown range of versions "${range}"`);
    const order = compare(version, bound);
    switch (operator) {
      case ">=":
        return order >= 0;
      case "<=":
        return order <= 0;
      case ">":
        return order > 0;
      case "<":
        return order < 0;
      case "=":
        return order === 0;
      case "~":
        return order >= 0 && sameUpTo(version, bound, 1);
      default: // ^, and a bare version, up to the first number that is not 0
        return order >= 0 && sameUpTo(version, bound, numbersOf(bound).findIndex((it) => it > 0));
    }
  });
}

function compare(one: string, other: string): number {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  for (let at = 0; at < 3; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  // A pre-release sorts before its release; two of one release are compared as texts.
  const [early, late] = [one, other].map((it) => it.split("+")[0]!.split("-").slice(1).join("-"));
  if (early === late) return 0;
  return early === "" ? 1 : late === "" ? -1 : early! < late! ? -1 : 1;
}

function sameUpTo(one: string, other: string, last: number): boolean {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  return b.slice(0, (last < 0 ? b.length - 1 : last) + 1).every((it, at) => it === (a[at] ?? 0));
}

function numbersOf(version: string): number[] {
  return version.split(/[-+]/)[0]!.split(".").map(Number);
}

/** Writes `advisories.json` from a git folder of the database. */
async function update(database: string, locked: readonly LockedCrate[]): Promise<void> {
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["-C", database, ...args],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error(`"git ${args[0]}" failed: give the folder of a clone`);
    return new TextDecoder().decode(stdout);
  };
  const crates = [...new Set(locked.map(({ name }) => name))].sort();
  const paths =
    (await git("ls-tree", "-r", "--name-only", "HEAD", ...crates.map((it) => `crates/${it}/`)))
      .split("\n").filter((path) => path.endsWith(".md")).sort();
  const advisories: Advisory[] = [];
  for (const path of paths) {
    const advisory = parseAdvisory(await git("show", `HEAD:${path}`));
    if (advisory !== null) advisories.push(advisory);
  }
  const [commit, date] = (await git("log", "-1", "--format=%h %cs")).trim().split(" ");
  const copy: Copy = { database: `rustsec/advisory-db ${commit} of ${date}`, crates, advisories };
  await Deno.writeTextFile(file, `${JSON.stringify(copy, null, 2)}\n`);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", file.pathname] }).output();
}

/** Reads a file of the database; null if the advisory was withdrawn. */
export function parseAdvisory(text: string): Advisory | null {
  const toml = text.split("```")[1] ?? "";
  if (/^withdrawn\s*=/m.test(toml)) return null;
  const informational = field(toml, "informational");
  return {
    id: field(toml, "id"),
    crate: field(toml, "package"),
    title: text.match(/^# (.*)$/m)?.[1] ?? "",
    ...informational !== "" && { informational },
    patched: listOf(toml, "patched"),
    unaffected: listOf(toml, "unaffected"),
  };
}

function field(toml: string, name: string): string {
  return toml.match(new RegExp(`^${name}\\s*=\\s*"([^"]*)"`, "m"))?.[1] ?? "";
}

function listOf(toml: string, name: string): string[] {
  const list = toml.match(new RegExp(`^${name}\\s*=\\s*\\[([^\\]]*)\\]`, "m"))?.[1] ?? "";
  return [...list.matchAll(/"([^"]*)"/g)].map(([, range]) => range!);
}
