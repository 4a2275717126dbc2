import { assertEquals, assertRejects } from "@std/assert";
import { globMatcher } from "../../lib/patterns.ts";
import { readConfig } from "../../lib/config/mod.ts";
import { ConfigError } from "../../lib/errors.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";

Deno.test("Several files are read in order, and the first value wins", async () => {
  await using folder = await tempFolder();
  const first = await folder.write("first", "Port 1\n");
  const second = await folder.write("second", "Port 2\nUser two\n");
  const { Port, User } = await (await readConfig([first, second])).lookup("x");
  assertEquals([Port, User], [1, "two"]);
  const { User: same } = await (await readConfig(new URL(`file://${second}`))).lookup("x");
  assertEquals(same, "two");
});

Deno.test("A named file must exist", async () => {
  await assertRejects(() => readConfig("/nonexistent/config"), ConfigError, "No such file");
});

Deno.test("Files that include each other are refused", async () => {
  await using folder = await tempFolder();
  const a = await folder.write("a", `Include ${folder.join("b")}\n`);
  await folder.write("b", `Include ${folder.join("a")}\n`);
  await assertRejects(() => readConfig(a), ConfigError, "Too many recursive");
});

Deno.test("Files that include endlessly more files are refused", async () => {
  await using folder = await tempFolder();
  const line = (depth: number) => `Include ${`${folder.join(`f${depth + 1}`)} `.repeat(8)}\n`;
  for (let depth = 0; depth < 12; depth++) await folder.write(`f${depth}`, line(depth));
  await assertRejects(() => readConfig(folder.join("f0")), ConfigError, "Too many recursive");
});

Deno.test("The includes of a named file are in the user's folder", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"));
  await folder.write(".ssh/inner", "Port 1\n");
  await folder.write("other", "User ann\n");
  const outer = await folder.write("outer", "Include inner ~/other\n");
  using _env = fakeEnv({ HOME: folder.path });
  const { Port, User } = await (await readConfig(outer)).lookup("x");
  assertEquals([Port, User], [1, "ann"]);
});

Deno.test("An included file that is writable by others is refused", async () => {
  await using folder = await tempFolder();
  const inner = await folder.write("inner", "Port 1\n");
  const outer = await folder.write("outer", `Include ${inner}\n`);
  await Deno.chmod(outer, 0o666); // as in ssh, a file that is named itself may be anything
  assertEquals((await (await readConfig(outer)).lookup("x")).Port, 1);
  await Deno.chmod(inner, 0o622);
  await assertRejects(() => readConfig(outer), ConfigError, "Bad owner or permissions");
});

Deno.test("~/.ssh/config is read by default, and its relative includes are in ~/.ssh", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh/conf.d"), { recursive: true });
  await folder.write(".ssh/config", "Include conf.d/*.conf ~/more\nHost *\n  User last\n");
  await folder.write(".ssh/conf.d/10-web.conf", "Host web\n  Port 10\n");
  await folder.write(".ssh/conf.d/20-web.conf", "Host web\n  Port 20\n  Compression yes\n");
  await folder.write(".ssh/conf.d/.hidden.conf", "Port 99\n");
  await folder.write("more", "Host web\n  User more\n");
  const program = `
    import { readConfig } from "@denossh/ssh/config";
    const { Port, Compression, User } = await (await readConfig()).lookup("web");
    console.log(JSON.stringify([Port, Compression, User]));
  `;
  assertEquals(await evaluated(program, folder.path), [10, true, "more"]);
  await Deno.chmod(folder.join(".ssh/config"), 0o602);
  const refused = `
    import { readConfig } from "@denossh/ssh/config";
    console.log(JSON.stringify(await readConfig().catch((error) => error.message)));
  `;
  assertEquals(
    await evaluated(refused, folder.path),
    `Bad owner or permissions on ${folder.path}/.ssh/config [config]`,
  );
});

Deno.test("A file without read permission is reported, without a permission prompt", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
  await folder.write(".ssh/config", "Include ~/elsewhere/*.conf\n", 0o600);
  const program = `
    import { connect } from "@denossh/ssh";
    const given = { user: "ann", auth: [], hostKeys: () => true };
    console.log(JSON.stringify(await connect("db1", given).catch((error) => error.message)));
  `;
  const flags = ["--allow-net", "--allow-env=HOME", `--allow-read=${folder.path}/.ssh`];
  assertEquals(
    await evaluated(program, folder.path, ["--no-prompt", ...flags]),
    `${folder.path}/.ssh/config line 1: include ~/elsewhere/*.conf needs ` +
      `--allow-read=${folder.path}/elsewhere/ [config]`,
  );
});

const globs: [string, string, boolean][] = [
  ["*.conf", "a.conf", true],
  ["*.conf", ".a.conf", false],
  [".*.conf", ".a.conf", true],
  ["?.conf", "ab.conf", false],
  ["[ab]x", "bx", true],
  ["[!ab]x", "bx", false],
  ["[a-c]x", "bx", true],
  ["[]]x", "]x", true],
  ["[z-a]x", "bx", false],
  ["a\\*", "a*", true],
  ["a\\*", "ab", false],
  ["a+(b)", "a+(b)", true],
];

for (const [pattern, name, wanted] of globs) {
  Deno.test(`The pattern ${pattern} ${wanted ? "matches" : "does not match"} ${name}`, () => {
    assertEquals(globMatcher(pattern)(name), wanted);
  });
}

async function evaluated(
  program: string,
  home: string,
  flags: readonly string[] = ["-A"],
): Promise<unknown> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { text, stderr } = await run(Deno.execPath(), [
    "run",
    ...flags,
    "--no-check",
    `--config=${config}`,
    "--ext=ts",
    "-",
  ], { env: { HOME: home }, stdin: program });
  if (text === "") throw new Error(stderr);
  return JSON.parse(text);
}
