import { printable } from "../../errors.ts";
import type { ProgressState, Terminal } from "./progress.ts";

const CLEAR_LINE = "\r\x1b[K";
/** Columns behind the name. */
const FIGURES = 36;
const UNITS = " KMGT";

/** How far a transfer is, in the line that OpenSSH's programs draw; nothing where there is no terminal. */
export class Meter implements Disposable {
  readonly #name: string;
  readonly #out: Terminal | null;
  readonly #started: number = performance.now();
  #state: ProgressState = { transferred: 0, total: 0, rate: 0 };
  #shown = false;

  /** @param name What is transferred, as a server may have named it */
  constructor(name: string, out: Terminal = Deno.stdout) {
    this.#name = printable(name);
    this.#out = out.isTerminal() ? out : null;
  }

  /** Draws the line anew. */
  update(state: ProgressState): void {
    this.#state = state;
    const left = state.rate > 0 ? (state.total - state.transferred) / state.rate : null;
    this.#draw(meterLine(this.#name, state, { left, done: false }, columns()));
  }

  /** Leaves the line with how long it took, and goes on to the next. */
  [Symbol.dispose](): void {
    if (!this.#shown) return;
    const left = (performance.now() - this.#started) / 1000;
    this.#draw(meterLine(this.#name, this.#state, { left, done: true }, columns()));
    this.#write("\n");
    this.#shown = false;
  }

  #draw(line: string): void {
    if (this.#out === null) return;
    this.#shown = true;
    this.#write(CLEAR_LINE + line);
  }

  #write(text: string): void {
    this.#out?.writeSync(new TextEncoder().encode(text));
  }
}

/** The line: the name, the share, the bytes, the rate, the seconds that are left or that it took. */
export function meterLine(
  name: string,
  { transferred, total, rate }: ProgressState,
  time: { readonly left: number | null; readonly done: boolean },
  columns: number,
): string {
  const room = Math.max(columns - FIGURES, 0);
  const share = total === 0 ? 100 : Math.min(Math.floor(transferred / total * 100), 100);
  const label = name.slice(0, room).padEnd(room);
  const figures = `${share}%`.padStart(5) + ` ${sizeColumn(transferred)} ${rateColumn(rate)}/s`;
  return `${label}${figures} ${clockColumn(time.left)}${time.done ? "    " : " ETA"}`;
}

/** Up to four digits and a unit: ` 358KB`. */
function sizeColumn(bytes: number): string {
  let unit = 0;
  for (; bytes >= 10_000 && unit < UNITS.length - 1; unit++) {
    bytes = Math.floor((bytes + 512) / 1024);
  }
  return `${Math.floor(bytes)}`.padStart(4) + UNITS[unit] + (unit > 0 ? "B" : " ");
}

/** Up to three digits, one behind the point, and a unit: ` 12.3MB`; always in kibibytes or more. */
function rateColumn(rate: number): string {
  let unit = 1;
  let value = rate / 1024;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value.toFixed(1).padStart(5)}${UNITS[unit]}B`;
}

function clockColumn(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return "  --:--";
  const whole = Math.max(Math.round(seconds), 0);
  const two = (value: number) => `${value}`.padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours > 0 ? `${hours}:` : "  "}${two(minutes)}:${two(whole % 60)}`;
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}
