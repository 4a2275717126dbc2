const BAR_COLUMNS = 20;
const CLEAR_LINE = "\r\x1b[K";

/** What is known of a transfer under way. */
export interface ProgressState {
  readonly transferred: number;
  readonly total: number;
  /** Bytes a second. */
  readonly rate: number;
}

/** One line on a terminal that shows how far a transfer is; nothing where there is no terminal. */
export class ProgressLine implements Disposable {
  readonly #label: string;
  readonly #out: { writeSync(bytes: Uint8Array): number } | null;
  #shown = false;

  /** @param label What is being transferred */
  constructor(label: string, out: Terminal = Deno.stdout) {
    this.#label = label;
    this.#out = out.isTerminal() ? out : null;
  }

  /** Draws the line anew. */
  update(state: ProgressState): void {
    if (this.#out === null) return;
    this.#shown = true;
    this.#write(`${CLEAR_LINE}${fit(`${this.#label}  ${progressText(state)}`, columns())}`);
  }

  /** Leaves the line as it is and goes on to the next. */
  keep(): void {
    if (this.#shown) this.#write("\n");
    this.#shown = false;
  }

  /** Wipes the line. */
  [Symbol.dispose](): void {
    if (this.#shown) this.#write(CLEAR_LINE);
    this.#shown = false;
  }

  #write(text: string): void {
    this.#out?.writeSync(new TextEncoder().encode(text));
  }
}

/** A stream that may be a terminal. */
export interface Terminal {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

/** A bar, the percentage, the bytes, the rate and the time that is left. */
export function progressText({ transferred, total, rate }: ProgressState): string {
  const part = total === 0 ? 1 : Math.min(transferred / total, 1);
  const full = Math.floor(part * BAR_COLUMNS);
  const bar = "█".repeat(full) + "░".repeat(BAR_COLUMNS - full);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  const left = rate > 0 ? Math.ceil((total - transferred) / rate) : Infinity;
  const fields = [sizeText(transferred).padStart(9), rateText(rate).padStart(10), clock(left)];
  return `${bar} ${percent} ${fields.join(" ")}`;
}

/** Bytes as people read them: `256 MiB`. */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(bytes) || bytes >= 100 ? 0 : 1;
  return `${bytes.toFixed(digits)} ${units[unit]}`;
}

/** Bytes a second as `512 MB/s`. */
export function rateText(rate: number): string {
  const mega = rate / 1e6;
  return `${mega.toFixed(mega >= 100 ? 0 : 1)} MB/s`;
}

function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return "  --:--";
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`.padStart(7);
}

function fit(line: string, columns: number): string {
  return line.length < columns ? line : line.slice(0, Math.max(columns - 1, 0));
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}
