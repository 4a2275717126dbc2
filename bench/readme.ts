/** Updates the tables of docs/performance.md from the output of a run. */
import { CIPHERS } from "./throughput.ts";
import type { Table } from "./report.ts";

const PAGE = new URL("../docs/performance.md", import.meta.url);
const BLOCK = /(<!-- bench -->\n)[^]*(\n<!-- \/bench -->)/;

/** Puts the default cipher's `exec` tables and the marks of a run into docs/performance.md. */
export async function writeReadme(machine: string, tables: readonly Table[]): Promise<void> {
  const text = await Deno.readTextFile(PAGE);
  if (!BLOCK.test(text)) throw new Error("docs/performance.md has no place for the bench");
  const shown = tables.filter(({ section, title }) =>
    section === "" || (section === "exec" && title.includes(CIPHERS[0]!))
  );
  const block = [`${machine}:`, ...shown.map(markdown)].join("\n\n");
  await Deno.writeTextFile(PAGE, text.replace(BLOCK, (_, open, close) => open + block + close));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", PAGE.pathname] }).output();
}

function markdown({ title, header, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [`**${title}**`, "", line(header), line(header.map(() => "-")), ...rows.map(line)]
    .join("\n");
}
