import { printable } from "../errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAllSync } from "../runtime/write_all.ts";
import type { FleetLine } from "./lines.ts";

/** Colours of names, by turns: green, yellow, blue, magenta, cyan. */
const COLOURS = [32, 33, 34, 35, 36];

/**
 * Writes the lines of hosts to the same streams of this program, each preceded by the name of its
 * host: in a colour on a terminal, unless the user disables colours. Control characters are removed.
 *
 * @param hosts The names of all hosts
 */
export function linePrinter(hosts: readonly string[]): (line: FleetLine) => void {
  const places = new Map(hosts.map((host, at) => [host, at]));
  const width = Math.max(...hosts.map(({ length }) => length));
  const { stdout, stderr, noColor } = runtime.terminal;
  const streams = { stdout, stderr };
  const isColoured = {
    stdout: !noColor && stdout.isTerminal(),
    stderr: !noColor && stderr.isTerminal(),
  };
  return ({ host, stream, text }) => {
    const name = `${printable(host).padEnd(width)} |`;
    const colour = COLOURS[(places.get(host) ?? 0) % COLOURS.length];
    const prefix = isColoured[stream] ? `\x1b[${colour}m${name}\x1b[0m` : name;
    const shown = text.replace(/[^\t]+/g, (part) => printable(part, part.length));
    writeAllSync(streams[stream], new TextEncoder().encode(`${prefix} ${shown}`.trimEnd() + "\n"));
  };
}
