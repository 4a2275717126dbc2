/** A release's version, changelog, tag, files, and third-party list. */
import { assert, assertEquals } from "@std/assert";
import { unexpected } from "../.ci/package_files.ts";
import { disagreements, type Release, sectionsOf } from "../.ci/release.ts";
import { lockedCrates } from "../wasm/advisories.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));

const CHANGELOG = `# Changelog

## Unreleased

### Added

## 1.2.3 - 2026-12-01

### Added

- A thing.

## 1.2.2 - 2026-11-01
`;

const GOOD: Release = {
  version: "1.2.3",
  changelog: CHANGELOG,
  tagged: null,
  head: "abc",
  changes: "",
};

const releases: [string, Partial<Release>, string | null][] = [
  ["its section is dated and the unreleased section is empty", {}, null],
  ["the tag is this commit", { tagged: "abc" }, null],
  ["the tag is another commit", { tagged: "def" }, "tag v1.2.3 is another commit"],
  ["the version is malformed", {
    version: "v1",
    changelog: "## v1 - 2026-12-01\n\n- A thing.\n",
  }, "not a version"],
  ["the changelog does not have it", { version: "1.2.4" }, 'no section "1.2.4'],
  ["its section is empty", { version: "1.2.2" }, "1.2.2 is empty"],
  ["its section has no date", { changelog: "## 1.2.3\n\n- A thing.\n" }, "has no date"],
  ["the unreleased section is not empty", {
    changelog: CHANGELOG.replace("### Added\n", "### Added\n\n- Another thing.\n"),
  }, 'under "Unreleased"'],
  ["files are not committed", { changes: " M mod.ts" }, "uncommitted changes:\n M mod.ts"],
];
for (const [name, change, problem] of releases) {
  Deno.test(`A release is ${problem === null ? "ready" : "refused"} if ${name}`, () => {
    const problems = disagreements({ ...GOOD, ...change });
    assertEquals(problems.length, problem === null ? 0 : 1, problems.join());
    if (problem !== null) assert(problems[0]!.includes(problem), problems[0]);
  });
}

Deno.test("The changelog has the version of deno.json", async () => {
  const { version } = JSON.parse(await read("deno.json"));
  const titles = [...sectionsOf(await read("CHANGELOG.md")).keys()];
  assert(titles.some((title) => title.split(" - ")[0] === version), titles.join());
});

Deno.test("The files of a package match its list", () => {
  const allowed = ["mod.ts", "lib/**.ts", "docs/*.md"];
  assertEquals(unexpected(["mod.ts", "lib/a.ts", "lib/b/c.ts", "docs/a.md"], allowed), []);
  const wrong = ["lib/a_test.ts", "lib/key", "docs/b/a.md", "docs/a_md", ".env", "xmod.ts"];
  const told = unexpected(["mod.ts", ...wrong], allowed);
  assertEquals(told.map((line) => line.split(" ")[0]), wrong);
  assertEquals(unexpected(["lib/a.ts"], allowed), ["mod.ts is missing"]);
});

Deno.test("THIRD_PARTY.md has the crates of the lock file, and each direct dependency", async () => {
  const locked = lockedCrates(await read("wasm/Cargo.lock"));
  const versions = locked.map(({ name, version }) => `${name} ${version}`);
  const rows = (await read("THIRD_PARTY.md")).matchAll(/^\| (\S+) +\| (\d\S*) +\|/gm);
  const listed = Array.from(rows, ([, name, version]) => `${name} ${version}`);
  assertEquals(listed.filter((crate) => !versions.includes(crate)), []);
  const names: string[] = [];
  for (const manifest of await manifests("wasm/")) {
    const direct = (await read(manifest)).matchAll(/^(\S+) = (?:\{ version = )?"=([^"]+)"/gm);
    names.push(...Array.from(direct, ([, name, version]) => `${name} ${version}`));
  }
  assert(names.length > 10, names.join());
  assertEquals(names.filter((crate) => !listed.includes(crate)), []);
});

Deno.test("README, .ci/run and the workflows run the same version of Deno", async () => {
  const texts = await Promise.all(
    ["README.md", "CONTRIBUTING.md", ".github/workflows/publish.yml"].map(read),
  );
  const versions = texts.flatMap((text) =>
    [...text.matchAll(/\bdeno@([\d.]+)/g)].map((it) => it[1])
  );
  const own = (await read(".ci/run")).match(/^DENO_VERSION=(\S+)/m)?.[1];
  assertEquals([...new Set(versions)], [own]);
});

/** The Cargo.toml of the published crates. */
async function manifests(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory && name !== "target" && name !== "reference") {
      found.push(...await manifests(`${folder}${name}/`));
    } else if (name === "Cargo.toml") found.push(folder + name);
  }
  return found;
}
