/** The README's table of runtimes, and its check against the results of the tests on each runtime. */

/** The columns. */
export const CAPABILITIES = [
  "connect",
  "exec",
  "SFTP",
  "files",
  "tunnels",
  "server",
  "agent",
  "config",
] as const;

/** A column. */
export type Capability = typeof CAPABILITIES[number];

/** One runtime: a test proves each cell that begins with "yes"; any other gives the reason. */
export type Row = Readonly<Record<Capability, string>> & {
  readonly runtime: string;
  readonly versions: string;
};

const YES = "yes";
const EVERYTHING = {
  connect: YES,
  exec: YES,
  SFTP: YES,
  files: YES,
  tunnels: YES,
  server: YES,
  agent: YES,
  config: YES,
};

/** The features of a platform without files, listeners and other programs. */
const IN_MEMORY = {
  exec: YES,
  SFTP: YES,
  files: "no files there",
  tunnels: "yes: `dial()`",
  server: "yes: `serveStreams()`",
  agent: "yes: `Keyring`",
  config: "yes: `Config.parse()`",
};

/** The rows. The tests of Deno are those of the whole repository. */
export const ROWS: readonly Row[] = [
  { runtime: "Deno", versions: "2.4.0 and later", ...EVERYTHING },
  { runtime: "Node", versions: "22.3 and later", ...EVERYTHING },
  { runtime: "Bun", versions: "1.4 and later", ...EVERYTHING },
  { runtime: "Cloudflare Workers", versions: "workerd", connect: YES, ...IN_MEMORY },
  {
    runtime: "browsers",
    versions: "Chromium",
    connect: "yes: over WebSockets, WebTransport",
    ...IN_MEMORY,
  },
];

/** The result of a test, as one JSON object per line of the file named by DENOSSH_RUNTIMES. */
export interface Shown {
  readonly runtime: string;
  /** Such as `v22.23.5`. */
  readonly version: string;
  readonly capabilities: readonly Capability[];
}

/**
 * Records the result of a test on a runtime.
 *
 * @throws {Error} If the table promises more, or less
 */
export function report(shown: Shown): void {
  const row = ROWS.find(({ runtime }) => runtime === shown.runtime);
  if (row === undefined) throw new Error(`The table has no row for ${shown.runtime}`);
  const wrong = CAPABILITIES.filter((name) =>
    promises(row, name) !== shown.capabilities.includes(name)
  );
  if (wrong.length > 0) {
    throw new Error(`The table's row for ${shown.runtime} differs in ${wrong.join(", ")}`);
  }
  const file = Deno.env.get("DENOSSH_RUNTIMES");
  if (file) Deno.writeTextFileSync(file, `${JSON.stringify(shown)}\n`, { append: true });
}

/** Whether a cell says that something works. */
export function promises(row: Row, capability: Capability): boolean {
  return row[capability].startsWith(YES);
}

/** The table in Markdown, as `deno fmt` aligns it. */
export function tableOf(rows: readonly Row[]): string {
  const columns = ["runtime", "versions", ...CAPABILITIES] as const;
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const text = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const [head, ...body] = lines.map(text);
  return [head, text(widths.map((width) => "-".repeat(width))), ...body].join("\n");
}

/** The table of a run: a row per version, with "yes" only where a test has passed. */
export function shownTable(shown: readonly Shown[]): string {
  return tableOf(
    ROWS.flatMap((row) => {
      const of = shown.filter(({ runtime }) => runtime === row.runtime);
      const versions = of.map(({ version, capabilities }) =>
        ({ ...row, ...cellsOf(row, capabilities), versions: version }) as Row
      );
      return versions.length > 0 ? versions : [{ ...row, ...cellsOf(row, []), versions: "none" }];
    }),
  );
}

function cellsOf(row: Row, shown: readonly Capability[]): Partial<Record<Capability, string>> {
  return Object.fromEntries(CAPABILITIES.map((name) => [
    name,
    promises(row, name) && !shown.includes(name) ? "not shown" : row[name],
  ]));
}

/** Prints the table of a run: `table.ts FILE`, with the file of DENOSSH_RUNTIMES. */
if (import.meta.main) {
  const lines = (await Deno.readTextFile(Deno.args[0]!)).split("\n").filter((line) => line !== "");
  const deno = { runtime: "Deno", version: Deno.version.deno, capabilities: CAPABILITIES };
  console.log(shownTable([deno, ...lines.map((line) => JSON.parse(line) as Shown)]));
}
