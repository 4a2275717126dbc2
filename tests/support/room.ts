/** Runs many test files as one module, since each file alone would load and compile the library again. */

const TESTS = new URL("../", import.meta.url);

/** Modules imported for an effect on the whole process; tests that need one run separately from others. */
const EFFECTS = ["quick_refusals.ts", "memory_watch.ts"] as const;

/** Imports the test files of a folder, without those that need one of the effects. */
export async function importTests(folder: string): Promise<void> {
  await importThose((path) => path.startsWith(`${folder}/`) && effectOf(path) === undefined);
}

/** Imports the test files of the rooms that need this effect. */
export async function importTestsWith(effect: (typeof EFFECTS)[number]): Promise<void> {
  await importThose((path) => effectOf(path) === effect);
}

async function importThose(isWanted: (path: string) => boolean): Promise<void> {
  const folders = (await readFolder("rooms/")).map((name) => name.replace(/\.ts$/, "/"));
  const paths = await Promise.all(
    folders.map(async (folder) =>
      (await readFolder(folder)).filter((name) => name.endsWith("_test.ts"))
        .map((name) => `${folder}${name}`)
    ),
  );
  for (const path of paths.flat().filter(isWanted)) await import(new URL(path, TESTS).href);
}

async function readFolder(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(new URL(folder, TESTS))) names.push(name);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause; // a module for several folders
  }
  return names.sort();
}

function effectOf(path: string): string | undefined {
  const text = Deno.readTextFileSync(new URL(path, TESTS));
  return EFFECTS.find((effect) => text.includes(`/${effect}"`));
}
