/** Every test file runs once in `deno task test`: directly, or in its folder's module. */
import { assertEquals } from "@std/assert";

const tests = new URL("./", import.meta.url);

Deno.test("Every folder of tests has a module in rooms/, or is named in deno.json", async () => {
  const { test: { include } } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", tests)));
  const found = [...Deno.readDirSync(tests)].filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => ({ name, files: testsBelow(`${name}/`) }))
    .filter(({ name, files }) => name !== "interop" && files.length > 0);
  const rooms = [...Deno.readDirSync(new URL("rooms/", tests))]
    .map(({ name }) => name.replace(/\.ts$/, ""));
  const times = found.map(({ name }) => [
    name,
    Number(include.includes(`tests/${name}`)) + Number(rooms.includes(name)),
  ]);
  assertEquals(times, found.map(({ name }) => [name, 1]));
  // A module covers one folder without its subfolders.
  const inner = found.filter(({ name }) => rooms.includes(name))
    .flatMap(({ files }) => files.filter((file) => file.split("/").length > 2));
  assertEquals(inner, []);
});

Deno.test("Each module in rooms/ imports the tests of the folder with its name", async () => {
  for (const { name } of Deno.readDirSync(new URL("rooms/", tests))) {
    const text = await Deno.readTextFile(new URL(`rooms/${name}`, tests));
    const room = name.replace(/\.ts$/, "");
    const calls = [`importTests("${room}")`, `importTestsWith("${name}")`];
    assertEquals(calls.filter((call) => text.includes(`await ${call};\n`)).length, 1, name);
  }
});

function testsBelow(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, tests))].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return testsBelow(`${folder}${name}/`);
    return name.endsWith("_test.ts") ? [`${folder}${name}`] : [];
  });
}
