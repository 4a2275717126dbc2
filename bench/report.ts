/** What a run of the suite has found: printed as it comes, and kept for the JSON file. */
import { alignTable } from "./peers/table.ts";

/** How long and how much to measure. */
export interface BenchOptions {
  /** Two minutes for everything: fewer cases, shorter runs. */
  readonly quick: boolean;
}

/** A part of the suite that can be run by its name. */
export interface Section {
  readonly name: string;
  readonly run: (report: Report, options: BenchOptions) => Promise<void>;
}

/** A table as it was printed. */
export interface Table {
  /** The section that it is of; none for the marks, which are of all. */
  readonly section: string;
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Collects what the sections find. */
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

  /** What was printed. */
  get tables(): readonly Table[] {
    return this.#tables;
  }

  /** The sections that did not come to their end, and why. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Runs a section; one that fails does not keep the others from running. */
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

  /** Prints a line: who is missing, or what a figure leaves out. */
  note(text: string): void {
    this.#notes.push(text);
    console.log(text);
  }

  /** Keeps a figure that a mark is about. */
  figure(name: string, value: number): void {
    this.#figures.set(name, value);
  }

  /** Keeps measurements as they are for the JSON file. */
  data(name: string, value: unknown): void {
    this.#data.set(name, value);
  }

  /** What a section has kept under the name. */
  kept(name: string): unknown {
    return this.#data.get(name);
  }

  /** All of it, for the JSON file. */
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
