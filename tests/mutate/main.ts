/**
 * Mutation testing: changes one small thing at a time, runs the hermetic tests that import the file,
 * and prints the changes that no test detected.
 *
 * ```sh
 * deno task mutate lib/transport lib/connection/window.ts --sample 200 --seed 1
 * ```
 *
 * - `--operators a,b`: of condition, comparison, logic, literal, number, await, statement, using
 * - `--sample N`: this many changes, selected by `--seed`; all unless given
 * - `--list FILE`: the changes of a list instead; see `list.ts`
 * - `--workers N`: changes tested in parallel; the number of cores unless given
 * - `--near`: only the tests of the same folder, which is faster and detects less
 */
import { noise } from "../support/random.ts";
import { ImportGraph } from "./imports.ts";
import { type Entry, mutationOf, parseList } from "./list.ts";
import { mutate, type Mutation, mutationsOf, OPERATORS } from "./operators.ts";
import { type Outcome, Worker } from "./worker.ts";

interface Options {
  readonly paths: readonly string[];
  readonly operators: readonly string[];
  readonly sample: number;
  readonly seed: number;
  readonly list: string | null;
  readonly workers: number;
  readonly near: boolean;
}

interface Task {
  readonly file: string;
  readonly mutation: Mutation;
}

const root = new URL("../../", import.meta.url);

if (import.meta.main) Deno.exit(await main(parseOptions(Deno.args)));

async function main(options: Options): Promise<number> {
  const files = await filesOf(options.paths);
  const sources = new Map(
    await Promise.all(
      files.map(async (file) => [file, await Deno.readTextFile(new URL(file, root))] as const),
    ),
  );
  const tasks = options.list === null
    ? sampled(operatorTasks(sources, options.operators), options)
    : await listTasks(options.list);
  const harmless = parseList(
    await Deno.readTextFile(new URL("tests/mutate/harmless.txt", root)).catch(() => ""),
  );
  const tests = await testsOf([...new Set(tasks.map(({ file }) => file))], options.near);
  const score = { noticed: 0, late: 0, survived: 0, invalid: 0, harmless: 0 };

  const waiting = tasks.toReversed();
  await Promise.all(Array.from({ length: options.workers }, async () => {
    await using worker = await Worker.start(root);
    for (let task; (task = waiting.pop()) !== undefined;) {
      const source = sources.get(task.file) ?? await Deno.readTextFile(new URL(task.file, root));
      const rings = tests.get(task.file)!;
      const outcome: Outcome = isListed(harmless, task, source)
        ? "harmless"
        : await worker.run(task.file, mutate(source, task.mutation), rings);
      score[outcome]++;
      if (outcome === "survived") console.log(describe(task, source));
      if (outcome === "late") console.log(`# by the time limit alone\n${describe(task, source)}`);
    }
  }));

  const noticed = score.noticed + score.late;
  const judged = noticed + score.survived;
  const percent = judged === 0 ? 100 : Math.floor(1000 * noticed / judged) / 10;
  console.log(
    `${noticed} noticed, ${score.late} of them by the time limit alone, ` +
      `${score.survived} survived (${percent} %), ` +
      `${score.harmless} known to be harmless, ${score.invalid} that do not compile`,
  );
  return 0;
}

function operatorTasks(sources: ReadonlyMap<string, string>, names: readonly string[]): Task[] {
  return [...sources].flatMap(([file, source]) =>
    mutationsOf(source, names).map((mutation) => ({ file, mutation }))
  );
}

async function listTasks(path: string): Promise<Task[]> {
  return await Promise.all(
    parseList(await Deno.readTextFile(path)).map(async (entry) => {
      const source = await Deno.readTextFile(new URL(entry.file, root));
      return { file: entry.file, mutation: mutationOf(source, entry) };
    }),
  );
}

function sampled(tasks: Task[], { sample, seed }: Options): Task[] {
  if (tasks.length <= sample) return tasks;
  const order = new Uint32Array(noise(4 * tasks.length, seed).buffer);
  const shuffled = tasks.map((task, index) => ({ task, key: order[index]! }))
    .sort((a, b) => a.key - b.key);
  return shuffled.slice(0, sample).map(({ task }) => task);
}

/**
 * Rings of test files for each file: those with its name, the other tests of its folder, then the
 * others that import it.
 */
async function testsOf(files: readonly string[], near: boolean): Promise<Map<string, string[][]>> {
  const { imports, exports, name } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  const entrypoints = Object.entries<string>(exports)
    .map(([key, path]) => [key.replace(/^\./, name), path]);
  const graph = new ImportGraph(root, { ...imports, ...Object.fromEntries(entrypoints) });
  const tests = (await filesOf(["tests"], /_test\.ts$/))
    .filter((file) => !file.startsWith("tests/interop/") && !file.startsWith("tests/mutate/"));
  return new Map(files.map((file) => {
    const room = file.split("/")[1]!;
    const reaching = tests.filter((test) => graph.reach(test).has(file));
    const own = reaching.filter((test) => test.startsWith(`tests/${room}/`));
    const named = own.filter((test) => isNamedFor(test, file));
    const rest = own.filter((test) => !named.includes(test));
    return [file, [named, rest, near ? [] : reaching.filter((test) => !own.includes(test))]];
  }));
}

/** Whether a test has a file's name, or the beginning of it: `krl_test.ts` is for `krl_format.ts`, too. */
function isNamedFor(test: string, file: string): boolean {
  const name = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  return name(file).startsWith(name(test).replace(/_test\.ts$/, ""));
}

async function filesOf(paths: readonly string[], pattern = /\.ts$/): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths.map((path) => path.replace(/\/$/, ""))) {
    const { isDirectory } = await Deno.stat(new URL(path, root));
    if (!isDirectory) files.push(path);
    else {
      for await (const entry of Deno.readDir(new URL(`${path}/`, root))) {
        const below = `${path}/${entry.name}`;
        if (entry.isDirectory) files.push(...await filesOf([below], pattern));
        else if (pattern.test(entry.name)) files.push(below);
      }
    }
  }
  return files.sort();
}

function isListed(harmless: readonly Entry[], { file, mutation }: Task, source: string): boolean {
  const [original, mutated] = lines(source, mutation);
  return harmless.some((entry) =>
    entry.file === file && entry.original === original && entry.mutated === mutated
  );
}

function describe({ file, mutation }: Task, source: string): string {
  const [original, mutated] = lines(source, mutation);
  const line = source.slice(0, mutation.from).split("\n").length;
  return `# ${file}:${line} (${mutation.operator})\n${file}\n- ${original}\n+ ${mutated}\n`;
}

/** The lines that a change is in, before and after, without indentation. */
function lines(source: string, mutation: Mutation): [string, string] {
  const start = source.lastIndexOf("\n", mutation.from) + 1;
  const end = source.indexOf("\n", mutation.to - 1);
  const after = mutate(source, mutation);
  const tail = source.length - (end === -1 ? source.length : end);
  const text = (from: string) =>
    from.slice(start, from.length - tail).split("\n").map((line) => line.trim()).join(" ");
  return [text(source), text(after)];
}

function parseOptions(args: readonly string[]): Options {
  const paths: string[] = [];
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (!arg.startsWith("--")) paths.push(arg);
    else given.set(arg.slice(2), arg === "--near" ? "" : args[++at] ?? "");
  }
  const list = given.get("list") ?? null;
  if (paths.length === 0 && list === null) throw new TypeError("Name files or folders of lib/");
  return {
    paths,
    operators: given.get("operators")?.split(",") ?? Object.keys(OPERATORS),
    sample: Number(given.get("sample") ?? Infinity),
    seed: Number(given.get("seed") ?? 1),
    list,
    workers: Number(given.get("workers") ?? navigator.hardwareConcurrency),
    near: given.has("near"),
  };
}
