/** The results of a run: printed at once, and kept for the JSON file. */
import { alignTable } from "./peers/table.ts";

/** How long and how much to measure. */
export interface BenchOptions {
  /** Fewer cases and shorter runs: two minutes in all. */
  readonly quick: boolean;
}

/** A part of the suite that can be run by its name. */
export interface Section {
  readonly name: string;
  readonly run: (report: Report, options: BenchOptions) => Promise<void>;
}

/** A table as it was printed. */
export interface Table {
  /** Its section; none for the table of marks. */
  readonly section: string;
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Collects the results of the sections. */
export class Report {
  readonly #tables: Table[] = [];
  readonly #notes: string[] = [];
  readonly #figures = new Map<string, number>();
  readonly #data = new Map<string, unknown>();
  readonly #sections: { name: string; seconds: number; load: number }[] = [];
  readonly #failures: string[] = [];
  #section = "";

  /** The figures that marks are about, by name. */
  get figures(): ReadonlyMap<string, number> {
    return this.#figures;
  }

  /** The printed tables. */
  get tables(): readonly Table[] {
    return this.#tables;
  }

  /** The sections that failed, and why. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Runs a section; after a failure the other sections still run. */
  async run(section: Section, options: BenchOptions): Promise<void> {
    this.#section = section.name;
    const began = performance.now();
    try {
      await section.run(this, options);
    } catch (error) {
      this.#failures.push(`${section.name}: ${error}`);
      console.error(`\n${section.name} failed:`, error);
    }
    const seconds = (performance.now() - began) / 1000;
    const load = Deno.loadavg()[0]!;
    this.#sections.push({ name: section.name, seconds, load });
    this.#section = "";
    console.log(`(${section.name}: ${seconds.toFixed(0)} s, load ${load.toFixed(1)})`);
  }

  /** Prints a table. */
  table(
    title: string,
    header: readonly string[],
    rows: readonly (readonly string[])[],
  ): void {
    this.#tables.push({ section: this.#section, title, header, rows });
    console.log(alignTable(title, header, rows));
  }

  /** Prints a line, such as a missing peer or a limit of a figure. */
  note(text: string): void {
    this.#notes.push(text);
    console.log(text);
  }

  /** Keeps a figure for a mark. */
  figure(name: string, value: number): void {
    this.#figures.set(name, value);
  }

  /** Keeps measurements as they are for the JSON file. */
  data(name: string, value: unknown): void {
    this.#data.set(name, value);
  }

  /** The data that a section kept under the name. */
  kept(name: string): unknown {
    return this.#data.get(name);
  }

  /** Everything, for the JSON file. */
  toJSON(): Record<string, unknown> & { readonly data: Readonly<Record<string, unknown>> } {
    return {
      sections: this.#sections,
      tables: this.#tables,
      notes: this.#notes,
      figures: Object.fromEntries(this.#figures),
      data: Object.fromEntries(this.#data),
      failures: this.#failures,
    };
  }
}
