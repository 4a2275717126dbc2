/** Runs tests on a copy of the repository in which one file is changed. */

/** The result of a change; `late` if the tests exceeded the time limit. */
export type Outcome = "noticed" | "late" | "survived" | "invalid" | "harmless";

/** Milliseconds allowed beyond three times the duration of the unchanged tests. */
const GRACE_MS = 20_000;
const COPIED = [
  "lib",
  "tests",
  "wasm/pkg",
  "wasm/reference",
  "examples",
  "README.md",
  "mod.ts",
  "deno.json",
];

/** One copy of the repository. */
export class Worker implements AsyncDisposable {
  readonly #folder: string;
  /** The duration of each ring of tests without a change, in milliseconds. */
  readonly #usual = new Map<string, number>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(root: URL): Promise<Worker> {
    const folder = await Deno.makeTempDir({ prefix: "mutate-" });
    await Deno.mkdir(`${folder}/wasm`);
    for (const path of COPIED) {
      const args = ["-r", new URL(path, root).pathname, `${folder}/${path}`];
      await new Deno.Command("cp", { args }).output();
    }
    return new Worker(folder);
  }

  /**
   * Runs rings of tests on the changed file, the nearest first, until one fails.
   *
   * @throws {Error} If tests fail without the change
   */
  async run(file: string, changed: string, rings: readonly string[][]): Promise<Outcome> {
    const path = `${this.#folder}/${file}`;
    for (const tests of rings.filter((ring) => ring.length > 0)) {
      const limit = await this.#limitOf(tests);
      const original = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, changed);
      try {
        const outcome = await this.#test(tests, limit);
        if (outcome !== "survived") return outcome;
      } finally {
        await Deno.writeTextFile(path, original);
      }
    }
    return "survived";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #limitOf(tests: readonly string[]): Promise<number> {
    const key = tests.join();
    let usual = this.#usual.get(key);
    if (usual === undefined) {
      const start = performance.now();
      const outcome = await this.#test(tests, 10 * 60_000);
      if (outcome !== "survived") {
        throw new Error(`Tests fail without a change: ${tests.join(" ")}`);
      }
      usual = performance.now() - start;
      this.#usual.set(key, usual);
    }
    return 3 * usual + GRACE_MS;
  }

  async #test(tests: readonly string[], limit: number): Promise<Outcome> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--fail-fast", "--quiet", ...await this.#modules(tests)],
      cwd: this.#folder,
      // As in `deno task test`, leaks are detected.
      env: { NO_COLOR: "1", DENO_TEST_SANITIZE_OPS: "1", DENO_TEST_SANITIZE_RESOURCES: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended, and its output is still being read */ }
    }, limit);
    const { success, stdout, stderr } = await child.output();
    clearTimeout(timer);
    if (success) return "survived";
    if (late) return "late";
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const invalid = /could not be parsed|SyntaxError: (?!.*JSON)/.test(text) &&
      !/\d+ (passed|failed)/.test(text);
    return invalid ? "invalid" : "noticed";
  }

  /**
   * Runs the files of a folder as one module if `deno task test` does, since each file alone would compile
   * the library again.
   */
  async #modules(tests: readonly string[]): Promise<readonly string[]> {
    const [room, ...others] = new Set(tests.map((test) => test.split("/")[1]!));
    const module = `${this.#folder}/tests/rooms/${room}.ts`;
    const isRoom = await Deno.stat(module).catch(() => null) !== null;
    if (!isRoom || others.length > 0) return tests;
    const ring = `${this.#folder}/ring_test.ts`;
    await Deno.writeTextFile(ring, tests.map((test) => `import "./${test}";\n`).join(""));
    return [ring];
  }
}
