import { printable } from "../../errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { terminalSize } from "../../terminal/size.ts";
const CLEAR_LINE = "\r\x1b[K";
/** Columns after the name. */
const FIGURE_COLUMNS = 36;
const UNITS = " KMGT";

/** The state of a transfer. */
export interface ProgressState {
  readonly transferred: number;
  readonly total: number;
  /** Bytes per second. */
  readonly rate: number;
}

/** Options of a meter. */
export interface ProgressMeterOptions {
  /** Whether the last line stays or is cleared at the end; stays unless given. */
  readonly atEnd?: "keep" | "clear";
  /** The output, used only if it is a terminal; standard output unless given. */
  readonly out?: { isTerminal(): boolean; writeSync(bytes: Uint8Array): number };
}

/** Draws the progress line of OpenSSH's programs, if the output is a terminal. */
export class ProgressMeter implements Disposable {
  readonly #name: string;
  readonly #out: ProgressMeterOptions["out"] | null;
  readonly #atEnd: "keep" | "clear";
  readonly #started: number = performance.now();
  #state: ProgressState = { transferred: 0, total: 0, rate: 0 };
  #shown = false;

  /** @param name The name of what is transferred, which may come from a server */
  constructor(
    name: string,
    { atEnd = "keep", out = runtime.terminal.stdout }: ProgressMeterOptions = {},
  ) {
    this.#name = printable(name);
    this.#out = out.isTerminal() ? out : null;
    this.#atEnd = atEnd;
  }

  /** Redraws the line. */
  update(state: ProgressState): void {
    this.#state = state;
    const left = state.rate > 0 ? (state.total - state.transferred) / state.rate : null;
    this.#shown = this.#out !== null;
    if (this.#shown) {
      this.#write(CLEAR_LINE + meterLine(this.#name, state, { left, done: false }, columns()));
    }
  }

  /** Clears the line until the next update, so that something else can be printed. */
  clear(): void {
    if (this.#shown) this.#write(CLEAR_LINE);
  }

  /** Ends the line with the duration of the transfer, or clears it. */
  [Symbol.dispose](): void {
    if (!this.#shown) return;
    this.#shown = false;
    if (this.#atEnd === "clear") return this.#write(CLEAR_LINE);
    const left = (performance.now() - this.#started) / 1000;
    const line = meterLine(this.#name, this.#state, { left, done: true }, columns());
    this.#write(`${CLEAR_LINE}${line}\n`);
  }

  #write(text: string): void {
    this.#out?.writeSync(new TextEncoder().encode(text));
  }
}

/** The line: name, percentage, bytes, rate, and the seconds left or taken. */
export function meterLine(
  name: string,
  { transferred, total, rate }: ProgressState,
  time: { readonly left: number | null; readonly done: boolean },
  columns: number,
): string {
  const room = Math.max(columns - FIGURE_COLUMNS, 0);
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

/** Up to three digits, one decimal, and a unit: ` 12.3MB`; always in kibibytes or more. */
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
  return terminalSize()?.columns || 80;
}
