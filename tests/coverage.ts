/**
 * Line and branch coverage of `lib/` by folder: runs `deno task test`, or the given tests, and prints
 * a table.
 *
 * ```sh
 * deno task coverage
 * deno task coverage tests/sftp tests/keys/krl_test.ts
 * ```
 */

/** Lines or branches, and those of them that ran. */
interface Share {
  found: number;
  hit: number;
}

interface Coverage {
  readonly lines: Share;
  readonly branches: Share;
}

const root = new URL("../", import.meta.url);

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(tests: readonly string[]): Promise<number> {
  const data = await Deno.makeTempDir({ prefix: "coverage-" });
  try {
    // The variable reaches the programs that tests start: the tools of lib/cli.
    const { code } = await deno([
      "task",
      "test",
      `--coverage=${data}`,
      "--coverage-raw-data-only",
      ...tests,
    ], {
      env: { DENO_COVERAGE_DIR: data },
      stdout: "inherit",
    });
    const only = `--include=^${new URL("lib/", root).href}`;
    const { stdout } = await deno(["coverage", "--lcov", only, data], { stdout: "piped" });
    console.log(table(byFolder(new TextDecoder().decode(stdout), decodeURI(root.pathname))));
    return code;
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

async function deno(args: string[], options: Deno.CommandOptions): Promise<Deno.CommandOutput> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null", ...options });
  const child = command.spawn();
  if (options.stdout === "piped") return await child.output();
  return { ...await child.status, stdout: new Uint8Array(), stderr: new Uint8Array() };
}

/** Sums of a report in the format of lcov, by the folder of each file below a path. */
export function byFolder(lcov: string, below: string): Map<string, Coverage> {
  const folders = new Map<string, Coverage>();
  let current = nothing();
  for (const line of lcov.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1);
    switch (line.slice(0, colon)) {
      case "SF": {
        const folder = value.slice(below.length, value.lastIndexOf("/"));
        current = folders.get(folder) ?? nothing();
        folders.set(folder, current);
        break;
      }
      case "LF":
        current.lines.found += Number(value);
        break;
      case "LH":
        current.lines.hit += Number(value);
        break;
      case "BRF":
        current.branches.found += Number(value);
        break;
      case "BRH":
        current.branches.hit += Number(value);
    }
  }
  return new Map([...folders].sort(([a], [b]) => a < b ? -1 : 1));
}

function nothing(): Coverage {
  return { lines: { found: 0, hit: 0 }, branches: { found: 0, hit: 0 } };
}

function table(folders: ReadonlyMap<string, Coverage>): string {
  const total = nothing();
  for (const { lines, branches } of folders.values()) {
    add(total.lines, lines);
    add(total.branches, branches);
  }
  const row = (name: string, { lines, branches }: Coverage) =>
    [
      name.padEnd(24),
      ...[lines, branches].flatMap((share) => [`${share.found}`.padStart(9), percent(share)]),
    ].join("");
  return [
    `${"folder".padEnd(24)}${"lines".padStart(9)} covered ${"branches".padStart(8)} covered`,
    ...[...folders].map(([name, coverage]) => row(name, coverage)),
    row("total", total),
  ].join("\n");
}

function add(to: Share, { found, hit }: Share): void {
  to.found += found;
  to.hit += hit;
}

function percent({ found, hit }: Share): string {
  return (found === 0 ? "-" : `${(100 * hit / found).toFixed(1)} %`).padStart(8);
}
