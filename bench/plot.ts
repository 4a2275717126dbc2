/** Plots throughput by round trip for each window, as SVG: measurements solid, window / RTT dashed. */
import { sizeText } from "./lab.ts";
import type { Window, WindowCell } from "./sections/windows.ts";

const PANEL = { width: 420, height: 320, left: 60, top: 40, gap: 70, bottom: 60 };
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#222222", "#e69f00"];

/** Draws downloads and uploads next to each other. */
export function plotWindows(cells: readonly WindowCell[]): string {
  const roundTrips = [...new Set(cells.map((cell) => cell.roundTrip))].sort((a, b) => a - b);
  const windows = [...new Set(cells.map((cell) => cell.window))];
  const rates = cells.map((cell) => cell.steady).filter((rate) => rate > 0);
  const decades = {
    low: Math.floor(Math.log10(Math.min(...rates))),
    high: Math.ceil(Math.log10(Math.max(...rates))),
  };
  const width = 2 * PANEL.width + PANEL.left + PANEL.gap + 20;
  const height = PANEL.top + PANEL.height + PANEL.bottom + 20;
  const panels = (["down", "up"] as const).map((direction, i) =>
    panel(
      direction,
      cells.filter((cell) => cell.direction === direction),
      { left: PANEL.left + i * (PANEL.width + PANEL.gap), roundTrips, windows, ...decades },
    )
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    ...panels.flat(),
    ...legend(windows, height - 22),
    "</svg>\n",
  ].join("\n");
}

interface Axes {
  readonly left: number;
  readonly roundTrips: readonly number[];
  readonly windows: readonly Window[];
  readonly low: number;
  readonly high: number;
}

function panel(direction: string, cells: readonly WindowCell[], axes: Axes): string[] {
  const { left, roundTrips, windows, low, high } = axes;
  const bottom = PANEL.top + PANEL.height;
  // Round trips are evenly spaced: to scale, the small ones would overlap.
  const x = (roundTrip: number) =>
    left + (roundTrips.indexOf(roundTrip) + 0.5) * PANEL.width / roundTrips.length;
  const y = (rate: number) => {
    const share = (Math.log10(rate) - low) / (high - low);
    return bottom - Math.min(1, Math.max(0, share)) * PANEL.height;
  };
  const parts = [label(left + PANEL.width / 2, 24, `exec ${direction}: MB/s by round trip`)];
  for (let decade = low; decade <= high; decade++) {
    const at = y(10 ** decade).toFixed(1);
    parts.push(
      `<path d="M${left} ${at}h${PANEL.width}" stroke="#dddddd"/>`,
      `<text x="${left - 6}" y="${Number(at) + 4}" text-anchor="end">${10 ** decade}</text>`,
    );
  }
  for (const roundTrip of roundTrips) {
    parts.push(label(x(roundTrip), bottom + 18, `${roundTrip} ms`));
  }
  windows.forEach((window, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const own = cells.filter((cell) => cell.window === window && cell.steady > 0);
    const points = own.map((cell) => [x(cell.roundTrip), y(cell.steady)] as const);
    const line = own.filter(({ line }) => Number.isFinite(line))
      .map((cell) => [x(cell.roundTrip), y(cell.line)] as const);
    parts.push(
      `<polyline points="${pairs(points)}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...(line.length === 0 ? [] : [
        `<polyline points="${pairs(line)}" fill="none" stroke="${colour}" stroke-dasharray="5 4"/>`,
      ]),
      ...points.map(([cx, cy]) =>
        `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="3" fill="${colour}"/>`
      ),
    );
  });
  return parts;
}

function legend(windows: readonly Window[], y: number): string[] {
  const names = [
    ...windows.map((window) => window === "auto" ? "auto" : sizeText(window)),
    "dashed: window / round trip",
  ];
  return names.flatMap((name, i) => {
    const x = PANEL.left + i * 120;
    const colour = i < windows.length ? COLOURS[i % COLOURS.length]! : "#888888";
    const dash = i < windows.length ? "" : ` stroke-dasharray="5 4"`;
    return [
      `<path d="M${x} ${y}h24" stroke="${colour}" stroke-width="2"${dash}/>`,
      `<text x="${x + 30}" y="${y + 4}">${name}</text>`,
    ];
  });
}

function label(x: number, y: number, text: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="middle">${text}</text>`;
}

function pairs(points: readonly (readonly [number, number])[]): string {
  return points.map((point) => point.map((n) => n.toFixed(1)).join(",")).join(" ");
}
