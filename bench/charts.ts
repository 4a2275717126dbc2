/** Draws charts as SVG that follow the reader's light or dark scheme. */

/** Names that are highlighted. */
const OURS = /^@denossh\/ssh/;
const WIDTH = 760;
const BAR = { height: 20, gap: 4, left: 250, right: 90 };
const LINES = { height: 300, left: 56, right: 260, top: 48, bottom: 44 };
/** Minimum distance between the names at the ends of lines. */
const NAME_HEIGHT = 15;

const STYLE = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.soft { fill: #59636e }
.grid { stroke: #d1d9e0 }
.bar { fill: #afb8c1 }
.line { stroke: #818b98; fill: none; stroke-width: 2 }
.dot { fill: #818b98 }
.bar.ours, .dot.ours { fill: #0969da }
.line.ours { stroke: #0969da; stroke-width: 3 }
text.ours { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .soft { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .bar { fill: #656c76 }
  .line { stroke: #9198a1 }
  .dot { fill: #9198a1 }
  .bar.ours, .dot.ours { fill: #4493f8 }
  .line.ours { stroke: #4493f8 }
}
</style>`;

/** A panel of bars under a title; longer is better. */
export interface BarPanel {
  readonly title: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

/** Draws panels of horizontal bars, one below the other, to the same scale. */
export function drawBars(
  { title, unit, panels }: {
    readonly title: string;
    readonly unit: string;
    readonly panels: readonly BarPanel[];
  },
): string {
  const most = Math.max(...panels.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const room = WIDTH - BAR.left - BAR.right;
  const parts = [text(12, 24, title, "title")];
  let y = 52;
  for (const { title, bars } of panels) {
    parts.push(text(12, y, title, "soft"));
    y += 10;
    for (const { name, value } of bars) {
      const ours = OURS.test(name) ? " ours" : "";
      const width = Math.max(2, value / most * room).toFixed(1);
      parts.push(
        text(BAR.left - 8, y + 15, name, ours.trim(), "end"),
        `<rect class="bar${ours}" x="${BAR.left}" y="${y}" width="${width}" height="${BAR.height}" rx="2"/>`,
        text(BAR.left + Number(width) + 6, y + 15, `${digits(value)} ${unit}`.trim(), ours.trim()),
      );
      y += BAR.height + BAR.gap;
    }
    y += 24;
  }
  return svg(y - 16, title, parts);
}

/** A line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Draws lines over evenly spaced x values, named at their right ends. */
export function drawLines(
  { title, unit, series }: {
    readonly title: string;
    readonly unit: string;
    readonly series: readonly Series[];
  },
): string {
  const all = series.flatMap(({ points }) => points);
  const places = [...new Set(all.map(({ x }) => x))].sort((a, b) => a - b);
  const step = roundStep(Math.max(...all.map(({ y }) => y)) / 6);
  const top = Math.ceil(Math.max(...all.map(({ y }) => y)) / step) * step;
  const width = WIDTH - LINES.left - LINES.right;
  const bottom = LINES.top + LINES.height;
  const x = (place: number) =>
    LINES.left + (places.indexOf(place) + 0.25) * width / (places.length - 0.5);
  const y = (value: number) => bottom - value / top * LINES.height;
  const parts = [text(12, 24, title, "title")];
  for (let value = 0; value <= top; value += step) {
    parts.push(
      `<path class="grid" d="M${LINES.left} ${y(value).toFixed(1)}h${width}"/>`,
      text(LINES.left - 8, y(value) + 4, `${value}`, "soft", "end"),
    );
  }
  for (const place of places) {
    parts.push(text(x(place), bottom + 22, `${place} ${unit}`, "soft", "middle"));
  }
  const ends = series.map(({ name, points }) => ({ name, y: y(points.at(-1)!.y) }));
  const names = spread(ends, NAME_HEIGHT);
  // Ours last, on top of the others.
  const order = [...series].sort((a, b) => Number(OURS.test(a.name)) - Number(OURS.test(b.name)));
  for (const { name, points } of order) {
    const ours = OURS.test(name) ? " ours" : "";
    const line = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`);
    parts.push(
      `<polyline class="line${ours}" points="${line.join(" ")}"/>`,
      ...line.map((at) => at.split(",")).map(([cx, cy]) =>
        `<circle class="dot${ours}" cx="${cx}" cy="${cy}" r="3.5"/>`
      ),
      text(WIDTH - LINES.right + 12, names.get(name)! + 4, name, ours.trim()),
    );
  }
  return svg(bottom + LINES.bottom, title, parts);
}

/** Places names near their lines without overlap. */
function spread(
  ends: readonly { readonly name: string; readonly y: number }[],
  least: number,
): Map<string, number> {
  const places = new Map<string, number>();
  let last = Infinity;
  for (const { name, y } of [...ends].sort((a, b) => b.y - a.y)) {
    last = Math.min(y, last - least);
    places.set(name, last);
  }
  return places;
}

/** A step of 1, 2 or 5 times a power of ten. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((times) => times * power).find((round) => round >= step)!;
}

function svg(height: number, title: string, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
    height.toFixed(0)
  }" role="img"><title>${escaped(title)}</title>`;
  return [head, STYLE, ...parts, "</svg>\n"].join("\n");
}

function text(x: number, y: number, content: string, kind = "", anchor = ""): string {
  const names = kind === "" ? "" : ` class="${kind}"`;
  const at = anchor === "" ? "" : ` text-anchor="${anchor}"`;
  return `<text${names} x="${x.toFixed(1)}" y="${y.toFixed(1)}"${at}>${escaped(content)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function digits(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}
