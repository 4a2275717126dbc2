/**
 * Compares the files of a package with the allowed ones:
 *
 *     deno run -A .ci/package_files.ts            what `deno publish` would upload
 *     deno run -A .ci/package_files.ts FOLDER     what `npm pack` would pack of a folder
 */

/** The allowed files: names, which must exist, and patterns, which may match nothing. */
const ALLOWED: Readonly<Record<"jsr" | "npm", readonly string[]>> = {
  jsr: [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "THIRD_PARTY.md",
    "deno.json",
    "mod.ts",
    "docs/*.md",
    "docs/plots/*.svg",
    "lib/**.ts",
    "wasm/pkg/*.js",
    "wasm/pkg/*.ts",
    "wasm/pkg/*.wasm",
  ],
  npm: [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "THIRD_PARTY.md",
    "package.json",
    "bin/denossh.js",
    "dist/**.js",
    "dist/**.wasm",
    "types/**.d.ts",
  ],
};

const root = new URL("../", import.meta.url);

if (import.meta.main) {
  const [folder] = Deno.args;
  const kind = folder === undefined ? "jsr" : "npm";
  const files = folder === undefined ? await published() : await packed(folder);
  const wrong = unexpected(files, ALLOWED[kind]);
  for (const line of wrong) console.error(line);
  if (wrong.length > 0) Deno.exit(1);
  console.log(`${files.length} files, each of them expected`);
}

/** The problems of a list of files. */
export function unexpected(files: readonly string[], allowed: readonly string[]): string[] {
  const patterns = allowed.map(patternOf);
  return [
    ...files.filter((file) => !patterns.some((pattern) => pattern.test(file)))
      .map((file) => `${file} must not be published: see .ci/package_files.ts`),
    ...allowed.filter((name) => !name.includes("*") && !files.includes(name))
      .map((name) => `${name} is missing`),
  ];
}

/** `*` matches any text without a slash, and `**` any text. Test files never match. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split(/(\*+)/).map((part) =>
    part === "*" ? "[^/]*" : part === "**" ? ".*" : part.replaceAll(/[.]/g, "\\.")
  );
  return new RegExp(`^(?!.*_(test|bench)\\.)${parts.join("")}$`);
}

/** The files that `deno publish` would upload. */
export async function published(): Promise<string[]> {
  const text = await output(
    Deno.execPath(),
    ["publish", "--dry-run", "--allow-dirty"],
    root,
    "stderr",
  );
  const names = [...text.matchAll(/^\s*(file:\/\/\S+) \([\d.]+\w+\)$/gm)].map(([, url]) => url!);
  if (names.length === 0) throw new Error(`"deno publish --dry-run" listed no files:\n${text}`);
  return names.map((url) => decodeURIComponent(url.slice(root.href.length)));
}

async function packed(folder: string): Promise<string[]> {
  const json = await output("npm", ["pack", "--dry-run", "--json"], folder, "stdout");
  const [{ files }] = JSON.parse(json) as [{ files: readonly { path: string }[] }];
  return files.map(({ path }) => path);
}

async function output(
  program: string,
  args: string[],
  cwd: string | URL,
  stream: "stdout" | "stderr",
): Promise<string> {
  const ran = await new Deno.Command(program, { args, cwd, env: { NO_COLOR: "1" } }).output();
  const text = new TextDecoder().decode(ran[stream]);
  if (!ran.success) throw new Error(`"${program} ${args.join(" ")}" failed:\n${text}`);
  return text;
}
