/**
 * Prepares a release. The workflow publish.yml publishes from a tag; this program uploads nothing.
 *
 *     deno task release              whether version, changelog and tag agree, then every gate (.ci/run)
 *     deno task release --check      the first half, in a second
 *     deno task release --publish    both, and then makes and pushes the tag
 */

/** The versions that must agree. */
export interface Release {
  /** The version in deno.json. */
  readonly version: string;
  /** The text of CHANGELOG.md. */
  readonly changelog: string;
  /** The commit of the version's tag; null if there is no such tag. */
  readonly tagged: string | null;
  /** The commit to release. */
  readonly head: string;
  /** The output of `git status`. */
  readonly changes: string;
}

if (import.meta.main) {
  const known = ["--check", "--publish"];
  const unknown = Deno.args.find((arg) => !known.includes(arg));
  if (unknown !== undefined || Deno.args.length > 1) {
    console.error("usage: deno task release [--check | --publish]");
    Deno.exit(2);
  }
  const release = await thisRelease();
  const problems = disagreements(release);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
  const tag = `v${release.version}`;
  console.log(`Version, changelog and tag agree on ${release.version}`);
  if (Deno.args[0] !== "--check") {
    const { success } = await new Deno.Command(".ci/run").spawn().status;
    if (!success) Deno.exit(1);
    if (Deno.args[0] !== "--publish") {
      console.log(`Ready: "deno task release --publish" pushes ${tag}`);
    } else {
      if (release.tagged === null) await git("tag", "--annotate", `--message=${tag}`, tag);
      await git("push", "origin", tag);
      console.log(`Pushed ${tag}: the workflow publish.yml publishes it`);
    }
  }
}

/** Why this commit cannot be released as its version; empty if it can. */
export function disagreements({ version, changelog, tagged, head, changes }: Release): string[] {
  const problems: string[] = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
    problems.push(`deno.json: "${version}" is not a version such as 1.2.3`);
  }
  const sections = sectionsOf(changelog);
  if (sections.get("Unreleased")) {
    problems.push(`CHANGELOG.md: move what is under "Unreleased" to the section of ${version}`);
  }
  const title = [...sections.keys()].find((it) => it === version || it.startsWith(`${version} - `));
  if (title === undefined) {
    problems.push(`CHANGELOG.md: there is no section "${version} - YYYY-MM-DD"`);
  } else if (!/ - \d{4}-\d{2}-\d{2}$/.test(title)) {
    problems.push(
      `CHANGELOG.md: the section of ${version} has no date, as in "${version} - 2026-12-31"`,
    );
  } else if (!sections.get(title)) {
    problems.push(`CHANGELOG.md: the section of ${version} is empty`);
  }
  if (tagged !== null && tagged !== head) {
    problems.push(`The tag v${version} is another commit: change the version in deno.json`);
  }
  if (changes !== "") problems.push(`There are uncommitted changes:\n${changes}`);
  return problems;
}

/** The sections of a changelog by title, without the headings. */
export function sectionsOf(changelog: string): Map<string, string> {
  const sections = changelog.split(/^## /m).slice(1);
  return new Map(sections.map((section) => {
    const [title, ...rest] = section.split("\n");
    return [title!.trim(), rest.filter((line) => !line.startsWith("#")).join("\n").trim()];
  }));
}

async function thisRelease(): Promise<Release> {
  const { version } = JSON.parse(await Deno.readTextFile("deno.json"));
  return {
    version,
    changelog: await Deno.readTextFile("CHANGELOG.md"),
    tagged: await git("rev-list", "-n", "1", `v${version}`).catch(() => null),
    head: await git("rev-parse", "HEAD"),
    changes: await git("status", "--porcelain"),
  };
}

async function git(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", { args }).output();
  if (!success) {
    throw new Error(`"git ${args.join(" ")}" failed: ${new TextDecoder().decode(stderr)}`);
  }
  return new TextDecoder().decode(stdout).trim();
}
